"""MeanIoU: how well cells as a whole are told from background."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ctc_eval.measures.measure import Measure

if TYPE_CHECKING:
    from ctc_eval.overlap import Matching


def mean_iou(matchings: Iterable[Matching]) -> float:
    """Compute MeanIoU: intersection over union, averaged over background and cells.

    The voxels of both classes are counted over all images together. A class without voxels is left
    out of the mean.

    Parameters
    ----------
    matchings : iterable of Matching
        One per image.

    Returns
    -------
    float
        From 0 to 1.
    """
    import numpy as np

    counts = [matching.foreground for matching in matchings]
    both, either, total = (sum(values) for values in zip(*counts, strict=True))
    classes = [(both, either), (total - either, total - both)]
    return float(np.mean([shared / union for shared, union in classes if union]))


MEAN_IOU = Measure(
    "MeanIoU",
    "mean Jaccard index of background and of all cells together, 0 to 1",
    needs=("objects",),
    value=lambda evidence, _: mean_iou(matching for _, matching in evidence.objects),
)
