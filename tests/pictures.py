"""Small volumes for tests: drawn by hand, balls, disks, squares; heatmaps and offsets."""

import numpy as np

from efficientcellseg.maps.offsets import OFFSETS, center_offset


def picture(*rows: str) -> np.ndarray:
    """Read digits as a plane of labels, ``.`` as 0."""
    return np.array([[[int(c) if c != "." else 0 for c in row] for row in rows]], np.int32)


def cells(labels: np.ndarray) -> dict[str, np.ndarray]:
    return {"cells": (labels > 0).astype(np.float32)}


def ball(shape: tuple[int, int, int], center: tuple, radius: float, anisotropy: float = 1.0):
    z, y, x = np.indices(shape)
    square = ((z - center[0]) * anisotropy) ** 2 + (y - center[1]) ** 2 + (x - center[2]) ** 2
    return square <= radius**2


def heatmap(shape: tuple[int, int, int], points: dict[tuple, float]) -> np.ndarray:
    values = np.zeros(shape, np.float32)
    for point, height in points.items():
        values[point] = height
    return values


def squares(side: int, gap: int = 0) -> np.ndarray:
    """Paint two squares beside each other, with background around them."""
    labels = np.zeros((1, side + 8, 2 * side + gap + 8), np.uint16)
    labels[0, 4:-4, 4 : 4 + side] = 3
    labels[0, 4:-4, 4 + side + gap : -4] = 7
    return labels


def disk(shape: tuple[int, int, int], row: float, column: float, radius: float) -> np.ndarray:
    _, y, x = np.indices(shape)
    return (y - row) ** 2 + (x - column) ** 2 <= radius**2


def exact(labels: np.ndarray, anisotropy: float) -> dict[str, np.ndarray]:
    """Give the maps that a perfect network predicts; the background points anywhere."""
    maps = {
        name: np.nan_to_num(center_offset(labels, anisotropy, axis), nan=0.9)
        for axis, name in enumerate(OFFSETS)
    }
    return {"cells": (labels > 0).astype(np.float32), **maps}
