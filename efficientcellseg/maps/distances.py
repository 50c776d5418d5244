"""The distances that DU-Net learns.

Method: Scherr et al., Cell segmentation and tracking using CNN-based distance predictions and a
graph-based matching strategy, PLOS ONE 2020; figures that it leaves open are those of team
KIT-Sch-GE's software.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from efficientcellseg.maps.map import Map

if TYPE_CHECKING:
    from torch import Tensor

# How far around a cell neighbors are looked for, in mean diameters of the plane's cells.
NEIGHBOR_REACH = 2.5

# Side of the square that closes gaps between neighbors, in pixels.
CLOSING = 5

# The neighbor distance falls off with this power of the relative distance.
TARGET_POWER = 3

# The highest neighbor distance of a plane without cells that are close to each other.
APART = 0.5


def cell_distance(labels: np.ndarray) -> np.ndarray:
    """Measure how deep inside its cell a pixel lies, plane by plane.

    Parameters
    ----------
    labels : ndarray of shape (Z, Y, X), integer
        Label image, 0 is background.

    Returns
    -------
    ndarray of shape (Z, Y, X), float32
        Distance to the nearest pixel that is not of the same cell, divided by the cell's
        largest in the plane: 1 at its core, 0 in the background.

    Notes
    -----
    The border of the image does not count: a cell cut off by it goes on outside.
    """
    import edt

    found = np.zeros(labels.shape, np.float32)
    for z, plane in enumerate(labels):
        distance = edt.edt(np.ascontiguousarray(plane), black_border=False)
        # Where one cell fills the plane.
        distance[np.isinf(distance)] = 1
        largest = np.zeros(plane.max() + 1, np.float32)
        np.maximum.at(largest, plane, distance)
        found[z] = distance / np.maximum(largest, 1)[plane]
    return found


def neighbor_distance(labels: np.ndarray) -> np.ndarray:
    """Measure how close a pixel lies to another cell than its own, plane by plane.

    Parameters
    ----------
    labels : ndarray of shape (Z, Y, X), integer
        Label image, 0 is background.

    Returns
    -------
    ndarray of shape (Z, Y, X), float32
        In 0..1: 1 where cells touch, 0 at the far side of a cell and far away from cells.

    Notes
    -----
    For each cell, the distance of its pixels to the nearest pixel of another cell is divided by
    the cell's largest and subtracted from 1. Narrow gaps between cells, which belong to none,
    are closed (a grayscale closing); then comes the third power, and the highest value of the
    plane is scaled to 1. Where that was :data:`APART` or less, no cells are close, and all is 0.
    """
    from scipy.ndimage import grey_closing

    found = np.zeros(labels.shape, np.float32)
    for z, plane in enumerate(labels):
        near = grey_closing(_nearness(plane), size=(CLOSING, CLOSING)) ** TARGET_POWER
        if near.max() > APART:
            found[z] = near / near.max()
    return found


def _nearness(plane: np.ndarray) -> np.ndarray:
    """Return 1 minus the relative distance to the nearest other cell, for each cell of a plane."""
    import edt
    from scipy.ndimage import find_objects

    near = np.zeros(plane.shape, np.float32)
    sizes = np.bincount(plane.ravel())[1:]
    if not sizes.any():
        return near
    reach = int(NEIGHBOR_REACH * np.sqrt(4 / np.pi * sizes[sizes > 0]).mean())
    for label, box in enumerate(find_objects(plane), start=1):
        if box is None:
            continue
        window = tuple(slice(max(side.start - reach, 0), side.stop + reach) for side in box)
        own, empty = plane[window] == label, plane[window] == 0
        if (own | empty).all():
            continue
        distance = edt.edt(own | empty, black_border=False)[own]
        near[window][own] = 1 - distance / distance.max()
    return near


def distance_loss(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Smooth L1 loss of a distance map: that of Scherr et al. 2020, but behind a sigmoid.

    Parameters
    ----------
    logits, target : Tensor of one shape
        The target in 0..1.
    known : Tensor of that shape
        1 where the target is known, 0 where a pixel does not count.

    Returns
    -------
    Tensor, scalar
        Mean over the pixels that are known.
    """
    from torch.nn import functional

    apart = functional.smooth_l1_loss(logits.sigmoid(), target, reduction="none")
    return (apart * known).sum() / known.sum().clamp(min=1)


# Plane by plane, so that the distance of planes plays no part.
CELL_DISTANCE = Map("cell_distance", lambda labels, _: cell_distance(labels), distance_loss)
NEIGHBOR_DISTANCE = Map(
    "neighbor_distance", lambda labels, _: neighbor_distance(labels), distance_loss
)
