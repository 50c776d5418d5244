"""SEG: how well the reference objects are outlined."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ctc_eval.measures.measure import Evidence, Measure

if TYPE_CHECKING:
    from ctc_eval.overlap import Matching


def seg(matchings: Iterable[Matching]) -> float:
    """Compute SEG: mean Jaccard index of all reference objects of all images.

    Parameters
    ----------
    matchings : iterable of Matching
        One per image.

    Returns
    -------
    float
        From 0 to 1; nan without any reference object.
    """
    import numpy as np

    values = np.concatenate([np.zeros(0), *(matching.jaccard for matching in matchings)])
    return float(values.mean()) if len(values) else float("nan")


def _log(evidence: Evidence) -> Iterator[str]:
    """Give the lines of the official ``SEG_log.txt``: each reference object's Jaccard index."""
    for image, matching in evidence.objects:
        yield f"----------T={image.frame} Z={image.plane or 0}----------"
        for label, value in zip(matching.reference, matching.jaccard, strict=True):
            yield f"GT_label={label} J={value:.6g}"
    yield "=" * 56


SEG = Measure(
    "SEG",
    "mean Jaccard index of the reference objects, 0 to 1",
    needs=("objects",),
    value=lambda evidence, _: seg(matching for _, matching in evidence.objects),
    column=".3f",
    log=_log,
    program=lambda penalize_extra: (),
)
