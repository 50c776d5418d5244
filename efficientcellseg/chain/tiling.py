"""Tiles of a slice: cut, resized to the network's input, and put back without seams."""

from __future__ import annotations

from math import ceil, floor
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from efficientcellseg.parameters.recipe import Tiling

Span = tuple[int, int]
Tile = tuple[Span, Span]


def plan_tiles(shape: tuple[int, int], tiling: Tiling) -> list[Tile]:
    """Spread tiles evenly over a slice, so that every pixel is covered.

    Parameters
    ----------
    shape : tuple of int
        (Y, X) of the slice.
    tiling : Tiling
        Of rows and columns, or of square tiles of one side. Without overlap, rows and columns
        partition the slice; ``rows=3, columns=2`` are the six patches of the paper, the remainder
        rows and columns included. Where it says nothing, the slice is one tile.

    Returns
    -------
    list of ((top, bottom), (left, right))
        Row by row; bottom and right are exclusive.
    """
    if tiling.side:
        rows, columns = (_step(length, tiling.side, tiling.overlap) for length in shape)
    else:
        rows, columns = (
            _spread(length, count or 1, tiling.overlap)
            for length, count in zip(shape, (tiling.rows, tiling.columns), strict=True)
        )
    return [(row, column) for row in rows for column in columns]


def _spread(length: int, count: int, overlap: float) -> list[Span]:
    """Spread `count` spans over 0..`length`, neighbors sharing `overlap` of a span."""
    count = min(count, length)
    size = length / (count - (count - 1) * overlap)
    edges = [i * size * (1 - overlap) for i in range(count)]
    # The tiny shift keeps float noise from moving an edge that falls on a whole pixel.
    return [(floor(edge + 1e-6), floor(edge + size + 1e-6)) for edge in edges]


def _step(length: int, side: int, overlap: float) -> list[Span]:
    """Cover 0..`length` with spans of one side, which share at least `overlap` of it."""
    if length <= side:
        return [(0, length)]
    count = ceil((length - side * overlap) / (side * (1 - overlap)))
    starts = (round(i * (length - side) / (count - 1)) for i in range(count))
    return [(start, start + side) for start in starts]


def cut(image: np.ndarray, tiles: list[Tile], size: int) -> np.ndarray:
    """Cut a slice into tiles and resize each to the network's input.

    Parameters
    ----------
    image : ndarray of shape (Y, X, C), float32
    tiles : list of Tile
        From :func:`plan_tiles`.
    size : int
        Side of the network's input, in pixels.

    Returns
    -------
    ndarray of shape (N, C, size, size), float32
    """
    import cv2

    found = np.empty((len(tiles), image.shape[2], size, size), np.float32)
    for channels, ((top, bottom), (left, right)) in zip(found, tiles, strict=True):
        resized = resize(image[top:bottom, left:right], (size, size))
        # Several times as fast as turning the axes in numpy.
        for channel, values in zip(channels, cv2.split(resized), strict=True):
            channel[:] = values
    return found


def paste(maps: np.ndarray, tiles: list[Tile], shape: tuple[int, int]) -> np.ndarray:
    """Put predicted tiles back into a slice; where tiles overlap, they fade into each other.

    Parameters
    ----------
    maps : ndarray of shape (N, size, size), float32
    tiles : list of Tile
        The plan that cut them.
    shape : tuple of int
        (Y, X) of the slice.

    Returns
    -------
    ndarray of shape (Y, X), float32
    """
    row_weights = _weights(sorted({tile[0] for tile in tiles}))
    column_weights = _weights(sorted({tile[1] for tile in tiles}))
    image = np.zeros(shape, np.float32)
    for tile_map, (row, column) in zip(maps, tiles, strict=True):
        (top, bottom), (left, right) = row, column
        weight = row_weights[row][:, None] * column_weights[column]
        image[top:bottom, left:right] += weight * resize(tile_map, weight.shape)
    return image


def _weights(spans: list[Span]) -> dict[Span, np.ndarray]:
    """Weigh the pixels of spans along one axis: ramps in the overlaps, summing to 1."""
    length = spans[-1][1]
    weights = {}
    for start, stop in spans:
        others = [span for span in spans if span != (start, stop)]
        before = max((end for begin, end in others if begin < start), default=start) - start
        after = stop - min((begin for begin, _ in others if begin > start), default=stop)
        position = np.arange(stop - start) + 0.5
        weights[start, stop] = np.minimum(
            np.minimum(position / max(before, 1), position[::-1] / max(after, 1)), 1
        )
    total = np.zeros(length)
    for (start, stop), weight in weights.items():
        total[start:stop] += weight
    return {
        (start, stop): (weight / total[start:stop]).astype(np.float32)
        for (start, stop), weight in weights.items()
    }


def resize(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize an image: area means along axes that shrink, bilinear along those that grow.

    Parameters
    ----------
    image : ndarray of shape (Y, X) or (Y, X, C), float32
    shape : tuple of int
        Wanted (rows, columns).

    Returns
    -------
    ndarray of the same axes, float32
    """
    import cv2

    # In two steps: where one axis grows, OpenCV's area means are none along either.
    shrunk = (min(image.shape[0], shape[0]), min(image.shape[1], shape[1]))
    for (rows, columns), way in ((shrunk, cv2.INTER_AREA), (shape, cv2.INTER_LINEAR)):
        if image.shape[:2] != (rows, columns):
            resized = cv2.resize(np.ascontiguousarray(image), (columns, rows), interpolation=way)
            image = resized.reshape(rows, columns, *image.shape[2:])  # OpenCV drops an axis of 1
    return image
