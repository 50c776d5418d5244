"""From frames to a network by the command lines, and what these refuse."""

import json

import numpy as np
import pytest
import yaml
from conftest import TINY

from efficientcellseg.__main__ import main
from efficientcellseg.maps.offsets import OFFSETS

SMALL = {**TINY, "decoder_filters": [8] * 4}


@pytest.fixture
def configure(recipe_file, tmp_path):
    """Write a training configuration of the tiny data set: a step of two samples."""

    def write(model, **changes):
        values = {
            "model": model,
            "data": [{"dataset": "Tiny", "recipe": str(recipe_file), "sequences": ["01"]}],
            "training": {"batch": 2, "epochs": 1, "steps": 1, "validation": 0.3},
        }
        path = tmp_path / "training.yaml"
        path.write_text(yaml.safe_dump({**values, **changes}))
        return path

    return write


@pytest.fixture
def run(tiny_dataset, tmp_path, capsys):
    """Give the exit code and standard error of samples or train."""

    def call(command, config, *options):
        places = {
            "samples": ["--data", tiny_dataset.parent, "--output", tmp_path / "s.npz"],
            "train": ["--samples", tmp_path / "s.npz", "--output", tmp_path / "model"],
        }
        options = [*places[command], *options, *["--device", "cpu"] * (command == "train")]
        code = main([command, str(config), *map(str, options)])
        return code, capsys.readouterr().err

    return call


def card_of(tmp_path):
    return yaml.safe_load((tmp_path / "model" / "model.yaml").read_text())


@pytest.mark.parametrize(
    ("model", "size"),
    [
        # Each kind has an input size of its own: samples are cut for what the network takes.
        ({"kind": "unet3d", "filters": [4, 8, 8], "planes": 2}, 128),
        ({"kind": "unet3d", "filters": [4, 8, 8], "planes": 2, "input_size": 64}, 64),
    ],
)
def test_a_3d_network_of_the_size_of_its_samples(configure, run, tmp_path, model, size):
    config = configure(model)
    assert run("samples", config)[0] == 0
    with np.load(tmp_path / "s.npz") as arrays:
        assert arrays["images"].shape[2:] == (size, size)
    assert run("train", config)[0] == 0
    assert card_of(tmp_path)["architecture"]["input_size"] == size


def test_one_network_for_all_maps_of_a_recipe_with_offsets(configure, run, tmp_path):
    maps = ["cells", "centers", *OFFSETS]
    config = configure(SMALL, targets=maps)
    assert run("samples", config)[0] == 0
    assert run("train", config, "--maps", ",".join(maps))[0] == 0
    assert card_of(tmp_path)["architecture"]["maps"] == maps
    code, line = run("train", config, "--maps", "cells,offset_rows")
    assert code == 1
    assert "add offset_planes, offset_columns" in line


def test_a_configuration_may_name_the_network_to_go_on_from(configure, run, tmp_path, tiny_models):
    config = configure(SMALL, start=str(tiny_models / "centers"))
    assert run("samples", config)[0] == 0
    assert run("train", config)[0] == 0
    before = yaml.safe_load((tiny_models / "centers" / "model.yaml").read_text())
    assert card_of(tmp_path)["started_from"] == before


def test_samples_of_an_older_version_are_refused_in_one_line(configure, run, tmp_path):
    config = configure(SMALL)
    assert run("samples", config)[0] == 0
    with np.load(tmp_path / "s.npz") as arrays:
        values = dict(arrays)
    entry = {"dataset": "Tiny", "sequences": ["01"], "borders": "soft"}
    values["origin"] = json.dumps({"data": [entry], "pseudocolor": {}})
    np.savez(tmp_path / "s.npz", **values)
    code, line = run("train", config)
    assert code == 1
    assert line.count("\n") == 1
    assert "borders" in line
    assert "make it again" in line
