"""Reads files of microscope vendors: .czi (Zeiss), .nd2 (Nikon), .lif (Leica)."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ctc_eval.format import InputError
from efficientcellseg.datasets.reading.stored import Spacing, Stored, gather_parts

if TYPE_CHECKING:
    import numpy as np

# What Zeiss calls types of pixels: numpy's name, and how many values a pixel has.
CZI_TYPES = {
    "Gray8": ("uint8", 1),
    "Gray16": ("uint16", 1),
    "Gray32Float": ("float32", 1),
    "Bgr24": ("uint8", 3),
    "Bgr48": ("uint16", 3),
}


def read_vendor(path: Path) -> list[Stored]:
    """Open the images of a vendor's file: the scenes of a .czi, the series of a .lif.

    Parameters
    ----------
    path : Path
        .czi, .nd2 or .lif.

    Returns
    -------
    list of Stored

    Raises
    ------
    InputError
        The package that reads such files is not installed; a file that it cannot read.
    """
    package, read = READERS[path.suffix.lower()]
    try:
        module = importlib.import_module(package)
    except ImportError:
        raise InputError(
            f"{path}: {path.suffix} needs {package.partition('.')[0]}, which is not installed: "
            "pip install 'efficientcellseg[vendors]'",
            code="reader-missing",
        ) from None
    try:
        return read(path, module)
    except Exception as error:
        # Readers raise types of their own; to the user they all mean one thing.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path}: cannot be read ({reason}); expected an undamaged file: copy it again, or "
            "export it as OME-TIFF",
            code="vendor-unreadable",
        ) from None


def _read_czi(path: Path, czi: ModuleType) -> list[Stored]:
    """Open the scenes of Zeiss's file, which its own library reads plane by plane."""
    with czi.open_czi(str(path)) as document:
        box, kinds = document.total_bounding_box, set(document.pixel_types.values())
        scenes: dict[int | None, Any] = dict(document.scenes_bounding_rectangle)
        about = document.metadata["ImageDocument"]["Metadata"]
    (kind,) = kinds  # of channels that differ, none is read as another
    dtype, samples = CZI_TYPES[kind]
    outer = {axis: box[axis][1] - box[axis][0] for axis in "TCZ" if axis in box}
    found = []
    for scene, where in (scenes or {None: None}).items():
        sides = (where.h, where.w) if where else tuple(box[axis][1] - box[axis][0] for axis in "YX")

        def take(fixed: Mapping[str, int], scene: int | None = scene) -> np.ndarray:
            with czi.open_czi(str(path)) as document:

                def plane(place: tuple[int, ...]) -> np.ndarray:
                    at = {axis: box[axis][0] + i for axis, i in zip(outer, place, strict=True)}
                    # Blue, green, red where there is more than one.
                    pixels = document.read(plane=at, scene=scene)[..., samples - 1 :: -1]
                    return pixels[..., fixed.get("S", slice(None)) if samples > 1 else 0]

                return gather_parts("".join(outer), list(outer.values()), fixed, plane)

        found.append(
            _stored(
                path,
                path.stem if len(scenes) < 2 else f"{path.stem}_{scene}",
                {**outer, "Y": sides[0], "X": sides[1], **({"S": samples} if samples > 1 else {})},
                dtype,
                take,
                spacing=_czi_spacing(about),
                channels=_czi_channels(about),
            )
        )
    return found


def _czi_spacing(about: Mapping[str, Any]) -> Spacing | None:
    """Read the voxel's size, which Zeiss writes in meters."""
    listed = ((about.get("Scaling") or {}).get("Items") or {}).get("Distance") or []
    listed = listed if isinstance(listed, list) else [listed]
    sizes = {one["@Id"]: 1e6 * float(one["Value"]) for one in listed if float(one["Value"]) > 0}
    return (sizes.get("Z"), sizes["Y"], sizes["X"]) if {"Y", "X"} <= sizes.keys() else None


def _czi_channels(about: Mapping[str, Any]) -> tuple[str, ...]:
    dimensions = ((about.get("Information") or {}).get("Image") or {}).get("Dimensions") or {}
    listed = (dimensions.get("Channels") or {}).get("Channel") or []
    listed = listed if isinstance(listed, list) else [listed]
    names = [str(one.get("@Name") or "") for one in listed]
    return tuple(names) if all(names) else ()


def _read_nd2(path: Path, nd2: ModuleType) -> list[Stored]:
    """Open Nikon's file; each of its positions is an image."""
    with nd2.ND2File(path) as document:
        sizes, dtype = dict(document.sizes), document.dtype
        voxel = document.voxel_size()
        named = [one.channel.name for one in document.metadata.channels or ()]
    loops = [axis for axis in sizes if axis not in "CYXS"]
    outer = [axis for axis in loops if axis != "P"]
    positions = range(sizes.get("P", 1))
    found = []
    for position in positions:

        def take(fixed: Mapping[str, int], position: int = position) -> np.ndarray:
            import numpy as np

            with nd2.ND2File(path) as document:
                within = [axis for axis in sizes if axis in "CYXS"]

                def plane(place: tuple[int, ...]) -> np.ndarray:
                    at = {"P": position, **dict(zip(outer, place, strict=True))}
                    number = np.ravel_multi_index(
                        [at[axis] for axis in loops], [sizes[axis] for axis in loops]
                    )
                    pixels = document.read_frame(int(number))
                    pixels = pixels.reshape([sizes[axis] for axis in within])
                    return pixels[tuple(fixed.get(axis, slice(None)) for axis in within)]

                return gather_parts("".join(outer), [sizes[axis] for axis in outer], fixed, plane)

        name = path.stem if len(positions) == 1 else f"{path.stem}_{position}"
        spacing = (voxel.z if sizes.get("Z", 1) > 1 else None, voxel.y, voxel.x)
        shape = {axis: size for axis, size in sizes.items() if axis != "P"}
        more = {"spacing": spacing, "channels": tuple(named)}
        found.append(_stored(path, name, shape, dtype, take, **more))
    return found


def _read_lif(path: Path, liffile: ModuleType) -> list[Stored]:
    """Open the series of Leica's file; a frame of it is a plane."""
    found = []
    with liffile.LifFile(path) as document:
        for number, image in enumerate(document.images):
            sizes, coords = dict(image.sizes), image.coords
            outer = {axis: size for axis, size in sizes.items() if axis not in "YXS"}

            def take(
                fixed: Mapping[str, int], number: int = number, outer: dict[str, int] = outer
            ) -> np.ndarray:
                with liffile.LifFile(path) as document:
                    image = document.images[number]
                    within = [axis for axis in image.dims if axis in "YXS"]

                    def plane(place: tuple[int, ...]) -> np.ndarray:
                        pixels = image.frame(**dict(zip(outer, place, strict=True)))
                        return pixels[tuple(fixed.get(axis, slice(None)) for axis in within)]

                    return gather_parts("".join(outer), list(outer.values()), fixed, plane)

            depth, rows, columns = (_step(coords.get(axis), 1e6) for axis in "ZYX")
            name = f"{path.stem}_{image.name}" if len(document.images) > 1 else path.stem
            found.append(
                _stored(
                    path,
                    name.replace("/", "_"),
                    sizes,
                    image.dtype,
                    take,
                    spacing=(depth, rows, columns) if rows and columns else None,
                    interval=_step(coords.get("T"), 1),
                )
            )
    return found


def _step(coordinates: Any, factor: float) -> float | None:
    """Return the distance between two coordinates, times a factor; None unless there are two."""
    if coordinates is None or len(coordinates) < 2:
        return None
    return factor * abs(float(coordinates[1] - coordinates[0])) or None


def _stored(
    path: Path, name: str, sizes: Mapping[str, int], dtype: Any, take: Any, **more: Any
) -> Stored:
    import numpy as np

    shape = tuple(sizes.values())
    return Stored(path, name, "".join(sizes), shape, np.dtype(dtype), take, files=(path,), **more)


# The package that reads a kind of file, and what does so with it.
READERS: dict[str, tuple[str, Callable[[Path, ModuleType], list[Stored]]]] = {
    ".czi": ("pylibCZIrw.czi", _read_czi),
    ".nd2": ("nd2", _read_nd2),
    ".lif": ("liffile", _read_lif),
}
