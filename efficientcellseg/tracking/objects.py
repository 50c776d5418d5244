"""Measures the objects of a sequence: all that linking asks of label images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

_NO_PAIRS = np.empty((0, 2), np.int64)


@dataclass(frozen=True)
class Objects:
    """The objects of a sequence, one row each, ascending by frame.

    Attributes
    ----------
    frame : ndarray of shape (N,), integer
    label : ndarray of shape (N,), integer
        In the mask of that frame.
    center : ndarray of shape (N, 3)
        Centroid along (plane, row, column). Micrometers.
    size : ndarray of shape (N,)
        Volume in cubic micrometers; in frames of one plane area in square micrometers.
    diameter : ndarray of shape (N,)
        Of the sphere or disk of that size. Micrometers.
    pairs : ndarray of shape (M, 2), integer
        Rows of objects of consecutive frames that share voxels; none where tables are all there is.
    overlap : ndarray of shape (M,)
        Intersection over union of each pair.
    """

    frame: np.ndarray
    label: np.ndarray
    center: np.ndarray
    size: np.ndarray
    diameter: np.ndarray
    pairs: np.ndarray = field(default_factory=lambda: _NO_PAIRS)
    overlap: np.ndarray = field(default_factory=lambda: np.empty(0))

    def __len__(self) -> int:
        """Count the objects."""
        return len(self.frame)

    def rows(self, frame: int) -> np.ndarray:
        """Find the rows of a frame's objects.

        Parameters
        ----------
        frame : int

        Returns
        -------
        ndarray of shape (N,), integer
            Ascending.
        """
        return np.arange(*np.searchsorted(self.frame, [frame, frame + 1]))

    @property
    def frames(self) -> range:
        """The frames from the first to the last that has an object.

        Returns
        -------
        range
        """
        return range(int(self.frame[0]), int(self.frame[-1]) + 1) if len(self) else range(0)


def measure_objects(
    frames: Iterable[tuple[int, np.ndarray]], voxel_size: tuple[float, float, float]
) -> Objects:
    """Measure the objects of label images, of which no more than two are held at a time.

    Within a frame the rows are sorted by place, then by size, so that nothing which is done with
    them depends on the numbers that objects have in the masks.

    Parameters
    ----------
    frames : iterable of (int, ndarray of shape (Z, Y, X), unsigned)
        Number and label image, 0 is background; ascending, all of one shape.
    voxel_size : tuple of float
        Micrometers along (plane, row, column).

    Returns
    -------
    Objects
    """
    tables: list[tuple[np.ndarray, ...]] = []
    pairs, shared = [_NO_PAIRS], [np.empty(0, np.int64)]
    begin, flat, last = 0, False, None
    for frame, labels in frames:
        label, center, count = _measure(labels, voxel_size)
        tables.append((np.full(len(label), frame), label, center, count))
        rows = np.full(int(label.max(initial=0)) + 1, -1)
        rows[label] = begin + np.arange(len(label))
        if last and last[0] == frame - 1:
            one, other, voxels = _count_shared(last[1], labels, (len(last[2]), len(rows)))
            pairs.append(np.stack([last[2][one], rows[other]], axis=1))
            shared.append(voxels)
        last, begin, flat = (frame, labels, rows), begin + len(label), len(labels) == 1
    frame_of, label, center, count = map(np.concatenate, zip(*tables, strict=True))
    size = count * float(np.prod(voxel_size[1:] if flat else voxel_size))
    diameter = np.sqrt(size * 4 / np.pi) if flat else np.cbrt(size * 6 / np.pi)
    linked, both = np.concatenate(pairs), np.concatenate(shared)
    overlap = both / (count[linked].sum(axis=1) - both)
    return Objects(frame_of, label, center, size, diameter, linked, overlap)


def _measure(
    labels: np.ndarray, voxel_size: tuple[float, float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give labels, centers (N, 3) and voxels of a frame's objects, in the order of their places."""
    import cc3d

    found = cc3d.statistics(labels, no_slice_conversion=True)
    count = found["voxel_counts"].astype(np.int64)
    label = np.flatnonzero(count)
    label = label[label > 0]
    center = found["centroids"][label].reshape(-1, 3) * voxel_size
    order = np.lexsort((count[label], *center.T[::-1]))
    return label[order], center[order], count[label[order]]


def _count_shared(
    before: np.ndarray, after: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the pairs of labels that share voxels, and how many; labels are less than `shape`."""
    from scipy.sparse import coo_array

    shared = (before > 0) & (after > 0)
    labels = before[shared].astype(np.int32), after[shared].astype(np.int32)
    ones = np.ones(len(labels[0]), np.int32)
    counts = coo_array((ones, labels), shape=shape).tocsr().tocoo()
    return *counts.coords, counts.data
