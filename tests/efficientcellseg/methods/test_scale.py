"""A recipe's tiles fit its cells and networks: given, measured, fixed, refused."""

import logging

import numpy as np
import pytest
import yaml
from conftest import tiny_network, tiny_recipe
from refusal import refused

from ctc_eval.format import write_volume
from efficientcellseg.frozen import changed
from efficientcellseg.methods import METHODS
from efficientcellseg.methods.scale import plan_scale
from efficientcellseg.networks.folders import save_model
from efficientcellseg.parameters.recipe import CellDiameter, Tiling, load_recipe

METHOD = METHODS["efficientcellseg"]


@pytest.fixture
def model(tmp_path):
    """Save a network of 64 pixels that has learned cells of 8 to 32 pixels."""
    folder = tmp_path / "model"
    facts = {"cell_diameter": [8.0, 16.0, 32.0]}
    save_model(folder, tiny_network(0, "cells", "centers"), facts)
    return folder


@pytest.fixture
def frames(tmp_path):
    """Write two frames of 3 x 200 x 260 with bright disks of 20 pixels."""
    grid = np.indices((200, 260)) % 30 - 15
    plane = np.where(np.hypot(*grid) < 10, 200, 20).astype(np.uint8)
    for number in range(2):
        write_volume(tmp_path / "01" / f"t00{number}.tif", np.repeat(plane[None], 3, 0))
    return tmp_path / "01"


@pytest.fixture
def recipe(tmp_path):
    """Make a recipe that says nothing of tiles, with planes two pixels apart."""
    file = tiny_recipe(tmp_path / "Tiny.yaml", tiling={}, voxel_size=[1.0, 0.5, 0.5])
    return load_recipe(file)


def test_tiles_follow_from_the_diameter_in_either_unit(recipe, model, frames):
    # 16 pixels of 64 are 20 of 80; the labeling's lengths are those of the network's input.
    for cells in (CellDiameter(pixels=20), CellDiameter(um=10)):
        planned = plan_scale(changed(recipe, cell_diameter=cells), METHOD, model, frames)
        assert planned.tiling == Tiling(side=80, overlap=0.1)
        assert (planned.labeling.smoothing, planned.labeling.min_distance) == (1.25, 6.25)
        assert planned.cell_diameter == cells
        assert plan_scale(planned, METHOD, model, frames) == planned


def test_lengths_that_a_recipe_says_stay(recipe, model, frames):
    labeling = changed(recipe.labeling, smoothing=1.0)
    given = changed(recipe, labeling=labeling, cell_diameter=CellDiameter(pixels=20))
    planned = plan_scale(given, METHOD, model, frames)
    assert (planned.labeling.smoothing, planned.labeling.min_distance) == (1.0, 6.25)


def test_a_recipe_without_diameter_is_measured(recipe, model, frames):
    # The untrained network finds nothing of use: then thresholds' word counts, or its own.
    planned = plan_scale(recipe, METHOD, model, frames, check=False)
    assert planned.tiling.side
    assert planned.cell_diameter.pixels
    assert planned == plan_scale(recipe, METHOD, model, frames, check=False)


@pytest.mark.parametrize("cells", [CellDiameter(pixels=20), None])
def test_squeezed_frames_are_refused(recipe, model, frames, cells):
    """200 x 260 pixels in one tile of 64: disks of 20 pixels become 5.6."""
    fixed = changed(recipe, tiling=Tiling(rows=1, columns=1), cell_diameter=cells)
    given = fixed if cells else changed(fixed, cell_diameter=CellDiameter(pixels=9))
    with refused("scale-mismatch", "Tiny", "8 to 32", "200 x 260"):
        plan_scale(given, METHOD, model, frames)
    assert plan_scale(given, METHOD, model, frames, check=False).tiling == fixed.tiling


def test_a_wrong_voxel_size_is_refused(recipe, model, frames):
    """10 um are 20 pixels, but not where a voxel is said to be ten times as large."""
    fixed = changed(recipe, tiling=Tiling(rows=3, columns=4), cell_diameter=CellDiameter(um=10))
    plan_scale(fixed, METHOD, model, frames)
    with refused("scale-mismatch"):
        plan_scale(changed(fixed, voxel_size=(1.0, 5.0, 5.0)), METHOD, model, frames)


def test_a_network_that_does_not_say_its_sizes_is_told(recipe, model, frames, caplog):
    card = model / "model.yaml"
    values = yaml.safe_load(card.read_text())
    del values["cell_diameter"]
    card.write_text(yaml.safe_dump(values))
    with caplog.at_level(logging.WARNING):
        planned = plan_scale(recipe, METHOD, model, frames)
    assert planned == changed(recipe, backend=planned.backend)
    assert "how large cells were" in caplog.text


def test_a_plane_alone_is_shown_as_the_network_has_learnt_it(recipe, model, frames):
    given = changed(recipe, cell_diameter=CellDiameter(pixels=20))
    assert plan_scale(given, METHOD, model, frames).pseudocolor == recipe.pseudocolor
    facts = {"cell_diameter": [8.0, 16.0, 32.0], "context_2d": "intensity"}
    save_model(model, tiny_network(0, "cells", "centers"), facts)
    planned = plan_scale(given, METHOD, model, frames)
    assert planned.pseudocolor == changed(recipe.pseudocolor, context_2d="intensity")
    says = changed(given, pseudocolor=changed(given.pseudocolor, context_2d="highlight"))
    assert plan_scale(says, METHOD, model, frames).pseudocolor.context_2d == "highlight"


def test_offsets_follow_the_tiles(tmp_path, frames):
    offsets = ("offset_planes", "offset_rows", "offset_columns")
    facts = {"cell_diameter": [8.0, 16.0, 32.0]}
    save_model(tmp_path / "model", tiny_network(0, "cells", *offsets), facts)
    file = tiny_recipe(
        tmp_path / "Tiny.yaml",
        tiling={},
        maps=["cells", *offsets],
        labeling={"method": "offset_voting"},
        cell_diameter={"pixels": 32},
    )
    # Tiles of 128 pixels in 64: a pixel that the network speaks of is two of the image.
    planned = plan_scale(load_recipe(file), METHOD, tmp_path / "model", frames)
    assert planned.tiling.side == 128
    assert planned.labeling.offset_scale == 2


def test_a_method_without_networks_needs_no_scale(recipe, model, frames):
    adapted = METHODS["classical"].adapt(recipe)
    assert plan_scale(adapted, METHODS["classical"], model, frames) == (
        adapted.model_copy(update={"backend": "torch"})
    )
