"""Names of frames and ranges of frames, as the Cell Tracking Challenge has them."""

from __future__ import annotations

import re
from pathlib import Path

from ctc_eval.format.errors import InputError


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
            "there: check the path and the sequence's name",
            code="folder-missing",
        )
    pattern = re.compile(re.escape(prefix) + r"(\d+)\.tif")
    found = [
        (match[1], path) for path in folder.iterdir() if (match := pattern.fullmatch(path.name))
    ]
    if odd := sorted(path for number, path in found if not number.isascii()):
        raise InputError(
            f"{odd[0]}: digits of another script; expected 0 to 9: rename the frame",
            code="frame-digits",
        )
    if not found:
        raise InputError(
            f"{folder}: no file named {prefix}000.tif, {prefix}001.tif, ...; "
            "rename the frames the challenge's way, three digits (four from 1000 frames on)",
            code="frames-absent",
        )
    digits = sorted({len(number) for number, _ in found})
    if len(digits) > 1 or digits[0] not in (3, 4):
        raise InputError(
            f"{folder}: frame numbers have {' and '.join(map(str, digits))} digits; "
            "expected the same count everywhere, three or four: rename the frames",
            code="frame-digits",
        )
    files = {int(number): path for number, path in sorted(found)}
    missing = next((n for n in range(max(files)) if n not in files), None)
    if complete and missing is not None:
        raise InputError(
            f"{folder}: frame {prefix}{missing:0{digits[0]}d}.tif is missing; expected every "
            f"frame from 0 to {max(files)}: add it or renumber the frames",
            code="frame-missing",
        )
    return files


def frame_name(prefix: str, frame: int, digits: int) -> str:
    """Name a frame's file: ``frame_name("mask", 7, 3)`` is ``mask007.tif``.

    Parameters
    ----------
    prefix : str
    frame : int
    digits : int
        At least this many.

    Returns
    -------
    str
    """
    return f"{prefix}{frame:0{digits}d}.tif"


def frame_digits(path: Path) -> int:
    """Count the digits of a frame's file name: 3 for ``t007.tif``.

    Parameters
    ----------
    path : Path

    Returns
    -------
    int
        0 if the name does not end in a number.
    """
    match = re.search(r"([0-9]+)\.tif$", path.name)
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
    if not colon or not all(re.fullmatch("[0-9]{0,9}", part) for part in (begin, end)):
        raise InputError(
            f"frames {text[:100]!r}; expected A:B with frame numbers, as in 12:20",
            code="range-malformed",
        )
    frames = slice(int(begin) if begin else None, int(end) if end else None)
    if frames.stop is not None and frames.stop <= (frames.start or 0):
        raise InputError(
            f"frames {text!r} hold no frame; expected A < B, as in 12:20", code="range-empty"
        )
    return frames


def is_inside(frame: int, frames: slice) -> bool:
    """Tell whether a frame is in a range.

    Parameters
    ----------
    frame : int
    frames : slice
        Half open.

    Returns
    -------
    bool
    """
    return (frames.start or 0) <= frame and (frames.stop is None or frame < frames.stop)


def frames_shared(one: slice, other: slice) -> slice | None:
    """Find the frames that two ranges share.

    Parameters
    ----------
    one, other : slice
        Half open.

    Returns
    -------
    slice or None
        None if they share none.
    """
    start = max(one.start or 0, other.start or 0)
    stop = min((end for end in (one.stop, other.stop) if end is not None), default=None)
    return None if stop is not None and stop <= start else slice(start or None, stop)


def frames_text(frames: slice) -> str:
    """Write a range as ``A:B``, or ``all``.

    Parameters
    ----------
    frames : slice
        Half open.

    Returns
    -------
    str
    """
    if not frames.start and frames.stop is None:
        return "all"
    return f"{frames.start or 0}:{'' if frames.stop is None else frames.stop}"


def frames_beyond(frames: slice, last: int) -> str:
    """Name the frames of a range that come after the last existing one.

    Parameters
    ----------
    frames : slice
        Half open.
    last : int
        The last frame that exists.

    Returns
    -------
    str
        "3 to 4", or empty for none.
    """
    first = max(frames.start or 0, last + 1)
    if frames.stop is None or first >= frames.stop:
        return ""
    return str(first) if first == frames.stop - 1 else f"{first} to {frames.stop - 1}"
