"""Small volumes for tests: drawn by hand, balls, heatmaps."""

import numpy as np


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
