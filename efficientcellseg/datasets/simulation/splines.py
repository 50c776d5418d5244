"""Smooth fields out of coarse lattices, by quadratic splines.

A field on a grid takes a small matrix for each axis, instead of 27 lattice values a voxel.
"""

from __future__ import annotations

import numpy as np


def spline_weights(places: np.ndarray, count: int, *, wrap: bool) -> np.ndarray:
    """Weigh the values along an axis of a lattice: a field is their weighted sum at each place.

    The splines are unfiltered: they smooth, and stay within the range of the lattice's values.

    Parameters
    ----------
    places : ndarray of shape (..., N)
        In steps of the lattice.
    count : int
        Values along the lattice's axis.
    wrap : bool
        Whether the lattice repeats itself; else its outer values go on outside.

    Returns
    -------
    ndarray of shape (..., N, count), float64
    """
    middle = np.floor(places + 0.5)
    off = places - middle
    near = np.stack([0.5 * (0.5 - off) ** 2, 0.75 - off**2, 0.5 * (0.5 + off) ** 2])
    index = middle.astype(np.int64) + np.arange(-1, 2).reshape(3, *[1] * places.ndim)
    index = index % count if wrap else np.minimum(np.maximum(index, 0), count - 1)
    index += count * np.arange(places.size).reshape(places.shape)
    weights = np.zeros(places.size * count)
    # Two fall on the same value at an end that goes on.
    np.add.at(weights, index.ravel(), near.ravel())
    return weights.reshape(*places.shape, count)


def spline_field(
    lattice: np.ndarray, planes: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Make a field on a grid, or several of one lattice.

    Parameters
    ----------
    lattice : ndarray of shape (A, B, C), float64
    planes, rows, columns : ndarray of shape (..., Z, A), (..., Y, B) and (..., X, C)
        From :func:`spline_weights`.

    Returns
    -------
    ndarray of shape (..., Z, Y, X), float32
        Summed up in float64.
    """
    a, b, c = lattice.shape
    *several, count, _ = planes.shape
    coarse = lattice.reshape(a * b, c) @ np.swapaxes(columns, -1, -2)
    slabs = planes @ coarse.reshape(*several, a, -1)
    field = rows[..., None, :, :] @ slabs.reshape(*several, count, b, -1)
    return field.astype(np.float32)
