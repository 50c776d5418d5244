"""Where cells settle in a volume: against another cell, or far from all."""

from __future__ import annotations

from typing import Any

import numpy as np

from efficientcellseg.parameters.scene import PopulationShape

TRIES = 24  # places that a cell chooses among
RECENT = 128  # cells that wait for the next search tree


def settle(
    cell_shape: PopulationShape, extent: np.ndarray, width: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Choose each cell's place and heading, the best of some tries.

    Parameters
    ----------
    cell_shape : PopulationShape
    extent : ndarray of shape (3,)
        Size of the volume in micrometers.
    width : ndarray of shape (N,)
        Of each cell, micrometers.
    rng : numpy.random.Generator

    Returns
    -------
    center : ndarray of shape (N, 3)
        Micrometers.
    angle : ndarray of shape (N,)
        Heading within the plane, radians.
    """
    strand = cell_shape.strand
    surface = rng.uniform(-1, 1, size=(3, 3))
    # All is drawn first, so that what depends on no other cell is computed for all at once.
    draws = [_draw(cell_shape, index, rng) for index in range(len(width))]
    headings, shares, lifts = (np.array(drawn) for drawn in zip(*draws[::strand], strict=True))
    places = shares * extent
    if cell_shape.sheet:
        height = bilinear(surface, places[..., 1:] / np.maximum(extent[1:], 1))
        places[..., 0] = extent[0] * (0.5 + 0.15 * height + lifts)
    places = inside(places, width[::strand, None], cell_shape, extent)

    center, angle = np.empty((len(width), 3)), np.empty(len(width))
    settled = _Settled(center)
    for index in range(len(width)):
        if index % strand:
            turned, shift = _beside(cell_shape, draws[index], index, width, angle)
            candidates = center[draws[index][0]] + shift
            candidates = inside(candidates, width[index, None], cell_shape, extent)
        else:
            turned, candidates = headings[index // strand], places[index // strand]
        border = np.minimum(candidates, extent - candidates) / width[index]
        shunned = border[:, 1:] if cell_shape.sheet else border / [cell_shape.flatness, 1, 1]
        # Far from others means the corners, unless the border is shunned too.
        worth = np.clip(shunned.min(axis=1), 0.2, 1)
        if index:
            worth *= settled.gaps(candidates, index)
        best = int(np.argmax(worth))
        center[index], angle[index] = candidates[best], turned[best]
    return center, angle


def _draw(cell_shape: PopulationShape, index: int, rng: np.random.Generator) -> tuple[Any, ...]:
    """Draw what the tries of a cell differ by: one that is free, or one of a strand."""
    headings = rng.uniform(0, np.pi, TRIES)
    if first := index % cell_shape.strand:
        return (
            rng.integers(index - first, index, size=TRIES),
            rng.normal(0, 0.35, TRIES),
            rng.choice([-1, 1], TRIES),
            rng.normal(0, 0.5, TRIES),
            rng.normal(size=TRIES),
        )
    shares = rng.uniform(0, 1, size=(TRIES, 3))
    return headings, shares, rng.normal(0, 0.05, size=TRIES if cell_shape.sheet else 0)


def _beside(
    cell_shape: PopulationShape,
    drawn: tuple[Any, ...],
    index: int,
    width: np.ndarray,
    angle: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Lay tries against the strand's earlier cells, nearly parallel: angles, and steps (N, 3)."""
    other, turn, hand, sway, lift = drawn
    side = angle[other] + hand * np.pi / 2
    side += sway
    step = 0.5 * (width[index] + width[other]) * cell_shape.spacing
    shift = np.stack([0.3 * cell_shape.flatness * lift, np.sin(side), np.cos(side)], axis=1)
    return angle[other] + turn, step[:, None] * shift


class _Settled:
    """The cells that have settled: the first of them in a search tree, the latest in a list."""

    def __init__(self, center: np.ndarray) -> None:
        from scipy.spatial import KDTree

        self.center = center
        self.tree = KDTree(center[:0])

    def gaps(self, places: np.ndarray, count: int) -> np.ndarray:
        """Measure how far places (N, 3) are from the nearest of the first `count` cells."""
        from scipy.spatial import KDTree
        from scipy.spatial.distance import cdist

        if count - self.tree.n >= RECENT:
            self.tree = KDTree(self.center[:count])
        latest = self.center[self.tree.n : count]
        near = cdist(places, latest).min(axis=1, initial=np.inf)
        return np.minimum(near, self.tree.query(places)[0])


def inside(
    center: np.ndarray, width: np.ndarray, cell_shape: PopulationShape, extent: np.ndarray
) -> np.ndarray:
    """Move centers into the volume: borders may cut a cell, but not hide it.

    Parameters
    ----------
    center : ndarray of shape (..., 3)
        (plane, row, column), in micrometers.
    width : ndarray
        Of the cells; its shape, except for the three axes, is that of `center`. Micrometers.
    cell_shape : PopulationShape
    extent : ndarray of shape (3,)
        Of the volume, in micrometers.

    Returns
    -------
    ndarray of shape (..., 3)
    """
    margin = 0.3 * np.multiply.outer(width, [cell_shape.flatness, 1.0, 1.0])
    margin = np.minimum(margin, extent / 2)
    return np.clip(center, margin, extent - margin)


def bilinear(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Interpolate a coarse grid.

    Parameters
    ----------
    values : ndarray of shape (Y, X)
    places : ndarray of shape (..., 2)
        Shares (0..1) of the grid's two sides.

    Returns
    -------
    ndarray of shape (...)
    """
    from scipy.ndimage import map_coordinates

    scale = np.array(values.shape[:2]) - 1
    return map_coordinates(values, np.moveaxis(places * scale, -1, 0), order=1, mode="nearest")
