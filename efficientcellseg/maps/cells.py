"""Cells: the probability that a voxel belongs to one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from efficientcellseg.maps.map import Map

if TYPE_CHECKING:
    from torch import Tensor


def cell_mask(labels: np.ndarray, anisotropy: float) -> np.ndarray:
    """Give 1 where there is a cell.

    Parameters
    ----------
    labels : ndarray of shape (Z, Y, X), integer
        Label image, 0 is background.
    anisotropy : float
        Plays no part; the targets of all maps take it.

    Returns
    -------
    ndarray of shape (Z, Y, X), float32
    """
    return (labels > 0).astype(np.float32)


def dice_loss(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Soft Dice loss over a batch, as in the paper.

    Parameters
    ----------
    logits, target : Tensor of one shape
        The target in 0..1.
    known : Tensor of that shape
        1 where the target is known, 0 where a pixel does not count.

    Returns
    -------
    Tensor, scalar
        0 where the prediction is the target, towards 1 where they have nothing in common.
    """
    probability, target = logits.sigmoid() * known, target * known
    overlap = (probability * target).sum()
    return 1 - (2 * overlap + 1) / (probability.sum() + target.sum() + 1)


def dice_entropy_loss(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Dice loss and cross entropy, which also tells how sure an outline is.

    The sum that Isensee et al. (nnU-Net, 2021) train with; parameters as for :func:`dice_loss`,
    cross entropy a mean over the pixels that are known.
    """
    from torch.nn import functional

    entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    mean = (entropy * known).sum() / known.sum().clamp(min=1)
    return dice_loss(logits, target, known) + mean


CELLS = Map("cells", cell_mask, dice_loss)
