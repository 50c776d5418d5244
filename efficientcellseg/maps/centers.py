"""Centers: a heatmap of the cells' centers, which mark the watershed of irregular cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from efficientcellseg.maps.map import Map

if TYPE_CHECKING:
    from torch import Tensor

# A center's Gaussian, as a share of the radius of a ball as large as the cell.
CENTER_WIDTH = 0.3


def center_heatmap(
    labels: np.ndarray, anisotropy: float, width: float = CENTER_WIDTH
) -> np.ndarray:
    """Paint a Gaussian at the center of each cell.

    Parameters
    ----------
    labels : ndarray of shape (Z, Y, X), integer
        Label image, 0 is background.
    anisotropy : float
        Distance between planes, in in-plane pixels.
    width : float
        Standard deviation, as a share of the radius of a ball of the cell's volume (of a disk
        of its area, if there is one plane).

    Returns
    -------
    ndarray of shape (Z, Y, X), float32
        1 at the centers; where Gaussians meet, the higher one.

    Notes
    -----
    A center is the voxel of the cell nearest to its centroid, so that it lies inside
    cells of any shape.
    """
    from scipy.ndimage import find_objects

    heatmap = np.zeros(labels.shape, np.float32)
    scale = np.array([anisotropy, 1.0, 1.0])
    for label, box in enumerate(find_objects(labels), start=1):
        if box is None:
            continue
        voxels = np.argwhere(labels[box] == label) + [edge.start for edge in box]
        if len(labels) > 1:
            radius = (len(voxels) * anisotropy * 3 / (4 * np.pi)) ** (1 / 3)
        else:
            radius = (len(voxels) / np.pi) ** 0.5
        offsets = (voxels - voxels.mean(axis=0)) * scale
        center = voxels[np.argmin((offsets**2).sum(axis=1))]
        sigma = max(width * radius, 1.0)
        reach = np.ceil(4 * sigma / scale).astype(int)
        low, high = np.maximum(center - reach, 0), np.minimum(center + reach + 1, labels.shape)
        window = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        grid = np.ogrid[window]
        square = sum(((axis - c) * s) ** 2 for axis, c, s in zip(grid, center, scale, strict=True))
        gaussian = np.exp(-square / (2 * sigma**2)).astype(np.float32)
        np.maximum(heatmap[window], gaussian, out=heatmap[window])
    return heatmap


def focal_loss(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Focal loss for a heatmap: cross entropy weighted with the squared distance.

    The quality focal loss of Li et al. 2020, which extends the focal loss of Lin et al. 2017
    (exponent 2) to targets between 0 and 1; summed over pixels and divided by the mass of the
    target, so that a batch with many centers weighs no more than one with few.

    Parameters
    ----------
    logits, target : Tensor of one shape
        The target in 0..1.
    known : Tensor of that shape
        1 where the target is known, 0 where a pixel does not count.

    Returns
    -------
    Tensor, scalar
    """
    from torch.nn import functional

    entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    weight = (logits.sigmoid() - target) ** 2 * known
    return (weight * entropy).sum() / ((target * known).sum() + 1)


CENTERS = Map("centers", center_heatmap, focal_loss)
