"""DU-Net's watershed of the two distances, worked by hand."""

import numpy as np
import pytest
from pictures import disk, squares
from refusal import refused

from ctc_eval.format import read_volume
from ctc_eval.measures.seg import seg
from ctc_eval.overlap import add_up, count_runs, match
from efficientcellseg.chain.labeling import label_volume
from efficientcellseg.frozen import changed
from efficientcellseg.labelings import parameters_of
from efficientcellseg.labelings.dunet_watershed import dunet_watershed
from efficientcellseg.maps.distances import cell_distance, neighbor_distance

SHARP = parameters_of("dunet_watershed", smoothing=0.0)


def maps(cell: object, neighbor: object = None) -> dict[str, np.ndarray]:
    """Take rows of one plane, or volumes, for maps."""
    cell = np.array(cell, np.float32)
    cell = cell.reshape((1,) * (3 - cell.ndim) + cell.shape)
    near = np.zeros_like(cell) if neighbor is None else np.array(neighbor, np.float32)
    return {"cell_distance": cell, "neighbor_distance": near.reshape(cell.shape)}


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
    with refused("map-missing", "dunet_watershed: no neighbor_distance map among cells"):
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
    assert seg([match(add_up(count_runs([labels], found.astype(np.uint16))))]) > 0.85
