"""Peaks of a height, and floods from them: what all watersheds of labelings are made of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from efficientcellseg.labelings.morphology import connected, relabel
from efficientcellseg.parallel import in_threads


def peaks(
    height: np.ndarray,
    foreground: np.ndarray,
    lowest: float,
    min_distance: float,
    anisotropy: float,
) -> np.ndarray:
    """Find local maxima, the higher of two that are too close.

    Neighbors of one height, as along the axis of a tube, are one peak; it is at the voxel
    nearest to their centroid.

    Parameters
    ----------
    height : ndarray of shape (Z, Y, X), float32
    foreground : ndarray of shape (Z, Y, X), bool
        Where peaks may be.
    lowest : float
        A peak must be higher.
    min_distance : float
        Smallest distance between peaks, in in-plane pixels.
    anisotropy : float
        Distance between planes, in in-plane pixels.

    Returns
    -------
    ndarray of shape (N, 3), int64
        Plane, row and column of each peak, the highest first.
    """
    from scipy.spatial import KDTree

    places = _maxima(height, foreground, lowest)
    if not len(places):
        return places
    scale = [anisotropy, 1.0, 1.0]
    plateau = _touching(places)
    sums = np.stack([np.bincount(plateau, axis) for axis in places.T], axis=1)
    centroids = sums / np.bincount(plateau)[:, None]
    offsets = (((places - centroids[plateau]) * scale) ** 2).sum(axis=1)
    by_plateau = np.lexsort((offsets, plateau))
    places = places[by_plateau[np.unique(plateau[by_plateau], return_index=True)[1]]]
    places = places[np.argsort(-height[tuple(places.T)], kind="stable")]
    scaled = places * scale
    neighbors = KDTree(scaled).query_ball_point(scaled, min_distance)
    dropped, kept = np.zeros(len(places), bool), np.zeros(len(places), bool)
    for i in range(len(places)):
        if not dropped[i]:
            dropped[neighbors[i]] = kept[i] = True
    return places[kept]


def _maxima(height: np.ndarray, foreground: np.ndarray, lowest: float) -> np.ndarray:
    """Find the foreground voxels above `lowest` that no neighbor, by face or corner, exceeds.

    Gives their places, (N, 3) int64, in order.
    """
    import cv2

    def in_plane(z: int) -> np.ndarray:
        highest = height[max(z - 1, 0) : z + 2].max(axis=0)
        highest = cv2.dilate(highest, np.ones((3, 3), np.uint8))
        found = np.argwhere(foreground[z] & (height[z] > lowest) & (height[z] == highest))
        return np.insert(found, 0, z, axis=1)

    return np.concatenate(list(in_threads(in_plane, range(len(height)))))


def _touching(places: np.ndarray) -> np.ndarray:
    """Find groups of voxels (N, 3) that touch by faces or corners; numbers from 0, (N,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import KDTree

    pairs = KDTree(places).query_pairs(1, p=np.inf, output_type="ndarray").T
    links = coo_array((np.ones(pairs.shape[1], bool), pairs), (len(places), len(places)))
    return connected_components(links, directed=False)[1].astype(int)


def flood(
    height: np.ndarray, markers: np.ndarray, mask: np.ndarray, *, lonely: bool = True
) -> np.ndarray:
    """Flood from markers: every voxel of the mask goes to the marker whose basin it lies in.

    Parameters
    ----------
    height : ndarray of shape (Z, Y, X), float32
        Basins are high in their middle.
    markers : ndarray of shape (N, 3), int64, or (Z, Y, X), int32
        Places, which are numbered from 1; or a label image.
    mask : ndarray of shape (Z, Y, X), bool
    lonely : bool
        A connected piece of the mask without any marker is an object of its own, not left out.

    Returns
    -------
    ndarray of shape (Z, Y, X), int32

    Notes
    -----
    Pieces do not touch, so that each is flooded by itself, in its box, where it has several
    markers; with one, all of it is the marker's.
    """
    from scipy.ndimage import find_objects
    from skimage.segmentation import watershed

    pieces = connected(mask)
    lowest, highest, seeds = (_from_places if markers.ndim == 2 else _from_labels)(markers, pieces)
    boxes = find_objects(pieces)

    def part(number: int) -> tuple[tuple[slice, ...], np.ndarray, np.ndarray]:
        box = boxes[number - 1]
        inside = pieces[box] == number
        found = watershed(-height[box], seeds(number, box, inside), mask=inside)
        return box, inside, found[inside]

    parted = list(in_threads(part, np.flatnonzero(lowest < highest)))
    if lonely:
        own = np.arange(len(highest), dtype=np.int32) + highest.max()
        highest[1:] = np.where(highest, highest, own)[1:]
    labels = relabel(pieces, highest, out=pieces)
    for box, inside, found in parted:
        labels[box][inside] = found
    return labels


Seeds = Callable[[int, tuple[slice, ...], np.ndarray], np.ndarray]


def _from_places(places: np.ndarray, pieces: np.ndarray) -> tuple[np.ndarray, np.ndarray, Seeds]:
    """Give the lowest and the highest marker in each piece, (N,), 0 where it has none.

    Markers are places (M, 3), numbered from 1. Also gives what paints those of a piece into its
    box.
    """
    owners, count = pieces[tuple(places.T)], int(pieces.max()) + 1
    order = np.argsort(owners, kind="stable")
    first = np.searchsorted(owners[order], np.arange(count + 1))
    lowest, highest = np.zeros(count, np.int32), np.zeros(count, np.int32)
    marked = np.flatnonzero(np.diff(first))
    lowest[marked], highest[marked] = order[first[marked]] + 1, order[first[marked + 1] - 1] + 1
    lowest[0] = highest[0] = 0  # markers outside of all pieces

    def seeds(number: int, box: tuple[slice, ...], inside: np.ndarray) -> np.ndarray:
        mine, painted = order[first[number] : first[number + 1]], np.zeros(inside.shape, np.int32)
        painted[tuple((places[mine] - [part.start for part in box]).T)] = mine + 1
        return painted

    return lowest, highest, seeds


def _from_labels(labels: np.ndarray, pieces: np.ndarray) -> tuple[np.ndarray, np.ndarray, Seeds]:
    """Do as :func:`_from_places` where markers are a label image (Z, Y, X)."""
    count = int(pieces.max()) + 1
    lowest, highest = np.full(count, np.iinfo(np.int32).max, np.int32), np.zeros(count, np.int32)
    for plane, marked in zip(pieces, labels, strict=True):
        places = np.nonzero(marked)
        np.minimum.at(lowest, plane[places], marked[places])
        np.maximum.at(highest, plane[places], marked[places])
    lowest[highest == 0] = 0
    lowest[0] = highest[0] = 0
    return lowest, highest, lambda _, box, inside: np.where(inside, labels[box], 0)
