"""Cells: the probability that a voxel belongs to one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from efficientcellseg.maps.map import Map

if TYPE_CHECKING:
    from torch import Tensor

# How near to an outline a pixel counts more in `dice_outline_loss`, in pixels, and how much more.
OUTLINE = 2
OUTLINE_WEIGHT = 4.0


def cell_mask(labels: np.ndarray, anisotropy: float) -> np.ndarray:
    """Mark cells with 1 and background with 0.

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
    """Compute the sum of Dice loss and cross entropy, which also measures how sure an outline is.

    As Isensee et al. (nnU-Net, 2021) train. The cross entropy is a mean over known pixels.

    Parameters
    ----------
    logits, target, known : Tensor
        See :func:`dice_loss`.

    Returns
    -------
    Tensor of shape ()
    """
    return dice_loss(logits, target, known) + _entropy(logits, target, known)


def dice_outline_loss(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Compute the sum of Dice loss and a cross entropy that is weighted most near outlines.

    Like the pixel weights between cells of Ronneberger et al. (U-Net, 2015), but on both sides of
    an outline.

    Parameters
    ----------
    logits, target, known : Tensor
        See :func:`dice_loss`.

    Returns
    -------
    Tensor of shape ()
    """
    from torch.nn import functional

    def largest(values: Tensor) -> Tensor:
        flat = values.flatten(0, -3)[:, None]
        pooled = functional.max_pool2d(flat, 2 * OUTLINE + 1, stride=1, padding=OUTLINE)
        return pooled.reshape(values.shape)

    near = largest(target) + largest(-target)
    return dice_loss(logits, target, known) + _entropy(
        logits, target, known * (1 + OUTLINE_WEIGHT * near)
    )


def dice_lovasz_loss(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Compute the sum of Dice loss and the Lovasz hinge, a convex surrogate of the Jaccard index.

    Berman, Triki, Blaschko: The Lovasz-Softmax loss, CVPR 2018. The index is that of the batch.

    Parameters
    ----------
    logits, target, known : Tensor
        See :func:`dice_loss`.

    Returns
    -------
    Tensor of shape ()
    """
    counts = known > 0
    scores, truth = logits[counts], target[counts].round()
    errors, order = (1 - scores * (2 * truth - 1)).sort(descending=True)
    truth = truth[order]
    # How much worse the Jaccard index becomes with each further error.
    union = truth.sum() + (1 - truth).cumsum(0)
    jaccard = 1 - (truth.sum() - truth.cumsum(0)) / union.clamp(min=1)
    steps = jaccard.diff(prepend=jaccard.new_zeros(1))
    return dice_loss(logits, target, known) + (errors.relu() * steps).sum()


def _entropy(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Take the weighted mean of cross entropy."""
    from torch.nn import functional

    entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (entropy * weight).sum() / weight.sum().clamp(min=1)


# What a training configuration's `cells_loss` names.
CELL_LOSSES = {
    "dice": dice_loss,
    "dice+entropy": dice_entropy_loss,
    "dice+outlines": dice_outline_loss,
    "dice+lovasz": dice_lovasz_loss,
}

CELLS = Map("cells", cell_mask, dice_loss)
