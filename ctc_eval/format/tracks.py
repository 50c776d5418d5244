"""Reads track files (``man_track.txt``, ``res_track.txt``), and compares them with the images."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ctc_eval.format.errors import Fault
from ctc_eval.format.volumes import MAX_LABEL

_ROW = re.compile(r"[ \t]*([0-9]{1,9})" + r"[ \t]+([0-9]{1,9})" * 3)
_LAST_FRAME = 9999  # file names have four digits at most


@dataclass(frozen=True)
class Track:
    """One row of a track file.

    Attributes
    ----------
    label : int
        Label of the object in the masks.
    begin, end : int
        First and last frame, both included.
    parent : int
        Label of the track it comes from, 0 for none.
    """

    label: int
    begin: int
    end: int
    parent: int


def read_tracks(path: Path) -> tuple[dict[int, Track], list[Fault]]:
    """Read the rows of a track file.

    Parameters
    ----------
    path : Path
        Rows ``L B E P``: label, first frame, last frame, parent or 0.

    Returns
    -------
    tracks : dict of int to Track
        By label, ascending.
    faults : list of Fault
        All rows that the official tool refuses or drops, each with its line number.
    """
    tracks: dict[int, Track] = {}
    faults = []
    # Not splitlines, nor what text files do, which take other characters for a line's end, too.
    text = path.read_bytes().decode("utf-8", errors="replace")
    if "\r\n" in text:
        reason = "lines end with CR LF, expected LF: save it with Unix line ends"
        faults.append(Fault(path, reason, "track-line-ends"))
        text = text.replace("\r\n", "\n")
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        row = _ROW.fullmatch(line)
        track = Track(*map(int, row.groups())) if row else None
        if fault := _row_fault(line, track, tracks):
            code, reason = fault
            faults.append(Fault(path, f"line {number}{reason}", code))
        elif track:
            tracks[track.label] = track
    return dict(sorted(tracks.items())), faults


def _row_fault(
    line: str, track: Track | None, before: Mapping[int, Track]
) -> tuple[str, str] | None:
    """Return the code of a row's fault, and the reason after "line N"."""
    if track is None:
        return "track-row", (
            f" is {line[:100]!r}, expected four integers 'label begin end parent' and "
            "nothing else: no header, blank line or trailing space"
        )
    if not 0 < track.label <= MAX_LABEL or track.parent > MAX_LABEL:
        return "track-label", (
            f": label {track.label}, parent {track.parent}, expected labels "
            f"from 1 to {MAX_LABEL} (parent 0 for none)"
        )
    if track.label in before:
        return "track-twice", f": label {track.label} again, expected each label once"
    if track.end > _LAST_FRAME:
        return "track-frame", (
            f": track {track.label} ends in frame {track.end}, expected frames up to "
            f"{_LAST_FRAME}, as many as four digits name"
        )
    if track.begin > track.end:
        return "track-backwards", (
            f": track {track.label} begins in frame {track.begin} and ends in "
            f"frame {track.end}, expected begin <= end"
        )
    return None


def lineage_faults(path: Path, tracks: Mapping[int, Track]) -> Iterator[Fault]:
    """Check that every parent exists and ends before its child begins.

    Parameters
    ----------
    path : Path
        The tracks' file, for the faults.
    tracks : mapping of int to Track
    """
    for track in tracks.values():
        if not track.parent:
            continue
        parent = tracks.get(track.parent)
        if parent is None:
            reason = (
                f"track {track.label} has the parent {track.parent}, which is no track, "
                "expected a label of the file or 0"
            )
            yield Fault(path, reason, "parent-unknown")
        elif parent.end >= track.begin:
            reason = (
                f"track {track.label} begins in frame {track.begin} and its parent "
                f"{track.parent} ends in frame {parent.end}, expected the parent to end before"
            )
            yield Fault(path, reason, "parent-late")


def image_faults(
    path: Path, tracks: Mapping[int, Track], labels: Mapping[int, Collection[int]]
) -> Iterator[Fault]:
    """Check tracks against the labels in the images.

    Parameters
    ----------
    path : Path
        The tracks' file, for the faults.
    tracks : mapping of int to Track
    labels : mapping of int to collection of int
        The labels in each frame.

    Yields
    ------
    Fault
        One for each track that lacks in a frame it covers, then one for each label that
        no track covers.
    """
    places: dict[int, set[int]] = {}
    for frame, present in labels.items():
        for label in present:
            places.setdefault(label, set()).add(frame)
    for track in tracks.values():
        span = range(track.begin, track.end + 1)
        own = places.get(track.label, set())
        lacking = len(span) - sum(frame in span for frame in own)
        if lacking:
            first = next(frame for frame in span if frame not in own)
            where = "of which there is no image" if first not in labels else "but is not there"
            reason = (
                f"track {track.label} is not consistent with the images, it covers frame "
                f"{first}, {where}" + and_more(lacking - 1)
            )
            yield Fault(path, reason, "track-without-object")
    stray: dict[int, list[int]] = {}
    for frame, present in sorted(labels.items()):
        for label in sorted(present):
            track_of = tracks.get(label)
            if track_of is None or not track_of.begin <= frame <= track_of.end:
                stray.setdefault(label, []).append(frame)
    for label, frames in sorted(stray.items()):
        reason = (
            f"track {label} is not consistent with the images, label {label} is in frame "
            f"{frames[0]}, which no track of that label covers" + and_more(len(frames) - 1)
        )
        yield Fault(path, reason, "object-without-track")


def trim_tracks(tracks: Mapping[int, Track], first: int, last: int) -> dict[int, Track]:
    """Cut tracks to a range of frames.

    Parameters
    ----------
    tracks : mapping of int to Track
        With parents that exist.
    first, last : int
        The range, both included. Links to a parent that ended before it are cut.

    Returns
    -------
    dict of int to Track
    """
    return {
        label: replace(
            track,
            begin=max(track.begin, first),
            end=min(track.end, last),
            parent=track.parent if _reaches(tracks, track, first) else 0,
        )
        for label, track in tracks.items()
        if track.begin <= last and track.end >= first
    }


def _reaches(tracks: Mapping[int, Track], track: Track, first: int) -> bool:
    return track.parent != 0 and tracks[track.parent].end >= first


def and_more(count: int) -> str:
    """Say how many faults there are besides the one that is reported.

    Parameters
    ----------
    count : int

    Returns
    -------
    str
        Empty for 0.
    """
    return f" (and {count} more)" if count else ""
