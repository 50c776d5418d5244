"""Recipes: what the schema allows, what it refuses, and in which words."""

import dataclasses
import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from ctc_eval.format import InputError
from efficientcellseg.parameters.recipe import (
    RECIPES,
    SCHEMA,
    Labeling,
    Pseudocolor,
    Recipe,
    Tiling,
    find_recipe,
    load_recipe,
    open_recipe,
    read_yaml,
)

RULES = yaml.safe_load(SCHEMA.read_text())
MINIMAL = {
    "name": "Mine",
    "description": "a test",
    "sequences": ["01"],
    "voxel_size": [2.0, 0.5, 0.5],
    "source": {"kind": "local"},
    "labeling": {"method": "components"},
}


def write(folder: Path, **changes) -> Path:
    path = folder / "Mine.yaml"
    path.write_text(yaml.safe_dump(MINIMAL | changes))
    return path


def mappings(rules: dict, name: str = "") -> list[tuple[str, dict]]:
    """List all keys that a file may have, with their rules."""
    found = [(f"{name}.{key}", value) for key, value in rules.get("properties", {}).items()]
    for key, value in rules.get("$defs", {}).items():
        found += mappings(value, f"{name}.$defs.{key}")
    return found + [pair for key, value in found for pair in mappings(value, key)]


@pytest.mark.parametrize(("key", "rules"), mappings(RULES))
def test_every_key_says_what_it_is_and_its_default(key, rules):
    assert len(rules["description"]) > 5, key
    assert "default" in rules, key


@pytest.mark.parametrize(("key", "rules"), mappings(RULES))
def test_unknown_keys_are_refused_everywhere(key, rules):
    assert rules.get("type") != "object" or "additionalProperties" in rules


@pytest.mark.parametrize(
    ("section", "parameters"),
    [("pseudocolor", Pseudocolor), ("tiling", Tiling), ("labeling", Labeling)],
)
def test_schema_and_code_have_the_same_defaults(section, parameters):
    schema = {
        key: rule["default"] for key, rule in RULES["properties"][section]["properties"].items()
    }
    assert schema == json.loads(json.dumps(dataclasses.asdict(parameters())))


def test_schema_and_recipe_have_the_same_keys_and_defaults():
    assert set(RULES["properties"]) == {field.name for field in dataclasses.fields(Recipe)}
    for field in dataclasses.fields(Recipe):
        if field.default is not dataclasses.MISSING:
            default = RULES["properties"][field.name]["default"]
            assert (tuple(default) if isinstance(default, list) else default) == field.default
            assert field.name not in RULES["required"]


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_recipe_loads(path):
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    assert open_recipe(str(path)) == recipe
    assert path.parent != RECIPES or open_recipe(path.stem) == recipe
    assert recipe.labeling.method != "marker_watershed" or "centers" in recipe.networks


@pytest.mark.parametrize(
    "path", sorted((RECIPES / "paper").glob("*.yaml")), ids=lambda path: path.stem
)
def test_recipes_for_the_authors_networks_differ_in_the_coloring_alone(path):
    usual = open_recipe(path.stem)
    assert load_recipe(path) == dataclasses.replace(usual, pseudocolor=Pseudocolor())
    assert usual.pseudocolor != Pseudocolor()


@pytest.mark.parametrize(
    "path", sorted((RECIPES / "markers").glob("*.yaml")), ids=lambda path: path.stem
)
def test_recipes_with_markers_are_of_the_same_data(path):
    usual, markers = open_recipe(path.stem), load_recipe(path)
    assert markers.labeling.method == "marker_watershed"
    # What is not about the way to segment.
    for name in ("description", "sequences", "voxel_size", "source", "reference_note", "tiling"):
        assert getattr(markers, name) == getattr(usual, name)


def test_all_data_sets_have_a_recipe():
    names = {path.stem for path in RECIPES.glob("*.yaml")}
    assert names >= {
        *("Fluo-C3DH-A549-SIM", "Fluo-C3DL-MDA231", "Fluo-N3DL-TRIC", "Fluo-N3DH-CHO"),
        *("BBBC050", "Sim-A549", "Sim-MDA231", "Sim-TRIC"),
    }


def test_facts_of_the_challenge():
    a549, mda231, tric, cho = map(
        open_recipe, ["Fluo-C3DH-A549-SIM", "Fluo-C3DL-MDA231", "Fluo-N3DL-TRIC", "Fluo-N3DH-CHO"]
    )
    assert a549.voxel_size == (1.0, 0.126, 0.126)
    assert mda231.voxel_size == (6.0, 1.242, 1.242)
    assert [r.field_of_interest for r in (a549, mda231, tric, cho)] == [0, 25, 0, 50]
    assert [r.penalize_extra_detections for r in (a549, mda231, tric, cho)] == [
        *(True, True, False, True)
    ]
    assert (tric.tiling.rows, tric.tiling.columns) == (3, 2)
    assert tric.labeling.method == "distance_watershed"
    assert not tric.labeling.per_slice
    assert a549.labeling.method == "mask"
    assert cho.voxel_size[1:] == (0.202, 0.202)
    assert cho.reference == "ERR_SEG"
    assert cho.reference_note == "computer-made (ERR_SEG), not manual"
    for recipe in (a549, mda231, tric):
        for kind in ("training", "test"):
            assert recipe.source[kind] == (
                f"https://data.celltrackingchallenge.net/{kind}-datasets/{recipe.name}.zip"
            )


def test_anisotropy_is_plane_distance_in_pixels(tmp_path):
    recipe = load_recipe(write(tmp_path))
    assert recipe.anisotropy == 4.0
    assert recipe.sequences == ("01",)
    assert recipe.labeling == Labeling(method="components")


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"color": 1}, ["top level", "unknown key color", "allowed:", "pseudocolor"]),
        ({"tiling": {"row": 3}}, ["tiling: unknown key row", "allowed: columns, overlap, rows"]),
        ({"digits": 5}, ["digits: found 5", "allowed: 3, 4"]),
        ({"digits": 3.0}, ["digits: found 3.0", "allowed: a whole number"]),
        ({"sequences": ["01", 2]}, ["sequences.1: found 2", "allowed: text (in quotes", '"01"']),
        ({"sequences": ["1"]}, ["sequences.0: found '1'", "allowed: text like"]),
        ({"sequences": []}, ["sequences: found []", "allowed: a list of 1 or more"]),
        ({"sequences": ["01", "01"]}, ["sequences: found ['01', '01']", "no entry twice"]),
        ({"voxel_size": [1, 1]}, ["voxel_size: found [1, 1]", "allowed: a list of 3 or more"]),
        ({"voxel_size": [1, 1, 0]}, ["voxel_size.2: found 0", "allowed: more than 0"]),
        ({"voxel_size": [1, 1, float("nan")]}, ["voxel_size.2: found nan", "allowed: a number"]),
        ({"tiling": {"overlap": 0.7}}, ["tiling.overlap: found 0.7", "allowed: 0.5 or less"]),
        ({"field_of_interest": -1}, ["field_of_interest: found -1", "allowed: 0 or more"]),
        ({"labeling": {"min_size": 1}}, ["labeling: missing key method", "required: method"]),
        (
            {"labeling": {"method": "otsu"}},
            ["labeling.method: found 'otsu'", "allowed: mask, components, distance_watershed"],
        ),
        ({"labeling": None}, ["labeling: found None", "allowed: a mapping"]),
        (
            {"networks": ["centers"], "labeling": {"method": "mask"}},
            ["networks: found centers, allowed with labeling.method mask: cells; add cells or"],
        ),
        (
            {"networks": ["cell_distance"], "labeling": {"method": "dunet_watershed"}},
            ["networks: found cell_distance, allowed", "add neighbor_distance or"],
        ),
        (
            {"source": {"kind": "ftp"}},
            ["source.kind: found 'ftp'", "zip, wheel, simulation, local"],
        ),
        ({"source": {}}, ["source.kind: found no such key", "zip, wheel, simulation, local"]),
        ({"source": "web"}, ["source: found 'web'", "allowed: a mapping"]),
        ({"source": {"kind": "zip"}}, ["source: missing key training, test"]),
        ({"source": {"kind": "local", "url": "x"}}, ["source: unknown key url", "allowed: kind"]),
        (
            {"source": {"kind": "simulation", "scene": "moon"}},
            ["source.scene: found 'moon'", "allowed: a549, mda231, tric"],
        ),
        (
            {"labeling": {"method": "marker_watershed"}},
            ["networks: found cells", "allowed", "cells, centers"],
        ),
    ],
)
def test_refusal_names_key_found_and_allowed(tmp_path, changes, parts):
    path = write(tmp_path, **changes)
    with pytest.raises(InputError) as caught:
        load_recipe(path)
    message = str(caught.value)
    assert "\n" not in message
    for part in (str(path), "allowed" if "required" not in message else "required", *parts):
        assert part in message


def test_all_faults_are_told_at_once(tmp_path):
    path = write(tmp_path, digits=7, color=1)
    with pytest.raises(InputError, match=r"unknown key color.*digits: found 7|digits.*color"):
        load_recipe(path)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"name: [", "not YAML"),
        (b"\xff\xfe\x00", "not YAML"),
        (b"", "top level: found None"),
        (b"- 1\n", "top level: found [1]"),
        (b"digits: 3\nname: A\ndigits: 4\n", "key digits stands twice"),
        (b"name: !!python/object/apply:os.getcwd []\n", "not YAML"),
    ],
)
def test_files_that_are_no_recipe(tmp_path, content, found):
    path = tmp_path / "broken.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_yaml(path, SCHEMA)
    assert found in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_recipe(tmp_path / "none.yaml")


@pytest.mark.parametrize("name", ["Fluo-X", "../schemas/dataset.schema", ""])
def test_unknown_recipe_lists_the_known(name):
    with pytest.raises(InputError, match="known: BBBC050, Fluo-C3DH-A549-SIM"):
        find_recipe(name)


def test_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(RULES)
