"""Scale: the size of the cells, and the tiles that bring them to the size a network has learned.

A network knows cells of certain sizes, in pixels of its input, which its card states. Tiles are
chosen so that cells have that size after resizing. For this, the size of the cells in the image
must be known: the recipe states it, or a first look at a few frames measures it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, inf, sqrt
from math import log as logarithm

import numpy as np

from ctc_eval.format import InputError

log = logging.getLogger(__name__)

# A frame that is at most so many times as large as the ideal tile is one tile.
STRETCH = 1.25
# How far beyond what a network has learned cells may be: where their size is given, and measured.
GIVEN, MEASURED = 1.25, 1.6
# Share of a tile that it has in common with the next one, where tiles follow from the scale.
OVERLAP = 0.1
# A first look sees two tiles a side, and so many planes, of so many frames.
WINDOW_TILES, WINDOW_PLANES, FRAMES = 2 - OVERLAP, 5, 2
# How often the network is asked, and what logarithm of two sizes counts as agreement.
ROUNDS, AGREED = 4, 0.1
# A first look by thresholds sees so many pixels a side.
WINDOW_PIXELS = 640
# Smaller sections are noise. Pixels.
SMALLEST = 3.0


@dataclass(frozen=True)
class LearntSizes:
    """What a network knows of cells: the 5th, 50th and 95th percentile of their diameters.

    Diameters are of disks as large as a cell's largest section, in pixels of the network's input,
    which is `input_size` pixels wide.
    """

    low: float
    median: float
    high: float
    input_size: int


def section_diameters(labels: np.ndarray) -> np.ndarray:
    """Measure cells: the diameter of a disk as large as each cell's largest section.

    Parameters
    ----------
    labels : ndarray of shape (Z, Y, X), integer
        Label image; 0 is background.

    Returns
    -------
    ndarray of shape (N,), float
        In pixels, in the order of the labels.
    """
    count = int(labels.max(initial=0)) + 1
    largest = np.zeros(count, np.int64)
    for plane in labels:
        np.maximum(largest, np.bincount(plane.ravel(), minlength=count), out=largest)
    return 2 * np.sqrt(largest[1:][largest[1:] > 0] / np.pi)


def fit_tile(diameter: float, learnt: LearntSizes, shape: tuple[int, int]) -> int:
    """Return the side of square tiles that bring cells to the size a network knows best.

    Parameters
    ----------
    diameter : float
        Of the cells, in pixels of the image.
    learnt : LearntSizes
    shape : tuple of int
        (Y, X) of a slice.

    Returns
    -------
    int
        In pixels of the image; that of the whole slice where it is little larger than a tile.
    """
    side = learnt.input_size * diameter / learnt.median
    return max(shape) if max(shape) <= STRETCH * side else max(round(side), 1)


def input_diameter(diameter: float, tile: tuple[int, int], input_size: int) -> float:
    """Compute how large cells appear in a network's input.

    Parameters
    ----------
    diameter : float
        Of the cells, in in-plane pixels of the image.
    tile : tuple of int
        (rows, columns) of a tile, in pixels of the image.
    input_size : int
        Side of the network's input, in pixels.

    Returns
    -------
    float
        In pixels of the network's input.
    """
    return diameter * input_size / sqrt(tile[0] * tile[1])


def check_scale(
    name: str, diameter: float, tile: tuple[int, int], learnt: LearntSizes, tolerance: float
) -> None:
    """Refuse cells of another size than a network has learned.

    Parameters
    ----------
    name : str
        Of the recipe.
    diameter : float
        Of the cells, in pixels of the image.
    tile : tuple of int
        (rows, columns) of a tile, in pixels of the image.
    learnt : LearntSizes
    tolerance : float
        How many times smaller or larger cells may be.

    Raises
    ------
    InputError
        They are smaller or larger than that.
    """
    found = input_diameter(diameter, tile, learnt.input_size)
    if not learnt.low / tolerance <= found <= learnt.high * tolerance:
        raise InputError(
            f"{name}: cells of {diameter:.0f} pixels in tiles of {tile[0]} x {tile[1]} are "
            f"{found:.0f} pixels wide for the network; expected {learnt.low:.0f} to "
            f"{learnt.high:.0f}, as it has learnt: leave tiling's rows and columns out, correct "
            "cell_diameter, give another --model, or --scale-check off",
            code="scale-mismatch",
        )


def brightest_window(
    volume: np.ndarray, side: int, planes: int | None = None
) -> tuple[slice, slice, slice]:
    """Find the part of a volume with most signal.

    Parameters
    ----------
    volume : ndarray of shape (Z, Y, X), unsigned
    side : int
        Rows and columns of the part, at most.
    planes : int, optional
        Planes of it, at most; all by default.

    Returns
    -------
    tuple of slice
        Along planes, rows and columns; of several that are alike, the first.
    """
    profile = volume.max(axis=(1, 2)).astype(np.float64)
    depth = min(planes or len(volume), len(volume))
    light = np.convolve(profile, np.ones(depth), "valid")
    first = int(light.argmax())
    projection = volume[first : first + depth].max(axis=0).astype(np.float64)
    spans = []
    for axis in (0, 1):
        length = min(side, projection.shape[axis])
        sums = np.convolve(projection.mean(axis=1 - axis), np.ones(length), "valid")
        start = int(sums.argmax())
        spans.append(slice(start, start + length))
        projection = projection[spans[0]] if axis == 0 else projection
    return (slice(first, first + depth), spans[0], spans[1])


def estimate_by_threshold(volume: np.ndarray, anisotropy: float) -> float | None:
    """Estimate how large cells are without a network: Otsu's threshold, split at the necks.

    Parameters
    ----------
    volume : ndarray of shape (Z, Y, X), unsigned
    anisotropy : float
        Distance between planes, in in-plane pixels.

    Returns
    -------
    float or None
        Median diameter in pixels; None if no cell is found.
    """
    from skimage.filters import threshold_otsu

    from efficientcellseg.labelings.flooding import flood, peaks
    from efficientcellseg.labelings.morphology import distance, smooth

    part = volume[brightest_window(volume, WINDOW_PIXELS)].astype(np.float32)
    light = smooth(part, 1.0, anisotropy)
    if light.min() == light.max():
        return None
    foreground = light > threshold_otsu(light)
    depth = smooth(distance(foreground, anisotropy), 1.0, anisotropy)
    # Markers keep half a typical radius apart, so that rough outlines do not split cells.
    typical = float(np.median(depth[foreground])) * 2
    markers = peaks(depth, foreground, 0.0, max(typical, 2.0), anisotropy)
    return typical_diameter(section_diameters(flood(depth, markers, foreground)))


def typical_diameter(diameters: np.ndarray) -> float | None:
    """Compute the median diameter, without debris.

    Debris is small and may be plentiful. It is anything below a third of the median in which each
    cell is weighted by the area of its section.

    Parameters
    ----------
    diameters : ndarray of shape (N,), float
        In pixels.

    Returns
    -------
    float or None
        None without any cell.
    """
    found = np.sort(diameters[diameters >= SMALLEST])
    if not len(found):
        return None
    share = np.cumsum(found**2)
    weighed = found[np.searchsorted(share, share[-1] / 2)]
    return float(np.median(found[found >= weighed / 3]))


def estimate_by_labels(
    volumes: Sequence[np.ndarray], label: Callable[[np.ndarray, int], np.ndarray], side: int
) -> float | None:
    """Estimate how large cells are by what a network finds in tiles of one size.

    Parameters
    ----------
    volumes : sequence of ndarray of shape (Z, Y, X), unsigned
    label : callable
        Segments a volume in tiles of a side, in pixels.
    side : int
        Of the tiles.

    Returns
    -------
    float or None
        Median diameter in pixels; None if nothing was found.
    """
    found = []
    for volume in volumes:
        part = volume[brightest_window(volume, round(WINDOW_TILES * side), WINDOW_PLANES)]
        found.append(section_diameters(label(part, side)))
    return typical_diameter(np.concatenate(found))


def measure_cells(
    volumes: Sequence[np.ndarray],
    learnt: LearntSizes,
    label: Callable[[np.ndarray, int], np.ndarray],
    anisotropy: float,
) -> float | None:
    """Measure the cells: find the size at which a network finds cells of exactly that size.

    Thresholding gives a first guess. Tiles are cut as if it were true, and the size of the cells
    that the network finds is the next guess, until two guesses agree. The one that agreed best is
    used.

    Parameters
    ----------
    volumes : sequence of ndarray of shape (Z, Y, X), unsigned
        A few frames.
    learnt : LearntSizes
    label : callable
        Segments a volume in tiles of a side, in pixels.
    anisotropy : float
        Distance between planes, in in-plane pixels.

    Returns
    -------
    float or None
        Median diameter in pixels; None if no cell is found.
    """
    guesses = [estimate_by_threshold(volume, anisotropy) for volume in volumes]
    known = [guess for guess in guesses if guess]
    if not known:
        log.warning("a first look found no cells; each slice is one tile")
        return None
    guess = exp(float(np.mean(np.log(known))))
    log.info("by thresholding, cells seem to be %.0f pixels wide", guess)
    best, agreement = guess, inf
    for _ in range(ROUNDS):
        side = fit_tile(guess, learnt, volumes[0].shape[1:])
        found = estimate_by_labels(volumes, label, side)
        if found is None:
            break
        log.info("in tiles for %.0f pixels, the network finds cells of %.0f", guess, found)
        if (apart := abs(logarithm(found / guess))) < agreement:
            best, agreement = found, apart
        if apart < AGREED:
            break
        guess = found
    return best
