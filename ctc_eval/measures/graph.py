"""What is wrong with a result as an acyclic oriented graph: its objects, and their links.

What DET, LNK and TRA share. The measure of such graphs (AOGM) is that of Matula et al. 2015,
PLOS ONE 10(12): e0144959; the weights are those of the challenge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ctc_eval.format import MAX_LABEL, Track

if TYPE_CHECKING:
    from ctc_eval.overlap import Matching

SPLIT, MISSED, EXTRA = 5.0, 10.0, 1.0
EDGE_EXTRA, EDGE_MISSED, EDGE_WRONG = 1.0, 1.5, 1.0

# Between the lines of a log and its measure.
RULE = "=" * 81

Node = tuple[int, int]
Edge = tuple[Node, Node]


@dataclass(frozen=True)
class NodeErrors:
    """What is wrong with the objects of a sequence, as (frame, label), in the order of the log.

    Attributes
    ----------
    splits : tuple of (int, int)
        Result objects that match several reference objects, once for each beyond the first.
    missed : tuple of (int, int)
        Reference objects without a match.
    extra : tuple of (int, int)
        Result objects that match nothing.
    objects : int
        Reference objects in all.
    """

    splits: tuple[Node, ...]
    missed: tuple[Node, ...]
    extra: tuple[Node, ...]
    objects: int


@dataclass(frozen=True)
class EdgeErrors:
    """What is wrong with the links of a sequence, in the order of the log.

    Attributes
    ----------
    redundant : tuple of edges
        Links of the result that the reference does not have.
    missed : tuple of edges
        Links of the reference that the result does not have.
    wrong : tuple of edges
        Links of the result that should be a parent link and are none, or the other way round.
    links : int
        Reference links in all.
    """

    redundant: tuple[Edge, ...]
    missed: tuple[Edge, ...]
    wrong: tuple[Edge, ...]
    links: int


def node_errors(frames: Mapping[int, Matching]) -> NodeErrors:
    """List what is wrong with the objects.

    Parameters
    ----------
    frames : mapping of int to Matching
        By frame, ascending.

    Returns
    -------
    NodeErrors
    """
    import numpy as np

    splits: list[Node] = []
    missed: list[Node] = []
    extra: list[Node] = []
    for frame, matching in frames.items():
        missed += [(frame, int(label)) for label in matching.reference[matching.matched == 0]]
        # matched holds 0 for no match, so background never counts as a result object here.
        matches = np.bincount(matching.matched, minlength=MAX_LABEL + 1)[matching.result]
        extra += [(frame, int(label)) for label in matching.result[matches == 0]]
        again = np.repeat(matching.result, np.maximum(matches - 1, 0))
        splits += [(frame, int(label)) for label in again]
    objects = sum(len(matching.reference) for matching in frames.values())
    return NodeErrors(tuple(splits), tuple(missed), tuple(extra), objects)


def sole_partners(frames: Mapping[int, Matching]) -> dict[Node, Node]:
    """Give the reference object of each result object that matches exactly one.

    Parameters
    ----------
    frames : mapping of int to Matching
        By frame.

    Returns
    -------
    dict of (int, int) to (int, int)
        (frame, result label) to (frame, reference label).
    """
    import numpy as np

    partner: dict[Node, Node] = {}
    for frame, matching in frames.items():
        matched = matching.matched[matching.matched > 0]
        unique, counts = np.unique(matched, return_counts=True)
        single = set(unique[counts == 1].tolist())
        pairs = zip(matching.matched.tolist(), matching.reference.tolist(), strict=True)
        partner.update({(frame, s): (frame, r) for s, r in pairs if s in single})
    return partner


def edge_errors(
    partner: Mapping[Node, Node], reference: Mapping[int, Track], result: Mapping[int, Track]
) -> EdgeErrors:
    """List what is wrong with the links.

    Only links between result objects that match exactly one reference object each can be
    right or wrong: the others go with their objects.

    Parameters
    ----------
    partner : mapping of (int, int) to (int, int)
        From :func:`sole_partners`.
    reference, result : mapping of int to Track
        Tracks consistent with the frames, by label, ascending.

    Returns
    -------
    EdgeErrors
    """
    reverse = {node: match for match, node in partner.items()}

    # Each link, and whether it is a parent link.
    wanted, given = dict(_links(reference)), dict(_links(result))
    redundant, wrong = [], []
    for (start, end), is_parent in given.items():
        if start in partner and end in partner:
            kind = wanted.get((partner[start], partner[end]))
            if kind is None:
                redundant.append((start, end))
            elif kind != is_parent:
                wrong.append((start, end))
    missed = [
        (start, end)
        for start, end in wanted
        if start not in reverse or end not in reverse or (reverse[start], reverse[end]) not in given
    ]
    return EdgeErrors(tuple(redundant), tuple(missed), tuple(wrong), len(wanted))


def _links(tracks: Mapping[int, Track]) -> Iterator[tuple[Edge, bool]]:
    """Give each link and whether it leads from a parent, track by track."""
    for track in tracks.values():
        if track.parent:
            yield ((tracks[track.parent].end, track.parent), (track.begin, track.label)), True
        for frame in range(track.begin, track.end):
            yield ((frame, track.label), (frame + 1, track.label)), False


def node_cost(errors: NodeErrors, extra: float) -> float:
    """Add up the cost of correcting the objects.

    Parameters
    ----------
    errors : NodeErrors
    extra : float
        Cost of an extra object.

    Returns
    -------
    float
    """
    return SPLIT * len(errors.splits) + MISSED * len(errors.missed) + extra * len(errors.extra)


def edge_cost(errors: EdgeErrors) -> float:
    """Add up the cost of correcting the links.

    Parameters
    ----------
    errors : EdgeErrors

    Returns
    -------
    float
    """
    return (
        EDGE_EXTRA * len(errors.redundant)
        + EDGE_MISSED * len(errors.missed)
        + EDGE_WRONG * len(errors.wrong)
    )


def accuracy(cost: float, cost_of_nothing: float) -> float:
    """Convert a cost to a measure: 1 for none, 0 for the cost of creating everything, or more.

    Parameters
    ----------
    cost : float
    cost_of_nothing : float
        Cost of creating everything from an empty result.

    Returns
    -------
    float
        From 0 to 1.
    """
    return 1.0 - min(cost, cost_of_nothing) / cost_of_nothing


def node_lines(errors: NodeErrors, extra: float) -> Iterator[str]:
    """List the errors of objects as in the official logs.

    Parameters
    ----------
    errors : NodeErrors
    extra : float
        Cost of an extra object.

    Yields
    ------
    str
    """
    yield _title("Splitting Operations", SPLIT)
    yield from map(_node, errors.splits)
    yield _title("False Negative Vertices", MISSED)
    yield from (_node(node, "GT_label") for node in errors.missed)
    yield _title("False Positive Vertices", extra)
    yield from map(_node, errors.extra)


def edge_lines(errors: EdgeErrors) -> Iterator[str]:
    """List the errors of links as in the official log.

    Parameters
    ----------
    errors : EdgeErrors

    Yields
    ------
    str
    """
    yield _title("Redundant Edges To Be Deleted", EDGE_EXTRA)
    yield from map(_link, errors.redundant)
    yield _title("Edges To Be Added", EDGE_MISSED)
    yield from (_link(edge, "GT_label") for edge in errors.missed)
    yield _title("Edges with Wrong Semantics", EDGE_WRONG)
    yield from map(_link, errors.wrong)


def _title(name: str, penalty: float) -> str:
    return f"----------{name} (Penalty={penalty:g})----------"


def _node(node: Node, kind: str = "Label") -> str:
    return f"T={node[0]} {kind}={node[1]}"


def _link(edge: Edge, kind: str = "Label") -> str:
    return f"[{_node(edge[0], kind)}] -> [{_node(edge[1], kind)}]"
