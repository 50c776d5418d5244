"""What masks and runs were made with: the record beside masks, the record of a run."""

import json
import shutil

import numpy as np
import pytest
import yaml
from commands import run
from conftest import ROOT, tiny_recipe

from efficientcellseg.frozen import changed
from efficientcellseg.methods import METHODS
from efficientcellseg.networks.folders import file_hash
from efficientcellseg.parameters.recipe import RECIPES, load_recipe, open_recipe
from efficientcellseg.provenance import (
    made_alike,
    mask_record,
    read_mask_record,
    write_mask_record,
)


@pytest.fixture
def record(tiny_dataset, recipe_file, tiny_models):
    return mask_record("efficientcellseg", load_recipe(recipe_file), tiny_models,
                       tiny_dataset / "01")  # fmt: skip


def test_a_record_tells_what_made_the_masks(record, tiny_models):
    assert (record["method"], record["backend"], record["seen"]) == (
        "efficientcellseg",
        "torch",
        [],
    )
    assert record["weights"] == {
        name: file_hash(tiny_models / name / "weights.safetensors") for name in ("cells", "centers")
    }
    assert record["recipe"]["labeling"]["method"] == "marker_watershed"
    # What has no part in the masks is not told, so that it may change.
    assert not {"description", "source", "model", "reference"} & record["recipe"].keys()


def test_a_record_tells_the_judge_what_a_score_is_to_say(
    record, tiny_dataset, tiny_models, tmp_path
):
    assert record["score"] == {
        "networks": "2 x EfficientCellSeg-Lite0",
        "parameters": 2,
        "training": "",
        "penalize_extra_detections": True,
        "reference": "GT",
        "reference_note": "gold truth",
        "name": "EfficientCellSeg-Lite0 64",
        "trained": "training unknown",
        "crossed": "",
        "frames": "",
    }
    path = tiny_recipe(
        tmp_path / "other.yaml",
        penalize_extra_detections=False,
        reference="ST",
        reference_note="silver truth",
    )
    classical = METHODS["classical"].adapt(load_recipe(path))
    found = mask_record(
        *("classical", classical, tmp_path / "nowhere", tiny_dataset / "01"),
        title=METHODS["classical"].title,
    )
    assert found["score"] == {
        "networks": "none",
        "parameters": None,
        "training": "",
        "penalize_extra_detections": False,
        "reference": "ST",
        "reference_note": "silver truth",
        "name": "Otsu + distance watershed",
        "trained": "",
        "crossed": "",
        "frames": "",
    }


@pytest.mark.parametrize(
    ("facts", "parameters", "training"),
    [
        ({"parameters": 5, "slices_seen": 100}, 6, "100 slices"),
        ({"parameters": None}, None, ""),
    ],
)
def test_weights_and_slices_are_those_of_all_networks(
    tiny_dataset, recipe_file, models, facts, parameters, training
):
    for name, changes in (("cells", facts), ("centers", {"parameters": 1})):
        card = models / name / "model.yaml"
        values = {**yaml.safe_load(card.read_text()), **changes}
        kept = {key: value for key, value in values.items() if value is not None}
        card.write_text(yaml.safe_dump(kept))
    recipe = load_recipe(recipe_file)
    score = mask_record("efficientcellseg", recipe, models, tiny_dataset / "01")["score"]
    assert (score["parameters"], score["training"]) == (parameters, training)


@pytest.mark.parametrize("name", ["volumes", "generalist", "Sim-MDA231"])
def test_the_shipped_networks_are_named(tiny_dataset, recipe_file, name):
    folder = ROOT / "resources" / "weights" / name
    score = mask_record("efficientcellseg", load_recipe(recipe_file), folder,
                        tiny_dataset / "01")["score"]  # fmt: skip
    assert score["networks"] == "1 x EfficientCellSeg-Lite0"
    assert score["parameters"] > 1e6
    assert (score["name"], score["trained"], score["crossed"]) == (
        *("EfficientCellSeg-Lite0 160", "trained on other data", ""),
    )


@pytest.mark.parametrize(
    ("learnt", "sequence", "trained", "crossed"),
    [
        ({"sequences": ["01"]}, "01", "trained here on 01", ""),
        ({"sequences": ["01"]}, "02", "trained here on 01", "trained on 01, scored on 02"),
        ({}, "02", "trained here on 01 and 02", ""),
    ],
)
def test_networks_of_the_data_sets_own_sequences(
    tiny_dataset, recipe_file, models, learnt, sequence, trained, crossed
):
    for name in ("cells", "centers"):
        card = models / name / "model.yaml"
        data = [{"dataset": "Tiny", **learnt}]
        values = {**yaml.safe_load(card.read_text()), "configuration": {"data": data}}
        card.write_text(yaml.safe_dump(values))
    recipe = load_recipe(recipe_file)
    score = mask_record("efficientcellseg", recipe, models, tiny_dataset / sequence)["score"]
    assert (score["trained"], score["crossed"]) == (trained, crossed)


def test_other_frames_of_the_same_name_are_not_the_data_sets_own(tiny_dataset, recipe_file, models):
    """A simulation of another seed was placed where this one is now."""
    for name in ("cells", "centers"):
        card = models / name / "model.yaml"
        learnt = {"configuration": {"data": [{"dataset": "Tiny"}]}, "seen": ["0" * 16]}
        card.write_text(yaml.safe_dump({**yaml.safe_load(card.read_text()), **learnt}))
    recipe = changed(load_recipe(recipe_file), source=open_recipe("Sim-TRIC").source)
    score = mask_record("efficientcellseg", recipe, models, tiny_dataset / "01")["score"]
    assert (score["trained"], score["crossed"]) == ("trained here on other data of its kind", "")


@pytest.mark.parametrize(
    ("run", "frames"), [(None, ""), ([0, 1, 2], ""), ([0], "0:1"), ([1, 2], "1:3")]
)
def test_a_record_tells_which_frames_were_segmented(
    tiny_dataset, recipe_file, tiny_models, run, frames
):
    place = (load_recipe(recipe_file), tiny_models, tiny_dataset / "01")
    found = mask_record("efficientcellseg", *place, run=run)
    assert found["score"]["frames"] == frames
    assert made_alike(found, mask_record("efficientcellseg", *place))


def test_records_are_alike_but_for_the_score(record, tmp_path):
    write_mask_record(tmp_path, record)
    assert read_mask_record(tmp_path) == record
    assert made_alike(record, {**record, "score": {}})
    assert not made_alike(record, {**record, "backend": "onnxruntime"})


@pytest.mark.parametrize("text", [None, "", "[]", "{"])
def test_masks_of_unknown_making_are_like_none(record, tmp_path, text):
    if text is not None:
        (tmp_path / ".segmentation.json").write_text(text)
    assert read_mask_record(tmp_path) is None
    assert not made_alike(read_mask_record(tmp_path), record)


def described(tmp_path, *words) -> dict:
    assert run("provenance", *words, "--device", "cpu", "--output", tmp_path / "run.json") == 0
    return json.loads((tmp_path / "run.json").read_text())


def test_a_run_has_hashes_of_recipes_and_networks(tmp_path, recipe_file, tiny_models):
    found = described(tmp_path, recipe_file, RECIPES / "Sim-TRIC.yaml", "--model", tiny_models)
    assert found["device"] == "cpu"
    assert found["recipes"]["Tiny"] == file_hash(recipe_file)
    names = {f"{tiny_models.name}/{name}" for name in ("cells", "centers")}
    assert set(found["models"]) == names
    for network, entry in found["models"].items():
        assert entry["sha256"] == file_hash(tiny_models.parent / network / "weights.safetensors")
    assert set(found["seeds"]) == {"Sim-TRIC"}
    assert found["packages"]["numpy"] == np.__version__
    assert str(tmp_path) not in (tmp_path / "run.json").read_text()
    own = described(tmp_path, recipe_file)
    assert own["models"].keys() == {"resources/weights/generalist"}


def test_a_run_without_networks_has_none(tmp_path, recipe_file):
    # A configuration with `methods: [classical]` alone.
    assert described(tmp_path, recipe_file, "--model")["models"] == {}


def test_a_run_has_its_configuration_frames_zips_and_seeds(tmp_path, tiny_dataset, tiny_models):
    recipe = tiny_recipe(
        tmp_path / "recipes" / "Tiny.yaml",
        source={"kind": "zip", "training": "https://a.org/T.zip", "test": "https://a.org/t.zip"},
    )
    (tiny_dataset.parent / "Tiny.zip.sha256").write_text("ab" * 32 + "  Tiny.zip\n")
    card = tmp_path / "models" / "cells"
    shutil.copytree(tiny_models / "cells", card)
    values = yaml.safe_load((card / "model.yaml").read_text())
    values["configuration"] = {"training": {"seed": 7}}
    (card / "model.yaml").write_text(yaml.safe_dump(values))
    configuration = {
        "pathvars": {"data": str(tiny_dataset.parent), "results": "results"},
        "datasets": [{"name": "Tiny", "sequences": {"01": 2}, "first": 1}],
    }
    words = (recipe, "--model", card, "--configuration", json.dumps(configuration))
    found = described(tmp_path, *words)
    assert found["frames"] == {"Tiny": {"01": {"run": "1:2", "there": 3}}}
    assert found["zips"] == {"Tiny": "ab" * 32}
    assert [one["seed"] for one in found["models"].values()] == [7]
    assert found["configuration"]["datasets"][0]["frames_per_shard"] == 10
    assert found["configuration"]["disk_gb"] == 6
    assert str(tmp_path) not in (tmp_path / "run.json").read_text()
    for spoiled in (b"", b"\xff\xfe\x00"):
        (tiny_dataset.parent / "Tiny.zip.sha256").write_bytes(spoiled)
        assert described(tmp_path, *words)["zips"] != {"Tiny": "ab" * 32}
