"""Offsets to the cells' centers: what they say, which voxel they point to, and their loss."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import exact

from efficientcellseg.maps.offsets import (
    OFFSET_REACH,
    OFFSETS,
    center_offset,
    offset_loss,
    voted_voxels,
)


def test_two_cells_worked_by_hand():
    labels = np.zeros((3, 4, 9), np.uint16)
    labels[:, 1, 2] = 4  # planes 0 to 2: the centroid is in plane 1
    labels[0, 1:3, 5:9] = 9  # rows 1 and 2, columns 5 to 8: the centroid is at 1.5 and 6.5
    planes, rows, columns = (center_offset(labels, 2.5, axis) for axis in range(3))
    assert planes.dtype == np.float32
    assert ((planes[:, 1, 2] - 0.5) * 2 * OFFSET_REACH).tolist() == [2.5, 0, -2.5]
    assert (planes[0, 1:3, 5:9] == 0.5).all()
    assert ((rows[0, 1:3, 5] - 0.5) * 2 * OFFSET_REACH).tolist() == [0.5, -0.5]
    assert ((columns[0, 2, 5:9] - 0.5) * 2 * OFFSET_REACH).tolist() == [1.5, 0.5, -0.5, -1.5]
    for found in (planes, rows, columns):
        np.testing.assert_array_equal(np.isnan(found), labels == 0)


def test_what_is_further_than_the_reach_is_as_far_as_the_reach():
    labels = np.ones((1, 1, 101), np.uint8)  # the centroid is column 50
    found = center_offset(labels, 1.0, 2)[0, 0]
    assert found[:19].tolist() == [1.0] * 19
    assert 0.9 < found[19] < 1
    assert found[50] == 0.5
    assert found[82:].tolist() == [0.0] * 19


def test_a_plane_alone_says_nothing_of_other_planes():
    labels = np.ones((1, 3, 3), np.uint8)
    assert np.isnan(center_offset(labels, 1.0, 0)).all()
    assert center_offset(labels, 1.0, 1)[0, 1, 1] == 0.5


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.5, 4))
def test_all_voxels_of_a_cell_vote_for_its_centroid(seed, anisotropy):
    labels = np.random.default_rng(seed).integers(0, 4, (4, 7, 9)).astype(np.uint16)
    voted = voted_voxels(exact(labels, anisotropy), labels > 0, anisotropy)
    for label in set(labels.ravel().tolist()) - {0}:
        centroid = np.argwhere(labels == label).mean(axis=0)
        places = np.unravel_index(voted[labels[labels > 0] == label], labels.shape)
        places = np.stack(places, axis=-1)
        assert (np.abs(places - centroid) <= 0.5 + 1e-3).all()


def test_a_vote_outside_the_volume_is_for_its_border():
    shares = zip(OFFSETS, (0, 1, 1), strict=True)
    maps = {name: np.full((2, 3, 4), share, np.float32) for name, share in shares}
    voted = voted_voxels(maps, np.ones((2, 3, 4), bool), 2.0)
    assert voted.tolist() == [11] * 24  # plane 0, row 2, column 3


def test_the_loss_worked_by_hand():
    logits = torch.logit(torch.tensor([[[0.5, 0.25, 0.9]]]))
    target = torch.tensor([[[0.5, 0.5, 0.0]]])
    known = torch.tensor([[[1.0, 1.0, 0.0]]])
    # A quarter of 64 pixels is 16: 1.6, half of which is the mean over two.
    assert offset_loss(logits, target, known).item() == pytest.approx(0.8)
    assert offset_loss(logits, target, 0 * known).item() == 0
