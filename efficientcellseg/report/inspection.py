"""Reads a sequence's frames, masks and reference one at a time; gives what the report shows."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ctc_eval.format import InputError, ReferenceImage, find_reference, has_markers, read_volume
from ctc_eval.overlap import Matching, match
from ctc_eval.scoring import count_part
from efficientcellseg.methods import METHODS
from efficientcellseg.report.judging import (
    BadObject,
    FrameScore,
    JudgedImage,
    diameters,
    frame_scores,
    measures_of,
    worst_objects,
)
from efficientcellseg.report.outcomes import Outcome, judge_objects
from efficientcellseg.report.overlay import annotated_images
from efficientcellseg.report.pictures import (
    Cutout,
    choose_cutout,
    contrast,
    cover,
    cut_around,
    fullest_plane,
    spread,
    stretch,
)
from efficientcellseg.report.slices import FrameData, Slice, make_slices

if TYPE_CHECKING:
    from efficientcellseg.maps import Maps
    from efficientcellseg.report.run_folder import SegmentedSequence

log = logging.getLogger(__name__)

# How many objects are shown, and of how many frames slices, at most.
WORST, FRAMES_SHOWN = 10, 5

Predict = Callable[[np.ndarray], "Maps"]


@dataclass(frozen=True)
class Inspection:
    """What the report shows of a sequence.

    Attributes
    ----------
    run : SegmentedSequence
    seg, det : float or None
        Over all annotated frames; None if nothing is annotated for them.
    scores : list of FrameScore
        Of each annotated frame.
    sizes : dict of Outcome to ndarray
        Diameters of the reference objects, see :func:`efficientcellseg.report.judging.diameters`.
    slices : list of Slice
        By frame and plane.
    bad : list of (BadObject, str)
        The worst first, each with its picture as a data URI.
    shape : tuple of int
        Planes, rows, columns of a frame.
    window : Cutout
        The part of a slice that is shown.
    shown : tuple of (list of int, list of int)
        The frames and the planes that are shown.
    maps_missing : str
        Why there are no maps; empty if there are.
    cover : str
        Data URI of the slice with most objects, each in its own color.
    """

    run: SegmentedSequence
    seg: float | None
    det: float | None
    scores: list[FrameScore]
    sizes: dict[Outcome, np.ndarray]
    slices: list[Slice]
    bad: list[tuple[BadObject, str]]
    shape: tuple[int, int, int]
    window: Cutout
    shown: tuple[list[int], list[int]]
    maps_missing: str
    cover: str


def inspect_sequence(
    run: SegmentedSequence, model: Path | None, device: str, slices: int
) -> Inspection:
    """Judge all annotated frames of a sequence, and make pictures of some.

    Parameters
    ----------
    run : SegmentedSequence
    model : Path or None
        Folder of the networks that made the masks; None leaves their maps out.
    device : str
        Where networks run.
    slices : int
        How many slices are shown, about.

    Returns
    -------
    Inspection

    Raises
    ------
    InputError
        Files that are missing, damaged or do not belong together.
    """
    markers, judged = judge_sequence(run)
    bad = worst_objects(judged, WORST)
    annotated = sorted({image.frame for image, _ in judged}) or sorted(run.masks)
    first = read_volume(run.masks[annotated[0]])
    planes, frames = _choose(len(first), annotated, slices, judged)
    window = choose_cutout(np.any(first > 0, axis=0))
    predict, missing = _predictor(run, model, device)
    colors = run.recipe.pseudocolor if run.recipe and run.weights else None
    found: list[Slice] = []
    cut: dict[BadObject, str] = {}
    for number in sorted({*frames, *(one.frame for one in bad)}):
        log.info("%s: frame %d", run.path, number)
        frame = _read_frame(run, number, judged, predict if number in frames else None)
        if number in frames:
            found += make_slices(frame, planes, window, colors)
        cut |= {one: _cut(one, frame) for one in bad if one.frame == number}
    extra = run.score.penalize_extra_detections
    seg, det = measures_of(judged, markers, penalize_extra=extra)
    size = run.recipe.voxel_size if run.recipe else None
    return Inspection(
        run=run,
        seg=seg,
        det=det,
        scores=frame_scores(judged, markers, penalize_extra=extra),
        sizes=diameters(judged, size, flat=len(first) == 1),
        slices=found,
        bad=[(one, cut[one]) for one in bad],
        shape=(len(first), first.shape[1], first.shape[2]),
        window=window,
        shown=(frames, planes),
        maps_missing=missing,
        cover=_cover(run.frames[annotated[0]], first, window),
    )


def _read_frame(
    run: SegmentedSequence, number: int, judged: list[JudgedImage], predict: Predict | None
) -> FrameData:
    """Read all that is known of a frame, and predict its maps."""
    volume, result = read_volume(run.frames[number]), read_volume(run.masks[number])
    _check_alike(run.masks[number], result, volume)
    here = [(image, one) for image, one in judged if image.frame == number]
    maps = predict(volume) if predict else {}
    order = [name for name in (run.recipe.maps if run.recipe else ()) if name in maps]
    return FrameData(
        number,
        volume,
        result,
        {image.plane: _read_reference(image, volume) for image, _ in here},
        {image.plane: one for image, one in here},
        {name: maps[name] for name in order or maps},
    )


def _cover(frame: Path, labels: np.ndarray, window: Cutout) -> str:
    volume = read_volume(frame)
    plane = fullest_plane(labels)
    image = stretch(window.image(volume[plane]), *contrast(volume))
    return cover(image, window.labels(labels[plane]))


def judge_sequence(run: SegmentedSequence) -> tuple[dict[int, Matching], list[JudgedImage]]:
    """Compare all masks with the reference, plane by plane.

    Parameters
    ----------
    run : SegmentedSequence

    Returns
    -------
    markers : dict of int to Matching
        By frame; empty if the reference has no markers.
    judged : list of (ReferenceImage, Judged)
        By frame and plane; empty if there is no reference.
    """
    images = [image for image in annotated_images(run.reference) if image.frame in run.masks]
    marked: tuple[ReferenceImage, ...] = ()
    if images and has_markers(run.reference):
        marked = find_reference(run.reference, ["markers"]).markers
    markers: dict[int, Matching] = {}
    judged: list[JudgedImage] = []
    for frame in sorted({image.frame for image in (*images, *marked)} & run.masks.keys()):
        here = [image for image in images if image.frame == frame]
        dots = [image for image in marked if image.frame == frame]
        pairs = count_part(run.masks[frame], list(dict.fromkeys((*here, *dots))), 0, 1)
        known: list[int] = []
        for image in dots:
            markers[frame] = match(pairs[image])
            known = markers[frame].matched.tolist()
        for image in here:
            all_there = image.plane is None or bool(dots)
            complete = all_there and run.score.penalize_extra_detections
            judged.append((image, judge_objects(pairs[image], known, complete=complete)))
    return markers, judged


def _choose(
    depth: int, frames: list[int], slices: int, judged: list[JudgedImage]
) -> tuple[list[int], list[int]]:
    """Choose planes and frames to show, evenly; annotated slices are among the planes."""
    many = min(len(frames), FRAMES_SHOWN)
    planes = {*spread(depth, max(slices // many, 3))}
    wanted = max(min(slices // len(planes), FRAMES_SHOWN), 1)
    chosen = [frames[i] for i in spread(len(frames), wanted)]
    annotated = {image.plane for image, _ in judged if image.frame in chosen} - {None}
    return sorted({*planes, *(plane for plane in annotated if plane is not None)}), chosen


def _predictor(
    run: SegmentedSequence, model: Path | None, device: str
) -> tuple[Predict | None, str]:
    """Give what predicts the maps of a frame, or why there is none."""
    if run.recipe is None or run.method not in METHODS:
        return None, "The masks' record does not say what made them, so their maps are not shown."
    if run.weights and model is None:
        return None, "The networks were not found, so their maps are not shown."
    method = METHODS[run.method](run.recipe, model or Path(), device, run.backend or "torch")
    return lambda volume: method.maps(method.prepare(volume)), ""


def _read_reference(image: ReferenceImage, volume: np.ndarray) -> np.ndarray:
    """Read a reference image (Z, Y, X); a slice has one plane."""
    labels = read_volume(image.path)
    _check_alike(image.path, labels, volume if image.plane is None else volume[:1])
    return labels


def _check_alike(path: Path, labels: np.ndarray, volume: np.ndarray) -> None:
    if labels.shape != volume.shape:
        raise InputError(
            f"{path}: shape {labels.shape}; expected {volume.shape}, that of the raw frame: check "
            "that both are of the same sequence",
            code="shape-mismatch",
        )


def _cut(one: BadObject, frame: FrameData) -> str:
    theirs, planes = frame.reference[one.plane], slice(None)
    if one.plane is not None:
        planes = slice(one.plane, one.plane + 1)
    result = frame.result[planes]
    return cut_around(
        frame.volume[planes], theirs, result, result if one.of_result else theirs, one.label
    )
