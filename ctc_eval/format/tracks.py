"""Track files (``man_track.txt``, ``res_track.txt``): reading, and consistency with the images."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ctc_eval.format import MAX_LABEL, InputError

_ROW = re.compile(r"[ \t]*(\d+)[ \t]+(\d+)[ \t]+(\d+)[ \t]+(\d+)")


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


def parse_tracks(text: str) -> tuple[dict[int, Track], list[str]]:
    """Read the rows of a track file.

    Parameters
    ----------
    text : str
        Rows ``L B E P``: label, first frame, last frame, parent or 0.

    Returns
    -------
    tracks : dict of int to Track
        By label, ascending.
    faults : list of str
        All rows that the official tool refuses or drops, each with its line number.
    """
    tracks: dict[int, Track] = {}
    faults = []
    for number, line in enumerate(text.splitlines(), start=1):
        row = _ROW.fullmatch(line)
        if row is None:
            faults.append(
                f"line {number} is {line!r}, expected four integers 'label begin end parent' and "
                "nothing else: no header, blank line or trailing space"
            )
            continue
        track = Track(*map(int, row.groups()))
        if not 0 < track.label <= MAX_LABEL or track.parent > MAX_LABEL:
            faults.append(
                f"line {number}: label {track.label}, parent {track.parent}, expected labels "
                f"from 1 to {MAX_LABEL} (parent 0 for none)"
            )
        elif track.label in tracks:
            faults.append(f"line {number}: label {track.label} again, expected each label once")
        elif track.begin > track.end:
            faults.append(
                f"line {number}: track {track.label} begins in frame {track.begin} and ends in "
                f"frame {track.end}, expected begin <= end"
            )
        else:
            tracks[track.label] = track
    return dict(sorted(tracks.items())), faults


def read_tracks(path: Path) -> dict[int, Track]:
    """Read a track file, refusing a faulty one.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict of int to Track
        By label, ascending.

    Raises
    ------
    InputError
        Missing, or with a row that :func:`parse_tracks` faults.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; TRA needs a track file with rows 'label begin end parent': "
            "write one, or leave TRA out of --measures"
        )
    tracks, faults = parse_tracks(path.read_text(errors="replace"))
    if faults:
        raise InputError(f"{path}: {faults[0]}" + and_more(len(faults) - 1))
    return tracks


def lineage_faults(tracks: Mapping[int, Track]) -> Iterator[str]:
    """Check that every parent exists and ends before its child begins."""
    for track in tracks.values():
        if not track.parent:
            continue
        parent = tracks.get(track.parent)
        if parent is None:
            yield (
                f"track {track.label} has the parent {track.parent}, which is no track, "
                "expected a label of the file or 0"
            )
        elif parent.end >= track.begin:
            yield (
                f"track {track.label} begins in frame {track.begin} and its parent "
                f"{track.parent} ends in frame {parent.end}, expected the parent to end before"
            )


def image_faults(
    tracks: Mapping[int, Track], labels: Mapping[int, Collection[int]]
) -> Iterator[str]:
    """Check tracks against the labels in the images.

    Parameters
    ----------
    tracks : mapping of int to Track
    labels : mapping of int to collection of int
        The labels in each frame.

    Yields
    ------
    str
        A fault for each track that lacks in a frame it covers, then one for each label that
        no track covers.
    """
    for track in tracks.values():
        lacking = [
            frame
            for frame in range(track.begin, track.end + 1)
            if track.label not in labels.get(frame, ())
        ]
        if lacking:
            where = "of which there is no image" if lacking[0] not in labels else "but is not there"
            yield (
                f"track {track.label} is not consistent with the images, it covers frame "
                f"{lacking[0]}, {where}" + and_more(len(lacking) - 1)
            )
    stray: dict[int, list[int]] = {}
    for frame, present in sorted(labels.items()):
        for label in sorted(present):
            own = tracks.get(label)
            if own is None or not own.begin <= frame <= own.end:
                stray.setdefault(label, []).append(frame)
    for label, frames in sorted(stray.items()):
        yield (
            f"track {label} is not consistent with the images, label {label} is in frame "
            f"{frames[0]}, which no track of that label covers" + and_more(len(frames) - 1)
        )


def trim_tracks(tracks: Mapping[int, Track], first: int, last: int) -> dict[int, Track]:
    """Cut tracks to a range of frames.

    Parameters
    ----------
    tracks : mapping of int to Track
        With parents that exist.
    first, last : int
        The range, both included. Links to a parent that ended before it are cut.
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
    """Say how many faults there are beside the one that is told."""
    return f" (and {count} more)" if count else ""
