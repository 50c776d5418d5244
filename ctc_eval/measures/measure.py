"""What makes a measure: what it needs, how it is computed, and how it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from ctc_eval.format import ReferenceImage, Track
from ctc_eval.measures.graph import (
    EdgeErrors,
    Node,
    NodeErrors,
    edge_errors,
    node_errors,
    sole_partners,
)

if TYPE_CHECKING:
    from ctc_eval.overlap import Matching


@dataclass(frozen=True)
class Evidence:
    """What measures are computed from: how reference and result of a sequence match.

    Attributes
    ----------
    objects : tuple of (ReferenceImage, Matching)
        How the objects of each image of SEG matched, in the order of the official log.
    markers : mapping of int to Matching
        How the markers of each frame matched, by frame, ascending.
    tracks : tuple of mapping of int to Track
        Of reference and result, consistent with the markers' frames, by label.
    penalize_extra : bool
        Whether result objects that match nothing cost in DET.
    parameters : int
        Weights of all networks together; 0 without networks, or where they are not known.
    """

    objects: tuple[tuple[ReferenceImage, Matching], ...] = ()
    markers: Mapping[int, Matching] = field(default_factory=dict)
    tracks: tuple[Mapping[int, Track], Mapping[int, Track]] = field(default=({}, {}))
    penalize_extra: bool = True
    parameters: int = 0

    @cached_property
    def nodes(self) -> NodeErrors:
        """Errors of the objects that the markers mark.

        Returns
        -------
        NodeErrors
        """
        return node_errors(self.markers)

    @cached_property
    def partners(self) -> Mapping[Node, Node]:
        """The reference object of each result object that matches exactly one.

        Returns
        -------
        mapping of (int, int) to (int, int)
            By (frame, label).
        """
        return sole_partners(self.markers)

    @cached_property
    def edges(self) -> EdgeErrors:
        """Errors of the links between them.

        Returns
        -------
        EdgeErrors
        """
        return edge_errors(self.partners, *self.tracks)


@dataclass(frozen=True)
class Score:
    """Measures of a sequence, and what they were computed from.

    Attributes
    ----------
    values : dict of str to float
        By name, in the order of `MEASURES`.
    evidence : Evidence
    masks, empty : int
        How many masks were measured, and how many of them hold no cell or next to none.
    """

    values: dict[str, float]
    evidence: Evidence
    masks: int = 0
    empty: int = 0


@dataclass(frozen=True)
class Measure:
    """A measure.

    Attributes
    ----------
    name : str
    meaning : str
        In a few words, for the manual.
    needs : tuple of str
        Of "objects", "markers", "tracks" (of reference and result), "parameters" (of the
        networks), and names of measures that stand before it in `MEASURES`.
    value : callable
        Evidence, and the values of the measures that it needs, to its own; nan if the
        reference has nothing to measure it by, such as divisions.
    column : str or None
        How the tables write it, such as ".3f"; None keeps it out of them.
    asked : bool
        Whether its column is there only where a row has a value, and ``benchmark`` leaves it out.
    log : callable or None
        Evidence to the lines that the official tool logs before the measure's own, if it logs.
    program : callable or None
        Whether extra detections cost, to the further arguments of the official program
        (``SEGMeasure``); None if there is no such program.
    """

    name: str
    meaning: str
    needs: tuple[str, ...]
    value: Callable[[Evidence, Mapping[str, float]], float]
    column: str | None = None
    asked: bool = False
    log: Callable[[Evidence], Iterator[str]] | None = None
    program: Callable[[bool], tuple[str, ...]] | None = None
