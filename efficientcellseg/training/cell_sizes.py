"""How large cells are in training: what a network's card says it has learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from efficientcellseg.chain.scale import section_diameters
from efficientcellseg.chain.tiling import plan_tiles

if TYPE_CHECKING:
    from efficientcellseg.parameters.recipe import Tiling
    from efficientcellseg.training.samples import Samples


def measure_cells_shown(
    annotated: Mapping[int, np.ndarray] | np.ndarray, tiling: Tiling, size: int, dataset: int
) -> np.ndarray:
    """Measure how large the cells of a frame are for a network.

    Parameters
    ----------
    annotated : ndarray of shape (Z, Y, X) or mapping of int to ndarray of shape (Y, X), unsigned
        The frame's reference, as for :func:`frame_samples`.
    tiling : Tiling
        How its slices are cut.
    size : int
        Side of the network's input.
    dataset : int
        Index of its data set.

    Returns
    -------
    ndarray of shape (K, 3), float32
        See :attr:`Samples.cells`.
    """
    if isinstance(annotated, np.ndarray):
        blocks = [annotated]
    else:
        blocks = [plane[None] for plane in annotated.values()]
    shape = blocks[0].shape[1:]
    (top, bottom), (left, right) = plan_tiles(shape, tiling)[0]
    factor = size / sqrt((bottom - top) * (right - left))
    diameters = np.concatenate([section_diameters(block) for block in blocks])
    others = np.tile([factor, dataset], (len(diameters), 1))
    return np.column_stack([diameters * factor, others]).astype(np.float32)


def learnt_sizes(samples: Samples, shares: Sequence[float]) -> dict[str, Any]:
    """Say of what size cells were in training, data sets weighed as they are drawn.

    Parameters
    ----------
    samples : Samples
    shares : sequence of float
        How often each data set is drawn.

    Returns
    -------
    dict
        ``cell_diameter``, the 5th, 50th and 95th percentile in input pixels, and ``pixel_scale``,
        the median of input pixels a pixel of the image; nothing where no cell was shown.
    """
    if not len(samples.cells):
        return {}
    diameters, factors, dataset = samples.cells.T
    dataset = dataset.astype(int)
    many = np.bincount(dataset, minlength=len(shares))
    weights = (np.array(shares) / np.maximum(many, 1))[dataset]

    def percentiles(values: np.ndarray, shares_below: Sequence[float]) -> list[float]:
        order = np.argsort(values, kind="stable")
        reached = np.cumsum(weights[order]) / weights.sum()
        places = np.minimum(np.searchsorted(reached, shares_below), len(order) - 1)
        return [round(float(value), 2) for value in values[order[places]]]

    return {
        "cell_diameter": percentiles(diameters, (0.05, 0.5, 0.95)),
        "pixel_scale": percentiles(factors, (0.5,))[0],
    }
