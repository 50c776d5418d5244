"""DU-Net's distances worked by hand, restated literally; its watershed."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import distance_transform_edt, maximum_filter, minimum_filter

from ctc_eval.format import InputError, read_volume
from ctc_eval.measures.seg import seg
from ctc_eval.overlap import add_up, count_runs, match
from efficientcellseg.chain.labeling import label_volume
from efficientcellseg.frozen import changed
from efficientcellseg.labelings import parameters_of
from efficientcellseg.labelings.dunet_watershed import dunet_watershed
from efficientcellseg.maps import distances
from efficientcellseg.maps.distances import cell_distance, distance_loss, neighbor_distance

SHARP = parameters_of("dunet_watershed", smoothing=0.0)
LABELS = arrays(np.uint16, (2, 9, 11), elements=st.sampled_from([0, 0, 0, 1, 2, 5]))


def squares(side: int, gap: int = 0) -> np.ndarray:
    """Paint two squares beside each other, with background around them."""
    labels = np.zeros((1, side + 8, 2 * side + gap + 8), np.uint16)
    labels[0, 4:-4, 4 : 4 + side] = 3
    labels[0, 4:-4, 4 + side + gap : -4] = 7
    return labels


def disk(shape: tuple[int, int, int], row: float, column: float, radius: float) -> np.ndarray:
    _, y, x = np.indices(shape)
    return (y - row) ** 2 + (x - column) ** 2 <= radius**2


def maps(cell: object, neighbor: object = None) -> dict[str, np.ndarray]:
    """Take rows of one plane, or volumes, for maps."""
    cell = np.array(cell, np.float32)
    cell = cell.reshape((1,) * (3 - cell.ndim) + cell.shape)
    near = np.zeros_like(cell) if neighbor is None else np.array(neighbor, np.float32)
    return {"cell_distance": cell, "neighbor_distance": near.reshape(cell.shape)}


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
    monkeypatch.setattr(distances, "REACH", 20.0)
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
        patch.setattr(distances, "REACH", 100.0)
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


# The watershed


def test_touching_cells_are_split_where_they_touch():
    shape = (3, 40, 60)
    labels = np.where(disk(shape, 20, 18, 12), 1, np.where(disk(shape, 20, 40, 12), 2, 0))
    truth = {"cell_distance": cell_distance(labels), "neighbor_distance": neighbor_distance(labels)}
    found = dunet_watershed(truth, parameters_of("dunet_watershed", smoothing=0.5), anisotropy=3.0)
    assert found.dtype == np.int32
    assert set(np.unique(found)) == {0, 1, 2}
    left, right = found[1, 20, 18], found[1, 20, 40]
    assert left != right
    for mine, theirs in ((left, 1), (right, 2)):
        overlap = (found == mine) & (labels == theirs)
        assert overlap.sum() > 0.9 * ((found == mine) | (labels == theirs)).sum()


def test_the_neighbor_distance_parts_what_the_cell_distance_joins():
    cell, near = [[0.8] * 9] * 3, [[0, 0, 0, 0.4, 0.9, 0.4, 0, 0, 0]] * 3
    assert dunet_watershed(maps(cell), SHARP, 1.0).max() == 1
    # 0.8 - 0.9^2 is no seed, 0.8 - 0.4^2 is: seeds end at columns 3 and 5.
    found = dunet_watershed(maps(cell, near), SHARP, 1.0)
    assert found.max() == 2
    assert (found[0, :, :4] == found[0, 0, 0]).all()
    assert (found[0, :, 5:] == found[0, 0, 8]).all()
    assert (found > 0).all()


def test_neighbor_distances_below_zero_count_as_zero():
    cell = [[0.8] * 5]
    assert dunet_watershed(maps(cell, [[-0.9] * 5]), SHARP, 1.0).all()


def test_thresholds():
    cell = maps([[0.0, 0.1, 0.2, 0.6, 0.7, 0.6, 0.2, 0.1, 0.0]])
    # Seeds of two voxels are too small, so the seed threshold is passed by three or by none.
    for lowest, columns in ((0.15, slice(2, 7)), (0.05, slice(1, 8)), (0.3, slice(3, 6))):
        found = dunet_watershed(cell, changed(SHARP, distance_threshold=lowest), 1.0)[0, 0]
        assert found[columns].all()
        assert np.count_nonzero(found) == columns.stop - columns.start
    assert dunet_watershed(cell, changed(SHARP, seed_threshold=0.55), 1.0).any()
    assert not dunet_watershed(cell, changed(SHARP, seed_threshold=0.65), 1.0).any()


def test_what_has_no_seed_or_too_small_a_one_is_left_out():
    cell = [[0.4, 0.4, 0.4, 0.4, 0.0, 0.9, 0.9, 0.2, 0.0, 0.9, 0.9, 0.9, 0.2]]
    found = dunet_watershed(maps(cell), SHARP, 1.0)[0, 0]
    np.testing.assert_array_equal(found > 0, [False] * 9 + [True] * 4)


def test_a_cell_keeps_its_label_from_plane_to_plane():
    labels = np.zeros((5, 24, 44), np.uint16)
    for z in range(5):
        labels[z, 8 - z : 18 - z, 4:20] = 1
        labels[z, 8 - z : 18 - z, 20:38] = 2
    truth = {"cell_distance": cell_distance(labels), "neighbor_distance": neighbor_distance(labels)}
    found = dunet_watershed(truth, SHARP, 4.0)
    assert found.max() == 2
    assert len(set(found[range(5), [12, 11, 10, 9, 8], 10])) == 1
    assert len(set(found[range(5), [12, 11, 10, 9, 8], 30])) == 1


def test_planes_far_apart_are_not_blurred_into_each_other():
    cell = np.zeros((3, 9, 9), np.float32)
    cell[1, 2:7, 2:7] = 0.9
    blurred = parameters_of("dunet_watershed", smoothing=1.0, seed_threshold=0.3)
    near, far = (dunet_watershed(maps(cell), blurred, a) for a in (1.0, 50.0))
    assert near.any(axis=(1, 2)).tolist() == [True, True, True]
    assert far.any(axis=(1, 2)).tolist() == [False, True, False]


@pytest.mark.parametrize("per_slice", [False, True])
def test_it_is_one_of_the_labelings(per_slice):
    labels = squares(9)
    truth = {"cell_distance": cell_distance(labels), "neighbor_distance": neighbor_distance(labels)}
    chosen = parameters_of("dunet_watershed", smoothing=0.5, per_slice=per_slice)
    found = label_volume(truth, chosen)
    assert found.dtype == np.uint16
    assert set(np.unique(found)) == {0, 1, 2}
    with pytest.raises(InputError, match="dunet_watershed: no neighbor_distance map among cells"):
        label_volume({"cells": labels, "cell_distance": labels}, chosen)


def test_nothing_predicted_is_nothing_found():
    found = dunet_watershed(maps(np.zeros((2, 5, 6))), SHARP, 1.0)
    np.testing.assert_array_equal(found, np.zeros((2, 5, 6)))


@pytest.mark.parametrize("sequence", ["02", "06"])
def test_real_frame(data_root, sequence):
    path = data_root / "BBBC050" / f"{sequence}_GT" / "SEG" / "man_seg008.tif"
    if not path.is_file():
        pytest.skip(f"{path}: not there")
    labels = read_volume(path)
    truth = {"cell_distance": cell_distance(labels), "neighbor_distance": neighbor_distance(labels)}
    found = dunet_watershed(truth, parameters_of("dunet_watershed", smoothing=0.5), 1.75 / 0.8)
    # From perfect maps the nuclei come back, but for their outermost pixels.
    assert seg([match(add_up([count_runs(labels, found.astype(np.uint16))]))]) > 0.85
