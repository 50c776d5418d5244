"""How large cells are in training: what a network's card says it has learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from efficientcellseg.chain.scale import input_diameter, section_diameters
from efficientcellseg.chain.tiling import plan_tiles

if TYPE_CHECKING:
    from efficientcellseg.parameters.recipe import Tiling
    from efficientcellseg.parameters.training import TrainingConfiguration
    from efficientcellseg.training.samples import Samples

ZOOMS = 9


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
    ndarray of shape (K, 2), float32
        See :attr:`Samples.cells`.
    """
    if isinstance(annotated, np.ndarray):
        blocks = [annotated]
    else:
        blocks = [plane[None] for plane in annotated.values()]
    shape = blocks[0].shape[1:]
    (top, bottom), (left, right) = plan_tiles(shape, tiling)[0]
    factor = input_diameter(1.0, (bottom - top, right - left), size)
    diameters = np.concatenate([section_diameters(block) for block in blocks])
    return np.column_stack([diameters * factor, np.full(len(diameters), dataset)]).astype(
        np.float32
    )


def learnt_sizes(samples: Samples, configuration: TrainingConfiguration) -> dict[str, Any]:
    """Say of what size cells were in training, data sets weighed as they are drawn.

    Parameters
    ----------
    samples : Samples
    configuration : TrainingConfiguration
        How often each of its data sets is drawn, and how many times larger or smaller cells are
        shown.

    Returns
    -------
    dict
        ``cell_diameter``, the 5th, 50th and 95th percentile in input pixels; nothing where no cell
        was shown.
    """
    if not len(samples.cells):
        return {}
    zoom = configuration.training.variation.zoom
    shares = np.array([entry.share for entry in configuration.data])
    diameters, dataset = samples.cells.T
    dataset = dataset.astype(int)
    many = np.bincount(dataset, minlength=len(shares))
    # All zooms are as frequent: a few of them stand for all.
    zooms = np.linspace(1 / zoom, zoom, ZOOMS)
    shown = np.outer(zooms, diameters).ravel()
    weights = np.tile((shares / np.maximum(many, 1))[dataset], ZOOMS)
    order = np.argsort(shown, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    places = np.minimum(np.searchsorted(reached, (0.05, 0.5, 0.95)), len(order) - 1)
    return {"cell_diameter": [round(float(value), 2) for value in shown[order[places]]]}
