"""What a run says of its recipe and its masks: once, in words."""

import numpy as np
import pytest
from commands import run, segment, staged
from conftest import tiny_recipe

import efficientcellseg
from ctc_eval.format import read_volume, write_volume

ANISOTROPY = "Tiny: planes are taken to be 1.5 in-plane pixels apart (labeling.anisotropy)"
EMPTY = "3 of 3 masks hold no cell or next to none (under 1 voxel in 10,000): check the recipe"


@pytest.fixture(autouse=True)
def _log(caplog):
    caplog.set_level("INFO")


def told(caplog, start: str) -> list[str]:
    """Take what was told, of one kind."""
    found = [message for message in caplog.messages if message.startswith(start)]
    caplog.clear()
    return found


def test_another_anisotropy_than_the_voxels_is_told_once_by_each_driver(
    tiny_dataset, tiny_models, tmp_path, caplog
):
    labeling = {"method": "marker_watershed", "anisotropy": 1.5}
    own = tiny_recipe(tmp_path / "own.yaml", labeling=labeling)
    assert segment(tiny_dataset, "01", own, tiny_models) == 0
    assert len(told(caplog, ANISOTROPY)) == 1
    staged(tiny_dataset, "01", own, tiny_models, tmp_path / "staged")
    assert len(told(caplog, ANISOTROPY)) == 1
    volume = read_volume(tiny_dataset / "01" / "t000.tif")
    efficientcellseg.segment(volume, own, model=tiny_models, device="cpu")
    assert len(told(caplog, ANISOTROPY)) == 1
    # Where the voxels count, there is nothing to tell.
    plain = tiny_recipe(tmp_path / "plain.yaml")
    assert segment(tiny_dataset, "01", plain, tiny_models, "--overwrite") == 0
    efficientcellseg.segment(volume, plain, model=tiny_models, device="cpu")
    assert not told(caplog, "Tiny: planes")


def test_masks_without_a_cell_are_told_once_at_the_end(tiny_dataset, tiny_models, tmp_path, caplog):
    # No cell is as large as that.
    labeling = {"method": "marker_watershed", "min_size": 10**6}
    recipe = tiny_recipe(tmp_path / "large.yaml", labeling=labeling)
    chosen = (tiny_dataset, "01", recipe, tiny_models)
    assert segment(*chosen, "--frames", "0:2") == 0
    assert len(told(caplog, EMPTY.replace("3", "2"))) == 1
    assert segment(*chosen) == 0  # those that were there count, too
    assert len(told(caplog, EMPTY)) == 1
    assert segment(*chosen) == 0
    assert len(told(caplog, EMPTY)) == 1
    staged(*chosen, tmp_path / "staged")
    assert len(told(caplog, EMPTY)) == 1


def test_some_of_them_are_counted_whatever_the_method(tiny_dataset, tmp_path, caplog):
    frame = tiny_dataset / "01" / "t001.tif"
    write_volume(frame, np.zeros_like(read_volume(frame)))
    recipe = tiny_recipe(tmp_path / "recipe.yaml")
    options = ("--recipe", recipe, "--method", "classical")
    assert run("segment", tiny_dataset, "01", *options) == 0
    (message,) = told(caplog, "1 of 3 masks")
    assert message.endswith(": check the recipe, especially the cell size")
    assert run("segment", tiny_dataset, "02", *options) == 0
    assert not told(caplog, "1 of 3") + told(caplog, "0 of 3")
