"""Sequences on disk in the Cell Tracking Challenge's layout: names, reading, writing.

The one module that the method and the judge share. Axes are (plane, row, column);
a 2D frame is a volume with one plane.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import math
import os
import re
import stat
import struct
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import tifffile

MAX_LABEL = 65535
# Beside masks: what they were made with, and which frames the networks had learnt from.
RECORD = ".segmentation.json"


class InputError(ValueError):
    """The input is at fault: one line says what was found, what was expected, what to do.

    Parameters
    ----------
    message : str
        That line.
    code : str
        Stable name of the fault, such as ``frame-missing``, for programs and tests.
    """

    def __init__(self, message: str, *, code: str = "input") -> None:
        super().__init__(message)
        self.code = code


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
    if len(digits) > 1 or digits[0] not in (3, 4):
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


def parse_frames(text: str) -> slice:
    """Read a half-open range of frame numbers.

    Parameters
    ----------
    text : str
        ``A:B``, the frames from A to B - 1; either may be left out.

    Returns
    -------
    slice

    Raises
    ------
    InputError
        Not of that form, or empty.
    """
    begin, colon, end = text.partition(":")
    if not colon or not all(part == "" or part.isdecimal() for part in (begin, end)):
        raise InputError(f"frames {text!r}; expected A:B with frame numbers, as in 12:20")
    frames = slice(int(begin) if begin else None, int(end) if end else None)
    if frames.stop is not None and frames.stop <= (frames.start or 0):
        raise InputError(f"frames {text!r} hold no frame; expected A < B, as in 12:20")
    return frames


def is_inside(frame: int, frames: slice) -> bool:
    """Tell whether a frame is in a range."""
    return (frames.start or 0) <= frame and (frames.stop is None or frame < frames.stop)


def frames_text(frames: slice) -> str:
    """Write a range as ``A:B``, or ``all``."""
    if not frames.start and frames.stop is None:
        return "all"
    return f"{frames.start or 0}:{'' if frames.stop is None else frames.stop}"


def frames_beyond(frames: slice, last: int) -> str:
    """Name the frames of a range after the last one that there is: "3 to 4", "" for none."""
    first = max(frames.start or 0, last + 1)
    if frames.stop is None or first >= frames.stop:
        return ""
    return str(first) if first == frames.stop - 1 else f"{first} to {frames.stop - 1}"


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
                    "volume, a page per plane: save the planes as one gray stack"
                )
            axes, shape = series[0].axes, series[0].shape
            dtype = series[0].dtype.newbyteorder("=")
            whole = _is_whole(tif)
            white = tif.pages.first.photometric == tifffile.PHOTOMETRIC.MINISWHITE
    except InputError:
        raise
    except Exception as error:
        # A damaged header makes tifffile raise anything; to the user it all means one thing.
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path}: cannot be read as a TIFF ({reason}); expected an undamaged gray stack: "
            "copy or save the file again"
        ) from None
    if "S" in axes or (axes.endswith("C") and len(shape) > 2):
        raise InputError(
            f"{path}: RGB image, shape {shape}; expected a gray volume (planes, rows, columns): "
            "save one channel, or save three or four planes as gray (photometric minisblack)"
        )
    if len(shape) not in (2, 3):
        raise InputError(
            f"{path}: {len(shape)} axes ({axes}), shape {shape}; expected (planes, rows, columns): "
            "save one channel and one time point per file"
        )
    if not whole:
        raise InputError(
            f"{path}: truncated, {path.stat().st_size} bytes hold less than its header speaks of; "
            "expected the whole file: copy or download it again"
        )
    if white:
        raise InputError(
            f"{path}: photometric miniswhite, 0 shown as white; expected minisblack: "
            "save the image with 0 as black"
        )
    planes, rows, columns = (1, *shape) if len(shape) == 2 else shape
    return (planes, rows, columns), dtype


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
            "convert the image, without scaling away its intensities"
        )
    try:
        return tifffile.imread(path).reshape(shape).astype(dtype, copy=False)
    except Exception as error:
        # Decoders raise types of their own; to the user they all mean one thing.
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path}: damaged ({reason}); expected {shape} pixels of {dtype}: "
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
    if expected[1] not in ("uint8", "uint16"):
        raise InputError(
            f"{first}: pixel type {expected[1]}; expected unsigned integers (uint8 or uint16): "
            "convert the images, without scaling away their intensities"
        )
    return expected[0]


def check_writable(path: Path) -> None:
    """Check that a file can be written, before the work that is to fill it.

    Parameters
    ----------
    path : Path
        Nothing is made there, missing folders neither.

    Raises
    ------
    InputError
        No writable folder, or `path` is a folder.
    """
    import tempfile

    existing = next(folder for folder in path.absolute().parents if folder.exists())
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); expected a place for a file: "
            "give another path"
        ) from None


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary file that takes the place of `path` when the block ends well.

    The temporary name keeps `path`'s ending, since writers such as numpy go by it. If the
    block raises, `path` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}-{uuid.uuid4().hex}{path.suffix}")
    try:
        # Not tempfile.mkstemp: its files are private, and the mode could not be mended without
        # changing the whole process's umask while other threads write.
        temporary.touch(exist_ok=False)
        mode = stat.S_IMODE(temporary.stat().st_mode)
        yield temporary
        temporary.chmod(mode)  # safetensors puts a private file of its own in place
        temporary.replace(path)
    except OSError as error:
        if error.filename not in (temporary, str(temporary)):
            raise
        # The user knows the other name.
        raise OSError(error.errno, error.strerror, str(path)) from None
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


def seen_frames(result: Path) -> set[int]:
    """List the frames that a result's networks had learnt from, as its record says.

    Parameters
    ----------
    result : Path
        Folder of masks.

    Returns
    -------
    set of int
        Empty where there is no record.
    """
    try:
        return set(json.loads((result / RECORD).read_text())["seen"])
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def fingerprint(path: Path) -> str:
    """Tell a frame from others by its size and 64 KiB of its begin, middle and end.

    16 hexadecimal digits of SHA-256; quick on large frames, whose borders may be black, and enough
    to find again what a network has learnt from.
    """
    size, part = path.stat().st_size, 1 << 16
    digest = hashlib.sha256(b"%d" % size)
    with path.open("rb") as file:
        for place in (0, size // 2, max(size - part, 0)):
            file.seek(place)
            digest.update(file.read(part))
    return digest.hexdigest()[:16]
