"""Smooth fields out of coarse lattices, by quadratic splines.

A field on the axes of a grid takes one small matrix an axis, instead of 27 lattice values a voxel.
"""

from __future__ import annotations

import numpy as np


def spline_weights(places: np.ndarray, count: int, *, wrap: bool) -> np.ndarray:
    """Weigh the values of a lattice's axis: a field is their weighted sum at each place.

    The splines are unfiltered: they smooth, and stay within the range of the lattice's values.

    Parameters
    ----------
    places : ndarray of shape (N,)
        In steps of the lattice.
    count : int
        Values along the lattice's axis.
    wrap : bool
        Whether the lattice repeats itself; else its outer values go on outside.

    Returns
    -------
    ndarray of shape (N, count), float64
    """
    middle = np.floor(places + 0.5)
    off = places - middle
    middle = middle.astype(np.int64)
    rows = np.arange(len(places))
    weights = np.zeros((len(places), count))
    # Not one product for all three: at an end that goes on, two fall on the same value.
    weights[rows, _fold(middle - 1, count, wrap)] += 0.5 * (0.5 - off) ** 2
    weights[rows, _fold(middle, count, wrap)] += 0.75 - off**2
    weights[rows, _fold(middle + 1, count, wrap)] += 0.5 * (0.5 + off) ** 2
    return weights


def _fold(index: np.ndarray, count: int, wrap: bool) -> np.ndarray:
    """Bring indices into a lattice."""
    return index % count if wrap else np.minimum(np.maximum(index, 0), count - 1)


def spline_field(lattice: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    """Make a field on a grid.

    Parameters
    ----------
    lattice : ndarray of shape (A, B, C), float64
    weights : list of ndarray
        Of shape (Z, A), (Y, B) and (X, C), from :func:`spline_weights`.

    Returns
    -------
    ndarray of shape (Z, Y, X), float32
        Summed up in float64.
    """
    planes, rows, columns = weights
    a, b, _ = lattice.shape
    coarse = (lattice.reshape(a * b, -1) @ columns.T).reshape(a, -1)
    return (rows @ (planes @ coarse).reshape(len(planes), b, -1)).astype(np.float32)
