"""What labelings share: distances, peaks, floods; small objects, holes, numbers."""

from __future__ import annotations

import numpy as np

from ctc_eval.format import MAX_LABEL, InputError


def connected(labels: np.ndarray) -> np.ndarray:
    """Give each connected piece of each object a number, int32; faces connect voxels."""
    import cc3d

    return cc3d.connected_components(labels, connectivity=6, out_dtype=np.uint32).view(np.int32)


def distance(foreground: np.ndarray, anisotropy: float) -> np.ndarray:
    """Euclidean distance to the background, in in-plane pixels.

    The border of the image is not background: a cell cut off by it goes on outside. Where
    there is no background at all, the distance is 0.
    """
    import edt

    found = edt.edt(
        np.ascontiguousarray(foreground), anisotropy=(anisotropy, 1.0, 1.0), black_border=False
    )
    found[~np.isfinite(found)] = 0
    return found


def smooth(values: np.ndarray, sigma: float, anisotropy: float) -> np.ndarray:
    """Gaussian blur; `sigma` in in-plane pixels, so less than that from plane to plane."""
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(values, (sigma / anisotropy, sigma, sigma))


def peaks(
    height: np.ndarray,
    foreground: np.ndarray,
    lowest: float,
    min_distance: float,
    anisotropy: float,
) -> np.ndarray:
    """Find local maxima, the higher of two that are too close.

    Neighbors of one height, as along the axis of a tube, are one peak; it lies at the voxel
    nearest to their centroid.

    Parameters
    ----------
    height : ndarray of shape (Z, Y, X), float32
    foreground : ndarray of shape (Z, Y, X), bool
        Peaks lie inside.
    lowest : float
        A peak must be higher.
    min_distance : float
        Distance that peaks keep, in in-plane pixels.
    anisotropy : float
        Distance of two planes in in-plane pixels.

    Returns
    -------
    ndarray of shape (Z, Y, X), int32
        Peaks numbered from 1, the highest first.
    """
    import cc3d
    from scipy.ndimage import maximum_filter
    from scipy.spatial import KDTree

    maxima = foreground & (height > lowest) & (height == maximum_filter(height, size=3))
    places = np.argwhere(maxima)
    markers = np.zeros(height.shape, np.int32)
    if not len(places):
        return markers
    scale = [anisotropy, 1.0, 1.0]
    plateau = cc3d.connected_components(maxima, connectivity=26)[maxima].astype(int) - 1
    sums = np.stack([np.bincount(plateau, axis) for axis in places.T], axis=1)
    centroids = sums / np.bincount(plateau)[:, None]
    offsets = (((places - centroids[plateau]) * scale) ** 2).sum(axis=1)
    by_plateau = np.lexsort((offsets, plateau))
    places = places[by_plateau[np.unique(plateau[by_plateau], return_index=True)[1]]]
    places = places[np.argsort(-height[tuple(places.T)], kind="stable")]
    scaled = places * scale
    neighbors = KDTree(scaled).query_ball_point(scaled, min_distance)
    dropped = np.zeros(len(places), bool)
    count = 0
    for i, place in enumerate(places):
        if not dropped[i]:
            dropped[neighbors[i]] = True
            count += 1
            markers[tuple(place)] = count
    return markers


def flood(height: np.ndarray, markers: np.ndarray, foreground: np.ndarray) -> np.ndarray:
    """Flood from markers: every foreground voxel goes to the marker whose basin it lies in.

    A piece of foreground without any marker is an object of its own. The watershed takes more
    memory than all else, so that no array is left beside it: both are used up, `height` turned
    upside down, and `markers` given those pieces.
    """
    from skimage.segmentation import watershed

    _mark_lonely(markers, foreground)
    return watershed(np.negative(height, out=height), markers, mask=foreground)


def _mark_lonely(markers: np.ndarray, foreground: np.ndarray) -> None:
    """Give each piece of foreground without any marker one of its own."""
    pieces = connected(foreground)
    marked = np.zeros(pieces.max() + 1, bool)
    marked[pieces[markers > 0]] = True
    lonely = foreground & ~marked[pieces]
    markers[lonely] = pieces[lonely] + markers.max()


def largest_pieces(labels: np.ndarray) -> np.ndarray:
    """Keep the largest connected piece of each object."""
    pieces = connected(labels)
    sizes = np.bincount(pieces.ravel())
    owner = np.zeros(len(sizes), labels.dtype)
    owner[pieces] = labels
    by_size = np.argsort(-sizes[1:], kind="stable") + 1
    largest = by_size[np.unique(owner[by_size], return_index=True)[1]]
    return np.where(np.isin(pieces, largest), labels, 0)


def remove_small(labels: np.ndarray, min_size: int) -> np.ndarray:
    """Remove objects of fewer than `min_size` voxels."""
    keep = np.bincount(labels.ravel()) >= min_size
    keep[0] = False
    return np.where(keep[labels], labels, 0)


def remove_outside(labels: np.ndarray, margin: int) -> np.ndarray:
    """Remove objects without a pixel at least `margin` pixels inside the image border.

    Parameters
    ----------
    labels : ndarray of shape (Z, Y, X), integer
    margin : int
        The challenge's E; only rows and columns count.
    """
    if not margin:
        return labels
    keep = np.zeros(labels.max() + 1, bool)
    keep[np.unique(labels[:, margin:-margin, margin:-margin])] = True
    return np.where(keep[labels], labels, 0)


def fill_holes(labels: np.ndarray) -> np.ndarray:
    """Fill background that an object encloses; what lies inside of other objects stays."""
    from scipy.ndimage import binary_fill_holes, find_objects

    filled = labels.copy()
    boxes = [(n, box) for n, box in enumerate(find_objects(labels), start=1) if box is not None]
    # Large boxes first: a hole within nested objects goes to the innermost.
    for number, box in sorted(boxes, key=lambda item: -labels[item[1]].size):
        # One plane is 2D: in 3D, each of its holes would be open above and below.
        flat = labels[box].shape[0] == 1
        piece = (labels[box] == number)[0] if flat else labels[box] == number
        holes = binary_fill_holes(piece).reshape(labels[box].shape)
        filled[box][holes & (labels[box] == 0)] = number
    return filled


def renumber(labels: np.ndarray) -> np.ndarray:
    """Renumber objects from 1 without gaps, as uint16.

    Raises
    ------
    InputError
        More objects than uint16 can number, 65535.
    """
    present = np.bincount(labels.ravel()) > 0
    present[0] = False
    count = int(present.sum())
    if count > MAX_LABEL:
        raise InputError(
            f"{count} objects in one frame; expected at most {MAX_LABEL}: raise the recipe's "
            "min_size",
            code="label-range",
        )
    numbers = np.zeros(len(present), np.uint16)
    numbers[present] = np.arange(1, count + 1)
    return numbers[labels]
