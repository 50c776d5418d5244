"""Reads TIFFs: plain ones, ImageJ's, OME's, several files or several images in one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctc_eval.format import InputError
from efficientcellseg.datasets.reading.ome import OmeImage, check_ome, read_ome
from efficientcellseg.datasets.reading.stored import Spacing, Stored, gather_parts

if TYPE_CHECKING:
    import numpy as np
    import tifffile

# Micrometers in a unit, as ImageJ and OME spell them.
MICROMETERS = {
    **dict.fromkeys(("µm", "μm", "um", "micron", "microns", "micrometer", "\\u00b5m"), 1.0),
    **dict.fromkeys(("nm", "nanometer"), 1e-3),
    **dict.fromkeys(("mm", "millimeter"), 1e3),
    **dict.fromkeys(("cm", "centimeter"), 1e4),
    **dict.fromkeys(("m", "meter"), 1e6),
    **dict.fromkeys(("å", "angstrom"), 1e-4),
}


def read_tiff(path: Path) -> list[Stored]:
    """Open the images of a TIFF.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of Stored
        One each for images of different shape, and for OME's images.

    Raises
    ------
    InputError
        Not a TIFF, or damaged; planes that OME's metadata speak of and that are not there, or in a
        file of another folder; 0 shown as white; colors by a palette.
    """
    import tifffile

    # Its own warnings go to the log; the user gets one line from here.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    try:
        with tifffile.TiffFile(path) as tif:
            ome = []
            if tif.is_ome:
                check_ome(path, tif.ome_metadata or "", len(tif.pages))
                ome = read_ome(tif.ome_metadata or "", MICROMETERS)
            chosen = [one.levels[0] for one in tif.series if not one.keyframe.is_reduced]
            if not chosen:
                raise tifffile.TiffFileError("no image in it")
            if ome and any(one.kind != "ome" for one in chosen):
                raise _planes_missing(path)
            if len(ome) != len(chosen):
                ome = ome[:1] * len(chosen)
            _check_all_pages(path, tif, chosen)
            return [
                _image_of(
                    path, tif, series, ome[i] if ome else None, i if len(chosen) > 1 else None
                )
                for i, series in enumerate(chosen)
            ]
    except InputError:
        raise
    except Exception as error:
        # A damaged header makes tifffile raise anything; to the user it all means one thing.
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path}: cannot be read as a TIFF ({reason}); expected an undamaged image: copy or "
            "save the file again",
            code="tiff-unreadable",
        ) from None


def _check_all_pages(path: Path, tif: tifffile.TiffFile, series: list[Any]) -> None:
    """Refuse a single image whose metadata declare another number of planes than it has."""
    (one, *others) = series
    if others or tif.is_ome or tif.is_lsm:
        return
    planes = prod(one.get_shape(squeeze=False)) // max(prod(one.keyframe.shape), 1)
    pages: list[Any] = list(tif.pages)
    there = sum(not page.is_reduced for page in pages)
    virtual = one.dataoffset is not None and there == 1
    told = (tif.imagej_metadata or {}).get("images", 1)
    if (planes != there and not virtual) or told > planes * one.keyframe.samplesperpixel:
        raise InputError(
            f"{path}: {there} planes, and metadata for {max(planes, told)} (truncated, or changed "
            "since); expected as many: save it again",
            code="tiff-truncated",
        )


def _image_of(
    path: Path, tif: tifffile.TiffFile, series: Any, ome: OmeImage | None, number: int | None
) -> Stored:
    """Make an image of one of tifffile's series."""
    first = series.keyframe
    _check_photometric(path, tif, first)
    pages, dtype = list(series.pages), series.dtype.newbyteorder("=")
    files = {path}
    for page in pages:
        if page is None:
            raise _planes_missing(path)
        files.add(Path(page.parent.filehandle.path))
    axes, shape = series.get_axes(squeeze=False), series.get_shape(squeeze=False)
    kept = [i for i, axis in enumerate(axes) if not (axis == "S" and shape[i] == 1)]
    axes, shape = "".join(axes[i] for i in kept), tuple(shape[i] for i in kept)
    spacing, interval = _scale_of(tif, first) if ome is None else (ome.spacing, ome.interval)
    if len(pages) == 1 and prod(shape) > prod(first.shape):
        take = _mapped(path, series, axes, shape)
    else:
        take = _paged(path, pages, axes, shape, dtype)
    stem = path.name.removesuffix(".tif").removesuffix(".tiff").removesuffix(".ome")
    return Stored(
        path,
        path.stem.removesuffix(".ome") if number is None else f"{stem}_{number}",
        axes,
        shape,
        dtype,
        take,
        spacing,
        ome.channels if ome else tuple(_labels(tif)),
        interval,
        tuple(sorted(files)),
    )


def _planes_missing(path: Path) -> InputError:
    return InputError(
        f"{path}: planes in its OME metadata are missing; expected all of them: put "
        "the files of the series side by side, or save it again",
        code="ome-planes-missing",
    )


def _check_photometric(path: Path, tif: tifffile.TiffFile, page: Any) -> None:
    """Refuse pixels that are not intensities; ImageJ's palettes only affect the display."""
    import tifffile

    shown = page.photometric
    palette = shown == tifffile.PHOTOMETRIC.PALETTE and not tif.is_imagej
    if shown == tifffile.PHOTOMETRIC.MINISWHITE or palette:
        raise InputError(
            f"{path}: photometric {shown.name.lower()}; expected minisblack, pixels that are "
            "intensities: save the image as gray, with 0 as black",
            code="tiff-photometric",
        )


def _mapped(path: Path, series: Any, axes: str, shape: tuple[int, ...]) -> Any:
    """Take parts of an image that lies in one piece, mapped into memory."""
    import numpy as np

    if series.dataoffset is None:
        raise InputError(
            f"{path}: one page for {shape} pixels, compressed; expected one page per plane: save "
            "it again",
            code="tiff-axes",
        )

    def take(fixed: Mapping[str, int]) -> np.ndarray:
        whole = np.memmap(path, series.dtype, "r", series.dataoffset, shape)
        part = whole[tuple(fixed.get(axis, slice(None)) for axis in axes)]
        return np.array(part, series.dtype.newbyteorder("="))

    return take


def _paged(path: Path, pages: list[Any], axes: str, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """Take parts of an image page by page."""
    import numpy as np

    # tifffile does not squeeze axes of one entry, which may be a page's own.
    split = len(axes)
    while prod(shape[split:]) < prod(pages[0].keyframe.shape):
        split -= 1

    def read(number: int) -> np.ndarray:
        page = pages[number]
        _check_within(path, page, number)
        file = page.parent.filehandle
        try:
            file.open()  # closed in between: there may be thousands of files
            return page.asarray(maxworkers=1).reshape(shape[split:])
        except Exception as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"{path}: plane {number} is damaged ({reason}); expected {shape[split:]} pixels of "
                f"{dtype}: copy or save the file again",
                code="tiff-damaged",
            ) from None
        finally:
            file.close()

    def take(fixed: Mapping[str, int]) -> np.ndarray:
        inner = tuple(fixed.get(axis, slice(None)) for axis in axes[split:])

        def plane(place: tuple[int, ...]) -> np.ndarray:
            return read(int(np.ravel_multi_index(place, shape[:split])))[inner]

        return gather_parts(axes[:split], shape[:split], fixed, plane).astype(dtype, copy=False)

    return take


def _check_within(path: Path, page: Any, number: int) -> None:
    """Refuse a page whose data do not lie in its file; they would be read as zeros."""
    size = Path(page.parent.filehandle.path).stat().st_size
    parts = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    if not parts or any(count == 0 or offset + count > size for offset, count in parts):
        raise InputError(
            f"{path}: plane {number} is truncated, its pixels are not in the file; expected the "
            "whole file: copy or save it again",
            code="tiff-truncated",
        )


def _labels(tif: tifffile.TiffFile) -> list[str]:
    """Return the names that ImageJ has for channels: labels of its first planes."""
    about = tif.imagej_metadata or {}
    labels = about.get("Labels") or []
    count = about.get("channels", 1)
    return [str(label) for label in labels[:count]] if count > 1 and len(labels) >= count else []


def _scale_of(tif: tifffile.TiffFile, page: Any) -> tuple[Spacing | None, float | None]:
    """Read the voxel's size and the time step of ImageJ, or a pixel's size in centimeters."""
    about = tif.imagej_metadata or {}
    interval = about.get("finterval")
    unit = str(about.get("unit", "")).lower()
    if not about and page.tags.valueof("ResolutionUnit") == 3:
        unit = "cm"
    factor = MICROMETERS.get(unit)
    sizes = [_pixel_size(page.tags.valueof(f"{axis}Resolution")) for axis in "YX"]
    if factor is None or None in sizes:
        return None, interval
    depth = about.get("spacing")
    rows, columns = (factor * (size or 0) for size in sizes)
    return (depth and factor * float(depth), rows, columns), interval


def _pixel_size(resolution: tuple[int, int] | None) -> float | None:
    """Turn pixels a unit into units a pixel."""
    return resolution[1] / resolution[0] if resolution and all(resolution) else None
