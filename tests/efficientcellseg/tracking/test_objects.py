"""What is measured of label images: places, sizes and overlaps by hand."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from efficientcellseg.tracking.objects import measure_objects

VOXEL = (4.0, 0.5, 0.25)


def test_centers_and_sizes_are_in_micrometers():
    labels = np.zeros((3, 4, 6), np.uint16)
    labels[1:3, 0:2, 0:3] = 7  # 12 voxels, centroid (1.5, 0.5, 1)
    labels[0, 3, 5] = 2
    found = measure_objects([(5, labels)], VOXEL)
    # By place: plane 0 first, whatever the numbers.
    assert found.frame.tolist() == [5, 5]
    assert found.label.tolist() == [2, 7]
    assert found.center.tolist() == [[0, 1.5, 1.25], [6, 0.25, 0.25]]
    assert found.size.tolist() == [0.5, 6.0]
    assert found.diameter[1] == pytest.approx((6 * 6 / np.pi) ** (1 / 3))


def test_frames_of_one_plane_have_areas():
    labels = np.zeros((1, 4, 6), np.uint16)
    labels[0, :2, :2] = 1
    found = measure_objects([(0, labels)], VOXEL)
    assert found.size.tolist() == [0.5]
    assert found.diameter[0] == pytest.approx((4 * 0.5 / np.pi) ** 0.5)


def test_overlaps_are_of_consecutive_frames():
    """Object 1 has 4 voxels, then 3 of these and 2 others: 3 of 6; 9 shares none of object 1."""
    one, other = np.zeros((2, 1, 2, 8), np.uint16)
    one[0, :, :2], one[0, :, 4:6] = 1, 5
    other[0, :, 1], other[0, 0, 0], other[0, :, 2], other[0, :, 4:6] = 9, 9, 9, 1
    found = measure_objects([(0, one), (1, other), (3, other)], VOXEL)
    pairs = {tuple(found.label[pair].tolist()): value for *pair, value in rows_of(found)}
    assert pairs == {(1, 9): pytest.approx(3 / 6), (5, 1): 1.0}
    assert found.frames == range(4)
    assert [len(found.rows(frame)) for frame in found.frames] == [2, 2, 0, 2]


def rows_of(found):
    return [(*pair, value) for pair, value in zip(found.pairs, found.overlap, strict=True)]


def test_nothing_to_be_measured():
    empty = np.zeros((2, 3, 3), np.uint16)
    found = measure_objects([(0, empty), (1, empty)], VOXEL)
    assert (len(found), found.frames, found.pairs.shape) == (0, range(0), (0, 2))


@given(st.integers(0, 10_000))
def test_numbers_of_objects_play_no_part(seed):
    """All but the labels themselves stays when the objects of each frame are numbered anew."""
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 6, (3, 2, 5, 5)).astype(np.uint16)
    numbers = [np.concatenate([[0], 1 + rng.permutation(40)[:5]]).astype(np.uint16) for _ in "123"]
    others = [names[frame] for names, frame in zip(numbers, frames, strict=True)]
    one, other = (measure_objects(enumerate(images), VOXEL) for images in (frames, others))
    places = {
        (frame, *center) for frame, center in zip(one.frame, one.center.tolist(), strict=True)
    }
    assume(len(places) == len(one))
    for name in ("frame", "center", "size", "diameter"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
    assert sorted(map(str, rows_of(one))) == sorted(map(str, rows_of(other)))
    new = [numbers[frame][label] for frame, label in zip(one.frame, one.label, strict=True)]
    assert other.label.tolist() == new
