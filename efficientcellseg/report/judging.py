"""What a reference says of a sequence: measures by frame, sizes, the worst objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ctc_eval.format import ReferenceImage
from ctc_eval.measures.det import det
from ctc_eval.measures.graph import node_errors
from ctc_eval.measures.seg import seg
from ctc_eval.overlap import Matching
from efficientcellseg.report.outcomes import Judged, Outcome, tell_reason

# The objects of an annotated image, whole frame or slice.
JudgedImage = tuple[ReferenceImage, Judged]

# The worst come first: what costs most in DET, then what nobody has found, then poor outlines.
ORDER = {Outcome.MISS: 0, Outcome.MERGE: 1, Outcome.SPLIT: 2, Outcome.FALSE: 3, Outcome.HIT: 4}


@dataclass(frozen=True)
class FrameScore:
    """Measures of a frame, and its objects by outcome.

    Attributes
    ----------
    frame : int
    seg, det : float or None
        In 0..1; None if nothing is annotated for them.
    counts : dict of Outcome to int
        Objects by outcome.
    """

    frame: int
    seg: float | None
    det: float | None
    counts: dict[Outcome, int]


@dataclass(frozen=True)
class BadObject:
    """An object that went wrong.

    Attributes
    ----------
    frame, label : int
    plane : int or None
        The annotated slice; None if the whole frame is.
    outcome : Outcome
    reason : str
    voxels : int
        Its size; 0 of a result object, which is not measured.
    """

    frame: int
    plane: int | None
    label: int
    outcome: Outcome
    reason: str
    voxels: int = 0

    @property
    def of_result(self) -> bool:
        """Whether it is the result's, for the reference has none there.

        Returns
        -------
        bool
        """
        return self.outcome == Outcome.FALSE


def measures_of(
    judged: Sequence[JudgedImage], markers: Mapping[int, Matching], *, penalize_extra: bool = True
) -> tuple[float | None, float | None]:
    """Give SEG and DET of some frames together.

    Parameters
    ----------
    judged : sequence of (ReferenceImage, Judged)
    markers : mapping of int to Matching
        By frame: how the reference's markers are matched.
    penalize_extra : bool
        Whether result objects that match nothing cost in DET.

    Returns
    -------
    seg, det : float or None
        In 0..1; None if nothing is annotated for them.
    """
    objects = any(len(one.reference) for _, one in judged)
    marked = any(len(one.reference) for one in markers.values())
    return (
        seg(one.matching for _, one in judged) if objects else None,
        det(node_errors(markers), penalize_extra=penalize_extra) if marked else None,
    )


def frame_scores(
    judged: Sequence[JudgedImage], markers: Mapping[int, Matching], *, penalize_extra: bool = True
) -> list[FrameScore]:
    """Give SEG and DET of each annotated frame, and count its objects by outcome.

    Parameters
    ----------
    judged : sequence of (ReferenceImage, Judged)
    markers : mapping of int to Matching
        By frame: how the reference's markers are matched.
    penalize_extra : bool
        Whether result objects that match nothing cost in DET.

    Returns
    -------
    list of FrameScore
        By frame.
    """
    scores = []
    for frame in sorted({image.frame for image, _ in judged} | set(markers)):
        here = [(image, one) for image, one in judged if image.frame == frame]
        marked = {number: one for number, one in markers.items() if number == frame}
        both = measures_of(here, marked, penalize_extra=penalize_extra)
        counts = {outcome: sum(one.count(outcome) for _, one in here) for outcome in Outcome}
        scores.append(FrameScore(frame, *both, counts))
    return scores


def diameters(
    judged: Iterable[JudgedImage], voxel_size: Sequence[float] | None, flat: bool
) -> dict[Outcome, np.ndarray]:
    """Give how large the reference objects are, by outcome.

    Parameters
    ----------
    judged : iterable of (ReferenceImage, Judged)
    voxel_size : sequence of float, optional
        Along plane, row and column, in um; unless given, sizes are in pixels.
    flat : bool
        Whether frames have one plane.

    Returns
    -------
    dict of Outcome to ndarray of shape (n,), float64
        The diameter of a ball of the object's volume; of a disk of its area, where slices are
        annotated or frames are flat.
    """
    sizes: dict[Outcome, list[np.ndarray]] = {outcome: [] for outcome in Outcome}
    size = np.asarray(voxel_size or (1.0, 1.0, 1.0))
    for image, one in judged:
        if flat or image.plane is not None:
            across = np.sqrt(one.matching.sizes * size[1:].prod() * 4 / np.pi)
        else:
            across = np.cbrt(one.matching.sizes * size.prod() * 6 / np.pi)
        for outcome in Outcome:
            sizes[outcome].append(across[one.reference == outcome])
    return {outcome: np.concatenate([np.zeros(0), *found]) for outcome, found in sizes.items()}


def worst_objects(judged: Iterable[JudgedImage], count: int) -> list[BadObject]:
    """Choose the objects that went wrong most.

    Missed objects come first, then merged and split ones, each from large to small; then what was
    found where the reference has nothing; then what was found, from the lowest Jaccard index on.
    A label comes once, in its worst frame, as long as there are others.

    Parameters
    ----------
    judged : iterable of (ReferenceImage, Judged)
    count : int
        How many objects are wanted.

    Returns
    -------
    list of BadObject
        The worst first; fewer than `count` where there are fewer objects.
    """
    ranked: list[tuple[tuple[float, ...], BadObject]] = []
    for number, (image, one) in enumerate(judged):
        place = image.frame, image.plane
        for i, label in enumerate(one.matching.reference.tolist()):
            outcome, size = Outcome(one.reference[i]), int(one.matching.sizes[i])
            quality = float(one.matching.jaccard[i]) if outcome == Outcome.HIT else -size
            found = BadObject(*place, label, outcome, tell_reason(one, i), size)
            ranked.append(((ORDER[outcome], quality, number, i), found))
        for i in np.flatnonzero(one.result == Outcome.FALSE).tolist():
            label = int(one.matching.result[i])
            found = BadObject(*place, label, Outcome.FALSE, "matches no object of the reference")
            ranked.append(((ORDER[Outcome.FALSE], 0.0, number, i), found))
    ordered = [found for _, found in sorted(ranked, key=lambda one: one[0])]
    first = {(one.of_result, one.label): one for one in reversed(ordered)}.values()
    once = [one for one in ordered if one in first]
    return [*once, *(one for one in ordered if one not in first)][:count]
