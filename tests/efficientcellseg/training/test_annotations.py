"""Annotations: gold truth of few cells, slice by slice, over silver truth of all."""

from pathlib import Path

import numpy as np
import pytest

from ctc_eval.format import write_labels
from efficientcellseg.training.annotations import ReferenceLayer, read_annotations

IMAGE = Path("t000.tif")


@pytest.fixture
def silver(tmp_path):
    """Make a volume of three slices: cells 3 and 5, and a small one in the middle, 9."""
    labels = np.zeros((3, 20, 40), np.uint16)
    labels[:, 4:10, 4:14] = 3
    labels[:, 4:10, 20:30] = 5
    labels[1, 14:18, 6:8] = 9
    write_labels(tmp_path / "silver.tif", labels)
    return ReferenceLayer({None: tmp_path / "silver.tif"}, False), labels


def gold(folder, plane, partial, **cells):
    """Write a gold slice of the cells given as boxes."""
    labels = np.zeros((1, 20, 40), np.uint16)
    for label, box in cells.items():
        labels[0][box] = int(label.removeprefix("cell"))
    write_labels(folder / f"gold{plane}.tif", labels)
    return ReferenceLayer({plane: folder / f"gold{plane}.tif"}, partial)


def test_cells_of_gold_truth_take_the_place_of_the_same_in_silver_truth(tmp_path, silver):
    below, labels = silver
    # Cell 1 is silver's 3, a little smaller and shifted; cell 2 is nobody's, but hides 9.
    layer = gold(
        tmp_path, 1, True, cell1=np.s_[5:11, 5:13], cell2=np.s_[13:18, 5:15], cell3=np.s_[0:2, 0:2]
    )
    found, partial = read_annotations([layer, below], labels.shape, IMAGE)
    assert partial == frozenset()
    np.testing.assert_array_equal(found[[0, 2]], labels[[0, 2]])
    middle = found[1]
    # One cell through all slices, with nothing left of silver's section.
    assert (middle[5:11, 5:13] == 3).all()
    assert np.count_nonzero(middle == 3) == 6 * 8
    # What gold truth does not annotate is as silver truth says.
    np.testing.assert_array_equal(middle == 5, labels[1] == 5)
    assert not (middle == 9).any()
    new = {middle[14, 6], middle[1, 1]}
    assert len(new) == 2
    assert not new & {0, 3, 5, 9}


def test_a_neighbor_that_gold_truth_touches_stays(tmp_path, silver):
    below, labels = silver
    layer = gold(tmp_path, 0, True, cell7=np.s_[4:10, 10:22])
    found, _ = read_annotations([layer, below], labels.shape, IMAGE)
    # Less than half of it lies in 3, less in 5: a cell of its own, and these keep their rest.
    assert np.unique(found[0]).tolist() == [0, 3, 5, 10]
    np.testing.assert_array_equal(found[0] == 3, (labels[0] == 3) & (found[0] != 10))
    np.testing.assert_array_equal(found[0] == 5, (labels[0] == 5) & (found[0] != 10))


def test_two_gold_cells_in_one_of_silver_truth_are_two(tmp_path, silver):
    below, labels = silver
    layer = gold(tmp_path, 2, True, cell1=np.s_[4:10, 4:11], cell2=np.s_[4:10, 11:14])
    found, _ = read_annotations([layer, below], labels.shape, IMAGE)
    assert (found[2, 4:10, 4:11] == 3).all()
    assert (found[2, 4:10, 11:14] == 10).all()


def test_whole_gold_slices_take_the_place_of_silver_ones(tmp_path, silver):
    below, labels = silver
    layer = gold(tmp_path, 1, False, cell1=np.s_[5:11, 5:13])
    found, partial = read_annotations([layer, below], labels.shape, IMAGE)
    assert np.unique(found[1]).tolist() == [0, 3]
    np.testing.assert_array_equal(found[[0, 2]], labels[[0, 2]])
    assert not partial


def test_slices_alone_are_partial_where_nothing_lies_beneath(tmp_path):
    first = gold(tmp_path, 0, True, cell1=np.s_[5:11, 5:13])
    other = gold(tmp_path, 2, True, cell1=np.s_[5:11, 5:13])
    both = ReferenceLayer(first.images | other.images, True)
    found, partial = read_annotations([both], (3, 20, 40), IMAGE)
    assert list(found) == [0, 2]
    assert partial == {0, 2}
    silver = ReferenceLayer(gold(tmp_path, 1, False, cell8=np.s_[0:3, 0:3]).images, False)
    found, partial = read_annotations([both, silver], (3, 20, 40), IMAGE)
    assert (sorted(found), partial) == ([0, 1, 2], {0, 2})


def test_a_gold_volume_of_some_cells(tmp_path, silver):
    below, labels = silver
    volume = np.zeros_like(labels)
    volume[:2, 5:10, 5:14] = 1  # 3, which does not reach the last slice
    write_labels(tmp_path / "gold.tif", volume)
    above = ReferenceLayer({None: tmp_path / "gold.tif"}, True)
    found, partial = read_annotations([above, below], labels.shape, IMAGE)
    np.testing.assert_array_equal(found == 3, volume == 1)
    np.testing.assert_array_equal(found == 5, labels == 5)
    assert not partial
