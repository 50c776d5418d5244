"""Batches of samples: which can be drawn, and drawing them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ctc_eval.format import InputError
from efficientcellseg.training.samples import FULL, UNKNOWN, Samples


def drawable_samples(samples: Samples, chosen: np.ndarray, planes: int = 0) -> np.ndarray:
    """Say which samples can be drawn: indices, or those of the slices of each slab.

    Parameters
    ----------
    samples : Samples
    chosen : ndarray of shape (N,), bool
        Those to draw from.
    planes : int
        Slices of a slab; 0 for single slices.

    Returns
    -------
    ndarray of shape (M,) or (M, planes), int64
        Of a slab, successive slices of one tile of one frame; slabs overlap.

    Raises
    ------
    InputError
        No tile has so many successive slices.
    """
    if not planes:
        return np.flatnonzero(chosen)
    order = np.lexsort((samples.plane, samples.tile, samples.frame))
    order = order[chosen[order]]
    if len(order) >= planes:
        slabs = np.lib.stride_tricks.sliding_window_view(order, planes)
        first, last = slabs[:, 0], slabs[:, -1]
        whole = samples.plane[last] - samples.plane[first] == planes - 1
        for along in (samples.frame, samples.tile):
            whole &= along[first] == along[last]
        if whole.any():
            return slabs[whole]
    raise InputError(
        f"samples without {planes} successive slices of one tile; expected such slabs for a 3D "
        "network: lower the configuration's model.planes, or add frames with more slices",
        code="slabs-missing",
    )


class Batches:
    """Endless random batches of samples; data sets are drawn in given shares.

    Within a data set, a tile is drawn in proportion to its objects (and one more, so that empty
    tiles are seen, too): SEG counts objects, most of which lie in few crowded frames. With
    `planes`, slabs of so many slices are drawn, by the objects of their first one.
    """

    def __init__(
        self,
        samples: Samples,
        chosen: np.ndarray,
        maps: Sequence[str],
        shares: list[float],
        planes: int = 0,
    ) -> None:
        self.samples, self.maps = samples, maps
        self.chosen = drawable_samples(samples, chosen, planes)
        first = self.chosen[:, 0] if planes else self.chosen
        dataset = samples.dataset[first]
        worth = samples.objects[first] + 1.0
        total = np.bincount(dataset, worth, minlength=len(shares))
        self.weights = torch.from_numpy((np.array(shares) / np.maximum(total, 1))[dataset] * worth)

    def draw(self, batch: int) -> tuple[Tensor, Tensor, Tensor]:
        """Draw images (N, 3, S, S), targets and what of them is known (N, C, S, S), in 0..1.

        Of slabs, images are (N, 1, P, S, S), the others (N, C, P, S, S).
        """
        # A batch holds no sample twice, unless there are fewer samples than it has places.
        drawn = torch.multinomial(self.weights, batch, batch > len(self.weights))
        return self.take(self.chosen[drawn.numpy()])

    def take(self, indices: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Give the samples of these indices (N,), or slabs of these (N, P)."""
        stored = self.samples.images
        stored = stored[indices, 1][:, None] if indices.ndim == 2 else stored[indices]
        images = torch.from_numpy(stored).float() / 255
        stored = np.stack([self.samples.targets[name][indices] for name in self.maps], axis=1)
        target = torch.from_numpy(stored).float() / FULL
        known = torch.from_numpy(stored != UNKNOWN).float()
        return images, target * known, known
