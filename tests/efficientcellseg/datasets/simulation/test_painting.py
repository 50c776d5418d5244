"""Painting: voxels within a radius, overlaps, pieces, texture."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal import refused
from scipy import ndimage
from simulated import SCENES, present, touching

from efficientcellseg.datasets.simulation.painting import paint
from efficientcellseg.datasets.simulation.skeleton import Skeleton
from efficientcellseg.frozen import changed

PLAIN = changed(
    SCENES["tric"].cell_shape, flatness=1.0, roughness=0.0, texture=0.0, rim_fade=0.0, end_fade=0.0
)


def ball(label, center, radius):
    points = np.array([center, center], dtype=float)
    return Skeleton(label, points, np.array([radius, radius]), np.array([[0, 1]]), 1.0)


def test_a_ball_fills_the_voxels_within_its_radius():
    voxel = (2.0, 1.0, 1.0)
    labels, light = paint([ball(3, (8, 10, 12), 6.5)], PLAIN, (9, 24, 24), voxel, seed=0)
    z, y, x = np.indices(labels.shape)
    within = (2.0 * z - 8) ** 2 + (y - 10) ** 2 + (x - 12) ** 2 < 6.5**2
    np.testing.assert_array_equal(labels, np.where(within, 3, 0))
    np.testing.assert_array_equal(light, within.astype(np.float32))


def test_overlapping_balls_meet_halfway():
    cells = [ball(1, (5, 10, 8), 6.2), ball(2, (5, 10, 15), 6.2)]
    labels, _ = paint(cells, PLAIN, (11, 21, 24), (1.0, 1.0, 1.0), seed=0)
    # 11.5 is halfway, so columns up to 11 are nearer to the first.
    assert present(labels[:, :, :12]) == {1}
    assert present(labels[:, :, 12:]) == {2}
    np.testing.assert_array_equal(labels[:, :, 11] == 1, labels[:, :, 12] == 2)
    assert touching(labels) == {1, 2}


def test_only_the_largest_piece_of_a_cut_cell_stays():
    # The rod's axis runs between voxels, so that the ball wins every voxel near its center.
    ends = np.array([[5.5, 8.5, 3], [5.5, 8.5, 36]])
    rod = Skeleton(1, ends, np.array([1.2, 1.2]), np.array([[0, 1]]), 1.0)
    alone, _ = paint([rod], PLAIN, (12, 18, 40), (1, 1, 1), seed=0)
    labels, light = paint([rod, ball(2, (5, 8, 12), 7)], PLAIN, (12, 18, 40), (1, 1, 1), seed=0)
    columns = np.flatnonzero((labels == 1).any(axis=(0, 1)))
    assert np.flatnonzero((alone == 1).any(axis=(0, 1)))[0] == 3
    assert columns[0] > 12
    assert columns[-1] == 36
    assert ndimage.label(labels == 1)[1] == 1
    np.testing.assert_array_equal(light > 0, labels > 0)


def test_a_hidden_cell_is_refused():
    cells = [ball(1, (5, 8, 8), 5.0), ball(2, (50, 8, 8), 5.0)]
    with refused("cell-hidden", "cell 2 of 2"):
        paint(cells, PLAIN, (11, 17, 17), (1, 1, 1), seed=0)


@settings(max_examples=50, deadline=None)
@given(
    ends=st.lists(st.floats(1, 18), min_size=6, max_size=6),
    voxel=st.sampled_from([(1.0, 1.0, 1.0), (3.0, 0.5, 0.5), (0.6, 1.0, 1.0)]),
    roughness=st.sampled_from([0.0, 0.2]),
)
def test_the_thinnest_protrusion_is_in_one_piece(ends, voxel, roughness):
    points = np.array(ends).reshape(2, 3)
    thread = Skeleton(1, points, np.array([1e-3, 1e-3]), np.array([[0, 1]]), 1.0)
    shape = tuple(int(20 / size) + 1 for size in voxel)
    # Drawn alone and complete, before any piece could be dropped: both ends are there.
    labels, _ = paint([thread], changed(PLAIN, roughness=roughness), shape, voxel, seed=3)
    assert ndimage.label(labels)[1] == 1
    for point in points:
        assert labels[tuple(np.rint(point / voxel).astype(int))] == 1


def test_texture_moves_along_with_the_cell():
    cell_shape = changed(PLAIN, texture=0.5, roughness=0.1)
    shape, voxel = (16, 40, 40), (1.0, 1.0, 1.0)
    labels, light = paint([ball(1, (6, 12, 12), 5.0)], cell_shape, shape, voxel, seed=4)
    moved_labels, moved_light = paint([ball(1, (8, 17, 15), 5.0)], cell_shape, shape, voxel, seed=4)
    assert light[labels > 0].std() > 0.05
    np.testing.assert_array_equal(np.roll(labels, (2, 5, 3), (0, 1, 2)), moved_labels)
    np.testing.assert_allclose(np.roll(light, (2, 5, 3), (0, 1, 2)), moved_light, atol=1e-5)


def test_cells_fade_towards_their_upper_and_lower_ends():
    cell_shape = changed(PLAIN, end_fade=0.8)
    _, light = paint([ball(1, (8, 12, 12), 7.5)], cell_shape, (17, 25, 25), (1, 1, 1), seed=0)
    axis = light[:, 12, 12]
    # 1 - 0.8 * share ** 1.5 at mid-height, a third of 7.5 off rounded to 3, and at the ends.
    assert axis[8] == pytest.approx(1.0)
    assert axis[5] == axis[11] == pytest.approx(1 - 0.8 * (3 / 7.5) ** 1.5)
    assert axis[1] == axis[15] == pytest.approx(1 - 0.8 * (7 / 7.5) ** 1.5)
