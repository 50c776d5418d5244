"""What labelings share: peaks, distances; what is removed, filled, renumbered."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pictures import cells, picture
from refusal import refused

from efficientcellseg.chain.labeling import label_volume
from efficientcellseg.labelings import parameters_of
from efficientcellseg.labelings.flooding import peaks
from efficientcellseg.labelings.morphology import (
    distance,
    fill_holes,
    remove_outside,
    remove_small,
    renumber,
    smooth,
)

COMPONENTS = parameters_of("components")


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
    with refused("label-range", "65536", "65535"):
        renumber(labels)


def test_peaks_come_from_the_highest_on_and_keep_their_distance():
    height = np.zeros((1, 3, 12), np.float32)
    height[0, 1, [1, 5, 10]] = [0.5, 0.9, 0.7]
    everywhere = np.ones(height.shape, bool)

    def found(lowest: float, near: float) -> list[int]:
        return peaks(height, everywhere, lowest, near, 1.0)[:, 2].tolist()

    assert found(0.1, 2.0) == [5, 10, 1]
    assert found(0.5, 2.0) == [5, 10]  # a peak is higher than the lowest
    assert found(0.1, 4.0) == [5, 10]  # 4 pixels away is too close
    assert found(0.1, 3.9) == [5, 10, 1]
    assert found(0.1, 5.0) == [5]


def test_a_dropped_peak_drops_no_other():
    # The middle one gives way to the left one; the right one is far enough from that.
    height = np.zeros((1, 1, 12), np.float32)
    height[0, 0, [1, 5, 9]] = [0.9, 0.8, 0.7]
    found = peaks(height, np.ones(height.shape, bool), 0.1, 5.0, 1.0)
    assert found.tolist() == [[0, 0, 1], [0, 0, 9]]


def test_a_plateau_is_one_peak():
    # Two planes of one height, 4 pixels apart, and a ridge longer than the least distance.
    height = np.zeros((4, 3, 9), np.float32)
    height[1:3, 1, 1] = 0.9
    height[0, 1, 3:8] = 0.8
    found = peaks(height, np.ones(height.shape, bool), 0.1, 1.5, 4.0)
    assert found.tolist() in ([[1, 1, 1], [0, 1, 5]], [[2, 1, 1], [0, 1, 5]])


def test_peaks_lie_in_the_foreground_and_are_no_shoulders():
    height = np.array([[[1, 2, 3, 2, 1, 5, 1]]], np.float32)
    foreground = np.array([[[1, 1, 1, 1, 1, 0, 1]]], bool)
    assert peaks(height, foreground, 0.0, 1.0, 1.0).tolist() == [[0, 0, 2]]


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


def test_smoothing_is_as_wide_in_micrometers_along_each_axis():
    point = np.zeros((41, 41, 41), np.float32)
    point[20, 20, 20] = 1
    blurred = smooth(point, 4.0, 2.0)
    # A standard deviation of 4 pixels is 2 planes.
    for axis, wanted in ((0, 2.0), (1, 4.0), (2, 4.0)):
        profile = blurred.sum(axis=tuple({0, 1, 2} - {axis}))
        spread = np.sqrt((profile * (np.arange(41) - 20) ** 2).sum() / profile.sum())
        assert spread == pytest.approx(wanted, rel=0.02)
