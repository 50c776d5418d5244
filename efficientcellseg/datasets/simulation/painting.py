"""Painting: which voxels cells fill, and what light these emit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ctc_eval.format import InputError
from efficientcellseg.datasets.simulation.shape import CellShape, Skeleton
from efficientcellseg.datasets.simulation.streams import TEXTURE, stream

# A tube that is nowhere thinner than half a voxel's diagonal is digitized in one piece: the
# voxels nearest to its center line lie within that distance of it, and follow each other
# face to face.
CONNECTED_RADIUS = 0.87


def paint(
    skeletons: list[Skeleton],
    cell_shape: CellShape,
    shape: tuple[int, int, int],
    voxel_size: tuple[float, float, float],
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Fill the voxels of a frame's cells.

    Where cells would overlap, a voxel belongs to the cell whose center line is nearer, by
    that cell's radius; of a cell cut in pieces by others the largest piece stays.

    Parameters
    ----------
    skeletons : list of Skeleton
    cell_shape : CellShape
    shape : tuple of int
        Planes, rows, columns.
    voxel_size : tuple of float
        Micrometers along (plane, row, column).
    seed : int
        Fixes each cell's texture and roughness, which move along with it.

    Returns
    -------
    labels : ndarray of shape (Z, Y, X), uint16
    light : ndarray of shape (Z, Y, X), float32
        What each voxel emits, around 1 in cells and 0 elsewhere.

    Raises
    ------
    InputError
        A cell has no voxel left.
    """
    nearest = np.ones(shape, dtype=np.float32)
    labels = np.zeros(shape, dtype=np.uint16)
    light = np.zeros(shape, dtype=np.float32)
    voxel = np.array(voxel_size, dtype=np.float64)
    for cell in skeletons:
        noise = stream(seed, TEXTURE, cell.label).uniform(-1, 1, (2, 8, 8, 8))
        box, depth = _closeness(cell, cell_shape, shape, voxel, noise[0])
        near = depth < nearest[box]
        glow = _emission(cell, cell_shape, voxel, box, near, depth[near], noise[1])
        nearest[box][near] = depth[near]
        labels[box][near] = cell.label
        light[box][near] = glow
    for cell, box, piece in _largest_pieces(skeletons, labels):
        stray = (labels[box] == cell.label) & ~piece
        labels[box][stray] = 0
        light[box][stray] = 0
    return labels, light


def _closeness(
    cell: Skeleton,
    cell_shape: CellShape,
    shape: tuple[int, int, int],
    voxel: np.ndarray,
    noise: np.ndarray,
) -> tuple[tuple[slice, ...], np.ndarray]:
    """Measure how far voxels are from a cell's center line: 0 on it, 1 on the surface.

    Returns
    -------
    box : tuple of slice
        The part of the frame that holds the cell.
    depth : ndarray of the box's shape, float32
        2 where no bone is near.
    """
    slack = 1 + cell_shape.roughness
    least = CONNECTED_RADIUS * slack * voxel
    radii = np.maximum(cell.radii, least[1:].max())
    heights = np.maximum(cell_shape.flatness * radii, least[0])
    reach = np.stack([heights, radii, radii], axis=1) * slack
    box = _box((cell.points - reach).min(axis=0), (cell.points + reach).max(axis=0), shape, voxel)
    depth = np.full([part.stop - part.start for part in box], 2, dtype=np.float32)
    for bone in cell.bones:
        lower = (cell.points[bone] - reach[bone]).min(axis=0)
        upper = (cell.points[bone] + reach[bone]).max(axis=0)
        part = _box(lower, upper, shape, voxel)
        local = tuple(
            slice(a.start - b.start, a.stop - b.start) for a, b in zip(part, box, strict=True)
        )
        if depth[local].size:
            ratio = _bone_distance(part, voxel, cell.points[bone], radii[bone], heights[bone])
            depth[local] = np.minimum(depth[local], ratio)
    if cell_shape.roughness:
        rough = depth < slack
        where = _places(box, voxel, rough)
        lumps = _noise(
            noise, where - cell.points[0], 2.5 * cell_shape.texture_size, cell_shape.flatness
        )
        depth[rough] *= 1 + cell_shape.roughness * lumps
    return box, depth


def _box(
    lower: np.ndarray, upper: np.ndarray, shape: tuple[int, int, int], voxel: np.ndarray
) -> tuple[slice, ...]:
    """Find the voxels of a frame whose centers lie between two corners."""
    starts = np.clip(np.ceil(lower / voxel).astype(int), 0, shape)
    stops = np.clip(np.floor(upper / voxel).astype(int) + 1, starts, shape)
    return tuple(slice(int(a), int(b)) for a, b in zip(starts, stops, strict=True))


def _bone_distance(
    box: tuple[slice, ...],
    voxel: np.ndarray,
    ends: np.ndarray,
    radii: np.ndarray,
    heights: np.ndarray,
) -> np.ndarray:
    """Divide the distance from a bone by the bone's radius at the nearest point."""
    # The nearest point is looked for where the thinner end's section is round.
    squeeze = np.array([float(radii.min() / heights.min()), 1.0, 1.0])
    start, bone = ends[0] * squeeze, (ends[1] - ends[0]) * squeeze
    grids: list[Any] = [
        np.arange(part.start, part.stop, dtype=np.float32) * np.float32(size) - np.float32(origin)
        for part, size, origin in zip(box, voxel * squeeze, start, strict=True)
    ]
    z, y, x = grids[0][:, None, None], grids[1][:, None], grids[2]
    length = np.float32(max(float((bone**2).sum()), 1e-12))
    b = bone.astype(np.float32)
    share = np.clip((z * b[0] + y * b[1] + x * b[2]) / length, 0, 1)
    radius = np.float32(radii[0]) + share * np.float32(radii[1] - radii[0])
    height = np.float32(heights[0]) + share * np.float32(heights[1] - heights[0])
    within = ((y - share * b[1]) ** 2 + (x - share * b[2]) ** 2) / radius**2
    across = (z - share * b[0]) / (np.float32(squeeze[0]) * height)
    return np.sqrt(within + across**2)


def _places(box: tuple[slice, ...], voxel: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Give the coordinates of a mask's voxels: (N, 3), micrometers."""
    return (np.argwhere(mask) + [part.start for part in box]) * voxel


def _noise(lattice: np.ndarray, offsets: np.ndarray, size: float, flatness: float) -> np.ndarray:
    """Read smooth noise between -1 and 1 with lumps of a size: (N,) float32."""
    from scipy.ndimage import map_coordinates

    steps = offsets / (size * np.array([min(flatness, 1.0), 1.0, 1.0]))
    # Unfiltered splines stay within the lattice's range, so that roughness has a bound.
    return map_coordinates(
        lattice, steps.T, order=2, mode="grid-wrap", prefilter=False, output=np.float32
    )


def _emission(
    cell: Skeleton,
    cell_shape: CellShape,
    voxel: np.ndarray,
    box: tuple[slice, ...],
    mask: np.ndarray,
    depth: np.ndarray,
    noise: np.ndarray,
) -> np.ndarray:
    """Compute what the voxels of a cell emit: lumpy, dimmer at the rim and at both ends."""
    where = _places(box, voxel, mask)
    lumps = _noise(noise, where - cell.points[0], cell_shape.texture_size, cell_shape.flatness)
    fine = _noise(
        noise, where - cell.points[0], 0.45 * cell_shape.texture_size, cell_shape.flatness
    )
    heights = cell_shape.flatness * cell.radii
    lower, upper = (cell.points[:, 0] - heights).min(), (cell.points[:, 0] + heights).max()
    middle, half = (lower + upper) / 2, max((upper - lower) / 2, voxel[0])
    off_middle = np.clip(np.abs(where[:, 0] - middle) / half, 0, 1)
    glow = (
        cell.brightness
        * (1 + cell_shape.texture * (1.4 * lumps + 0.7 * fine))
        * (1 - cell_shape.rim_fade * np.clip(depth, 0, 1) ** 2)
        * (1 - cell_shape.end_fade * off_middle**1.5)
    )
    return np.maximum(glow, 0.02).astype(np.float32)


def _largest_pieces(
    skeletons: list[Skeleton], labels: np.ndarray
) -> Iterator[tuple[Skeleton, tuple[slice, ...], np.ndarray]]:
    """Find the largest face-connected piece of each cell, within the cell's bounding box."""
    from scipy import ndimage

    boxes = ndimage.find_objects(labels)
    for cell in skeletons:
        box = boxes[cell.label - 1] if cell.label <= len(boxes) else None
        if box is None:
            raise InputError(
                f"cells: cell {cell.label} of {len(skeletons)} is hidden by others; expected "
                "room for each: ask for fewer cells or a larger shape",
                code="cell-hidden",
            )
        pieces, count = ndimage.label(labels[box] == cell.label)
        if count > 1:
            sizes = np.bincount(pieces.ravel())
            yield cell, box, pieces == int(sizes[1:].argmax()) + 1
