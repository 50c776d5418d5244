"""Recipes: those that are shipped, and which are refused, in which words."""

from pathlib import Path

import pytest
import yaml
from refusal import refused

from efficientcellseg.frozen import changed
from efficientcellseg.labelings import LABELINGS, parameters_of
from efficientcellseg.parameters.recipe import (
    RECIPES,
    LocalSource,
    Pseudocolor,
    find_recipe,
    load_recipe,
    open_recipe,
    recipe_text,
)

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


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_recipe_loads(path):
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    assert open_recipe(str(path)) == recipe
    assert path.parent != RECIPES or open_recipe(path.stem) == recipe
    assert set(LABELINGS[recipe.labeling.method].needs) <= set(recipe.maps)


@pytest.mark.parametrize(
    "path", sorted((RECIPES / "paper").glob("*.yaml")), ids=lambda path: path.stem
)
def test_recipes_for_the_authors_networks_differ_in_the_coloring_alone(path):
    usual = open_recipe(path.stem)
    theirs = load_recipe(path)
    # Their networks' cards do not say how large cells were: tiles are those of the paper.
    assert theirs.pseudocolor == Pseudocolor()
    for name in ("source", "voxel_size", "reference_note", "field_of_interest"):
        assert getattr(theirs, name) == getattr(usual, name)
    # Two networks for irregular cells, one else.
    irregular = theirs.name == "Fluo-C3DL-MDA231"
    assert theirs.maps == (("cells", "centers") if irregular else ("cells",))
    if not irregular:
        assert theirs.labeling.method == usual.labeling.method
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


def test_a_recipe_is_written_as_it_is_read(tmp_path):
    for path in sorted(RECIPES.rglob("*.yaml")):
        recipe, copy = load_recipe(path), tmp_path / path.name
        copy.write_text(recipe_text(recipe))
        assert load_recipe(copy) == recipe


def test_a_recipe_is_opened_by_its_name_or_its_file(tmp_path, monkeypatch):
    path = write(tmp_path)
    path.rename(tmp_path / "mine")
    assert open_recipe(tmp_path / "mine").name == "Mine"
    monkeypatch.chdir(tmp_path)
    assert open_recipe("mine").name == "Mine"
    assert open_recipe("nuclei-2d").name == "nuclei-2d"


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
    six = load_recipe(RECIPES / "paper" / "Fluo-N3DL-TRIC.yaml").tiling
    assert (six.rows, six.columns, tric.tiling.side) == (3, 2, 150)
    assert tric.labeling.method == "distance_watershed"
    assert not tric.labeling.per_slice
    assert a549.labeling.method == "mask"
    assert cho.voxel_size[1:] == (0.202, 0.202)
    assert cho.reference == "ERR_SEG"
    assert cho.reference_note == "computer-made (ERR_SEG), not manual"
    for recipe in (a549, mda231, tric):
        for kind in ("training", "test"):
            assert getattr(recipe.source, kind) == (
                f"https://data.celltrackingchallenge.net/{kind}-datasets/{recipe.name}.zip"
            )


def test_anisotropy_is_plane_distance_in_pixels(tmp_path):
    recipe = load_recipe(write(tmp_path))
    assert recipe.anisotropy == 4.0
    assert recipe.sequences == ("01",)
    assert recipe.labeling == parameters_of("components")


@pytest.mark.parametrize(
    ("code", "changes", "told"),
    [
        ("key-unknown", {"color": 1}, ["top level: unknown key color", "allowed:", "pseudocolor"]),
        ("key-unknown", {"tiling": {"row": 3}}, ["tiling: unknown key row (meant: rows?)"]),
        ("key-unknown", {"tiling": {"row": 3}}, ["allowed: columns, overlap, rows, side;"]),
        ("value-refused", {"digits": 5}, ["digits: found 5, allowed: 4 or less"]),
        ("value-refused", {"digits": 3.0}, ["digits: found 3.0, allowed: a whole number"]),
        (
            "value-refused",
            {"sequences": ["01", 2]},
            ["sequences.1: found 2, allowed: text (in q"],
        ),
        ("value-refused", {"sequences": ["1"]}, ["sequences.0: found '1', allowed: text like"]),
        ("value-refused", {"sequences": []}, ["sequences: found [], allowed: a list of 1 or more"]),
        ("value-refused", {"sequences": "01"}, ["sequences: found '01', allowed: a list"]),
        (
            "value-refused",
            {"sequences": ["01", "01"]},
            ["sequences: found ['01', '01'], allowed: no entry twice"],
        ),
        ("value-refused", {"voxel_size": [1]}, ["voxel_size: found [1], allowed: a list of 3 or"]),
        ("value-refused", {"voxel_size": [1] * 4}, ["allowed: a list of 3 or less"]),
        (
            "value-refused",
            {"voxel_size": [1, 1, 0]},
            ["voxel_size.2: found 0, allowed: 0.0001 or more"],
        ),
        ("value-refused", {"voxel_size": [1, 1, float("nan")]}, ["found nan, allowed: a number"]),
        (
            "value-refused",
            {"tiling": {"overlap": 0.7}},
            ["tiling.overlap: found 0.7, allowed: 0"],
        ),
        (
            "value-refused",
            {"tiling": {"rows": True}},
            ["tiling.rows: found True, allowed: a w"],
        ),
        ("value-refused", {"tiling": {"rows": "1"}}, ["tiling.rows: found '1', allowed: a w"]),
        ("value-refused", {"tiling": {"overlap": False}}, ["found False, allowed: a number"]),
        (
            "value-refused",
            {"field_of_interest": -1},
            ["field_of_interest: found -1, allowed: 0"],
        ),
        ("value-refused", {"labeling": {"min_size": 1}}, ["labeling.method: found no such key"]),
        (
            "value-refused",
            {"labeling": {"method": "otsu"}},
            ["labeling.method: found 'otsu', allowed: mask, components, distance_watershed"],
        ),
        (
            "key-unknown",
            {"labeling": {"method": "components", "center_threshold": 0.1}},
            ["labeling: unknown key center_threshold (meant: threshold?), allowed: anisotropy"],
        ),
        ("value-refused", {"labeling": None}, ["labeling: found None, allowed: a mapping"]),
        (
            "value-refused",
            {"maps": ["centers"], "labeling": {"method": "mask"}},
            ["maps: found ['centers'], allowed: cells at least, for labeling.method mask"],
        ),
        (
            "value-refused",
            {"maps": ["cell_distance"], "labeling": {"method": "dunet_watershed"}},
            ["maps: found ['cell_distance'], allowed", "add neighbor_distance or"],
        ),
        (
            "value-refused",
            {"labeling": {"method": "marker_watershed"}},
            ["maps: found ['cells'], allowed: cells, centers at least"],
        ),
        ("value-refused", {"maps": ["cell"]}, ["maps.0: found 'cell', allowed: cells, centers"]),
        (
            "value-refused",
            {"source": {"kind": "ftp"}},
            ["source.kind: found 'ftp', allowed: zip, wheel, simulation, local"],
        ),
        ("value-refused", {"source": {}}, ["source.kind: found no such key, allowed: zip, wheel"]),
        ("value-refused", {"source": "web"}, ["source: found 'web', allowed: a mapping"]),
        (
            "key-missing",
            {"source": {"kind": "zip"}},
            ["source: missing key training, test, required: kind, training, test"],
        ),
        (
            "key-unknown",
            {"source": {"kind": "local", "url": "x"}},
            ["source: unknown key url, allowed: kind"],
        ),
        (
            "value-refused",
            {"source": {"kind": "simulation", "scene": "moon"}},
            [
                "source.scene: found 'moon', allowed: a549, dividing, mda231, tric",
                "or a file that ends in .yaml",
            ],
        ),
    ],
)
def test_refusal_names_key_found_and_allowed(tmp_path, code, changes, told):
    path = write(tmp_path, **changes)
    with refused(code, str(path), *told):
        load_recipe(path)


def test_all_faults_are_told_at_once(tmp_path):
    path = write(tmp_path, digits=7, color=1, networks=["cells"], source={"kind": "zip"})
    told = "digits: found 7", "unknown key color", "networks", "source: missing key training"
    with refused("key-missing", *told):
        load_recipe(path)


def test_a_recipe_of_ones_own_code_is_checked_alike():
    recipe = open_recipe("BBBC050")
    assert changed(recipe, sequences=["01"]).sequences == ("01",)
    assert changed(recipe, source={"kind": "local"}).source == LocalSource(kind="local")
    for fault in ({"digits": 5}, {"color": 1}, {"maps": ("cells",)}, {"voxel_size": (1, 1)}):
        with pytest.raises(ValueError, match=next(iter(fault))):
            changed(recipe, **fault)
    with pytest.raises(ValueError, match="frozen"):
        recipe.digits = 4


def test_missing_file(tmp_path):
    with refused("file-missing", str(tmp_path / "none.yaml")):
        load_recipe(tmp_path / "none.yaml")


@pytest.mark.parametrize("name", ["Fluo-X", "../schemas/recipe.schema", ""])
def test_unknown_recipe_lists_the_known(name):
    with refused("recipe-unknown", "known: BBBC050, ", ", Fluo-N2DL-HeLa, ", "nuclei-2d"):
        find_recipe(name)
