"""Context aware pseudocoloring: neighbor slices painted into a slice, red and blue.

Method: Wagner & Rohr, EfficientCellSeg, MIDL 2022, section 2.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ctc_eval.format import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from efficientcellseg.parameters.recipe import Pseudocolor

# Share of a volume's voxels that may be clipped as too bright under "volume" scaling, so that
# a single hot pixel does not darken all the rest.
CLIPPED_SHARE = 0.001


def pseudocolor(volume: np.ndarray, parameters: Pseudocolor) -> np.ndarray:
    """Color each slice by what lies above and below it.

    Red is slice z with the regions of slice z-1 brightened twofold, green the slice itself,
    blue the slice with the regions of slice z+1 brightened. The first and the last slice have
    an all-zero neighbor, so nothing is brightened there. With a `distance` of n, the neighbors
    are slices z-n and z+n.

    Parameters
    ----------
    volume : ndarray of shape (Z, Y, X), uint8 or uint16
        Raw intensities; a 2D frame has Z = 1.
    parameters : Pseudocolor
        The recipe's section.

    Returns
    -------
    ndarray of shape (Z, Y, X, 3), float32
        Channels red, green, blue in 0..1.

    Raises
    ------
    InputError
        Another type than uint8 and uint16.

    Notes
    -----
    With `context` "intensity", red and blue are the neighbor slices themselves; with "none",
    they are the slice itself: the gray inputs that the paper compares with. In a volume of one
    plane, which has no neighbors, `context_2d` takes the place of `context`.
    """
    colored = np.empty((*volume.shape, 3), np.float32)
    for z, plane in enumerate(pseudocolored_planes(volume, parameters)):
        colored[z] = plane
    return colored


def pseudocolored_planes(volume: np.ndarray, parameters: Pseudocolor) -> Iterator[np.ndarray]:
    """Color slice after slice, (Y, X, 3) each: :func:`pseudocolor` in little memory."""
    if volume.dtype not in (np.uint8, np.uint16):
        raise InputError(
            f"volume of {volume.dtype}; expected uint8 or uint16: convert the images, without "
            "scaling away their intensities",
            code="pixel-type",
        )
    if any(parameters.smoothing):
        volume = _smooth(volume, parameters.smoothing)
    by_volume = parameters.normalize == "volume"
    low, high = _range_of(volume) if by_volume else (0, 1)
    context = parameters.context if len(volume) > 1 else parameters.context_2d
    highlight = context == "highlight"
    regions = [bright_regions(plane, parameters) for plane in volume] if highlight else []

    def green(z: int) -> np.ndarray:
        plane = volume[z].astype(np.float32)
        return _scale(plane, low, high) if by_volume else plane

    for z in range(len(volume)):
        colored = np.repeat(green(z)[..., None], 3, axis=-1)
        for neighbor, channel in ((z - parameters.distance, 0), (z + parameters.distance, 2)):
            inside = 0 <= neighbor < len(volume)
            if context == "intensity":
                colored[..., channel] = green(neighbor) if inside else 0
            elif highlight and inside:
                colored[..., channel] += colored[..., 1] * regions[neighbor]
            if highlight and by_volume:
                colored[..., channel] /= 2
        if not by_volume:
            axes = (0, 1) if parameters.normalize == "channel" else (0, 1, 2)
            lowest, highest = (f(axis=axes, keepdims=True) for f in (colored.min, colored.max))
            colored = _scale(colored, lowest, highest)
        yield colored


def _range_of(volume: np.ndarray) -> tuple[np.float32, np.float32]:
    """Find which intensities of a volume become 0 and 1."""
    values = volume.astype(np.float32)
    low = values.min()
    return low, np.quantile(values, 1 - CLIPPED_SHARE, overwrite_input=True)


def _smooth(volume: np.ndarray, sigma: tuple[float, float, float]) -> np.ndarray:
    """Blur against noise, stretched to all of uint16, so that nothing gained is rounded away."""
    from scipy.ndimage import gaussian_filter

    blurred = gaussian_filter(volume.astype(np.float32), sigma, mode="nearest")
    low, high = float(blurred.min()), float(blurred.max())
    return np.rint(_scale(blurred, low, high) * 65535).astype(np.uint16)


def bright_regions(plane: np.ndarray, parameters: Pseudocolor) -> np.ndarray:
    """Find the bright regions of a slice: CLAHE, box blur, rising threshold.

    Parameters
    ----------
    plane : ndarray of shape (Y, X), uint8 or uint16
    parameters : Pseudocolor
        The threshold rises until the regions are not more than `adjacent_mean` of the slice.

    Returns
    -------
    ndarray of shape (Y, X), bool
        All false for a constant slice.
    """
    import cv2

    if parameters.bits == 8 and plane.dtype != np.uint8:
        plane = np.rint(255 * _scale(plane.astype(np.float32), plane.min(), plane.max()))
        plane = plane.astype(np.uint8)
    grid = min(parameters.grid, *plane.shape)
    clahe = cv2.createCLAHE(parameters.clip_limit, (grid, grid))
    equalized = clahe.apply(np.ascontiguousarray(plane)).astype(np.float32)
    scaled = _scale(equalized, equalized.min(), equalized.max())
    blurred = cv2.blur(scaled, (parameters.blur, parameters.blur))
    for rise in range(parameters.steps + 1):
        regions = blurred > parameters.threshold + rise * parameters.step
        if 0 < np.count_nonzero(regions) <= parameters.adjacent_mean * regions.size:
            break
    return regions


def _scale(values: np.ndarray, low: ArrayLike, high: ArrayLike) -> np.ndarray:
    """Scale `low`..`high` to 0..1, clipping; constant values become 0."""
    width = np.asarray(high, np.float32) - np.asarray(low, np.float32)
    return np.clip((values - low) / np.where(width > 0, width, 1), 0, 1)
