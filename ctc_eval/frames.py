"""Ranges of frames, ``A:B`` on the command lines."""

from __future__ import annotations


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
    ValueError
        Not of that form, or empty.
    """
    begin, colon, end = text.partition(":")
    if not colon or not all(part == "" or part.isdecimal() for part in (begin, end)):
        raise ValueError(f"{text!r}, expected A:B with frame numbers, as in 12:20")
    frames = slice(int(begin) if begin else None, int(end) if end else None)
    if frames.stop is not None and frames.stop <= (frames.start or 0):
        raise ValueError(f"{text!r} holds no frame, expected A < B")
    return frames


def is_inside(frame: int, frames: slice) -> bool:
    """Tell whether a frame is in a range."""
    return (frames.start or 0) <= frame and (frames.stop is None or frame < frames.stop)


def frames_text(frames: slice) -> str:
    """Write a range as ``A:B``, or ``all``."""
    if not frames.start and frames.stop is None:
        return "all"
    return f"{frames.start or 0}:{'' if frames.stop is None else frames.stop}"
