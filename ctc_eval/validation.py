"""Every fault of a result at once, before the official tool passes over it in silence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ctc_eval.format import (
    InputError,
    frame_digits,
    frame_files,
    frame_name,
    is_inside,
    volume_shape,
)
from ctc_eval.format.labels import core_count, label_faults, open_labels
from ctc_eval.format.tracks import image_faults, lineage_faults, parse_tracks, trim_tracks

Shape = tuple[int, int, int]

_MASK = re.compile(r"mask(\d{3,})\.tif")
# What a user most likely meant as a mask; other files in the folder do no harm.
_MEANT_AS_MASK = re.compile(r"(mask.*|t?\d+)\.tiff?", re.IGNORECASE)


@dataclass(frozen=True)
class Fault:
    """What is wrong with a file, in one line."""

    path: Path
    reason: str

    def __str__(self) -> str:  # noqa: D105
        return f"{self.path}: {self.reason}"


def find_faults(raw: Path, result: Path, frames: slice = slice(None)) -> list[Fault]:
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
    list of Fault
        All faults: names, frames, then file by file, those of ``res_track.txt`` last.
    """
    if not result.is_dir():
        return [Fault(result, "no such folder, expected masks there: segment the sequence first")]
    faults: list[Fault] = []
    raw_files: dict[int, Path] = {}
    if raw.is_dir():
        try:
            raw_files = frame_files(raw, "t")
        except InputError as error:
            faults.append(Fault(raw, str(error).removeprefix(f"{raw}: ")))
    digits = frame_digits(next(iter(raw_files.values()))) if raw_files else _digits(result)
    masks = {}
    for path in sorted(result.iterdir()):
        name = _MASK.fullmatch(path.name)
        if name and len(name[1]) == digits:
            masks[int(name[1])] = path
        elif _MEANT_AS_MASK.fullmatch(path.name):
            expected = frame_name("mask", 0, digits)
            reason = f"is no mask's name, expected as in {expected}: the official tool skips it"
            faults.append(Fault(path, reason))

    needed = raw_files or range(max(masks, default=0) + 1)
    for frame in needed:
        if is_inside(frame, frames) and frame not in masks:
            path = result / frame_name("mask", frame, digits)
            faults.append(Fault(path, "is missing, expected a mask for every frame: add it"))
    masks = {frame: path for frame, path in masks.items() if is_inside(frame, frames)}
    for frame in sorted(masks.keys() - raw_files.keys() if raw_files else ()):
        faults.append(Fault(masks.pop(frame), "has no raw frame, expected none: remove it"))

    labels: dict[int, frozenset[int]] = {}
    shapes: dict[int, Shape] = {}
    with ThreadPoolExecutor(core_count()) as pool:
        for frame, (shape, present, reasons) in zip(
            masks, pool.map(_read_mask, masks.values()), strict=True
        ):
            faults += [Fault(masks[frame], reason) for reason in reasons]
            if shape is not None:
                shapes[frame] = shape
            if present is not None:
                labels[frame] = present
    faults += _shape_faults(masks, shapes, raw_files)
    track_file = result / "res_track.txt"
    if track_file.is_file():
        faults += [Fault(track_file, reason) for reason in _track_faults(track_file, labels, masks)]
    return faults


def _digits(result: Path) -> int:
    """Count the digits that most masks have: three without any."""
    found = [len(name[1]) for path in result.iterdir() if (name := _MASK.fullmatch(path.name))]
    return max(sorted(set(found)), key=found.count, default=3)


def _read_mask(path: Path) -> tuple[Shape | None, frozenset[int] | None, list[str]]:
    """Read a mask's shape, labels and faults; None where the file does not tell."""
    import numpy as np

    shape, faults = label_faults(path)
    if shape is None:
        return None, None, faults
    present = np.zeros(65536, bool)
    try:
        with open_labels(path) as image:
            for plane in range(shape[0]):
                present[image.plane(plane)] = True
    except InputError as error:
        return shape, None, [str(error).removeprefix(f"{path}: ")]
    return shape, frozenset(np.flatnonzero(present[1:]) + 1), []


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
                yield Fault(model, str(error).removeprefix(f"{model}: "))
                continue
        else:
            model, expected = masks[min(shapes)], shapes[min(shapes)]
        if shape != expected:
            yield Fault(
                masks[frame],
                f"shape {shape} (planes, rows, columns), expected {expected} as {model.name}: "
                "write the mask in the raw frame's shape",
            )


def _track_faults(
    path: Path, labels: Mapping[int, frozenset[int]], masks: Mapping[int, Path]
) -> Iterator[str]:
    tracks, faults = parse_tracks(path.read_text(errors="replace"))
    yield from faults
    broken = list(lineage_faults(tracks))
    yield from broken
    # Against masks that cannot be read there is nothing to hold the tracks.
    if faults or broken or not labels or len(labels) < len(masks):
        return
    yield from image_faults(trim_tracks(tracks, min(masks), max(masks)), labels)
