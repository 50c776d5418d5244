"""Measures how far a reference is shifted against its images, by thresholding, and moves it back.

A reference that is shifted by half a voxel teaches outlines that are not in the images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

# A blur against noise, which moves no edge. Sigma in voxels.
BLUR = 0.7
# How far around an object it is looked at, in voxels: half a shift beyond what is expected.
MARGIN = 3
# Objects of fewer voxels have no center that is known to a tenth of a voxel.
FEWEST_VOXELS = 200
# Share of an object's surroundings that must be free of others.
FREE = 0.4
# How many times as bright as its surroundings an object's inside must be.
CONTRAST = 1.5
# The window around an object moves with it, and so cuts nothing off on one side.
WINDOW_ROUNDS = 4


def reference_shifts(volume: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Measure, object by object, by how much the image lies beside the reference.

    An object is thresholded halfway between its own gray values and those around it. The shift is
    that of the centers of mass, in a window that moves with the object.

    Parameters
    ----------
    volume : ndarray of shape (Z, Y, X)
        Raw intensities.
    labels : ndarray of shape (Z, Y, X), integer
        Its reference.

    Returns
    -------
    ndarray of shape (K, 3), float
        By how many planes, rows and columns to move the reference, for each of the objects that
        stand out: whole within the volume, mostly free, brighter than their surroundings.
    """
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(volume.astype(np.float32), BLUR)
    found = []
    for cell, others, box in _objects(labels):
        near = ndimage.binary_dilation(cell, iterations=MARGIN)
        around = near & ~ndimage.binary_dilation(cell)
        free = around & ~others
        inside = ndimage.binary_erosion(cell, iterations=2)
        if free.sum() < FREE * around.sum() or not inside.any():
            continue
        high, low = np.median(smooth[box][inside]), np.median(smooth[box][free])
        if high < CONTRAST * low:
            continue
        bright = smooth[box] > (high + low) / 2
        found.append(_follow(cell, near, bright, ndimage.binary_dilation(others)))
    return np.array(found).reshape(-1, 3)


def _objects(
    labels: np.ndarray,
) -> Iterator[tuple[np.ndarray, np.ndarray, tuple[slice, ...]]]:
    """Return each object that lies well within a volume: itself, others around it, its box."""
    from scipy import ndimage

    room = 2 * MARGIN
    for label, tight in enumerate(ndimage.find_objects(labels.astype(np.int32)), start=1):
        if tight is None or any(
            side.start < room or side.stop > size - room
            for side, size in zip(tight, labels.shape, strict=True)
        ):
            continue
        box = tuple(slice(side.start - room, side.stop + room) for side in tight)
        cell = labels[box] == label
        if cell.sum() >= FEWEST_VOXELS:
            yield cell, (labels[box] > 0) & ~cell, box


def _follow(
    cell: np.ndarray, near: np.ndarray, bright: np.ndarray, blocked: np.ndarray
) -> np.ndarray:
    """Find by how much to move a cell so that its center is that of what is bright."""
    from scipy import ndimage

    shift = np.zeros(cell.ndim)
    for _ in range(WINDOW_ROUNDS):
        window = (_moved(near, shift) > 0.5) & ~blocked
        seen = bright & window
        if not seen.any():
            break
        center = np.array(ndimage.center_of_mass(seen))
        shift += center - np.array(ndimage.center_of_mass(_moved(cell, shift) * window))
    return shift


def _moved(mask: np.ndarray, shift: Sequence[float] | np.ndarray) -> np.ndarray:
    """Move a mask by fractions of a voxel: the share of each voxel that it covers."""
    from scipy import ndimage

    return ndimage.shift(mask.astype(np.float32), shift, order=1)


def move_labels(labels: np.ndarray, shift: Sequence[float]) -> np.ndarray:
    """Move a label image by fractions of a voxel.

    Parameters
    ----------
    labels : ndarray of shape (Z, Y, X), unsigned
    shift : sequence of 3 float
        Planes, rows and columns.

    Returns
    -------
    ndarray of the same shape and type
        A voxel has the label that covers most of it, where that is half of it or more.
    """
    from scipy import ndimage

    room = 1 + int(np.ceil(np.max(np.abs(shift))))
    moved, covered = np.zeros_like(labels), np.full(labels.shape, 0.5, np.float32)
    for label, tight in enumerate(ndimage.find_objects(labels.astype(np.int32)), start=1):
        if tight is None:
            continue
        box = tuple(slice(max(side.start - room, 0), side.stop + room) for side in tight)
        share = _moved(labels[box] == label, shift)
        wins = share >= covered[box] + np.where(moved[box] > 0, np.float32(1e-6), 0)
        moved[box][wins] = label
        covered[box][wins] = share[wins]
    return moved
