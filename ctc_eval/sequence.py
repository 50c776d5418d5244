"""Sequences on disk in the Cell Tracking Challenge's layout: names, reading, writing.

The one module that the method and the judge share. Axes are (plane, row, column);
a 2D frame is a volume with one plane.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

MAX_LABEL = 65535


class InputError(ValueError):
    """The input is at fault: one line says what was found, what was expected, what to do."""


def frame_files(folder: Path, prefix: str = "t", *, complete: bool = True) -> dict[int, Path]:
    """Find the numbered TIFF files of a folder.

    Parameters
    ----------
    folder : Path
        For example ``Fluo-N3DH-CHO/02`` or ``Fluo-N3DH-CHO/02_RES``.
    prefix : str
        What stands before the number: ``t`` for raw frames, ``mask`` for results,
        ``man_seg`` and ``man_track`` for the reference.
    complete : bool
        Refuse a sequence that does not run from 0 without a gap.

    Returns
    -------
    dict of int to Path
        Frame number to file, in ascending order.

    Raises
    ------
    InputError
        Folder missing, no such file, files with different digit counts, or a frame missing.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder; expected the frames {prefix}000.tif, ... "
            "there: check the path and the sequence's name"
        )
    pattern = re.compile(re.escape(prefix) + r"(\d+)\.tif")
    found = [
        (match[1], path) for path in folder.iterdir() if (match := pattern.fullmatch(path.name))
    ]
    if not found:
        raise InputError(
            f"{folder}: no file named {prefix}000.tif, {prefix}001.tif, ...; "
            "rename the frames the challenge's way, three digits (four from 1000 frames on)"
        )
    digits = sorted({len(number) for number, _ in found})
    if len(digits) > 1 or digits[0] < 3:
        raise InputError(
            f"{folder}: frame numbers have {' and '.join(map(str, digits))} digits; "
            "expected the same count everywhere, three or four: rename the frames"
        )
    files = {int(number): path for number, path in sorted(found)}
    missing = next((n for n in range(max(files)) if n not in files), None)
    if complete and missing is not None:
        raise InputError(
            f"{folder}: frame {prefix}{missing:0{digits[0]}d}.tif is missing; expected every "
            f"frame from 0 to {max(files)}: add it or renumber the frames"
        )
    return files


def frame_name(prefix: str, frame: int, digits: int) -> str:
    """Name a frame's file: ``frame_name("mask", 7, 3)`` is ``mask007.tif``."""
    return f"{prefix}{frame:0{digits}d}.tif"


def frame_digits(path: Path) -> int:
    """Count the digits of a frame's file name: 3 for ``t007.tif``."""
    match = re.search(r"(\d+)\.tif$", path.name)
    return len(match[1]) if match else 0


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
    import tifffile

    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a TIFF volume: check the path")
    try:
        with tifffile.TiffFile(path) as tif:
            series = tif.series
            if len(series) != 1:
                raise InputError(
                    f"{path}: {len(series)} images of different shape or type; expected one "
                    "volume, a page per plane: save the planes as one gray stack"
                )
            axes, shape, dtype = series[0].axes, series[0].shape, series[0].dtype
            end = max(
                offset + count
                for page in series[0].pages
                if page is not None
                for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)
            )
    except (tifffile.TiffFileError, OSError, IndexError, KeyError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}: cannot be read as a TIFF ({error}); expected an undamaged gray stack: "
            "copy or save the file again"
        ) from None
    if "S" in axes or (axes.endswith("C") and len(shape) > 2):
        raise InputError(
            f"{path}: RGB image, shape {shape}; expected a gray volume (planes, rows, columns): "
            "save one channel"
        )
    if len(shape) not in (2, 3):
        raise InputError(
            f"{path}: {len(shape)} axes ({axes}), shape {shape}; expected (planes, rows, columns): "
            "save one channel and one time point per file"
        )
    size = path.stat().st_size
    if end > size:
        raise InputError(
            f"{path}: truncated, {size} bytes where its header speaks of {end}; "
            "copy or download the file again"
        )
    planes, rows, columns = (1, *shape) if len(shape) == 2 else shape
    return (planes, rows, columns), dtype


def read_volume(path: Path) -> np.ndarray:
    """Read a TIFF as a volume.

    Parameters
    ----------
    path : Path
        A TIFF with one page a plane, of any unsigned integer type.

    Returns
    -------
    ndarray of shape (Z, Y, X)
        In the file's own type.

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
            "convert the image, without scaling away its intensities"
        )
    try:
        return tifffile.imread(path).reshape(shape)
    except Exception as error:
        # Decoders raise types of their own; to the user they all mean one thing.
        raise InputError(
            f"{path}: damaged ({error}); expected {shape} pixels of {dtype}: "
            "copy or download the file again"
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
                f"as in {first.name}: all frames of a sequence are alike"
            )
    if expected[1].kind != "u":
        raise InputError(
            f"{first}: pixel type {expected[1]}; expected unsigned integers (uint8 or uint16): "
            "convert the images, without scaling away their intensities"
        )
    return expected[0]


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary file that takes the place of `path` when the block ends well.

    The temporary name keeps `path`'s ending, since writers such as numpy go by it. If the
    block raises, `path` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files private; give this one the mode any new file would get.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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
            "raise the size filter or renumber the labels"
        )
    write_volume(path, labels.astype(np.uint16, copy=False))
