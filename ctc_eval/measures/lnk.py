"""LNK: how well the objects that were found are linked."""

from __future__ import annotations

from ctc_eval.measures.graph import EDGE_MISSED, EdgeErrors, accuracy, edge_cost
from ctc_eval.measures.measure import Measure


def lnk(edges: EdgeErrors) -> float:
    """Compute LNK: 1 minus the cost of correcting the links, relative to creating them all.

    Links of objects that were not found are missing.

    Parameters
    ----------
    edges : EdgeErrors

    Returns
    -------
    float
        From 0 to 1; nan if the reference has no links.
    """
    if not edges.links:
        return float("nan")
    return accuracy(edge_cost(edges), EDGE_MISSED * edges.links)


LNK = Measure(
    "LNK",
    "how well objects are linked, 0 to 1",
    needs=("markers", "tracks"),
    value=lambda evidence, _: lnk(evidence.edges),
    column=".3f",
    asked=True,
)
