"""Reads a result and finds every fault at once, also those that the official tool ignores."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ctc_eval.format import (
    Fault,
    InputError,
    core_count,
    frame_digits,
    frame_files,
    frame_name,
    image_faults,
    is_all_but_empty,
    is_inside,
    label_faults,
    leftovers,
    lineage_faults,
    open_labels,
    read_tracks,
    tell_empty,
    trim_tracks,
    volume_shape,
)

Shape = tuple[int, int, int]

_MASK = re.compile(r"mask([0-9]{3,4})\.tif")
# What a user most likely meant as a mask; other files in the folder do no harm.
_MEANT_AS_MASK = re.compile(r"(mask.*|t?\d+)\.tiff?", re.IGNORECASE)


@dataclass(frozen=True)
class Findings:
    """What was found in a result.

    Attributes
    ----------
    faults : list of Fault
        Names, frames, then file by file, those of ``res_track.txt`` last.
    masks : int
        How many masks could be read.
    empty : int
        How many of them hold no cell or next to none: no fault, but hardly what was meant.
    left : int
        How many temporary files a killed program has left in the folder.
    """

    faults: list[Fault]
    masks: int = 0
    empty: int = 0
    left: int = 0

    @property
    def notes(self) -> list[str]:
        """What else to report.

        Returns
        -------
        list of str
        """
        told = [tell_empty(self.empty, self.masks)] if self.empty else []
        if self.left:
            told.append(
                f"{self.left} hidden temporary files of a write that was stopped; remove them"
            )
        return told


@dataclass(frozen=True)
class _Mask:
    """What a mask holds; None if the file does not say."""

    shape: Shape | None
    labels: frozenset[int] | None
    faults: list[Fault]
    empty: bool = False


def examine(raw: Path, result: Path, frames: slice = slice(None)) -> Findings:
    """Check that a result is fit for submission.

    Parameters
    ----------
    raw : Path
        Folder of the raw frames. Where it is absent, the masks are checked against each other.
    result : Path
        Folder of the masks, and of ``res_track.txt`` for tracking.
    frames : slice
        Frame numbers to look at, half open.

    Returns
    -------
    Findings
    """
    if not result.is_dir():
        reason = "no such folder, expected masks there: segment the sequence first"
        return Findings([Fault(result, reason, "folder-missing")])
    faults: list[Fault] = []
    raw_files: dict[int, Path] = {}
    if raw.is_dir():
        try:
            raw_files = frame_files(raw)
        except InputError as error:
            faults.append(Fault.of(raw, error))
    digits = frame_digits(next(iter(raw_files.values()))) if raw_files else _digits(result)
    masks, misnamed = _find_masks(result, digits)
    faults += misnamed
    for frame in raw_files or range(max(masks, default=0) + 1):
        if is_inside(frame, frames) and frame not in masks:
            path = result / frame_name("mask", frame, digits)
            reason = "is missing, expected a mask for every frame: add it"
            faults.append(Fault(path, reason, "mask-missing"))
    masks = {frame: path for frame, path in masks.items() if is_inside(frame, frames)}
    for frame in sorted(masks.keys() - raw_files.keys() if raw_files else ()):
        reason = "has no raw frame, expected none: remove it"
        faults.append(Fault(masks.pop(frame), reason, "mask-extra"))
    with ThreadPoolExecutor(core_count()) as pool:
        read = dict(zip(masks, pool.map(_read_mask, masks.values()), strict=True))
    faults += _content_faults(masks, read, raw_files, result / "res_track.txt")
    known = [mask for mask in read.values() if mask.labels is not None]
    left = len(leftovers(result))
    return Findings(faults, len(known), sum(mask.empty for mask in known), left)


def _find_masks(result: Path, digits: int) -> tuple[dict[int, Path], list[Fault]]:
    """Find the masks by frame, and files that look like masks but are misnamed."""
    masks, faults = {}, []
    for path in sorted(result.iterdir()):
        name = _MASK.fullmatch(path.name)
        if name and len(name[1]) == digits:
            masks[int(name[1])] = path
        elif _MEANT_AS_MASK.fullmatch(path.name):
            expected = frame_name("mask", 0, digits)
            reason = f"is no mask's name, expected as in {expected}: the official tool skips it"
            faults.append(Fault(path, reason, "mask-name"))
    return masks, faults


def _content_faults(
    masks: Mapping[int, Path],
    read: Mapping[int, _Mask],
    raw_files: Mapping[int, Path],
    track_file: Path,
) -> list[Fault]:
    """Compare all masks and the tracks with each other and with the raw frames."""
    faults = [fault for mask in read.values() for fault in mask.faults]
    labels = {n: mask.labels for n, mask in read.items() if mask.labels is not None}
    shapes = {n: mask.shape for n, mask in read.items() if mask.shape is not None}
    faults += _shape_faults(masks, shapes, raw_files)
    if track_file.is_file():
        faults += _track_faults(track_file, labels, masks)
    return faults


def _digits(result: Path) -> int:
    """Count the digits that most masks have: three without any."""
    found = [len(name[1]) for path in result.iterdir() if (name := _MASK.fullmatch(path.name))]
    return max(sorted(set(found)), key=found.count, default=3)


def _read_mask(path: Path) -> _Mask:
    """Read what a mask holds, plane by plane."""
    import numpy as np

    shape, faults = label_faults(path)
    if shape is None:
        return _Mask(None, None, faults)
    present, foreground = np.zeros(65536, bool), 0
    try:
        with open_labels(path) as image:
            for plane in range(shape[0]):
                labels = image.plane(plane)
                present[labels] = True
                foreground += int(np.count_nonzero(labels))
    except InputError as error:
        return _Mask(shape, None, [Fault.of(path, error)])
    empty = is_all_but_empty(foreground, math.prod(shape))
    return _Mask(shape, frozenset(np.flatnonzero(present[1:]) + 1), [], empty)


def _shape_faults(
    masks: Mapping[int, Path], shapes: Mapping[int, Shape], raw_files: Mapping[int, Path]
) -> Iterator[Fault]:
    """Compare each mask with its raw frame, or without raw frames with the first mask."""
    for frame, shape in shapes.items():
        if raw_files:
            model = raw_files[frame]
            try:
                expected, _ = volume_shape(model)
            except InputError as error:
                yield Fault.of(model, error)
                continue
        else:
            model, expected = masks[min(shapes)], shapes[min(shapes)]
        if shape != expected:
            reason = (
                f"shape {shape} (planes, rows, columns), expected {expected} as {model.name}: "
                "write the mask in the raw frame's shape"
            )
            yield Fault(masks[frame], reason, "shape-mismatch")


def _track_faults(
    path: Path, labels: Mapping[int, frozenset[int]], masks: Mapping[int, Path]
) -> Iterator[Fault]:
    tracks, faults = read_tracks(path)
    yield from faults
    broken = list(lineage_faults(path, tracks))
    yield from broken
    # Against masks that cannot be read there is nothing to hold the tracks.
    if faults or broken or not labels or len(labels) < len(masks):
        return
    yield from image_faults(path, trim_tracks(tracks, min(masks), max(masks)), labels)
