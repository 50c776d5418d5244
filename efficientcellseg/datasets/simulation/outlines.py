"""Outlines: how far voxels are from the center lines of cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from efficientcellseg.datasets.simulation.shape import CellShape, Skeleton

# A tube that is nowhere thinner than half a voxel's diagonal is digitized in one piece: the
# voxels nearest to its center line lie within that distance of it, and follow each other
# face to face.
CONNECTED_RADIUS = 0.87

Box = tuple[slice, slice, slice]


class Bone(NamedTuple):
    """A bone as its voxels see it.

    The nearest point on it is looked for where the thinner end's section is round: `squeeze`
    is what heights are multiplied with for that. Lengths in micrometers.
    """

    box: Box  # the part of the frame that it may fill
    squeeze: float
    plane_size: float  # a voxel's height, squeezed
    start: tuple[float, float, float]
    course: tuple[float, float, float]  # from its start to its end
    square: float  # of its length
    radius: float  # at its start
    widening: float  # of the radius, to its end
    height: float
    rise: float  # of the height, to its end


class Outline(NamedTuple):
    """What a cell may fill, and its bones."""

    box: Box
    bones: list[Bone]


def outlines(
    skeletons: list[Skeleton],
    cell_shape: CellShape,
    shape: tuple[int, int, int],
    voxel_size: tuple[float, float, float],
) -> Iterator[Outline]:
    """Measure the bones of all cells of a frame, at once since they are many.

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
        Of each cell in turn; its box is empty where the cell lies outside the frame.
    """
    voxel = np.array(voxel_size, dtype=np.float64)
    first = np.cumsum([0, *(len(cell.points) for cell in skeletons)])[:-1]
    points = np.concatenate([cell.points for cell in skeletons])
    ends = np.concatenate([cell.bones + at for cell, at in zip(skeletons, first, strict=True)])
    slack = 1 + cell_shape.roughness
    least = CONNECTED_RADIUS * slack * voxel
    radii = np.maximum(np.concatenate([cell.radii for cell in skeletons]), least[1:].max())
    heights = np.maximum(cell_shape.flatness * radii, least[0])
    reach = np.stack([heights, radii, radii], axis=1) * slack
    lower, upper = points - reach, points + reach
    boxes = _boxes(np.minimum.reduceat(lower, first), np.maximum.reduceat(upper, first), shape, voxel)
    parts = _boxes(lower[ends].min(axis=1), upper[ends].max(axis=1), shape, voxel)
    bones = _bones(parts, points[ends], radii[ends], heights[ends], voxel)
    for cell, box in zip(skeletons, boxes, strict=True):
        yield Outline(box, [next(bones) for _ in cell.bones])


def _boxes(
    lower: np.ndarray, upper: np.ndarray, shape: tuple[int, int, int], voxel: np.ndarray
) -> list[Box]:
    """Find the voxels of a frame whose centers lie between two corners, each (N, 3)."""
    starts = np.clip(np.ceil(lower / voxel).astype(int), 0, shape)
    stops = np.clip(np.floor(upper / voxel).astype(int) + 1, starts, shape)
    return [
        (slice(z, z_stop), slice(y, y_stop), slice(x, x_stop))
        for (z, y, x), (z_stop, y_stop, x_stop) in zip(starts.tolist(), stops.tolist(), strict=True)
    ]


def _bones(
    boxes: list[Box], ends: np.ndarray, radii: np.ndarray, heights: np.ndarray, voxel: np.ndarray
) -> Iterator[Bone]:
    """Put the bones between two joints each, arrays (M, 2, ...), into single precision."""
    squeeze = radii.min(axis=1) / heights.min(axis=1)
    factor = np.stack([squeeze, np.ones(len(ends)), np.ones(len(ends))], axis=1)
    start, course = ends[:, 0] * factor, (ends[:, 1] - ends[:, 0]) * factor
    numbers = (
        squeeze,
        voxel[0] * squeeze,
        start,
        course,
        np.maximum((course**2).sum(axis=1), 1e-12),
        radii[:, 0],
        radii[:, 1] - radii[:, 0],
        heights[:, 0],
        heights[:, 1] - heights[:, 0],
    )
    columns = [column.astype(np.float32).tolist() for column in numbers]
    return map(Bone._make, zip(boxes, *columns, strict=True))


def closeness(outline: Outline, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Measure how far voxels are from a cell's center line: 0 on it, 1 on the surface.

    Parameters
    ----------
    outline : Outline
    rows, columns : ndarray of float32
        Places of all the frame's rows and columns, micrometers.

    Returns
    -------
    ndarray of the outline's box's shape, float32
        2 where no bone is near.
    """
    depth = np.full([part.stop - part.start for part in outline.box], 2, dtype=np.float32)
    z, y, x = (part.start for part in outline.box)
    for bone in outline.bones:
        planes, high, wide = bone.box
        local = depth[
            planes.start - z : planes.stop - z,
            high.start - y : high.stop - y,
            wide.start - x : wide.stop - x,
        ]
        if local.size:
            np.minimum(local, _bone_distance(bone, rows[high], columns[wide]), out=local)
    return depth


def _bone_distance(bone: Bone, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Divide the distance from a bone by the bone's radius at the nearest point.

    In float32, and in place: most of the time of painting is spent here.
    """
    planes = np.arange(bone.box[0].start, bone.box[0].stop, dtype=np.float32)
    z = (planes * np.float32(bone.plane_size) - np.float32(bone.start[0]))[:, None, None]
    y = (rows - np.float32(bone.start[1]))[:, None]
    x = columns - np.float32(bone.start[2])
    up, down, right = bone.course
    share = (z * up + y * down) + x * right
    share /= bone.square
    np.maximum(share, 0, out=share)
    np.minimum(share, 1, out=share)

    within, other = share * down, share * right
    np.subtract(y, within, out=within)
    np.subtract(x, other, out=other)
    within *= within
    other *= other
    within += other
    radius = np.multiply(share, bone.widening, out=other)
    radius += bone.radius
    radius *= radius
    within /= radius

    height = np.multiply(share, bone.rise, out=other)
    height += bone.height
    height *= bone.squeeze
    across = np.multiply(share, up, out=share)
    np.subtract(z, across, out=across)
    across /= height
    across *= across
    within += across
    return np.sqrt(within, out=within)
