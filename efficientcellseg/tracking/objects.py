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
    pairs, overlaps = [_NO_PAIRS], [np.empty(0)]
    begin, flat, last = 0, False, None
    for frame, labels in frames:
        label, center, size = _measure(labels, voxel_size)
        tables.append((np.full(len(label), frame), label, center, size))
        rows = np.full(int(label.max(initial=0)) + 1, -1)
        rows[label] = begin + np.arange(len(label))
        if last and last[0] == frame - 1:
            one, other, share = _overlaps(last[1], labels)
            pairs.append(np.stack([last[2][one], rows[other]], axis=1))
            overlaps.append(share)
        last, begin, flat = (frame, labels, rows), begin + len(label), len(labels) == 1
    frame_of, label, center, size = map(np.concatenate, zip(*tables, strict=True))
    diameter = np.sqrt(size * 4 / np.pi) if flat else np.cbrt(size * 6 / np.pi)
    joined = np.concatenate(pairs), np.concatenate(overlaps)
    return Objects(frame_of, label, center, size, diameter, *joined)


def _measure(
    labels: np.ndarray, voxel_size: tuple[float, float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give labels, centers (N, 3) and sizes of a frame's objects, in the order of their places."""
    import cc3d

    found = cc3d.statistics(labels, no_slice_conversion=True)
    label = np.flatnonzero(found["voxel_counts"])
    label = label[label > 0]
    center = found["centroids"][label].reshape(-1, 3) * voxel_size
    voxel = float(np.prod(voxel_size[1:] if len(labels) == 1 else voxel_size))
    size = found["voxel_counts"][label] * voxel
    order = np.lexsort((size, *center.T[::-1]))
    return label[order], center[order], size[order]


def _overlaps(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the pairs of labels that share voxels, and the intersection over union of each."""
    from scipy.sparse import coo_array

    shared = (before > 0) & (after > 0)
    labels = before[shared].astype(np.int32), after[shared].astype(np.int32)
    sizes = np.bincount(before.ravel()), np.bincount(after.ravel())
    ones = np.ones(len(labels[0]), np.int32)
    counts = coo_array((ones, labels), shape=(len(sizes[0]), len(sizes[1]))).tocsr().tocoo()
    one, other = counts.coords
    return one, other, counts.data / (sizes[0][one] + sizes[1][other] - counts.data)
