"""Painting: which voxels cells fill, and what light these emit."""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from ctc_eval.format import InputError
from efficientcellseg.datasets.simulation.outlines import Box, closeness, outlines
from efficientcellseg.datasets.simulation.shape import CellShape, Skeleton
from efficientcellseg.datasets.simulation.splines import spline_field, spline_weights
from efficientcellseg.datasets.simulation.streams import TEXTURE, stream


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
    axes = [np.arange(count) * float(size) for count, size in zip(shape, voxel_size, strict=True)]
    _, rows, columns = (
        np.arange(count, dtype=np.float32) * np.float32(size)
        for count, size in zip(shape, voxel_size, strict=True)
    )
    boxes = []
    for cell, outline in zip(
        skeletons, outlines(skeletons, cell_shape, shape, voxel_size), strict=True
    ):
        box = outline.box
        boxes.append(box)
        places = [axis[part] for axis, part in zip(axes, box, strict=True)]
        rough, lumps, fine = _noises(cell, cell_shape, places, seed)
        depth = closeness(outline, rows, columns)
        near = depth < 1 + cell_shape.roughness
        if cell_shape.roughness:
            depth *= 1 + cell_shape.roughness * rough
        near &= depth < nearest[box]
        glow = _emission(cell, cell_shape, places[0], voxel_size[0], depth, lumps, fine)
        np.copyto(nearest[box], depth, where=near)
        np.copyto(labels[box], cell.label, where=near)
        np.copyto(light[box], glow, where=near)
    _keep_largest_pieces(skeletons, boxes, labels, light)
    return labels, light


def _noises(
    cell: Skeleton, cell_shape: CellShape, places: list[np.ndarray], seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make the cell's smooth noise between -1 and 1, with lumps of three sizes.

    Parameters
    ----------
    places : list of ndarray
        Micrometers of the box's planes, rows and columns.

    Returns
    -------
    rough, lumps, fine : ndarray of the box's shape, float32
        For the surface, and for the texture.
    """
    rough, texture = stream(seed, TEXTURE, cell.label).uniform(-1, 1, (2, 8, 8, 8))
    flat = (min(cell_shape.flatness, 1.0), 1.0, 1.0)
    sizes = [factor * cell_shape.texture_size for factor in (2.5, 1.0, 0.45)]
    offsets = [axis - origin for axis, origin in zip(places, cell.points[0], strict=True)]
    steps = [offset / (size * f) for size in sizes for offset, f in zip(offsets, flat, strict=True)]
    # One call for all: the cost is the calls'.
    weights = spline_weights(np.concatenate(steps), 8, wrap=True)
    stops = list(accumulate(len(one) for one in steps))
    parts = [weights[stop - len(one) : stop] for one, stop in zip(steps, stops, strict=True)]
    return (
        spline_field(rough, parts[:3]),
        spline_field(texture, parts[3:6]),
        spline_field(texture, parts[6:]),
    )


def _emission(
    cell: Skeleton,
    cell_shape: CellShape,
    planes: np.ndarray,
    plane_size: float,
    depth: np.ndarray,
    lumps: np.ndarray,
    fine: np.ndarray,
) -> np.ndarray:
    """Compute what voxels of a cell emit: lumpy, dimmer at the rim and at both ends."""
    heights = cell_shape.flatness * cell.radii
    lower, upper = (cell.points[:, 0] - heights).min(), (cell.points[:, 0] + heights).max()
    middle, half = (lower + upper) / 2, max((upper - lower) / 2, plane_size)
    off_middle = np.clip(np.abs(planes - middle) / half, 0, 1)
    end = 1 - cell_shape.end_fade * off_middle**1.5
    glow = 1 + cell_shape.texture * (1.4 * lumps + 0.7 * fine)
    glow *= cell.brightness
    glow *= 1 - cell_shape.rim_fade * np.minimum(depth, 1) ** 2
    return np.maximum(glow * end[:, None, None], 0.02).astype(np.float32)


def _keep_largest_pieces(
    skeletons: list[Skeleton], boxes: list[Box], labels: np.ndarray, light: np.ndarray
) -> None:
    """Take away all but the largest face-connected piece of each cell."""
    from scipy import ndimage

    for cell, box in zip(skeletons, boxes, strict=True):
        pieces, count = ndimage.label(labels[box] == cell.label)
        if not count:
            raise InputError(
                f"cells: cell {cell.label} of {len(skeletons)} is hidden by others; expected "
                "room for each: ask for fewer cells or a larger shape",
                code="cell-hidden",
            )
        if count > 1:
            sizes = np.bincount(pieces.ravel())
            stray = (pieces > 0) & (pieces != int(sizes[1:].argmax()) + 1)
            labels[box][stray] = 0
            light[box][stray] = 0
