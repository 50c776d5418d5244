"""Reads and writes volumes: TIFFs with one page a plane.

Axes are (plane, row, column); a 2D frame is a volume with one plane.
"""

from __future__ import annotations

import logging
import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ctc_eval.format.errors import InputError
from ctc_eval.format.writing import atomic

if TYPE_CHECKING:
    import numpy as np
    import tifffile

MAX_LABEL = 65535


def volume_shape(path: Path) -> tuple[tuple[int, int, int], np.dtype]:
    """Read a TIFF's shape and type from its headers, refusing what is not one gray volume.

    Parameters
    ----------
    path : Path
        A TIFF with one page a plane.

    Returns
    -------
    shape : tuple of int
        (planes, rows, columns).
    dtype : numpy.dtype

    Raises
    ------
    InputError
        Missing, not a TIFF, truncated, RGB, pages of different shape, more than three axes.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; expected a TIFF volume: check the path", code="file-missing"
        )
    header = _read_header(path)
    axes, shape = header.axes, header.shape
    if "S" in axes or (axes.endswith("C") and len(shape) > 2):
        raise InputError(
            f"{path}: RGB image, shape {shape}; expected a gray volume (planes, rows, columns): "
            "save one channel, or save three or four planes as gray (photometric minisblack)",
            code="tiff-rgb",
        )
    if len(shape) not in (2, 3):
        raise InputError(
            f"{path}: {len(shape)} axes ({axes}), shape {shape}; expected (planes, rows, columns): "
            "save one channel and one time point per file",
            code="tiff-axes",
        )
    if not header.is_whole:
        raise InputError(
            f"{path}: truncated, {path.stat().st_size} bytes hold less than its header speaks of; "
            "expected the whole file: copy or download it again",
            code="tiff-truncated",
        )
    if header.is_inverted:
        raise InputError(
            f"{path}: photometric miniswhite, 0 shown as white; expected minisblack: "
            "save the image with 0 as black",
            code="tiff-photometric",
        )
    planes, rows, columns = (1, *shape) if len(shape) == 2 else shape
    return (planes, rows, columns), header.dtype


@dataclass(frozen=True)
class _Header:
    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype
    is_whole: bool
    is_inverted: bool


def _read_header(path: Path) -> _Header:
    """Read what a TIFF says of its one image."""
    import tifffile

    # Its own warnings go to the log; the user gets one line from here.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    try:
        with tifffile.TiffFile(path) as tif:
            series = tif.series
            if not series:
                raise tifffile.TiffFileError("no page in it")
            if len(series) != 1:
                raise InputError(
                    f"{path}: {len(series)} images of different shape or type; expected one "
                    "volume, a page per plane: save the planes as one gray stack",
                    code="tiff-mixed",
                )
            return _Header(
                series[0].axes,
                series[0].shape,
                series[0].dtype.newbyteorder("="),
                _is_whole(tif),
                tif.pages.first.photometric == tifffile.PHOTOMETRIC.MINISWHITE,
            )
    except InputError:
        raise
    except Exception as error:
        # A damaged header makes tifffile raise anything; to the user it all means one thing.
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path}: cannot be read as a TIFF ({reason}); expected an undamaged gray stack: "
            "copy or save the file again",
            code="tiff-unreadable",
        ) from None


def _is_whole(tif: tifffile.TiffFile) -> bool:
    """Tell whether all pages and all their data lie within the file."""
    series, file, layout = tif.series[0], tif.filehandle, tif.tiff
    # tifffile drops the pages that it cannot reach: the last one must point to no other.
    file.seek(tif.pages[-1].offset)
    tags = struct.unpack(layout.tagnoformat, file.read(layout.tagnosize))[0]
    file.seek(tags * layout.tagsize, os.SEEK_CUR)
    (following,) = struct.unpack(layout.offsetformat, file.read(layout.offsetsize))
    if (tif.imagej_metadata or {}).get("images", 1) > math.prod(series.shape[:-2]):
        return False  # what tifffile makes of an ImageJ stack that is cut
    pages = list(tif.pages)  # raises where a page's own header is cut
    ends = [
        offset + count
        for page in pages
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)
        if count > 0 or page.nbytes == 0
    ]
    segments = sum(len(page.dataoffsets) for page in pages)
    if series.dataoffset is not None:
        # ImageJ describes a large stack by its first page alone.
        ends.append(series.dataoffset + series.nbytes)
        segments += 1
    return following == 0 and len(ends) == segments and max(ends) <= file.size


def read_volume(path: Path) -> np.ndarray:
    """Read a TIFF as a volume.

    Parameters
    ----------
    path : Path
        A TIFF with one page a plane, of any unsigned integer type.

    Returns
    -------
    ndarray of shape (Z, Y, X)
        In the file's own type, in the machine's byte order.

    Raises
    ------
    InputError
        What :func:`volume_shape` refuses, data that do not decode, a type that is not
        unsigned integer.
    """
    import tifffile

    shape, dtype = volume_shape(path)
    if dtype.kind != "u":
        raise InputError(
            f"{path}: pixel type {dtype}; expected unsigned integers (uint8 or uint16): "
            "convert the image, without scaling away its intensities",
            code="pixel-type",
        )
    try:
        return tifffile.imread(path).reshape(shape).astype(dtype, copy=False)
    except Exception as error:
        # Decoders raise types of their own; to the user they all mean one thing.
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path}: damaged ({reason}); expected {shape} pixels of {dtype}: "
            "copy or download the file again",
            code="tiff-damaged",
        ) from None


def check_frames(files: dict[int, Path]) -> tuple[int, int, int]:
    """Check the headers of all frames before work starts, so that nothing stays half-done.

    Parameters
    ----------
    files : dict of int to Path
        From :func:`frame_files`.

    Returns
    -------
    tuple of int
        The shape (planes, rows, columns) that all frames share.

    Raises
    ------
    InputError
        What :func:`volume_shape` refuses; a frame whose shape or type is not the first one's.
    """
    first = next(iter(files.values()))
    expected = volume_shape(first)
    for path in files.values():
        found = volume_shape(path)
        if found != expected:
            raise InputError(
                f"{path}: shape {found[0]} of {found[1]}; expected {expected[0]} of {expected[1]} "
                f"as in {first.name}: all frames of a sequence are alike",
                code="frame-unlike",
            )
    if expected[1] not in ("uint8", "uint16"):
        raise InputError(
            f"{first}: pixel type {expected[1]}; expected unsigned integers (uint8 or uint16): "
            "convert the images, without scaling away their intensities",
            code="pixel-type",
        )
    return expected[0]


def write_volume(path: Path, volume: np.ndarray) -> None:
    """Write a volume the way the official tool reads it: zlib, minisblack, atomically.

    Parameters
    ----------
    path : Path
        The folder is made where it is missing.
    volume : ndarray of shape (Z, Y, X) or (Y, X), unsigned
        Z = 1 is written as a plain 2D image. Label images must be uint16.
    """
    import tifffile

    pages = volume[0] if volume.ndim == 3 and len(volume) == 1 else volume
    with atomic(path) as temporary:
        tifffile.imwrite(
            temporary, pages, compression="zlib", photometric="minisblack", metadata=None
        )


def write_labels(path: Path, labels: np.ndarray) -> None:
    """Write a label image as uint16.

    Parameters
    ----------
    path : Path
        For example ``02_RES/mask007.tif``.
    labels : ndarray of shape (Z, Y, X) or (Y, X), integer
        0 is background.

    Raises
    ------
    InputError
        Labels below 0 or above 65535, which uint16 cannot hold.
    """
    import numpy as np

    low, high = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    if low < 0 or high > MAX_LABEL:
        raise InputError(
            f"{path}: labels from {low} to {high}; expected 0 to {MAX_LABEL}: "
            "raise the size filter or renumber the labels",
            code="label-range",
        )
    write_volume(path, labels.astype(np.uint16, copy=False))
