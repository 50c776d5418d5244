"""Context aware pseudocoloring: neighbor slices painted into a slice, red and blue.

Method: Wagner & Rohr, EfficientCellSeg, MIDL 2022, section 2.1.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice, repeat, tee
from typing import TYPE_CHECKING

import numpy as np

from ctc_eval.format import InputError
from efficientcellseg.parallel import in_threads

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from efficientcellseg.parameters.recipe import Pseudocolor

# Share of a volume's voxels that may be clipped as too bright under "volume" scaling, so that
# a single hot pixel does not darken all the rest.
CLIPPED_SHARE = 0.001


def pseudocolor(volume: np.ndarray, parameters: Pseudocolor) -> np.ndarray:
    """Color each slice by the slices above and below it.

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


def pseudocolored_planes(
    volume: np.ndarray,
    parameters: Pseudocolor,
    then: Callable[[np.ndarray], np.ndarray] = lambda plane: plane,
) -> Iterator[np.ndarray]:
    """Color one slice after another: :func:`pseudocolor` in little memory, on all cores.

    Parameters
    ----------
    volume : ndarray of shape (Z, Y, X), uint8 or uint16
    parameters : Pseudocolor
    then : callable
        Called with each colored slice (Y, X, 3), float32, in the thread that colored it.

    Yields
    ------
    ndarray of shape (Y, X, 3), float32
        Each slice, or what `then` returns for it.

    Raises
    ------
    InputError
        The volume has another type.
    """
    if volume.dtype not in (np.uint8, np.uint16):
        raise InputError(
            f"volume of {volume.dtype}; expected uint8 or uint16: convert the images, without "
            "scaling away their intensities",
            code="pixel-type",
        )
    if any(parameters.smoothing):
        volume = _smooth(volume, parameters.smoothing)
    context = parameters.context if len(volume) > 1 else parameters.context_2d
    limits = _range_of(volume) if parameters.normalize == "volume" else None
    # What slices show of themselves in others. Of a few slices at a time.
    shown: Iterable[np.ndarray] = volume if context == "intensity" else ()
    if context == "highlight":
        shown = in_threads(lambda plane: bright_regions(plane, parameters), volume)
    one, other = tee(shown)
    above = chain(repeat(None, parameters.distance), one, repeat(None))
    below = chain(islice(other, parameters.distance, None), repeat(None))

    def color(slices: tuple[np.ndarray, np.ndarray | None, np.ndarray | None]) -> np.ndarray:
        return then(_colored(*slices, context, parameters.normalize, limits))

    yield from in_threads(color, zip(volume, above, below, strict=False))


def _colored(
    plane: np.ndarray,
    above: np.ndarray | None,
    below: np.ndarray | None,
    context: str,
    normalize: str,
    limits: tuple[np.float32, np.float32] | None,
) -> np.ndarray:
    """Color a slice (Y, X) by what its neighbors show of themselves, None if there is none.

    `limits` are the intensities that become 0 and 1, unless a slice is scaled by itself.
    """
    import cv2

    def scaled(plane: np.ndarray) -> np.ndarray:
        gray = plane.astype(np.float32)
        return _scale(gray, *limits) if limits else gray

    def beside(neighbor: np.ndarray | None) -> np.ndarray:
        if context == "none":
            return green
        if context == "intensity":
            return np.zeros_like(green) if neighbor is None else scaled(neighbor)
        whole = np.float32(0.5 if limits else 1)
        return green * (whole if neighbor is None else whole * (neighbor + np.float32(1)))

    green = scaled(plane)
    channels = [beside(above), green, beside(below)]
    if not limits:
        ranges = [(channel.min(), channel.max()) for channel in channels]
        if normalize == "joint":
            ranges = [(min(low for low, _ in ranges), max(high for _, high in ranges))] * 3
        channels = [
            _scale(channel, *range_) for channel, range_ in zip(channels, ranges, strict=True)
        ]
    return cv2.merge(channels)


def _range_of(volume: np.ndarray) -> tuple[np.float32, np.float32]:
    """Find which intensities of a volume become 0 and 1: the lowest, and a high quantile.

    The quantile is that of numpy, of the two values around it, which a histogram tells.
    """
    values = np.iinfo(volume.dtype).max + 1
    count = sum(in_threads(lambda plane: np.bincount(plane.ravel(), minlength=values), volume))
    place = (volume.size - 1) * (1 - CLIPPED_SHARE)
    ranks = [0, int(place), min(int(place) + 1, volume.size - 1)]
    low, *around = np.searchsorted(np.cumsum(count), ranks, side="right").astype(np.float32)
    return low, np.quantile(np.array(around), place % 1)


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

    def brighter(rise: int) -> np.ndarray:
        return blurred > parameters.threshold + rise * parameters.step

    def is_small(rise: int) -> bool:
        count = np.count_nonzero(brighter(rise))
        return bool(count <= parameters.adjacent_mean * plane.size)

    # The first threshold of those that rise; regions only shrink, so that halving finds it.
    return brighter(bisect_left(range(parameters.steps), True, key=is_small))


def _scale(values: np.ndarray, low: ArrayLike, high: ArrayLike) -> np.ndarray:
    """Scale `low`..`high` to 0..1, clipping; constant values become 0."""
    width = np.asarray(high, np.float32) - np.asarray(low, np.float32)
    scaled = values - low
    scaled /= np.where(width > 0, width, 1)
    return np.clip(scaled, 0, 1, out=scaled)
