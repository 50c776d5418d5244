"""The challenge's data sets: one table of facts, and a recipe for each of them."""

import pytest
import yaml
from commands import refusal, run

from efficientcellseg.labelings import LABELINGS
from efficientcellseg.parameters.challenge import challenge_datasets, with_facts
from efficientcellseg.parameters.locations import RECIPES
from efficientcellseg.parameters.recipe import find_recipe, load_recipe, open_recipe

# E of all data sets, as the challenge has it.
WIDE = {
    *("DIC-C2DH-HeLa", "Fluo-C2DL-Huh7", "Fluo-C2DL-MSC", "Fluo-C3DH-H157", "Fluo-N2DH-GOWT1"),
    *("Fluo-N3DH-CE", "Fluo-N3DH-CHO", "PhC-C2DH-U373"),
}
NARROW = {
    *("BF-C2DL-HSC", "BF-C2DL-MuSC", "Fluo-C3DL-MDA231", "Fluo-N2DL-HeLa", "PhC-C2DL-PSC"),
}
NONE = {
    *("Fluo-C3DH-A549", "Fluo-C3DH-A549-SIM", "Fluo-N2DH-SIM+", "Fluo-N3DH-SIM+"),
    *("Fluo-N3DL-DRO", "Fluo-N3DL-TRIC", "Fluo-N3DL-TRIF"),
}
TABLE = challenge_datasets()
OF_NO_NETWORK = {name for name, dataset in TABLE.items() if not dataset.networks}


def test_the_table_has_the_challenges_data_sets_and_their_fields_of_interest():
    found = {name: dataset.field_of_interest for name, dataset in TABLE.items()}
    assert found == dict.fromkeys(WIDE, 50) | dict.fromkeys(NARROW, 25) | dict.fromkeys(NONE, 0)
    lenient = {name for name, one in TABLE.items() if not one.penalize_extra_detections}
    assert lenient == {"Fluo-N3DL-DRO", "Fluo-N3DL-TRIC", "Fluo-N3DL-TRIF"}
    assert {name for name, one in TABLE.items() if one.digits == 4} == {
        *("BF-C2DL-HSC", "BF-C2DL-MuSC")
    }


@pytest.mark.parametrize("name", TABLE)
def test_every_data_set_has_a_recipe_with_the_tables_facts(name):
    dataset, recipe = TABLE[name], open_recipe(name)
    assert recipe.name == name
    for key in ("digits", "voxel_size", "field_of_interest", "penalize_extra_detections"):
        assert getattr(recipe, key) == getattr(dataset, key), key
    assert set(LABELINGS[recipe.labeling.method].needs) <= set(recipe.maps)
    # Either a file of its own or a base, and a base that is a file.
    assert (find_recipe(name) is None) == (dataset.base is not None)
    if dataset.base:
        base = load_recipe(RECIPES / f"{dataset.base}.yaml")
        same = "pseudocolor", "tiling", "maps", "labeling", "test_time_flips"
        assert [getattr(recipe, key) for key in same] == [getattr(base, key) for key in same]
        assert (recipe.model is None) == (not dataset.networks)
        for kind in ("training", "test"):
            assert getattr(recipe.source, kind) == (
                f"https://data.celltrackingchallenge.net/{kind}-datasets/{name}.zip"
            )
    if "2D" in name:
        assert len(set(dataset.voxel_size)) == 1  # nothing is stretched along planes


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*.yaml")), ids=lambda path: path.stem)
def test_facts_stand_in_the_table_alone(path):
    values = yaml.safe_load(path.read_text())
    repeated = {"voxel_size", "field_of_interest", "digits", "penalize_extra_detections"}
    assert path.stem not in TABLE or not repeated & values.keys()


def test_what_a_recipe_says_itself_counts():
    assert with_facts({"name": "Fluo-N2DL-HeLa", "field_of_interest": 0})["field_of_interest"] == 0
    for other in (None, [], "x", {}, {"name": ["Fluo-N2DL-HeLa"]}, {"name": "Mine"}):
        assert with_facts(other) == other


def test_descriptions_say_what_is_known():
    assert "Checked on none of its images." in open_recipe("Fluo-N3DH-CE").description
    assert "Checked on 20 frames" in open_recipe("Fluo-N2DL-HeLa").description
    assert "Unsure: voxel_size." in open_recipe("Fluo-C2DL-MSC").description


def test_the_command_writes_a_recipe_that_loads(tmp_path, capsys):
    assert run("recipe", "Fluo-N3DL-DRO", "--output", tmp_path / "mine.yaml") == 0
    assert load_recipe(tmp_path / "mine.yaml") == open_recipe("Fluo-N3DL-DRO")
    assert run("recipe", "PhC-C2DL-PSC") == 0
    assert yaml.safe_load(capsys.readouterr().out)["model"] is None
    assert run("recipe", "PhC") == 1
    refusal(capsys, "recipe-unknown", "PhC")


@pytest.mark.parametrize("name", sorted(OF_NO_NETWORK))
def test_images_that_no_shipped_network_knows(name, tiny_dataset, tiny_models, capsys):
    """One line, unless a network is named or the method does without."""
    assert name.startswith(("BF-", "DIC-", "PhC-"))
    dataset = tiny_dataset.rename(tiny_dataset.with_name(name))
    assert run("segment", dataset, "02") == 1
    refusal(capsys, "model-unnamed", name, "--model DIR")
    assert run("segment", dataset, "02", "--method", "classical") == 0
    assert run("segment", dataset, "02", "--model", tiny_models, "--overwrite") == 0
