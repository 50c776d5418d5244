"""Reads and scores a sequence: finds the reference, streams the frames, measures."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from ctc_eval.format import (
    Fault,
    InputError,
    LabelImage,
    Reference,
    ReferenceImage,
    Track,
    and_more,
    core_count,
    find_reference,
    frame_name,
    frames_beyond,
    image_faults,
    is_all_but_empty,
    is_inside,
    lineage_faults,
    open_labels,
    read_tracks,
    trim_tracks,
)
from ctc_eval.measures import Evidence, Score, compute, needs_of
from ctc_eval.overlap import Matching, PairCounts, add_up, count_runs, match

# Threads wait for each other now and then: below this the waiting costs more than it saves.
VOXELS_A_THREAD = 2**27

log = logging.getLogger(__name__)


def score_sequence(
    reference: Path,
    result: Path,
    *,
    wanted: Sequence[str] = ("SEG", "DET"),
    frames: slice = slice(None),
    penalize_extra: bool = True,
    parameters: int = 0,
    workers: int | None = None,
) -> Score:
    """Score a sequence's masks against a reference.

    Frames are read plane by plane, so memory does not grow with their number or depth.

    Parameters
    ----------
    reference : Path
        Folder as for :func:`ctc_eval.format.find_reference`.
    result : Path
        Folder with ``maskTTT.tif`` and, for measures of tracks, ``res_track.txt``.
    wanted : sequence of str
        Of the measures' names.
    frames : slice
        Frame numbers to use, half open.
    penalize_extra : bool
        Whether DET counts result objects that match no reference object.
    parameters : int
        Weights of all networks together, for PESEG; 0 where they are not known.
    workers : int, optional
        Threads; if not given all cores, or fewer for little data.

    Returns
    -------
    Score

    Raises
    ------
    InputError
        What the official tool refuses or reads as empty: masks missing, of other size, pixel
        type or compression than it reads, no reference object, inconsistent tracks.
    """
    needs = needs_of(wanted) - {"parameters"}
    found = find_reference(reference, needs)
    objects = _within(found.objects, frames, reference) if "objects" in needs else ()
    markers = _within(found.markers, frames, reference) if needs - {"objects"} else ()
    images = tuple(dict.fromkeys((*objects, *markers)))
    masks = _masks(result, images)
    _warn_of_frames(frames, result)
    matchings = _match_images(masks, images, workers or _worth_their_cost(masks))
    by_frame = {image.frame: matchings[image] for image in markers}
    for used in filter(None, (objects, markers)):
        _require_objects([matchings[image] for image in used], reference)
    evidence = Evidence(
        tuple((image, matchings[image]) for image in objects),
        by_frame,
        _consistent_tracks(found, result, frames, by_frame) if "tracks" in needs else ({}, {}),
        penalize_extra,
        parameters,
    )
    return _count_empty(compute(evidence, wanted), masks, matchings)


def _within(
    images: Sequence[ReferenceImage], frames: slice, folder: Path
) -> tuple[ReferenceImage, ...]:
    chosen = tuple(image for image in images if is_inside(image.frame, frames))
    if not chosen:
        numbers = [image.frame for image in images]
        raise InputError(
            f"{folder}: no reference image among the frames {frames.start or 0} to "
            f"{'the end' if frames.stop is None else frames.stop - 1}; there are some from "
            f"frame {min(numbers)} to {max(numbers)}: choose other --frames",
            code="frames-unannotated",
        )
    return chosen


def _masks(result: Path, images: Iterable[ReferenceImage]) -> dict[int, Path]:
    """Find the mask of each annotated frame; other files of the result do not matter."""
    if not result.is_dir():
        raise InputError(
            f"{result}: no such folder; expected the result, mask000.tif, ...: segment the "
            "sequence first, or name its folder with --result",
            code="folder-missing",
        )
    masks = {
        image.frame: result / frame_name("mask", image.frame, image.digits) for image in images
    }
    missing = [path for path in masks.values() if not path.is_file()]
    if missing:
        other = next(
            (path.name for path in sorted(result.glob("mask*.tif")) if path not in masks.values()),
            None,
        )
        raise InputError(
            f"{missing[0]}: no such file ({len(missing)} of {len(masks)} annotated frames have no "
            "mask"
            + (f", though there is {other}" if other else "")
            + "); expected a mask for each, digits as in the reference: add or rename the "
            "masks, or score a part of the frames with --frames A:B",
            code="mask-missing",
        )
    return masks


def _warn_of_frames(frames: slice, result: Path) -> None:
    """Warn if a range continues after the last mask."""
    last = max(
        int(path.stem[4:])
        for path in result.glob("mask*.tif")
        if re.fullmatch("[0-9]+", path.stem[4:])
    )
    if beyond := frames_beyond(frames, last):
        log.warning("%s: no frame %s, the last mask is of frame %d", result, beyond, last)


def _worth_their_cost(masks: Mapping[int, Path]) -> int:
    """Choose the number of threads: all cores, or fewer if there is little to read."""
    with open_labels(next(iter(masks.values()))) as mask:
        voxels = math.prod(mask.shape) * len(masks)
    return min(core_count(), -(-voxels // VOXELS_A_THREAD))


def _match_images(
    masks: Mapping[int, Path], images: Sequence[ReferenceImage], workers: int
) -> dict[ReferenceImage, Matching]:
    """Match the objects of all images, on all cores."""
    by_frame: dict[int, list[ReferenceImage]] = {}
    for image in images:
        by_frame.setdefault(image.frame, []).append(image)
    # Where there are fewer frames than workers, a frame's planes are shared out.
    parts = -(-workers // len(by_frame))
    jobs = [(frame, part) for frame in sorted(by_frame) for part in range(parts)]

    def count(job: tuple[int, int]) -> dict[ReferenceImage, PairCounts]:
        frame, part = job
        return count_part(masks[frame], by_frame[frame], part, parts)

    counts: dict[ReferenceImage, list[PairCounts]] = {image: [] for image in images}
    with ThreadPoolExecutor(min(workers, len(jobs))) as pool:
        for found in pool.map(count, jobs):
            for image, pairs in found.items():
                counts[image].append(pairs)
    return {image: match(add_up(pairs)) for image, pairs in counts.items()}


def count_part(
    mask_path: Path, images: Sequence[ReferenceImage], part: int, parts: int
) -> dict[ReferenceImage, PairCounts]:
    """Count the pairs of labels in one of `parts` runs of a mask's planes.

    Parameters
    ----------
    mask_path : Path
    images : sequence of ReferenceImage
        Of the mask's frame.
    part, parts : int
        Which run, from 0, of how many; 0 of 1 is the whole mask.

    Returns
    -------
    dict of ReferenceImage to PairCounts
        Each pair of labels once.

    Raises
    ------
    InputError
        A file that is not as the official tool reads it; another shape than the mask's.
    """
    with ExitStack() as stack:
        mask = stack.enter_context(open_labels(mask_path))
        opened = [(image, stack.enter_context(open_labels(image.path))) for image in images]
        for image, labels in opened:
            _check_shape(image, labels, mask)
        first, last = (mask.shape[0] * p // parts for p in (part, part + 1))
        counts: dict[ReferenceImage, list[PairCounts]] = {}
        # A plane at a time: it fits a core's cache, and memory stays flat.
        for plane in range(first, last):
            here = [(image, labels) for image, labels in opened if image.plane in (None, plane)]
            if not here:
                continue
            pages = [labels.plane(plane if image.plane is None else 0) for image, labels in here]
            found = count_runs(pages, mask.plane(plane))
            for (image, _), pairs in zip(here, found, strict=True):
                counts.setdefault(image, []).append(pairs)
    return {image: add_up(parts_of) for image, parts_of in counts.items()}


def _count_empty(
    score: Score, masks: Mapping[int, Path], matchings: Mapping[ReferenceImage, Matching]
) -> Score:
    """Count the masks that hold no cell or almost none; only candidates are read again."""
    seen = dict.fromkeys(masks, 0)
    for image, matching in matchings.items():
        seen[image.frame] = max(seen[image.frame], matching.result_voxels)
    empty = 0
    for frame, path in masks.items():
        with open_labels(path) as mask:
            voxels = math.prod(mask.shape)
            if is_all_but_empty(seen[frame], voxels):
                planes = map(mask.plane, range(mask.shape[0]))
                found = sum(int((plane > 0).sum()) for plane in planes)
                empty += is_all_but_empty(found, voxels)
    return replace(score, masks=len(masks), empty=empty)


def _check_shape(image: ReferenceImage, labels: LabelImage, mask: LabelImage) -> None:
    expected = mask.shape if image.plane is None else (1, *mask.shape[1:])
    if labels.shape != expected:
        raise InputError(
            f"{mask.path}: shape {mask.shape}; expected that of {labels.path}, {labels.shape}"
            + ("" if image.plane is None else " (one slice)")
            + ": write the mask in the raw frame's shape (planes, rows, columns)",
            code="shape-mismatch",
        )
    if image.plane is not None and image.plane >= mask.shape[0]:
        raise InputError(
            f"{mask.path}: {mask.shape[0]} planes; expected more than {image.plane}, the slice of "
            f"{labels.path}: write the mask in the raw frame's shape",
            code="slice-outside",
        )


def _require_objects(matchings: Iterable[Matching], folder: Path) -> None:
    if not any(len(matching.reference) for matching in matchings):
        raise InputError(
            f"{folder}: no object in any reference image used; expected at least one "
            "(the official tool: 'No ground truth object found!'): check the reference",
            code="reference-empty",
        )


def _consistent_tracks(
    reference: Reference, result: Path, frames: slice, matched: Mapping[int, Matching]
) -> tuple[dict[int, Track], dict[int, Track]]:
    """Read reference and result tracks, cut to the frames used, refusing inconsistent ones."""
    used = sorted(matched)
    wanted_file, given_file = reference.track_file, result / "res_track.txt"
    wanted, given = _sound_tracks(wanted_file), _sound_tracks(given_file)
    _refuse_first(lineage_faults(wanted_file, wanted))
    _refuse_first(lineage_faults(given_file, given))
    begin = min(track.begin for track in wanted.values())
    if frames != slice(None):
        last = used[-1] if frames.stop is None else frames.stop - 1
        begin, wanted = used[0], trim_tracks(wanted, frames.start or 0, last)
    given = trim_tracks(given, used[0], used[-1])
    in_reference = {frame: set(one.reference.tolist()) for frame, one in matched.items()}
    _refuse_first(image_faults(wanted_file, wanted, in_reference))
    if used != list(range(begin, begin + len(used))):
        raise InputError(
            f"{wanted_file}: the reference tracks are not consistent with the images: the images "
            f"are not those of all frames from the tracks' first, {begin}, on, as which the "
            "official tool counts them: leave measures of tracks out of --measures",
            code="tracks-offset",
        )
    in_result = {frame: set(one.result.tolist()) for frame, one in matched.items()}
    _refuse_first(image_faults(given_file, given, in_result))
    return wanted, given


def _sound_tracks(path: Path) -> dict[int, Track]:
    """Read a track file whose rows all count."""
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; measures of tracks need a file with rows "
            "'label begin end parent': write one, or leave them out of --measures",
            code="file-missing",
        )
    tracks, faults = read_tracks(path)
    _refuse_first(faults, advice="")
    return tracks


def _refuse_first(faults: Iterable[Fault], advice: str = ": fix the tracks") -> None:
    found = list(faults)
    if found:
        raise InputError(f"{found[0]}{and_more(len(found) - 1)}{advice}", code=found[0].code)
