"""DU-Net's distances worked by hand, restated literally."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pictures import disk, squares
from scipy.ndimage import distance_transform_edt, maximum_filter, minimum_filter

from efficientcellseg.maps import distances
from efficientcellseg.maps.distances import cell_distance, distance_loss, neighbor_distance

LABELS = arrays(np.uint16, (2, 9, 11), elements=st.sampled_from([0, 0, 0, 1, 2, 5]))


# Cell distance


def test_cell_distance_of_touching_squares():
    found = cell_distance(squares(5))
    # What is not of the same cell begins one pixel away, neighbor or background.
    square = np.array([[1] * 5, [1, 2, 2, 2, 1], [1, 2, 3, 2, 1], [1, 2, 2, 2, 1], [1] * 5]) / 3
    np.testing.assert_allclose(found[0, 4:-4, 4:-4], np.hstack([square, square]), rtol=1e-6)
    assert found.sum() == pytest.approx(2 * square.sum())


def test_cell_distance_of_a_disk():
    found = cell_distance(disk((1, 7, 7), 3, 3, 2).astype(np.uint16))[0]
    # Rows of 1, 3, 5, 3, 1 pixels. Nearest outside: a knight's move from the center, the
    # diagonal from the pixels beside it, one pixel from all others.
    i, o = 2**0.5 / 5**0.5, 1 / 5**0.5
    expected = [[0, 0, o, 0, 0], [0, o, i, o, 0], [o, i, 1, i, o], [0, o, i, o, 0], [0, 0, o, 0, 0]]
    np.testing.assert_allclose(found[1:-1, 1:-1], expected, rtol=1e-6)
    assert found.sum() == pytest.approx(np.sum(expected))


def test_the_border_of_the_image_does_not_end_a_cell():
    labels = np.zeros((1, 4, 6), np.uint16)
    labels[0, :, :3] = 1
    np.testing.assert_allclose(cell_distance(labels)[0], [[1, 2 / 3, 1 / 3, 0, 0, 0]] * 4)


def test_a_cell_that_fills_the_plane_and_a_plane_without_cells():
    labels = np.stack([np.ones((3, 4)), np.zeros((3, 4))]).astype(np.uint16)
    np.testing.assert_array_equal(cell_distance(labels), labels)
    np.testing.assert_array_equal(neighbor_distance(labels), np.zeros((2, 3, 4)))


@given(LABELS)
def test_cell_distance_restated(labels):
    expected = np.zeros(labels.shape)
    for z, plane in enumerate(labels):
        for label in set(plane[plane > 0]):
            if (plane == label).all():
                expected[z] = 1
                continue
            distance = distance_transform_edt(plane == label)
            expected[z] += distance / distance.max()
    np.testing.assert_allclose(cell_distance(labels), expected, rtol=1e-5)


# Neighbor distance


def test_neighbor_distance_of_touching_squares():
    found = neighbor_distance(squares(6))[0]
    # 1 to 6 pixels to the other square: 1 - d/6 is 5/6, ..., 0; to the third power; the highest
    # scaled to 1.
    left = (np.arange(6) / 5) ** 3
    np.testing.assert_allclose(found[4:-4, 4:-4], [[*left, *left[::-1]]] * 6, atol=1e-6)
    assert found.sum() == pytest.approx(2 * 6 * left.sum())


def test_narrow_gaps_are_closed():
    found = neighbor_distance(squares(20, gap=2))[0]
    # 3 to 22 pixels to the other square, so 1 - 3/22 at the gap, which is closed to that.
    np.testing.assert_allclose(found[4:-4, 23:27], 1, rtol=1e-6)
    np.testing.assert_allclose(found[4:-4, 22], ((1 - 4 / 22) / (1 - 3 / 22)) ** 3, rtol=1e-5)
    # A gap as wide as the closing stays open.
    assert not neighbor_distance(squares(30, gap=5))[0, 4:-4, 34:39].any()


def test_a_cell_without_neighbors_has_no_neighbor_distance():
    labels = disk((1, 21, 21), 10, 10, 8).astype(np.uint16)
    assert not neighbor_distance(labels).any()
    # Nor have two that are far apart, in one plane or in two.
    far = np.zeros((1, 12, 60), np.uint16)
    far[0, 4:8, 4:8], far[0, 4:8, 50:54] = 1, 2
    assert not neighbor_distance(far).any()
    planes = np.zeros((2, 12, 12), np.uint16)
    planes[0, 2:5, 2:10], planes[1, 5:8, 2:10] = 1, 2
    assert not neighbor_distance(planes).any()


def test_neighbors_are_looked_for_within_reach(monkeypatch):
    # A third square far away stretches the plane's scale by nothing: it has no neighbor.
    labels = np.pad(squares(6), ((0, 0), (0, 0), (0, 80)))
    labels[0, 4:10, -10:-4] = 9
    found = neighbor_distance(labels)
    assert not found[labels == 9].any()
    np.testing.assert_allclose(found[..., :-80], neighbor_distance(squares(6)), atol=1e-6)
    monkeypatch.setattr(distances, "NEIGHBOR_REACH", 20.0)
    assert neighbor_distance(labels)[labels == 9].any()


@given(LABELS)
def test_neighbor_distance_restated(labels):
    expected = np.zeros(labels.shape)
    for z, plane in enumerate(labels):
        near = np.zeros(plane.shape)
        for label in set(plane[plane > 0]):
            others = np.argwhere((plane > 0) & (plane != label))
            if len(others):
                own = np.argwhere(plane == label)
                distance = np.linalg.norm(own[:, None] - others, axis=2).min(axis=1)
                near[plane == label] = 1 - distance / distance.max()
        near = minimum_filter(maximum_filter(near, 5), 5) ** 3
        if near.max() > 0.5:
            expected[z] = near / near.max()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distances, "NEIGHBOR_REACH", 100.0)
        np.testing.assert_allclose(neighbor_distance(labels), expected, atol=1e-5)


@given(LABELS)
def test_distances_are_within_bounds_and_leave_labels_alone(labels):
    before = labels.copy()
    cell, near = cell_distance(labels), neighbor_distance(labels)
    for found in (cell, near):
        assert found.dtype == np.float32
        assert found.shape == labels.shape
        assert found.min() >= 0
        assert found.max() <= 1
    np.testing.assert_array_equal(cell > 0, labels > 0)
    np.testing.assert_array_equal(labels, before)


# Loss


def test_distance_loss_worked_by_hand():
    pairs = [(0.9, 0.4), (0.2, 0.5), (0.7, 0.0)]
    logits = torch.logit(torch.tensor([[[p for p, _ in pairs]]]))
    target = torch.tensor([[[t for _, t in pairs]]])
    # Half the square below a distance of 1; the last pixel is not known.
    known = torch.tensor([[[1.0, 1.0, 0.0]]])
    wanted = (0.5 * 0.5**2 + 0.5 * 0.3**2) / 2
    assert distance_loss(logits, target, known).item() == pytest.approx(wanted, rel=1e-5)
    assert distance_loss(logits, target, 0 * known).item() == 0
