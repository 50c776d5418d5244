"""DET: how well the objects are found."""

from __future__ import annotations

from collections.abc import Iterator

from ctc_eval.measures.graph import EXTRA, MISSED, RULE, NodeErrors, accuracy, node_cost, node_lines
from ctc_eval.measures.measure import Evidence, Measure


def det(errors: NodeErrors, *, penalize_extra: bool) -> float:
    """Compute DET: 1 minus the cost of correcting the objects, relative to creating them all.

    Matula et al. 2015, PLOS ONE 10(12): e0144959, without the links.

    Parameters
    ----------
    errors : NodeErrors
        With at least one reference object.
    penalize_extra : bool
        Whether result objects that match nothing cost.

    Returns
    -------
    float
        From 0 to 1.
    """
    return accuracy(node_cost(errors, _extra(penalize_extra)), MISSED * errors.objects)


def _extra(penalize_extra: bool) -> float:
    return EXTRA if penalize_extra else 0.0


def _log(evidence: Evidence) -> Iterator[str]:
    """Give the lines of the official ``DET_log.txt``."""
    yield from node_lines(evidence.nodes, _extra(evidence.penalize_extra))
    yield RULE


DET = Measure(
    "DET",
    "how well objects are found, 0 to 1",
    needs=("markers",),
    value=lambda evidence, _: det(evidence.nodes, penalize_extra=evidence.penalize_extra),
    column=".3f",
    log=_log,
    program=lambda penalize_extra: (str(int(penalize_extra)),),
)
