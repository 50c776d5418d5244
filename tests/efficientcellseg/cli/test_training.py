"""Training, from configuration to a network that segments."""

import pytest
import yaml
from commands import masks, refusal, run, segment
from conftest import TINY


def configuration(tmp_path, **changes):
    values = {
        "model": {**TINY, "decoder_filters": list(TINY["decoder_filters"])},
        "data": [{"dataset": "Tiny", "sequences": ["02"]}],
        "training": {"batch": 2, "epochs": 1, "steps": 1, "validation": 0.3},
    }
    path = tmp_path / "training.yaml"
    path.write_text(yaml.safe_dump({**values, **changes}))
    return path


def test_from_frames_to_networks_to_masks(tiny_dataset, recipe_file, tmp_path, monkeypatch):
    monkeypatch.setattr("efficientcellseg.parameters.recipe.RECIPES", recipe_file.parent)
    config, samples = configuration(tmp_path), tmp_path / "samples.npz"
    assert run("samples", config, "--data", tiny_dataset.parent, "--output", samples) == 0
    for name in ("cells", "centers"):
        place = ("--maps", name, "--output", tmp_path / "models" / name)
        assert run("train", config, "--samples", samples, *place, "--device", "cpu") == 0
        card = yaml.safe_load((tmp_path / "models" / name / "model.yaml").read_text())
        assert (card["architecture"]["maps"], card["samples"]) == ([name], 18)
        assert len(card["seen"]) == 3
        assert {"commit", "packages", "python"} <= card["software"].keys()
        assert card["configuration"]["training"]["steps"] == 1
    assert segment(tiny_dataset, "02", recipe_file, tmp_path / "models") == 0
    assert len(masks(tiny_dataset / "02_RES")) == 3


def test_samples_of_another_configuration(tiny_dataset, recipe_file, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("efficientcellseg.parameters.recipe.RECIPES", recipe_file.parent)
    config, samples = configuration(tmp_path), tmp_path / "samples.npz"
    assert run("samples", config, "--data", tiny_dataset.parent, "--output", samples) == 0
    other = configuration(tmp_path, model={**TINY, "decoder_filters": [8] * 4, "input_size": 96})
    options = ("--maps", "cells", "--output", tmp_path / "out")
    capsys.readouterr()
    assert run("train", other, "--samples", samples, *options) == 1
    refusal(capsys, "samples-unfit", "64", "96")
    colored = ("--set", "pseudocolor.context=none")
    config = configuration(tmp_path)
    assert run("train", config, "--samples", samples, *options, *colored) == 1
    refusal(capsys, "samples-unfit", "context", "none")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "code", "key"),
    [
        (
            {"model": {"encoder": "tf_efficientnet_lite0", "input_size": 100}},
            "value-refused",
            "model.input_size",
        ),
        ({"modell": {}}, "key-unknown", "modell"),
        ({"data": []}, "value-refused", "data"),
    ],
)
def test_a_training_configuration_at_fault(tmp_path, capsys, changes, code, key):
    config = configuration(tmp_path, **changes)
    assert run("samples", config, "--output", tmp_path / "out" / "s.npz") == 1
    refusal(capsys, code, key)
    assert not (tmp_path / "out").exists()
