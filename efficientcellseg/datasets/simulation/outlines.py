"""Outlines: how far voxels are from the center lines of cells."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from efficientcellseg.datasets.simulation.skeleton import SPINE_BONES, Skeleton
from efficientcellseg.parameters.scene import CellShape

# A tube that is nowhere thinner than half a voxel's diagonal is digitized in one piece: the
# voxels nearest to its center line lie within that distance of it, and follow each other
# face to face.
CONNECTED_RADIUS = 0.87

Box = tuple[slice, slice, slice]


class Limb(NamedTuple):
    """Bones of a cell that are measured together.

    Attributes
    ----------
    box : tuple of slice
        The part of the frame that they may fill.
    bones : ndarray of shape (13, M, 1, 1, 1), float32
        The columns of :func:`_measure`, for each of the bones.
    """

    box: Box
    bones: np.ndarray


class Outline(NamedTuple):
    """What a cell may fill, and its limbs."""

    box: Box
    limbs: list[Limb]


def outlines(
    skeletons: list[Skeleton],
    cell_shape: CellShape,
    shape: tuple[int, int, int],
    voxel_size: tuple[float, float, float],
) -> Iterator[Outline]:
    """Measure the bones of all cells of a frame at once, since there are many.

    Parameters
    ----------
    skeletons : list of Skeleton
    cell_shape : CellShape
    shape : tuple of int
        Planes, rows, columns.
    voxel_size : tuple of float
        Micrometers along (plane, row, column).

    Yields
    ------
    Outline
        Of each cell in turn; its box is empty if the cell lies outside the frame.
    """
    voxel = np.array(voxel_size, dtype=np.float64)
    slack = 1 + cell_shape.roughness
    least = CONNECTED_RADIUS * slack * voxel
    radii = np.maximum(np.concatenate([cell.radii for cell in skeletons]), least[1:].max())
    heights = np.maximum(cell_shape.flatness * radii, least[0])
    reach = np.stack([heights, radii, radii], axis=1) * slack
    points = np.concatenate([cell.points for cell in skeletons])
    lower, upper = points - reach, points + reach
    first = np.cumsum([0, *(len(cell.points) for cell in skeletons)])[:-1]
    boxes = _boxes(lower, upper, first, shape, voxel)

    ends = np.concatenate([cell.bones + at for cell, at in zip(skeletons, first, strict=True)])
    bones = _measure(points[ends], radii[ends], heights[ends], voxel)
    # A spine's bones are short and fill nearly the same part; others are apart from each other.
    cuts = [[0, *range(len(SPINE_BONES), len(cell.bones))] for cell in skeletons]
    first = np.cumsum([0, *(len(cell.bones) for cell in skeletons)])
    starts = np.concatenate([cut + at for cut, at in zip(map(np.array, cuts), first, strict=False)])
    parts = _boxes(lower[ends].min(axis=1), upper[ends].max(axis=1), starts, shape, voxel)
    spans = pairwise([*starts.tolist(), len(ends)])
    limbs = (Limb(part, bones[:, a:b]) for part, (a, b) in zip(parts, spans, strict=True))
    for box, cut in zip(boxes, cuts, strict=True):
        yield Outline(box, [next(limbs) for _ in cut])


def _boxes(
    lower: np.ndarray,
    upper: np.ndarray,
    starts: np.ndarray,
    shape: tuple[int, int, int],
    voxel: np.ndarray,
) -> list[Box]:
    """Find the voxels of a frame whose centers lie in boxes around what starts at each index."""
    lower, upper = np.minimum.reduceat(lower, starts), np.maximum.reduceat(upper, starts)
    begin = np.clip(np.ceil(lower / voxel).astype(int), 0, shape)
    end = np.clip(np.floor(upper / voxel).astype(int) + 1, begin, shape)
    return [
        (slice(z, z_end), slice(y, y_end), slice(x, x_end))
        for (z, y, x), (z_end, y_end, x_end) in zip(begin.tolist(), end.tolist(), strict=True)
    ]


def _measure(
    ends: np.ndarray, radii: np.ndarray, heights: np.ndarray, voxel: np.ndarray
) -> np.ndarray:
    """Put bones between two joints each, arrays (M, 2, ...), into columns of single precision.

    The nearest point on a bone is looked for where the thinner end's section is round: heights
    are squeezed for that.
    """
    squeeze = radii.min(axis=1) / heights.min(axis=1)
    factor = np.stack([squeeze, np.ones(len(ends)), np.ones(len(ends))], axis=1)
    start, course = ends[:, 0] * factor, (ends[:, 1] - ends[:, 0]) * factor
    columns = [
        squeeze,
        voxel[0] * squeeze,  # a plane's
        *start.T,
        *course.T,
        np.maximum((course**2).sum(axis=1), 1e-12),
        radii[:, 0],
        radii[:, 1] - radii[:, 0],
        heights[:, 0],
        heights[:, 1] - heights[:, 0],
    ]
    return np.array(columns, dtype=np.float32)[..., None, None, None]


def closeness(outline: Outline, voxel_size: tuple[float, float, float]) -> np.ndarray:
    """Measure how far voxels are from a cell's center line: 0 on it, 1 on the surface.

    Parameters
    ----------
    outline : Outline
    voxel_size : tuple of float
        Micrometers along (plane, row, column).

    Returns
    -------
    ndarray of the outline's box's shape, float32
        2 or more where no bone is near.
    """
    box = outline.box
    depth = np.full([part.stop - part.start for part in box], 2, dtype=np.float32)
    levels, rows, columns = (np.arange(part.start, part.stop, dtype=np.float32) for part in box)
    rows *= np.float32(voxel_size[1])
    columns *= np.float32(voxel_size[2])
    for limb in outline.limbs:
        z, y, x = (
            slice(inner.start - outer.start, inner.stop - outer.start)
            for inner, outer in zip(limb.box, box, strict=True)
        )
        local = depth[z, y, x]
        if local.size:
            distances = _distances(limb.bones, levels[z], rows[y], columns[x])
            np.minimum(local, np.minimum.reduce(distances), out=local)
    return depth


def _distances(
    bones: np.ndarray, levels: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Divide the distance from bones by their radius at the nearest point: (M, Z, Y, X) float32.

    In place, since most of painting's time is spent here.
    """
    squeeze, thick, top, front, left, down, along, aside, *sizes = bones
    square, radius, widening, height, rise = sizes
    z = levels[:, None, None] * thick - top
    y = rows[:, None] - front
    x = columns - left
    share = (z * down + y * along) + x * aside
    share /= square
    np.maximum(share, 0, out=share)
    np.minimum(share, 1, out=share)

    within, other = share * along, share * aside
    np.subtract(y, within, out=within)
    np.subtract(x, other, out=other)
    within *= within
    other *= other
    within += other
    np.multiply(share, widening, out=other)
    other += radius
    other *= other
    within /= other

    np.multiply(share, rise, out=other)
    other += height
    other *= squeeze
    across = np.multiply(share, down, out=share)
    np.subtract(z, across, out=across)
    across /= other
    across *= across
    within += across
    return np.sqrt(within, out=within)
