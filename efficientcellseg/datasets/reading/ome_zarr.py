"""Reads OME-Zarr: the largest level of each image, chunk by chunk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ctc_eval.format import InputError
from efficientcellseg.datasets.reading.stored import Spacing, Stored, stored_array

# What OME-Zarr calls units of length and time, in micrometers and seconds.
MICROMETERS_OF = {
    "micrometer": 1.0,
    "nanometer": 1e-3,
    "millimeter": 1e3,
    "angstrom": 1e-4,
    "meter": 1e6,
}
SECONDS_OF = {"second": 1.0, "millisecond": 1e-3, "minute": 60.0, "hour": 3600.0}


def is_zarr(folder: Path) -> bool:
    """Tell whether a folder is a Zarr group or array.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    bool
    """
    return any((folder / name).is_file() for name in (".zgroup", ".zarray", "zarr.json"))


def read_zarr(folder: Path) -> list[Stored]:
    """Open the image in an OME-Zarr folder, version 0.4 or 0.5.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of Stored

    Raises
    ------
    InputError
        No image by OME's rules, or a damaged one.
    """
    import zarr

    about = _attributes(folder)
    try:
        image = about["multiscales"][0]
        axes = [one if isinstance(one, str) else one["name"] for one in image["axes"]]
        level = image["datasets"][0]
        changes = level.get("coordinateTransformations", [])
        scale: list[float] = next((one["scale"] for one in changes if "scale" in one), [])
        if not (folder / level["path"]).resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"a level outside of it, {level['path']}")
        array = zarr.open_array(folder / level["path"], mode="r")
        if len(axes) != array.ndim:
            raise ValueError(f"{array.ndim} axes, {len(axes)} of them named")
        channels = [str(one["label"]) for one in about.get("omero", {}).get("channels", [])]
        spacing, interval = _scale_of(image["axes"], scale)
    except Exception as error:
        # What describes an image may be anything; to the user it all means one thing.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{folder}: cannot be read as OME-Zarr ({reason}); expected an image, its multiscales "
            "and axes described: name the folder of one image, or save it again",
            code="zarr-unreadable",
        ) from None
    name = folder.name.removesuffix(".zarr").removesuffix(".ome")
    letters = "".join(axes).upper()
    return [
        stored_array(
            folder,
            name,
            letters,
            array,
            spacing=spacing,
            interval=interval,
            channels=tuple(channels),
        )
    ]


def _attributes(folder: Path) -> dict[str, Any]:
    """Read what a group says of itself: version 2 and 3 of Zarr keep it in different files."""
    try:
        if (folder / "zarr.json").is_file():
            found = json.loads((folder / "zarr.json").read_text("utf-8"))["attributes"]
            return found.get("ome", found)
        return json.loads((folder / ".zattrs").read_text("utf-8"))
    except (OSError, ValueError, KeyError, AttributeError):
        return {}


def _scale_of(axes: list[Any], scale: list[float]) -> tuple[Spacing | None, float | None]:
    """Read the voxel's size and the time step, where units are told."""
    sizes: dict[str, float | None] = {}
    for axis, size in zip(axes, scale, strict=False):
        if isinstance(axis, dict):
            factor = {**MICROMETERS_OF, **SECONDS_OF}.get(str(axis.get("unit")))
            sizes[axis["name"]] = factor and factor * float(size)
    rows, columns = sizes.get("y"), sizes.get("x")
    return (sizes.get("z"), rows, columns) if rows and columns else None, sizes.get("t")
