"""Painting: which voxels the cells fill, and how bright these are."""

from __future__ import annotations

import numpy as np

from ctc_eval.format import InputError
from efficientcellseg.datasets.simulation.outlines import closeness, outlines
from efficientcellseg.datasets.simulation.skeleton import Skeleton
from efficientcellseg.datasets.simulation.splines import spline_field, spline_weights
from efficientcellseg.datasets.simulation.streams import TEXTURE, stream
from efficientcellseg.parameters.scene import CellShape

# Neighbors of a voxel, that in the middle, are those that share a face with it.
FACES = np.sum(np.abs(np.indices((3, 3, 3)) - 1), axis=0) <= 1


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
    labels = np.zeros(shape, dtype=np.uint16)
    # How near voxels are to their cell's center line, then what they emit: one frame in memory.
    light = np.zeros(shape, dtype=np.float32)
    axes = [np.arange(count) * float(size) for count, size in zip(shape, voxel_size, strict=True)]
    cells, found = [], outlines(skeletons, cell_shape, shape, voxel_size)
    for cell, outline in zip(skeletons, found, strict=True):
        box = outline.box
        places = [axis[part] for axis, part in zip(axes, box, strict=True)]
        surface, texture = stream(seed, TEXTURE, cell.label).uniform(-1, 1, (2, 8, 8, 8))
        depth = closeness(outline, voxel_size)
        if cell_shape.roughness:
            rough = 1 + cell_shape.roughness * _lumps(cell, cell_shape, places, surface, [2.5])[0]
            np.multiply(depth, rough, out=depth, where=depth < 1 + cell_shape.roughness)
        near = depth < np.where(labels[box], light[box], np.float32(1))
        np.copyto(labels[box], cell.label, where=near)
        np.copyto(light[box], depth, where=near)
        cells.append((cell, places, texture, labels[box], light[box]))
    for cell, places, texture, label, emitted in cells:
        own = label == cell.label
        kept = _largest_piece(own, cell.label, len(skeletons))
        glow = _emission(cell, cell_shape, places, voxel_size[0], texture, emitted)
        np.copyto(emitted, glow, where=kept)
        if kept is not own:
            label[own & ~kept] = 0
            emitted[own & ~kept] = 0
    return labels, light


def _lumps(
    cell: Skeleton,
    cell_shape: CellShape,
    places: list[np.ndarray],
    lattice: np.ndarray,
    sizes: list[float],
) -> np.ndarray:
    """Make smooth noise between -1 and 1 that moves along with a cell.

    Parameters
    ----------
    cell : Skeleton
    cell_shape : CellShape
    places : list of ndarray
        Micrometers of the planes, rows and columns where it is requested.
    lattice : ndarray of shape (8, 8, 8)
        Values between -1 and 1, repeated all over.
    sizes : list of float
        Of the lumps, over the texture's.

    Returns
    -------
    ndarray of shape (sizes, Z, Y, X), float32
    """
    size = cell_shape.texture_size * np.array(sizes)[:, None]
    planes, rows, columns = (
        axis - origin for axis, origin in zip(places, cell.points[0], strict=True)
    )
    steps = [planes / (size * min(cell_shape.flatness, 1.0)), rows / size, columns / size]
    weights = spline_weights(np.concatenate(steps, axis=1), len(lattice), wrap=True)
    first, second = len(planes), len(planes) + len(rows)
    return spline_field(lattice, weights[:, :first], weights[:, first:second], weights[:, second:])


def _emission(
    cell: Skeleton,
    cell_shape: CellShape,
    places: list[np.ndarray],
    plane_size: float,
    lattice: np.ndarray,
    depth: np.ndarray,
) -> np.ndarray:
    """Compute what voxels of a cell emit: lumpy, dimmer at the rim and at both ends."""
    lumps, fine = _lumps(cell, cell_shape, places, lattice, [1.0, 0.45])
    heights = cell_shape.flatness * cell.radii
    lower, upper = (cell.points[:, 0] - heights).min(), (cell.points[:, 0] + heights).max()
    middle, half = (lower + upper) / 2, max((upper - lower) / 2, plane_size)
    off_middle = np.clip(np.abs(places[0] - middle) / half, 0, 1)
    end = 1 - cell_shape.end_fade * off_middle**1.5
    glow = 1 + cell_shape.texture * (1.4 * lumps + 0.7 * fine)
    glow *= cell.brightness
    glow *= 1 - cell_shape.rim_fade * np.minimum(depth, 1) ** 2
    return np.maximum(glow * end[:, None, None], 0.02).astype(np.float32)


def _largest_piece(own: np.ndarray, label: int, cells: int) -> np.ndarray:
    """Find the largest face-connected piece of a cell, given as a mask: the mask if it is one."""
    from scipy import ndimage

    pieces, count = ndimage.label(own, structure=FACES)
    if not count:
        raise InputError(
            f"cells: cell {label} of {cells} is hidden by others; expected "
            "room for each: ask for fewer cells or a larger shape",
            code="cell-hidden",
        )
    if count == 1:
        return own
    sizes = np.bincount(pieces.ravel())
    return pieces == int(sizes[1:].argmax()) + 1
