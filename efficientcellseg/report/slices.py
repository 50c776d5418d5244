"""Pictures of a frame's slices: raw, pseudocolor, maps, labels, and what became of each object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from efficientcellseg.chain.pseudocolor import pseudocolored_planes
from efficientcellseg.report.outcomes import Judged
from efficientcellseg.report.pictures import (
    Cutout,
    contrast,
    encode,
    encode_labels,
    heat,
    stretch,
)

if TYPE_CHECKING:
    from efficientcellseg.maps import Maps
    from efficientcellseg.parameters.recipe import Pseudocolor

# Maps that are shown, at most: offsets come after cells.
MAPS_SHOWN = 4


@dataclass(frozen=True)
class FrameData:
    """A frame, and all that is known of it.

    Attributes
    ----------
    number : int
    volume : ndarray of shape (Z, Y, X)
        Raw intensities.
    result : ndarray of shape (Z, Y, X), integer
    reference : mapping of int or None to ndarray of shape (Z, Y, X)
        Labels of the whole frame under None, or of single slices (1, Y, X) by plane.
    judged : mapping of int or None to Judged
        The same.
    maps : mapping of str to ndarray of shape (Z, Y, X)
        In 0..1; may be empty.
    """

    number: int
    volume: np.ndarray
    result: np.ndarray
    reference: Mapping[int | None, np.ndarray] = field(default_factory=dict)
    judged: Mapping[int | None, Judged] = field(default_factory=dict)
    maps: Maps = field(default_factory=dict)


@dataclass(frozen=True)
class Slice:
    """A slice to look at.

    Attributes
    ----------
    frame, plane : int
    views : dict of str to str
        Data URIs of pictures by what they show: raw, pseudocolor, maps.
    result, reference : str
        Data URIs of labels; the reference is empty if this slice has none.
    found : dict of int to int
        `Outcome` of each result object in it.
    wanted : dict of int to (int, float)
        `Outcome` and Jaccard index of each reference object in it.
    """

    frame: int
    plane: int
    views: dict[str, str]
    result: str
    reference: str
    found: dict[int, int]
    wanted: dict[int, tuple[int, float]]


def make_slices(
    frame: FrameData, planes: Sequence[int], window: Cutout, colors: Pseudocolor | None
) -> list[Slice]:
    """Make the pictures of some planes of a frame.

    Parameters
    ----------
    frame : FrameData
    planes : sequence of int
        Ascending.
    window : Cutout
        What is shown of each.
    colors : Pseudocolor or None
        How networks see the slices; None for a method without networks.

    Returns
    -------
    list of Slice
        One for each of `planes`.
    """
    limits = contrast(frame.volume)
    views: dict[int, dict[str, str]] = {
        plane: {"raw": encode(stretch(window.image(frame.volume[plane]), *limits))}
        for plane in planes
    }
    if colors:
        every = pseudocolored_planes(frame.volume, colors, window.image)
        for plane, colored in enumerate(every):
            if plane in views:
                views[plane]["pseudocolor"] = encode(stretch(colored, 0, 1))
    for name in list(frame.maps)[:MAPS_SHOWN]:
        for plane in planes:
            picture = heat(window.image(frame.maps[name][plane]))
            views[plane][f"map: {name.replace('_', ' ')}"] = encode(picture)
    return [_make_slice(frame, plane, window, views[plane]) for plane in planes]


def _make_slice(frame: FrameData, plane: int, window: Cutout, views: dict[str, str]) -> Slice:
    """Add labels and outcomes to the pictures of a slice."""
    ours, key = window.labels(frame.result[plane]), plane if plane in frame.reference else None
    if key not in frame.reference:
        return Slice(frame.number, plane, views, encode_labels(ours), "", {}, {})
    theirs = window.labels(frame.reference[key][plane if key is None else 0])
    one = frame.judged[key]
    found = zip(one.matching.result.tolist(), one.result.tolist(), strict=True)
    indices = one.matching.jaccard.round(3).tolist()
    outcomes = zip(one.reference.tolist(), indices, strict=True)
    return Slice(
        frame.number,
        plane,
        views,
        encode_labels(ours),
        encode_labels(theirs),
        _present(found, ours),
        _present(zip(one.matching.reference.tolist(), outcomes, strict=True), theirs),
    )


def _present(values: Any, labels: np.ndarray) -> dict[int, Any]:
    """Keep what belongs to labels in a slice."""
    here = set(np.unique(labels).tolist())
    return {label: value for label, value in values if label in here}
