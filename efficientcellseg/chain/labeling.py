"""From predicted maps to a label image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ctc_eval.format import InputError
from efficientcellseg.maps.offsets import OFFSETS, voted_voxels

if TYPE_CHECKING:
    from efficientcellseg.parameters.recipe import Labeling

Maps = dict[str, np.ndarray]

# What the neighbor distance is raised to where it is taken off the cell distance.
SEED_POWER = 2

# A smaller seed is noise. Voxels.
SEED_SIZE = 3


def label_volume(
    maps: Maps, parameters: Labeling, anisotropy: float = 1.0, field_of_interest: int = 0
) -> np.ndarray:
    """Turn predicted maps into a label image.

    Parameters
    ----------
    maps : dict of str to ndarray of shape (Z, Y, X), float32
        ``cells``, the probability that a voxel is cell; for ``marker_watershed`` also
        ``centers``, the heatmap of cell centers; for ``dunet_watershed`` ``cell_distance`` and
        ``neighbor_distance`` instead; for ``offset_voting`` the offsets beside ``cells``.
    parameters : Labeling
        The recipe's section.
    anisotropy : float
        Distance of two planes in in-plane pixels, unless the parameters have another.
    field_of_interest : int
        The challenge's E, in pixels: objects without a pixel at least E pixels inside the
        image border (rows and columns) are removed.

    Returns
    -------
    ndarray of shape (Z, Y, X), uint16
        0 is background; objects are numbered from 1 without gaps.

    Raises
    ------
    InputError
        A map that the method needs is missing; more than 65535 objects.
    """
    split = METHODS[parameters.method]
    anisotropy = parameters.anisotropy or anisotropy
    if missing := set(NEEDED.get(parameters.method, ("cells",))) - maps.keys():
        raise InputError(
            f"{parameters.method}: no {', '.join(sorted(missing))} map among {', '.join(maps)}; "
            "expected networks for all that the labeling needs: add it to the recipe's networks"
        )
    if parameters.per_slice:
        labels = np.zeros(next(iter(maps.values())).shape, np.int32)
        whole = replace(parameters, per_slice=False)
        for z in range(len(labels)):
            plane = {name: values[z : z + 1] for name, values in maps.items()}
            found = label_volume(plane, whole, anisotropy, field_of_interest)[0].astype(np.int32)
            labels[z] = np.where(found > 0, found + labels.max(), 0)
    else:
        labels = split(maps, parameters, anisotropy)
        labels = remove_small(labels, parameters.min_size)
        if parameters.fill_holes:
            labels = fill_holes(labels)
        labels = remove_outside(labels, field_of_interest)
    return renumber(labels)


def mask(maps: Maps, parameters: Labeling, anisotropy: float) -> np.ndarray:
    """Take all foreground for one cell: for frames that hold a single one, as in the paper."""
    return (maps["cells"] >= parameters.threshold).astype(np.int32)


def components(maps: Maps, parameters: Labeling, anisotropy: float) -> np.ndarray:
    """Take connected components of the foreground; voxels connect through their faces."""
    import cc3d

    return _signed(cc3d.connected_components(maps["cells"] >= parameters.threshold, connectivity=6))


def distance_watershed(maps: Maps, parameters: Labeling, anisotropy: float) -> np.ndarray:
    """Split the foreground at its necks: watershed of the distance transform.

    Markers are the peaks of the smoothed distance to the background, in in-plane pixels.
    """
    foreground = maps["cells"] >= parameters.threshold
    height = smooth(distance(foreground, anisotropy), parameters.smoothing, anisotropy)
    markers = peaks(height, foreground, 0.0, parameters.min_distance, anisotropy)
    return flood(height, markers, foreground)


def marker_watershed(maps: Maps, parameters: Labeling, anisotropy: float) -> np.ndarray:
    """Grow cells from predicted centers: marker-based watershed, as in the paper.

    Markers are the peaks of the smoothed center heatmap inside the foreground.
    """
    foreground = maps["cells"] >= parameters.threshold
    height = smooth(maps["centers"], parameters.smoothing, anisotropy)
    markers = peaks(
        height, foreground, parameters.center_threshold, parameters.min_distance, anisotropy
    )
    # The heatmap separates cells whose outline has no neck; far from centers it says nothing,
    # and there the distance to the background leads on. Both are at most 1.
    depth = smooth(distance(foreground, anisotropy), parameters.smoothing, anisotropy)
    return flood(height + depth / max(depth.max(), 1), markers, foreground)


def dunet_watershed(maps: Maps, parameters: Labeling, anisotropy: float) -> np.ndarray:
    """Grow cells from their cores: watershed of the predicted cell distance.

    Seeds are the connected voxels where the cell distance, less the squared neighbor distance,
    is high. The maps are predicted slice by slice; the watershed runs on the stack of them, so
    that seeds of successive planes join and a cell keeps its label through z. Cells that lie
    exactly above each other are one seed, since both distances know of one plane only.

    Method: Scherr et al., Cell segmentation and tracking using CNN-based distance predictions and
    a graph-based matching strategy, PLOS ONE 2020.

    Parameters
    ----------
    maps : dict of str to ndarray of shape (Z, Y, X), float32
        ``cell_distance`` and ``neighbor_distance``.
    parameters : Labeling
        The recipe's section, of which `smoothing` counts, `distance_threshold`, which the
        smoothed cell distance exceeds in cells, and `seed_threshold`, which it exceeds in seeds
        less the squared neighbor distance.
    anisotropy : float
        Distance of two planes in in-plane pixels.

    Returns
    -------
    ndarray of shape (Z, Y, X), int32
        Label image; foreground without any seed is left out, as published.
    """
    import cc3d
    from skimage.segmentation import watershed

    height = smooth(maps["cell_distance"], parameters.smoothing, anisotropy)
    near = maps["neighbor_distance"].clip(0, 1) ** SEED_POWER
    seeds = cc3d.connected_components(height - near > parameters.seed_threshold, connectivity=6)
    seeds = remove_small(seeds.astype(np.int32), SEED_SIZE)
    return watershed(-height, seeds, mask=height > parameters.distance_threshold)


def offset_voting(maps: Maps, parameters: Labeling, anisotropy: float) -> np.ndarray:
    """Let each voxel vote for its cell's center: those that vote alike are one cell.

    Votes are counted and smoothed; a center is a peak that at least `min_size` voxels vote for,
    and a voxel goes to the center in whose basin its vote lies. Cells more than twice
    `offsets.REACH` long fall into parts, and pieces that touch no center's cell are their own.

    Parameters
    ----------
    maps : dict of str to ndarray of shape (Z, Y, X), float32
        ``cells`` and the offsets, see :mod:`efficientcellseg.maps.offsets`.
    parameters : Labeling
        The recipe's section, of which `threshold`, `smoothing`, `min_distance` and `min_size`
        count.
    anisotropy : float
        Distance of two planes in in-plane pixels, the one that the offsets were made with.

    Returns
    -------
    ndarray of shape (Z, Y, X), int32
        Label image; each cell is in one piece.
    """
    from scipy.ndimage import gaussian_filter
    from skimage.segmentation import watershed

    foreground = maps["cells"] >= parameters.threshold
    shape, sigma = foreground.shape, parameters.smoothing
    voted = voted_voxels(maps, foreground, anisotropy)
    votes = np.bincount(voted, minlength=foreground.size).reshape(shape).astype(np.float32)
    height = smooth(votes, sigma, anisotropy)
    # Scaled so that votes for one voxel make a peak as high as they are many.
    wide = 2 * int(4 * sigma + 1) + 1
    for length, width in ((len(votes), sigma / anisotropy), (wide, sigma), (wide, sigma)):
        one = np.zeros(length, np.float32)
        one[length // 2] = 1
        height /= gaussian_filter(one, width).max()
    anywhere = height > 0
    lowest = parameters.min_size - 0.5
    markers = peaks(height, anywhere, lowest, parameters.min_distance, anisotropy)
    labels = np.zeros(shape, np.int32)
    labels[foreground] = watershed(-height, markers, mask=anywhere).ravel()[voted]
    # Voxels that went astray go to the cell that they touch.
    return flood(np.zeros(shape, np.float32), largest_pieces(labels), foreground)


METHODS: dict[str, Callable[[Maps, Labeling, float], np.ndarray]] = {
    "mask": mask,
    "components": components,
    "distance_watershed": distance_watershed,
    "marker_watershed": marker_watershed,
    "dunet_watershed": dunet_watershed,
    "offset_voting": offset_voting,
}

# The maps that a method needs, where it needs others than cells alone.
NEEDED = {
    "marker_watershed": ("cells", "centers"),
    "dunet_watershed": ("cell_distance", "neighbor_distance"),
    "offset_voting": ("cells", *OFFSETS),
}


def without_centers(parameters: Labeling) -> Labeling:
    """Give the labeling of a method that predicts cells alone: a mask stays, the rest is split.

    Parameters
    ----------
    parameters : Labeling
        The recipe's section.

    Returns
    -------
    Labeling
        Its method ``mask`` or ``distance_watershed``.
    """
    single = parameters.method == "mask"
    return replace(parameters, method="mask" if single else "distance_watershed")


def distance(foreground: np.ndarray, anisotropy: float) -> np.ndarray:
    """Euclidean distance to the background, in in-plane pixels.

    The border of the image is not background: a cell cut off by it goes on outside. Where
    there is no background at all, the distance is 0.
    """
    import edt

    found = edt.edt(
        np.ascontiguousarray(foreground), anisotropy=(anisotropy, 1.0, 1.0), black_border=False
    )
    return np.where(np.isfinite(found), found, 0)


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

    A piece of foreground without any marker is an object of its own.
    """
    import cc3d
    from skimage.segmentation import watershed

    pieces = _signed(cc3d.connected_components(foreground, connectivity=6))
    marked = np.zeros(pieces.max() + 1, bool)
    marked[pieces[markers > 0]] = True
    lonely = foreground & ~marked[pieces]
    markers = np.where(lonely, pieces + markers.max(), markers)
    return watershed(-height, markers, mask=foreground)


def largest_pieces(labels: np.ndarray) -> np.ndarray:
    """Keep the largest piece of each object; voxels of a piece connect through their faces."""
    import cc3d

    pieces = _signed(cc3d.connected_components(labels, connectivity=6))
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
        More than 65535 objects.
    """
    present = np.bincount(labels.ravel()) > 0
    present[0] = False
    count = int(present.sum())
    if count > np.iinfo(np.uint16).max:
        raise InputError(
            f"{count} objects in one frame; expected at most 65535: raise the recipe's min_size"
        )
    numbers = np.zeros(len(present), np.uint16)
    numbers[present] = np.arange(1, count + 1)
    return numbers[labels]


def _signed(labels: np.ndarray) -> np.ndarray:
    """Give labels as int32, the type that all steps of the labeling share."""
    return labels.astype(np.int32, copy=False)
