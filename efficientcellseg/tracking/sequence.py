"""Reads masks and writes them again, numbered by track, with the challenge's track file beside."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ctc_eval.format import (
    RECORD,
    InputError,
    Track,
    atomic,
    check_frames,
    check_writable,
    frame_files,
    image_faults,
    lineage_faults,
    read_tracks,
    read_volume,
    remove_leftovers,
    write_labels,
)
from efficientcellseg.parallel import in_threads
from efficientcellseg.parameters.tracking import Tracking
from efficientcellseg.provenance import TRACK_FILE, read_mask_record, write_mask_record
from efficientcellseg.tracking.linking import Tracks, fit_tracking, link_objects
from efficientcellseg.tracking.objects import Objects, measure_objects

log = logging.getLogger(__name__)


def track_sequence(
    result: Path,
    output: Path,
    voxel_size: tuple[float, float, float],
    parameters: Tracking,
    *,
    overwrite: bool = False,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> tuple[Objects, Tracks]:
    """Link the masks of a sequence: a label becomes a track through time.

    The track file goes first and comes last. A run that was stopped leaves whole masks, some with
    their new numbers, which the next run links to the same tracks.

    Parameters
    ----------
    result : Path
        Folder of masks, such as ``01_RES``.
    output : Path
        Gets the masks and ``res_track.txt``; may be `result`, whose masks then change their
        numbers in place.
    voxel_size : tuple of float
        Micrometers along (plane, row, column).
    parameters : Tracking
    overwrite : bool
        Replace tracks that were made in another way.
    progress : callable
        Wraps the frames' numbers, which are gone through once to measure and once to write.

    Returns
    -------
    objects : Objects
    tracks : Tracks

    Raises
    ------
    InputError
        No masks, damaged ones, or such of several shapes; other masks or tracks in `output`, or no
        way to write there; more tracks than masks can name.
    """
    version = check_laptrack()
    masks = frame_files(result, "mask", complete=False)
    check_frames(masks)
    _refuse_others(output, masks.values())
    check_writable(output / TRACK_FILE)
    todo = iter(progress([*masks, *masks]))
    objects = measure_objects(_read(masks, todo), voxel_size)
    parameters = fit_tracking(parameters, objects)
    made = {**parameters.model_dump(), "laptrack": version}
    if (output / TRACK_FILE).is_file() and not overwrite:
        if (found := _find_tracked(output, made, objects)) is not None:
            log.info("%s: tracked already", output)
            list(todo)
            return objects, found
    tracks = link_objects(objects, parameters)
    record = {**(read_mask_record(result) or {}), "tracking": made}
    _write(masks, output, objects, tracks, record, todo)
    return objects, tracks


def check_laptrack() -> str:
    """Read the version of laptrack, which does the linking.

    Returns
    -------
    str

    Raises
    ------
    InputError
        It is not installed.
    """
    try:
        return metadata.version("laptrack")
    except metadata.PackageNotFoundError:
        raise InputError(
            "laptrack is not installed; expected it for tracks: pip install "
            "'efficientcellseg[track]'",
            code="laptrack-missing",
        ) from None


def _refuse_others(output: Path, masks: Iterable[Path]) -> None:
    """Refuse a folder with masks of frames that are not there to be tracked."""
    names = {mask.name for mask in masks}
    if others := sorted(one.name for one in output.glob("mask*.tif") if one.name not in names):
        raise InputError(
            f"{output}: has {others[0]}, which is not among the masks to be tracked; expected none "
            "but theirs: remove it, or give another --output",
            code="frame-leftover",
        )


def _read(masks: Mapping[int, Path], todo: Iterator[int]) -> Iterator[tuple[int, np.ndarray]]:
    for number, labels in zip(masks, in_threads(read_volume, masks.values()), strict=True):
        if labels.dtype.itemsize > 2:
            raise InputError(
                f"{masks[number]}: pixel type {labels.dtype}; expected uint16 labels: save the "
                "masks as such",
                code="pixel-type",
            )
        next(todo)
        yield number, labels


def _find_tracked(output: Path, made: Mapping[str, Any], objects: Objects) -> Tracks | None:
    """Give the tracks of masks that this program has tracked in the same way; None for stale ones.

    Raises
    ------
    InputError
        Tracks that were made in another way.
    """
    path = output / TRACK_FILE
    if (read_mask_record(output) or {}).get("tracking") != made:
        raise InputError(
            f"{path}: made in another way, or by another program; expected no tracks, or those of "
            "this run: give --overwrite, or another --output",
            code="tracks-mixed",
        )
    tracks, faults = read_tracks(path)
    labels = {frame: objects.label[objects.rows(frame)].tolist() for frame in objects.frames}
    faults += [*lineage_faults(path, tracks), *image_faults(path, tracks, labels)]
    return None if faults else Tracks(objects.label, tuple(tracks.values()))


def _write(
    masks: Mapping[int, Path],
    output: Path,
    objects: Objects,
    tracks: Tracks,
    record: Mapping[str, Any],
    todo: Iterator[int],
) -> None:
    """Write the masks with the numbers of their tracks, then the record, then the tracks."""
    targets = [output / mask.name for mask in masks.values()]
    (output / TRACK_FILE).unlink(missing_ok=True)
    remove_leftovers(output / RECORD, output / TRACK_FILE, *targets)

    def renumber(number: int) -> None:
        rows = objects.rows(number)
        labels = read_volume(masks[number])
        names = np.zeros(int(labels.max(initial=0)) + 1, np.uint16)
        names[objects.label[rows]] = tracks.label[rows]
        write_labels(output / masks[number].name, names[labels])

    for _ in in_threads(renumber, masks):
        next(todo)
    write_mask_record(output, record)
    if tracks.rows:  # a track file without a row is none, to the official tool
        with atomic(output / TRACK_FILE) as temporary:
            temporary.write_text(tracks_text(tracks.rows), encoding="ascii")
    else:
        log.warning("%s: no cell in any mask, so no tracks", output)
    next(todo, None)  # ends the progress


def tracks_text(rows: Iterable[Track]) -> str:
    """Write tracks as in a track file: one line ``L B E P`` per track.

    Parameters
    ----------
    rows : iterable of Track

    Returns
    -------
    str
    """
    return "".join(f"{row.label} {row.begin} {row.end} {row.parent}\n" for row in rows)
