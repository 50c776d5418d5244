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

    Within a data set, a tile is drawn in proportion to its objects plus one, so that empty tiles
    are seen, too. The reason: SEG counts objects, most of which are in few crowded frames.

    Parameters
    ----------
    samples : Samples
    chosen : ndarray of shape (N,), integer
        Indices of the samples to draw from.
    maps : sequence of str
        Those to give targets for.
    shares : list of float
        Of each data set.
    planes : int
        Slices of a slab, drawn by the objects of its first slice; 0 for single slices.
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
        """Draw a batch.

        Parameters
        ----------
        batch : int
            How many samples or slabs.

        Returns
        -------
        images : Tensor of shape (N, 3, S, S) or, for slabs, (N, 1, P, S, S), float32
            In 0..1.
        targets, known : Tensor of shape (N, C, S, S) or (N, C, P, S, S), float32
            Targets in 0..1, and 1 where they are known.
        """
        # A batch holds no sample twice, unless there are fewer samples than it has places.
        drawn = torch.multinomial(self.weights, batch, batch > len(self.weights))
        return self.take(self.chosen[drawn.numpy()])

    def take(self, indices: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Collect samples or slabs.

        Parameters
        ----------
        indices : ndarray of shape (N,), or (N, P) for slabs, integer

        Returns
        -------
        images, targets, known : Tensor
            As from :meth:`draw`.
        """
        stored = self.samples.images
        stored = stored[indices, 1][:, None] if indices.ndim == 2 else stored[indices]
        images = torch.from_numpy(stored).float() / 255
        stored = np.stack([self.samples.targets[name][indices] for name in self.maps], axis=1)
        target = torch.from_numpy(stored).float() / FULL
        known = torch.from_numpy(stored != UNKNOWN).float()
        return images, target * known, known
