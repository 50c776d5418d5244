"""The challenge's measures, from the matched objects of each image.

SEG and DET as in the challenge's evaluation methodology; TRA is the accuracy of acyclic
oriented graphs (AOGM) of Matula et al. 2015, PLOS ONE 10(12): e0144959.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ctc_eval.format import MAX_LABEL
from ctc_eval.format.tracks import Track
from ctc_eval.overlap import Matching

SPLIT, MISSED, EXTRA = 5.0, 10.0, 1.0
EDGE_EXTRA, EDGE_MISSED, EDGE_WRONG = 1.0, 1.5, 1.0

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


def seg(matchings: Iterable[Matching]) -> float:
    """SEG: mean Jaccard index of all reference objects of all images; nan without any."""
    values = np.concatenate([np.zeros(0), *(matching.jaccard for matching in matchings)])
    return float(values.mean()) if len(values) else float("nan")


def mean_iou(matchings: Iterable[Matching]) -> float:
    """MeanIoU: mean of the intersection over union of background and of cells.

    The two classes' voxels are counted over all images together; a class that is nowhere is
    left out of the mean.
    """
    counts = [matching.foreground for matching in matchings]
    both, either, total = (sum(values) for values in zip(*counts, strict=True))
    classes = [(both, either), (total - either, total - both)]
    return float(np.mean([shared / union for shared, union in classes if union]))


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


def det(errors: NodeErrors, *, penalize_extra: bool = True) -> float:
    """DET: one minus the cost of mending the objects over that of making them all anew.

    Parameters
    ----------
    errors : NodeErrors
        With at least one reference object.
    penalize_extra : bool
        Whether result objects that match nothing cost.
    """
    return _accuracy(_node_cost(errors, EXTRA if penalize_extra else 0.0), MISSED * errors.objects)


def tra(nodes: NodeErrors, edges: EdgeErrors) -> float:
    """TRA: as DET, with the cost of mending the links added."""
    cost = (
        _node_cost(nodes, EXTRA)
        + EDGE_EXTRA * len(edges.redundant)
        + EDGE_MISSED * len(edges.missed)
        + EDGE_WRONG * len(edges.wrong)
    )
    return _accuracy(cost, MISSED * nodes.objects + EDGE_MISSED * edges.links)


def _node_cost(errors: NodeErrors, extra: float) -> float:
    return SPLIT * len(errors.splits) + MISSED * len(errors.missed) + extra * len(errors.extra)


def _accuracy(cost: float, cost_of_nothing: float) -> float:
    return 1.0 - min(cost, cost_of_nothing) / cost_of_nothing


def edge_errors(
    frames: Mapping[int, Matching], reference: Mapping[int, Track], result: Mapping[int, Track]
) -> EdgeErrors:
    """List what is wrong with the links.

    Only links between result objects that match exactly one reference object each can be
    right or wrong: the others go with their objects.

    Parameters
    ----------
    frames : mapping of int to Matching
        By frame.
    reference, result : mapping of int to Track
        Tracks consistent with the frames, by label, ascending.

    Returns
    -------
    EdgeErrors
    """
    # The one reference object that a result object matches, and the other way round.
    partner: dict[Node, Node] = {}
    for frame, matching in frames.items():
        matched = matching.matched[matching.matched > 0]
        unique, counts = np.unique(matched, return_counts=True)
        single = set(unique[counts == 1].tolist())
        pairs = zip(matching.matched.tolist(), matching.reference.tolist(), strict=True)
        partner.update({(frame, s): (frame, r) for s, r in pairs if s in single})
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


def derived(values: Mapping[str, float], parameters: int | None = None) -> dict[str, float]:
    """Add the measures that follow from others.

    Parameters
    ----------
    values : mapping of str to float
        Any of SEG, DET, TRA, MeanIoU.
    parameters : int, optional
        Weights of all networks together.

    Returns
    -------
    dict of str to float
        `values` and OP_CSB = (SEG + DET) / 2, OP_CTB = (SEG + TRA) / 2,
        PESEG = SEG / parameters x 10^6, each where what it is made of is there.
    """
    full = dict(values)
    if "SEG" in values and "DET" in values:
        full["OP_CSB"] = 0.5 * (values["SEG"] + values["DET"])
    if "SEG" in values and "TRA" in values:
        full["OP_CTB"] = 0.5 * (values["SEG"] + values["TRA"])
    if "SEG" in values and parameters:
        full["PESEG"] = values["SEG"] / parameters * 1e6
    return full
