"""Offset voting: cells that touch, votes that scatter, voxels that stray."""

import numpy as np
import pytest
import yaml
from pictures import exact
from refusal import refused

from efficientcellseg.chain.labeling import label_volume
from efficientcellseg.frozen import changed
from efficientcellseg.labelings import parameters_of, relabeled
from efficientcellseg.labelings.offset_voting import offset_voting
from efficientcellseg.maps.offsets import OFFSET_REACH, OFFSETS
from efficientcellseg.parameters.recipe import load_recipe

VOTING = parameters_of("offset_voting", smoothing=1.5, min_distance=4, min_size=5)


def tubes() -> np.ndarray:
    """Two bent cells that touch all along, and one exactly above the other."""
    labels = np.zeros((12, 40, 40), np.uint16)
    _, y, x = np.indices(labels.shape)
    bend = 20 + 5 * np.sin(y / 8)
    labels[:6] = np.where((x > bend - 6) & (x <= bend), 1, 0)[:6]
    labels[:6] += np.where((x > bend) & (x <= bend + 6), 2, 0)[:6].astype(np.uint16)
    labels[6:] = np.where((x > bend) & (x <= bend + 6), 3, 0)[6:]
    labels[:, :5], labels[:, 35:] = 0, 0
    return labels


def test_cells_that_touch_are_told_apart():
    labels = tubes()
    found = label_volume(exact(labels, 3.0), VOTING, 3.0)
    assert found.dtype == np.uint16
    pairs = set(zip(labels.ravel().tolist(), found.ravel().tolist(), strict=True))
    assert len(pairs) == 4  # each label has one counterpart
    assert (0, 0) in pairs
    # The same foreground without the offsets is one cell.
    assert label_volume(exact(labels, 3.0), relabeled(VOTING, "components"), 3.0).max() == 1


@pytest.mark.parametrize("seed", range(3))
def test_votes_that_scatter_still_agree(seed):
    labels, chance = tubes(), np.random.default_rng(seed)
    maps = exact(labels, 3.0)
    for name in OFFSETS:
        maps[name] = maps[name] + chance.normal(0, 1 / (2 * OFFSET_REACH), labels.shape)
    found = label_volume(maps, changed(VOTING, smoothing=2, min_size=50), 3.0)
    assert found.max() == 3
    for label in (1, 2, 3):
        inside = np.bincount(found[labels == label])
        assert inside.max() / inside.sum() > 0.9


@pytest.mark.parametrize("smoothing", [0, 1, 3])
@pytest.mark.parametrize(("planes", "anisotropy"), [(1, 1.0), (1, 4.8), (5, 1.0), (5, 4.8)])
def test_a_center_needs_as_many_votes_as_the_smallest_object_has_voxels(
    planes, anisotropy, smoothing
):
    # Within a cell, twelve voxels vote for a place of their own, far away from its center.
    labels = np.zeros((planes, 30, 60), np.uint16)
    labels[:, 5:25, 3:57] = 1
    labels[planes // 2, 8:12, 8:11] = 2
    maps = exact(labels, anisotropy)
    voting = changed(VOTING, smoothing=smoothing, min_distance=1)
    for smallest, cells in ((12, 2), (13, 1)):
        parameters = changed(voting, min_size=smallest)
        found = offset_voting(maps, parameters, anisotropy)
        assert len(np.unique(found)) == 1 + cells
        assert (found[labels > 0] > 0).all()


def test_stray_voxels_go_to_the_cell_that_they_touch():
    labels = np.zeros((1, 60, 90), np.uint16)
    labels[0, 20:30, 20:30], labels[0, 20:30, 30:40] = 1, 2
    maps = exact(labels, 1.0)
    # A spot within the left cell points to the center of the right one, another to nowhere.
    for name, right in zip(OFFSETS, (0.0, 0.0, 34.5 - 22), strict=True):
        maps[name][0, 24:26, 22] = 0.5 + right / (2 * OFFSET_REACH)
        maps[name][0, 21, 21] = 0.0
    for smallest in (2, 5):
        found = label_volume(maps, changed(VOTING, min_size=smallest))
        assert found.max() == 2
        for label in (1, 2):
            assert set(found[labels == label].tolist()) == {found[labels == label][0]}


def test_centers_that_are_near_are_one():
    # Squares of 10 pixels, whose centers lie 10 apart.
    labels = np.zeros((1, 40, 60), np.uint16)
    labels[0, 15:25, 20:30], labels[0, 15:25, 30:40] = 1, 2
    for apart, count in ((9.0, 2), (10.5, 1)):
        parameters = changed(VOTING, min_distance=apart)
        assert label_volume(exact(labels, 1.0), parameters).max() == count


def test_offsets_are_in_pixels_of_the_image_by_their_scale():
    labels = np.zeros((1, 40, 60), np.uint16)
    labels[0, 15:25, 20:30], labels[0, 15:25, 30:40] = 1, 2
    maps = exact(labels, 1.0)
    halves = {name: maps[name] / 2 + 0.25 for name in OFFSETS}  # 1/2 is no offset
    # All of the 100 voxels that a cell has vote for one place, or for a fourth of them.
    strict = changed(VOTING, min_size=90)
    found = label_volume({**maps, **halves}, changed(strict, offset_scale=2.0))
    np.testing.assert_array_equal(found, label_volume(maps, strict))
    assert found.max() == 2
    assert label_volume({**maps, **halves}, strict).max() == 1


def test_foreground_that_touches_no_cell_is_one_of_its_own():
    labels = np.zeros((1, 60, 60), np.uint16)
    labels[0, 5:15, 5:15], labels[0, 5:15, 17:19] = 1, 1  # a gap of two columns
    found = label_volume(exact(labels, 1.0), VOTING)
    assert found.max() == 2


def test_no_foreground_gives_no_cell():
    maps = exact(np.zeros((2, 8, 8), np.uint16), 1.0)
    assert not label_volume(maps, VOTING).any()


def test_a_recipe_with_another_anisotropy_for_votes_is_refused(tmp_path, recipe_file):
    values = yaml.safe_load(recipe_file.read_text())
    values |= {"maps": ["cells", *OFFSETS]}
    values["labeling"] = {"method": "offset_voting", "anisotropy": 1.5}
    path = tmp_path / "changed.yaml"
    path.write_text(yaml.safe_dump(values))
    with refused("value-refused", "labeling.anisotropy: found 1.5, allowed: null"):
        load_recipe(path)
    values["labeling"]["anisotropy"] = None
    path.write_text(yaml.safe_dump(values))
    assert load_recipe(path).labeling.method == "offset_voting"
