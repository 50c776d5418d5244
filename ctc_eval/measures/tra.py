"""TRA: how well the objects are found and linked."""

from __future__ import annotations

from collections.abc import Iterator

from ctc_eval.measures.graph import (
    EDGE_MISSED,
    EXTRA,
    MISSED,
    RULE,
    EdgeErrors,
    NodeErrors,
    accuracy,
    edge_cost,
    edge_lines,
    node_cost,
    node_lines,
)
from ctc_eval.measures.measure import Evidence, Measure


def tra(nodes: NodeErrors, edges: EdgeErrors) -> float:
    """Compute TRA: like DET, plus the cost of correcting the links (Matula et al. 2015).

    Parameters
    ----------
    nodes : NodeErrors
        With at least one reference object.
    edges : EdgeErrors

    Returns
    -------
    float
        From 0 to 1.
    """
    cost = node_cost(nodes, EXTRA) + edge_cost(edges)
    return accuracy(cost, MISSED * nodes.objects + EDGE_MISSED * edges.links)


def _log(evidence: Evidence) -> Iterator[str]:
    """Give the lines of the official ``TRA_log.txt``."""
    yield from node_lines(evidence.nodes, EXTRA)
    yield from edge_lines(evidence.edges)
    yield RULE


TRA = Measure(
    "TRA",
    "how well objects are found and linked, 0 to 1",
    needs=("markers", "tracks"),
    value=lambda evidence, _: tra(evidence.nodes, evidence.edges),
    column=".3f",
    asked=True,
    log=_log,
    program=lambda penalize_extra: (),
)
