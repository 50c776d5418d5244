"""What labelings share, as it is plainly: on the whole volume, object by object."""

import cc3d
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import binary_fill_holes, find_objects, label, maximum_filter
from scipy.spatial import KDTree
from skimage.segmentation import watershed

from efficientcellseg.chain.labeling import label_volume
from efficientcellseg.labelings import parameters_of
from efficientcellseg.labelings.flooding import flood, peaks
from efficientcellseg.labelings.morphology import (
    fill_holes,
    largest_pieces,
    remove_small,
)

shapes = st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9))
seeds = st.integers(0, 2**32 - 1)
label_images = shapes.flatmap(lambda shape: arrays(np.int32, shape, elements=st.integers(0, 4)))


def painted(places, shape):
    """Number places from 1 in a label image."""
    markers = np.zeros(shape, np.int32)
    markers[tuple(places.T)] = np.arange(1, len(places) + 1)
    return markers


def plain_peaks(height, foreground, lowest, min_distance, anisotropy):
    maxima = foreground & (height > lowest) & (height == maximum_filter(height, size=3))
    plateaus, count = label(maxima, np.ones((3, 3, 3)))
    places = []
    for number in range(1, count + 1):
        voxels = np.argwhere(plateaus == number)
        apart = ((voxels - voxels.mean(axis=0)) * [anisotropy, 1, 1]) ** 2
        places.append(voxels[apart.sum(axis=1).argmin()])
    markers, kept = np.zeros(height.shape, np.int32), []
    for place in sorted(places, key=lambda place: -height[tuple(place)]):
        scaled = place * np.array([anisotropy, 1, 1])
        if not kept or KDTree(kept).query(scaled)[0] > min_distance:
            kept.append(scaled)
            markers[tuple(place)] = len(kept)
    return markers


@settings(max_examples=150)
@given(shapes, seeds, st.sampled_from([0.0, 1.5, 3.0]), st.sampled_from([1.0, 2.5]))
def test_peaks(shape, seed, min_distance, anisotropy):
    chance = np.random.default_rng(seed)
    height = chance.integers(0, 4, shape).astype(np.float32)  # plateaus, many of one height
    foreground = chance.random(shape) < 0.8
    given_ = (height, foreground, 0.5, min_distance, anisotropy)
    np.testing.assert_array_equal(painted(peaks(*given_), shape), plain_peaks(*given_))


def plain_flood(height, markers, mask, lonely):
    """Flood the whole volume; where no two voxels are as high, no order of floods matters."""
    pieces = cc3d.connected_components(mask, connectivity=6)
    markers = np.where(mask, markers, 0)
    most = markers.max()
    for number in range(1, pieces.max() + 1):
        if lonely and not markers[pieces == number].any():
            markers[pieces == number] = number + most
    return watershed(-height, markers, mask=mask)


@settings(max_examples=150)
@given(shapes, seeds, st.booleans())
def test_floods(shape, seed, lonely):
    chance = np.random.default_rng(seed)
    height = chance.permutation(np.prod(shape)).reshape(shape).astype(np.float32)
    mask = chance.random(shape) < 0.6
    markers = np.where(mask & (chance.random(shape) < 0.2), chance.integers(1, 5, shape), 0)
    markers = markers.astype(np.int32)
    found = flood(height, markers, mask, lonely=lonely)
    np.testing.assert_array_equal(found, plain_flood(height, markers, mask, lonely))


@settings(max_examples=150)
@given(shapes, seeds, st.booleans())
def test_floods_from_places(shape, seed, lonely):
    chance = np.random.default_rng(seed)
    height = chance.permutation(np.prod(shape)).reshape(shape).astype(np.float32)
    mask = chance.random(shape) < 0.6
    places = chance.permutation(np.argwhere(chance.random(shape) < 0.3))
    found = flood(height, places, mask, lonely=lonely)
    # Numbers of places that lie outside are not given to anything.
    wanted = plain_flood(height, painted(places, shape), mask, lonely)
    np.testing.assert_array_equal(found, wanted)


@given(label_images)
def test_largest_pieces(labels):
    wanted = np.zeros_like(labels)
    for number in np.unique(labels[labels > 0]):
        pieces = cc3d.connected_components(labels == number, connectivity=6)
        wanted[pieces == np.bincount(pieces[pieces > 0]).argmax()] = number
    np.testing.assert_array_equal(largest_pieces(labels), wanted)


@given(label_images, st.integers(0, 12))
def test_small_objects(labels, size):
    wanted = labels.copy()
    for number in np.unique(labels):
        if (labels == number).sum() < size:
            wanted[labels == number] = 0
    np.testing.assert_array_equal(remove_small(labels, size), wanted)


def plain_holes(labels):
    filled = labels.copy()
    boxes = [(n, box) for n, box in enumerate(find_objects(labels), start=1) if box is not None]
    for number, box in sorted(boxes, key=lambda item: -labels[item[1]].size):
        piece = labels[box] == number
        if len(piece) == 1:
            piece = piece[0]
        holes = binary_fill_holes(piece).reshape(labels[box].shape)
        filled[box][holes & (labels[box] == 0)] = number
    return filled


@settings(max_examples=200)
@given(label_images, st.floats(0.5, 1))
def test_holes(labels, share):
    # Mostly one object, so that there is what encloses something.
    labels = np.where(np.random.default_rng(0).random(labels.shape) < share, labels.max(), labels)
    np.testing.assert_array_equal(fill_holes(labels), plain_holes(labels))


@pytest.mark.parametrize("threads", ["1", "3"])
@pytest.mark.parametrize("per_slice", [False, True])
def test_volumes_of_many_cells_on_any_number_of_cores(per_slice, threads, monkeypatch):
    """Up to numbers, the watershed of a distance that is taken and smoothed of the whole."""
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    chance = np.random.default_rng(0)
    foreground = gaussian_filter(chance.random((6, 90, 80)), (1, 2.5, 2.5)) > 0.5
    parameters = parameters_of("distance_watershed", min_distance=3, per_slice=per_slice)
    found = label_volume({"cells": foreground.astype(np.float32)}, parameters, 2.0)
    for volume, labels in (
        zip(foreground[:, None], found[:, None], strict=True)
        if per_slice
        else [(foreground, found)]
    ):
        depth = distance_transform_edt(np.pad(volume, 40, mode="edge"), sampling=(2, 1, 1))
        height = gaussian_filter(depth[40:-40, 40:-40, 40:-40].astype(np.float32), (0.5, 1, 1))
        markers = plain_peaks(height, volume, 0, 3, 2.0)
        wanted = plain_holes(plain_flood(height, markers, volume, lonely=True))
        pairs = set(zip(labels.ravel().tolist(), wanted.ravel().tolist(), strict=True))
        assert len(pairs) == len(np.unique(labels)) == len(np.unique(wanted)) > 10
