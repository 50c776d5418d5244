"""Offsets: how far each voxel of a cell is from the cell's center.

Voxels of one cell agree about its center, which is how they are told from those of the next
cell, in whatever slice they lie.

Method: Cheng et al., Panoptic-DeepLab, CVPR 2020 (a class-agnostic center and an offset of each
pixel to it), here in three dimensions, slice by slice.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from efficientcellseg.maps.map import Map

if TYPE_CHECKING:
    from torch import Tensor

# The maps, along planes, rows and columns.
OFFSETS = ("offset_planes", "offset_rows", "offset_columns")

# The largest offset that a map can say, in in-plane pixels: half the length of the longest cell.
OFFSET_REACH = 32.0


def center_offset(labels: np.ndarray, anisotropy: float, axis: int) -> np.ndarray:
    """Describe how far along an axis the center of the voxel's cell is.

    Parameters
    ----------
    labels : ndarray of shape (Z, Y, X), integer
        Label image, 0 is background.
    anisotropy : float
        Distance between planes, in in-plane pixels.
    axis : int
        0, 1 or 2.

    Returns
    -------
    ndarray of shape (Z, Y, X), float32
        0 for `OFFSET_REACH` in-plane pixels (or more) against the axis, 0.5 at the cell's
        centroid, 1 for as many along the axis; NaN in the background. A plane alone may be all
        that is annotated of a volume: nobody knows in which other plane the center is, so that
        there is NaN along that axis, and the centroid is the section's.
    """
    if axis == 0 and len(labels) == 1:
        return np.full(labels.shape, np.nan, np.float32)
    index = np.arange(labels.shape[axis]).reshape([-1 if i == axis else 1 for i in range(3)])
    flat = labels.ravel()
    sums = np.bincount(flat, np.broadcast_to(index, labels.shape).ravel())
    centroids = sums / np.maximum(np.bincount(flat), 1)
    pixels = (centroids[labels] - index) * (anisotropy if axis == 0 else 1.0)
    shares = np.clip(0.5 + pixels / (2 * OFFSET_REACH), 0, 1)
    return np.where(labels > 0, shares, np.nan).astype(np.float32)


def voted_voxels(
    maps: Mapping[str, np.ndarray], foreground: np.ndarray, anisotropy: float, scale: float = 1.0
) -> np.ndarray:
    """Say which voxel each voxel's offsets point to.

    Parameters
    ----------
    maps : mapping of str to ndarray of shape (Z, Y, X), float32
        With `OFFSETS`, as :func:`center_offset` gives them.
    foreground : ndarray of shape (Z, Y, X), bool
        Voxels that vote.
    anisotropy : float
        The one that the offsets were made with.
    scale : float
        What offsets are multiplied by.

    Returns
    -------
    ndarray of shape (N,), int64
        Flat indices, in the order of the foreground's voxels; of a vote outside the volume, the
        nearest voxel inside.
    """
    along = []
    for axis, (name, index) in enumerate(zip(OFFSETS, np.nonzero(foreground), strict=True)):
        pixels = (maps[name][foreground] - np.float32(0.5)) * np.float32(2 * OFFSET_REACH * scale)
        steps = pixels / np.float32(anisotropy if axis == 0 else 1)
        voted = np.rint(index + steps).astype(np.int64)
        along.append(np.clip(voted, 0, foreground.shape[axis] - 1))
    return np.ravel_multi_index(along, foreground.shape)


def offset_loss(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Absolute error of an offset, as in Panoptic-DeepLab; an error of ten pixels counts 1.

    Parameters
    ----------
    logits, target : Tensor of one shape
        The target in 0..1, see :func:`center_offset`.
    known : Tensor of that shape
        1 where the target is known, 0 where a pixel does not count.

    Returns
    -------
    Tensor, scalar
        Mean over the pixels that are known.
    """
    apart = (logits.sigmoid() - target).abs() * (2 * OFFSET_REACH / 10)
    return (apart * known).sum() / known.sum().clamp(min=1)


OFFSET_PLANES, OFFSET_ROWS, OFFSET_COLUMNS = (
    Map(name, partial(center_offset, axis=axis), offset_loss, OFFSETS, needs_volume=axis == 0)
    for axis, name in enumerate(OFFSETS)
)
