"""Labeling: small volumes worked by hand for each method and each rule."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ctc_eval.format import InputError, read_volume
from efficientcellseg.chain.labeling import (
    METHODS,
    NEEDED,
    distance,
    fill_holes,
    label_volume,
    peaks,
    remove_outside,
    remove_small,
    renumber,
    smooth,
)
from efficientcellseg.maps.offsets import OFFSETS
from efficientcellseg.parameters.recipe import Labeling

COMPONENTS = Labeling(method="components")
DISTANCE = Labeling(method="distance_watershed", min_distance=3.0)
MARKER = Labeling(method="marker_watershed", smoothing=0.0, min_distance=2.0)


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


# Each method


def test_mask_takes_all_foreground_for_one_cell():
    found = label_volume(cells(picture("11..2", "....2")), Labeling(method="mask"))
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
    assert label_volume(maps, replace(MARKER, center_threshold=0.3)).max() == 1
    assert label_volume(maps, replace(MARKER, center_threshold=0.29)).max() == 2


def test_marker_watershed_in_3d_measures_with_the_voxels_size():
    # Two peaks two planes apart: 2 voxels, 8 pixels.
    centers = heatmap((5, 3, 3), {(1, 1, 1): 0.9, (3, 1, 1): 0.8})
    maps = {"cells": np.ones((5, 3, 3), np.float32), "centers": centers}
    near = replace(MARKER, min_distance=5.0)
    assert label_volume(maps, near, anisotropy=4.0).max() == 2
    assert label_volume(maps, near, anisotropy=1.0).max() == 1


@pytest.mark.parametrize("method", ["distance_watershed", "marker_watershed"])
def test_a_piece_without_a_marker_is_an_object_of_its_own(method):
    # The small piece is within the reach of the large one's peak.
    labels = np.zeros((1, 20, 26), np.float32)
    labels[0, 4:16, 4:16] = 1
    labels[0, 9:11, 17:19] = 1
    centers = heatmap(labels.shape, {(0, 10, 10): 1.0})
    parameters = replace(MARKER, method=method, min_distance=12.0)
    found = label_volume({"cells": labels, "centers": centers}, parameters)
    assert found.max() == 2
    np.testing.assert_array_equal(found > 0, labels > 0)
    assert len(np.unique(found[0, 9:11, 17:19])) == 1


def test_without_any_background_there_is_one_cell():
    maps = {"cells": np.ones((2, 30, 30), np.float32)}
    assert label_volume(maps, DISTANCE).max() == 1


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("shape", [(3, 8, 9), (1, 8, 9)])
def test_empty_maps_give_empty_labels(method, shape):
    nothing = np.zeros(shape, np.float32)
    parameters = Labeling(method=method, min_size=3)
    maps = dict.fromkeys(("cells", *NEEDED.get(method, ())), nothing)
    found = label_volume(maps, parameters, 2.0, 1)
    assert found.shape == shape
    assert found.dtype == np.uint16
    assert not found.any()


def test_a_method_says_which_map_it_lacks():
    maps = cells(picture("11"))
    with pytest.raises(InputError, match=r"marker_watershed: no centers map among cells; expected"):
        label_volume(maps, MARKER)
    with pytest.raises(InputError, match=r"components: no cells map among centers"):
        label_volume({"centers": maps["cells"]}, COMPONENTS)


# Slice by slice


@pytest.mark.parametrize("method", ["components", "distance_watershed", "marker_watershed"])
def test_a_cell_keeps_its_label_through_z_or_has_one_per_slice(method):
    shape = (5, 24, 24)
    cell = ball(shape, (2, 12, 12), 8, 3.0)
    centers = heatmap(shape, {(z, 12, 12): 1.0 for z in range(5)})
    maps = {"cells": cell.astype(np.float32), "centers": centers}
    parameters = replace(MARKER, method=method, min_distance=20.0)
    whole = label_volume(maps, parameters, 3.0)
    np.testing.assert_array_equal(whole, cell.astype(int))
    flat = label_volume(maps, replace(parameters, per_slice=True), 3.0)
    np.testing.assert_array_equal(flat > 0, cell)
    assert [int(plane.max()) for plane in flat] == [1, 2, 3, 4, 5]
    assert all(len(np.unique(plane[plane > 0])) == 1 for plane in flat)


def test_per_slice_sizes_and_holes_are_those_of_the_slices():
    ring = picture("11111", "1...1", "1...1", "1...1", "11111")
    volume = np.concatenate([ring, ring])
    found = label_volume(cells(volume), replace(COMPONENTS, per_slice=True, min_size=16))
    assert (found[0] == 1).all()
    assert (found[1] == 2).all()
    whole = label_volume(cells(volume), COMPONENTS)
    assert (whole[:, 1:4, 1:4] == 0).all()  # a tube, open above and below
    assert not label_volume(cells(volume), replace(COMPONENTS, per_slice=True, min_size=17)).any()


# What is removed, filled, renumbered


def test_holes_in_3d_are_enclosed_from_all_sides():
    shell = np.ones((5, 5, 5), np.float32)
    shell[1:4, 1:4, 1:4] = 0
    assert (label_volume({"cells": shell}, COMPONENTS) == 1).all()
    np.testing.assert_array_equal(
        label_volume({"cells": shell}, replace(COMPONENTS, fill_holes=False)) > 0, shell > 0
    )
    shell[0, 2, 2] = 0
    np.testing.assert_array_equal(label_volume({"cells": shell}, COMPONENTS) > 0, shell > 0)


def test_a_hole_goes_to_the_innermost_object():
    nested = picture("1111111", "1.....1", "1.222.1", "1.2.2.1", "1.222.1", "1.....1", "1111111")
    wanted = picture("1111111", "1111111", "1122211", "1122211", "1122211", "1111111", "1111111")
    np.testing.assert_array_equal(fill_holes(nested), wanted)
    # Whatever their numbers.
    swapped = np.array([0, 2, 1])
    np.testing.assert_array_equal(fill_holes(swapped[nested]), swapped[wanted])


def test_a_bay_at_the_border_is_no_hole():
    bay = picture("11.11", "1...1", "11111")
    np.testing.assert_array_equal(fill_holes(bay), bay)


@pytest.mark.parametrize(("size", "left"), [(0, 3), (1, 3), (2, 2), (3, 2), (4, 1), (5, 1), (6, 0)])
def test_objects_smaller_than_the_size_are_removed(size, left):
    labels = picture("1.222", ".....", "33333")
    found = remove_small(labels, size)
    assert len(np.unique(found[found > 0])) == left
    kept = [n for n, many in ((1, 1), (2, 3), (3, 5)) if many >= size]
    np.testing.assert_array_equal(found, np.where(np.isin(labels, kept), labels, 0))


def test_the_field_of_interest_begins_e_pixels_inside():
    labels = np.zeros((2, 12, 14), np.int32)
    labels[0, 3, 0:4] = 1  # reaches column 3 in row 3: just within for E = 3
    labels[0, 2, 5:9] = 2  # row 2: never
    labels[1, 8, 10:14] = 3  # row 8, column 10: the last of both within (12 - 3, 14 - 3)
    labels[1, 9, 4:8] = 4  # row 9: outside
    labels[:, 5, 11:14] = 5  # column 11: outside, in whichever plane
    labels[0, 6, 6] = 6
    found = remove_outside(labels, 3)
    assert sorted(np.unique(found[found > 0])) == [1, 3, 6]
    np.testing.assert_array_equal(found[found > 0], labels[found > 0])
    assert (found == 1).sum() == 4  # a kept object is kept whole
    np.testing.assert_array_equal(remove_outside(labels, 0), labels)
    assert not remove_outside(labels, 6).any()  # nothing is 6 pixels inside of 12 rows
    found = label_volume(cells(labels), COMPONENTS, field_of_interest=3)
    assert found.max() == 3


def test_labels_are_consecutive():
    found = renumber(picture("7.3", "7.9"))
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, picture("2.1", "2.3"))


def test_more_labels_than_16_bits_hold_are_refused():
    labels = np.arange(65537, dtype=np.int32).reshape(1, 1, -1)
    assert renumber(labels[..., :65536]).max() == 65535
    with pytest.raises(InputError, match=r"65536 objects in one frame; expected at most 65535"):
        renumber(labels)


# Peaks and distances


def test_peaks_are_numbered_from_the_highest_and_keep_their_distance():
    height = np.zeros((1, 3, 12), np.float32)
    height[0, 1, [1, 5, 10]] = [0.5, 0.9, 0.7]
    everywhere = np.ones(height.shape, bool)

    def found(lowest: float, near: float) -> list[int]:
        return peaks(height, everywhere, lowest, near, 1.0)[0, 1, [1, 5, 10]].tolist()

    assert found(0.1, 2.0) == [3, 1, 2]
    assert found(0.5, 2.0) == [0, 1, 2]  # a peak is higher than the lowest
    assert found(0.1, 4.0) == [0, 1, 2]  # 4 pixels away is too close
    assert found(0.1, 3.9) == [3, 1, 2]
    assert found(0.1, 5.0) == [0, 1, 0]


def test_a_dropped_peak_drops_no_other():
    # The middle one gives way to the left one; the right one is far enough from that.
    height = np.zeros((1, 1, 12), np.float32)
    height[0, 0, [1, 5, 9]] = [0.9, 0.8, 0.7]
    found = peaks(height, np.ones(height.shape, bool), 0.1, 5.0, 1.0)
    assert found[0, 0, [1, 5, 9]].tolist() == [1, 0, 2]


def test_a_plateau_is_one_peak():
    # Two planes of one height, 4 pixels apart, and a ridge longer than the least distance.
    height = np.zeros((4, 3, 9), np.float32)
    height[1:3, 1, 1] = 0.9
    height[0, 1, 3:8] = 0.8
    found = peaks(height, np.ones(height.shape, bool), 0.1, 1.5, 4.0)
    assert np.argwhere(found).tolist() in ([[0, 1, 5], [1, 1, 1]], [[0, 1, 5], [2, 1, 1]])
    assert found[0, 1, 5] == 2


def test_a_straight_cell_of_one_width_stays_whole():
    ribbon = np.zeros((1, 20, 90), np.float32)
    ribbon[0, 6:13, 5:85] = 1
    assert label_volume({"cells": ribbon}, DISTANCE).max() == 1


def test_peaks_lie_in_the_foreground_and_are_no_shoulders():
    height = np.array([[[1, 2, 3, 2, 1, 5, 1]]], np.float32)
    foreground = np.array([[[1, 1, 1, 1, 1, 0, 1]]], bool)
    assert peaks(height, foreground, 0.0, 1.0, 1.0).tolist() == [[[0, 0, 1, 0, 0, 0, 0]]]


@given(
    arrays(bool, st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5))),
    st.sampled_from([1.0, 2.5]),
)
def test_distances_restated(foreground, anisotropy):
    found = distance(foreground, anisotropy)
    scale = np.array([anisotropy, 1, 1])
    background = np.argwhere(~foreground) * scale
    for place in np.ndindex(foreground.shape):
        wanted = 0.0
        if len(background):
            wanted = np.sqrt(((background - place * scale) ** 2).sum(axis=1)).min()
        assert found[place] == pytest.approx(wanted, rel=1e-5)


@given(
    arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(4, 9), st.integers(4, 9))),
    st.sampled_from([name for name in METHODS if name != "dunet_watershed"]),
    st.integers(0, 5),
    st.booleans(),
    st.booleans(),
)
def test_labels_are_always_consecutive_and_cover_the_foreground(
    values, method, min_size, fill, per_slice
):
    maps = {"cells": values / np.float32(255), "centers": values[:, ::-1] / np.float32(255)}
    maps |= {name: values[..., ::-1] / np.float32(255) for name in OFFSETS}
    before = {name: values.copy() for name, values in maps.items()}
    parameters = Labeling(method=method, min_size=min_size, fill_holes=fill, per_slice=per_slice)
    found = label_volume(maps, parameters, 2.0)
    assert found.dtype == np.uint16
    numbers, sizes = np.unique(found[found > 0], return_counts=True)
    assert numbers.tolist() == list(range(1, len(numbers) + 1))
    assert (sizes >= min_size).all()
    foreground = maps["cells"] >= 0.5
    if not min_size:
        assert (found[foreground] > 0).all()
    if not fill:
        assert not found[~foreground].any()
    for name, map_before in before.items():
        np.testing.assert_array_equal(maps[name], map_before)


def test_smoothing_is_as_wide_in_micrometers_along_each_axis():
    point = np.zeros((41, 41, 41), np.float32)
    point[20, 20, 20] = 1
    blurred = smooth(point, 4.0, 2.0)
    # A standard deviation of 4 pixels is 2 planes.
    for axis, wanted in ((0, 2.0), (1, 4.0), (2, 4.0)):
        profile = blurred.sum(axis=tuple({0, 1, 2} - {axis}))
        spread = np.sqrt((profile * (np.arange(41) - 20) ** 2).sum() / profile.sum())
        assert spread == pytest.approx(wanted, rel=0.02)


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
    parameters = Labeling(method="marker_watershed", center_threshold=0.5)
    found = label_volume(maps, parameters, anisotropy)
    # From perfect maps the nuclei come back: each overlaps its own label by more than 9/10.
    overlaps = [
        np.bincount(found[reference == n]).max() / (reference == n).sum()
        for n in np.unique(reference)[1:]
    ]
    assert abs(int(found.max()) - count) <= 1
    assert np.mean(np.array(overlaps) > 0.9) > 0.9


def test_the_recipes_anisotropy_goes_before_the_voxels():
    volume = cells(ball((9, 25, 41), (4, 12, 12), 9, 2.0) | ball((9, 25, 41), (4, 12, 27), 9, 2.0))
    parameters = Labeling(method="distance_watershed", smoothing=1.0, min_distance=4.0)
    own = label_volume(volume, replace(parameters, anisotropy=2.0), anisotropy=7.0)
    np.testing.assert_array_equal(own, label_volume(volume, parameters, anisotropy=2.0))


def test_the_heatmap_parts_cells_that_have_no_neck():
    # A straight bar of 8 x 40 pixels: only the heatmap knows that its cells are 10 and 30 long.
    bar = np.zeros((1, 12, 44), np.float32)
    bar[0, 2:10, 2:42] = 1
    columns = np.arange(44)
    profile = np.maximum(1 - abs(columns - 7) / 5, 1 - abs(columns - 27) / 15).clip(0)
    centers = (profile * bar).astype(np.float32)
    centers[0, 6] += 0.05 * bar[0, 6]  # the peaks lie on one row
    labels = label_volume({"cells": bar, "centers": centers}, replace(MARKER, min_distance=8.0))
    left = labels[0, 6, 3]
    assert labels.max() == 2
    assert abs(np.count_nonzero(labels[0, 6] == left) - 10) <= 1
