"""Labelings: small volumes worked by hand for each."""

import numpy as np
import pytest
from pictures import ball, cells, heatmap, picture
from scipy.ndimage import distance_transform_edt, gaussian_filter, maximum_filter
from scipy.ndimage import label as label_pieces
from skimage.segmentation import watershed

from ctc_eval.format import read_volume
from efficientcellseg.chain.labeling import label_volume
from efficientcellseg.frozen import changed
from efficientcellseg.labelings import LABELINGS, parameters_of, relabeled

COMPONENTS = parameters_of("components")
DISTANCE = parameters_of("distance_watershed", min_distance=3.0)
MARKER = parameters_of("marker_watershed", smoothing=0.0, min_distance=2.0)


def test_mask_takes_all_foreground_for_one_cell():
    found = label_volume(cells(picture("11..2", "....2")), parameters_of("mask"))
    np.testing.assert_array_equal(found, picture("11..1", "....1"))


def test_components_connect_through_faces():
    found = label_volume(cells(picture("11..1", "..1.1", "..1..")), COMPONENTS)
    np.testing.assert_array_equal(found, picture("11..2", "..3.2", "..3.."))


def test_components_connect_through_planes():
    volume = np.concatenate([picture("1..1"), picture("1..."), picture("1..1")])
    found = label_volume(cells(volume), COMPONENTS)
    assert len({*found[:, 0, 0]}) == 1
    assert found[0, 0, 3] != found[2, 0, 3]


def test_foreground_begins_at_the_threshold():
    maps = {"cells": np.array([[[0.49, 0.5, 0.51]]], np.float32)}
    np.testing.assert_array_equal(label_volume(maps, COMPONENTS), [[[0, 1, 1]]])


def test_distance_watershed_splits_at_the_neck():
    shape = (1, 21, 40)
    left, right = ball(shape, (0, 10, 11), 8), ball(shape, (0, 10, 26), 8)
    found = label_volume({"cells": (left | right).astype(np.float32)}, DISTANCE)
    assert found.max() == 2
    assert found[0, 10, 11] != found[0, 10, 26]
    # Symmetric about column 18.5: each keeps its own half.
    assert (found[0, :, :18][(left | right)[0, :, :18]] == found[0, 10, 11]).all()
    assert (found[0, :, 20:][(left | right)[0, :, 20:]] == found[0, 10, 26]).all()


def test_anisotropy_decides_whether_two_cells_part():
    # Two balls of radius 7 pixels above each other, planes 4 pixels apart: in voxels they are
    # flat, and their distance transform without the voxel's size has no neck between them.
    shape, anisotropy = (9, 21, 21), 4.0
    upper = ball(shape, (2.5, 10, 10), 7, anisotropy)
    lower = ball(shape, (5.5, 10, 10), 7, anisotropy)
    maps = {"cells": (upper | lower).astype(np.float32)}
    parted = label_volume(maps, DISTANCE, anisotropy)
    assert parted.max() == 2
    assert parted[2, 10, 10] != parted[6, 10, 10]
    # A cell keeps its label through z.
    for planes in (slice(1, 4), slice(5, 8)):
        assert len(np.unique(parted[planes][parted[planes] > 0])) == 1
    assert label_volume(maps, DISTANCE, 1.0).max() == 1


def test_marker_watershed_grows_from_the_centers():
    labels = picture("1111111", "1111111", "1111111")
    centers = heatmap(labels.shape, {(0, 1, 1): 0.9, (0, 1, 5): 0.8})
    found = label_volume({**cells(labels), "centers": centers}, MARKER)
    assert found.max() == 2
    assert (found[0, :, :3] == found[0, 1, 1]).all()
    assert (found[0, :, 4:] == found[0, 1, 5]).all()
    assert (found > 0).all()


def test_centers_below_the_threshold_or_outside_are_no_markers():
    labels = picture("1111111.", "1111111.")
    points = {(0, 0, 1): 0.9, (0, 0, 5): 0.3, (0, 0, 7): 1.0}
    maps = {**cells(labels), "centers": heatmap(labels.shape, points)}
    assert label_volume(maps, changed(MARKER, center_threshold=0.3)).max() == 1
    assert label_volume(maps, changed(MARKER, center_threshold=0.29)).max() == 2


def test_marker_watershed_in_3d_measures_with_the_voxels_size():
    # Two peaks two planes apart: 2 voxels, 8 pixels.
    centers = heatmap((5, 3, 3), {(1, 1, 1): 0.9, (3, 1, 1): 0.8})
    maps = {"cells": np.ones((5, 3, 3), np.float32), "centers": centers}
    near = changed(MARKER, min_distance=5.0)
    assert label_volume(maps, near, anisotropy=4.0).max() == 2
    assert label_volume(maps, near, anisotropy=1.0).max() == 1


@pytest.mark.parametrize("method", ["distance_watershed", "marker_watershed"])
def test_a_piece_without_a_marker_is_an_object_of_its_own(method):
    # The small piece is within the reach of the large one's peak.
    labels = np.zeros((1, 20, 26), np.float32)
    labels[0, 4:16, 4:16] = 1
    labels[0, 9:11, 17:19] = 1
    centers = heatmap(labels.shape, {(0, 10, 10): 1.0})
    parameters = relabeled(MARKER, method, min_distance=12.0)
    found = label_volume({"cells": labels, "centers": centers}, parameters)
    assert found.max() == 2
    np.testing.assert_array_equal(found > 0, labels > 0)
    assert len(np.unique(found[0, 9:11, 17:19])) == 1


def test_without_any_background_there_is_one_cell():
    maps = {"cells": np.ones((2, 30, 30), np.float32)}
    assert label_volume(maps, DISTANCE).max() == 1


def test_a_straight_cell_of_one_width_stays_whole():
    ribbon = np.zeros((1, 20, 90), np.float32)
    ribbon[0, 6:13, 5:85] = 1
    assert label_volume({"cells": ribbon}, DISTANCE).max() == 1


def test_real_frame(data_root):
    folder = data_root / "BBBC050"
    if not (folder / "01_GT" / "SEG" / "man_seg005.tif").is_file():
        pytest.skip(f"{folder}: no frame 5 of sequence 01")
    from efficientcellseg.maps.centers import center_heatmap

    reference = read_volume(folder / "01_GT" / "SEG" / "man_seg005.tif")
    count = len(np.unique(reference)) - 1
    anisotropy = 1.75 / 0.8
    maps = {
        "cells": (reference > 0).astype(np.float32),
        "centers": center_heatmap(reference, anisotropy),
    }
    parameters = parameters_of("marker_watershed", center_threshold=0.5)
    found = label_volume(maps, parameters, anisotropy)
    # From perfect maps the nuclei come back: each overlaps its own label by more than 9/10.
    overlaps = [
        np.bincount(found[reference == n]).max() / (reference == n).sum()
        for n in np.unique(reference)[1:]
    ]
    assert abs(int(found.max()) - count) <= 1
    assert np.mean(np.array(overlaps) > 0.9) > 0.9


def test_the_heatmap_parts_cells_that_have_no_neck():
    # A straight bar of 8 x 40 pixels: only the heatmap knows that its cells are 10 and 30 long.
    bar = np.zeros((1, 12, 44), np.float32)
    bar[0, 2:10, 2:42] = 1
    columns = np.arange(44)
    profile = np.maximum(1 - abs(columns - 7) / 5, 1 - abs(columns - 27) / 15).clip(0)
    centers = (profile * bar).astype(np.float32)
    centers[0, 6] += 0.05 * bar[0, 6]  # the peaks lie on one row
    labels = label_volume({"cells": bar, "centers": centers}, changed(MARKER, min_distance=8.0))
    left = labels[0, 6, 3]
    assert labels.max() == 2
    assert abs(np.count_nonzero(labels[0, 6] == left) - 10) <= 1


@pytest.mark.parametrize("method", [name for name in LABELINGS if name != "dunet_watershed"])
def test_the_threshold_is_foreground_in_each_labeling(method):
    for value, inside in ((0.5, True), (0.49, False)):
        level = np.full((2, 6, 7), value, np.float32)
        found = label_volume(dict.fromkeys(LABELINGS[method].needs, level), parameters_of(method))
        assert (found > 0).all() if inside else not found.any()


def test_another_labeling_keeps_what_both_have():
    found = relabeled(changed(MARKER, min_size=7), "distance_watershed", min_distance=12.0)
    assert (found.method, found.min_size) == ("distance_watershed", 7)
    assert (found.smoothing, found.min_distance) == (0.0, 12.0)
    assert relabeled(MARKER, "marker_watershed") == MARKER


def restated(maps, smoothing, center_threshold, anisotropy):
    """Marker watershed, literally; peaks have one voxel each, and none is too close to another."""
    width = (smoothing / anisotropy, smoothing, smoothing)
    foreground = maps["cells"] >= 0.5
    height = gaussian_filter(maps["centers"], width)
    tops = foreground & (height > center_threshold) & (height == maximum_filter(height, 3))
    markers = np.zeros(foreground.shape, int)
    markers[tops] = np.arange(1, tops.sum() + 1)
    depth = distance_transform_edt(foreground, (anisotropy, 1, 1)).astype(np.float32)
    depth = gaussian_filter(depth, width)
    parts = watershed(-(height + depth / max(depth.max(), 1)), markers, mask=foreground)
    lonely = foreground & (parts == 0)
    parts[lonely] = label_pieces(foreground)[0][lonely] + tops.sum()
    return parts


@pytest.mark.parametrize(
    ("shape", "anisotropy", "seed"), [((7, 40, 44), 2.0, 0), ((1, 60, 64), 1.0, 2)]
)
def test_marker_watershed_as_restated(shape, anisotropy, seed):
    """Clouds, whose heatmap knows nothing of them: heatmap and distance are of equal say."""
    chance = np.random.default_rng(seed)
    clouds = [gaussian_filter(chance.random(shape), (1, side, side)) for side in (2.5, 2)]
    one, other = ((cloud - cloud.min()) / np.ptp(cloud) for cloud in clouds)
    inside = np.zeros(shape, bool)  # away from borders, beyond which cells go on
    inside[1 if shape[0] > 1 else 0 : -1 if shape[0] > 1 else None, 2:-2, 2:-2] = True
    maps = {"cells": (one * inside).astype(np.float32), "centers": other.astype(np.float32)}
    parameters = parameters_of(
        "marker_watershed", smoothing=1.0, min_distance=0.5, center_threshold=0.3, fill_holes=False
    )
    found = label_volume(maps, parameters, anisotropy)
    wanted = restated(maps, 1.0, 0.3, anisotropy)
    pairs = set(zip(found.ravel().tolist(), wanted.ravel().tolist(), strict=True))
    assert len(pairs) == len(np.unique(found)) == len(np.unique(wanted)) > 5
