"""The command that simulates data sets."""

import os
import subprocess
import sys

import numpy as np
import pytest
import yaml
from commands import refusal, run
from conftest import ROOT
from simulated import hashes

from ctc_eval.format import frame_files, read_volume
from efficientcellseg.datasets.simulation.sequence import sequence_seed, simulate_sequence
from efficientcellseg.parameters.recipe import RECIPES, load_recipe
from efficientcellseg.parameters.scene import SCENES, open_scene


def test_bytes_do_not_depend_on_threads(tmp_path):
    command = [sys.executable, "-m", "efficientcellseg", "simulate", "Sim-MDA231"]
    for threads in ("1", "4"):
        variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        subprocess.run(
            [*command, str(tmp_path / threads), "--sequences", "02", "--frames", "2"],
            cwd=ROOT,
            env=os.environ | dict.fromkeys(variables, threads),
            check=True,
            capture_output=True,
        )
    assert hashes(tmp_path / "1") == hashes(tmp_path / "4")


def test_the_command_writes_what_it_was_asked_for(tmp_path):
    asked = ["--sequences", "03", "--frames", "1", "--seed", "9"]
    assert run("simulate", "Sim-A549", tmp_path, *asked) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["03", "03_GT"]
    recipe = load_recipe(RECIPES / "Sim-A549.yaml")
    ((raw, _),) = simulate_sequence(
        open_scene("a549"), recipe.source.shape, 1, 1, sequence_seed(9, "03"), recipe.voxel_size
    )
    np.testing.assert_array_equal(read_volume(frame_files(tmp_path / "03")[0]), raw)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["Sim-Nothing"], "recipe-unknown", "Sim-Nothing"),
        (["nowhere.yaml"], "file-missing", "nowhere.yaml"),
        (["BBBC050"], "source-kind", "local"),
        (["Sim-A549", "--sequences", "1"], "sequence-name", "'1'"),
        (["Sim-A549", "--frames", "0"], "value-out-of-range", "frames: found 0"),
        (["Sim-A549", "--seed", "-1"], "value-out-of-range", "seed: found -1"),
    ],
)
def test_the_command_fails_with_one_line(arguments, code, told, tmp_path, capsys):
    assert run("simulate", arguments[0], tmp_path / "data", *arguments[1:]) == 1
    refusal(capsys, code, told)
    assert not (tmp_path / "data").exists()


def test_another_seed_replaces_nothing_unless_told_to(tmp_path, capsys):
    asked = ["simulate", "Sim-A549", tmp_path, "--sequences", "01", "--frames", "1", "--seed"]
    assert run(*asked, "1") == 0
    before = hashes(tmp_path)
    capsys.readouterr()
    assert run(*asked, "2") == 1
    refusal(capsys, "frame-of-another-simulation", "t000.tif", "--overwrite")
    assert hashes(tmp_path) == before
    assert run(*asked, "1") == 0  # the same again, as after a stop
    assert hashes(tmp_path) == before
    assert run(*asked, "2", "--overwrite") == 0
    assert hashes(tmp_path)["01/t000.tif"] != before["01/t000.tif"]


def test_a_place_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "data"
    assert run("simulate", "Sim-A549", place, "--sequences", "01", "--frames", "1") == 1
    refusal(capsys, "path-unwritable", "man_track.txt", "Not a directory")


def test_a_scene_of_ones_own(tmp_path, monkeypatch):
    scene = yaml.safe_load((SCENES / "tric.yaml").read_text())
    scene["microscope"] |= {"signal": 40.0, "background": 9.0, "bits": 6}
    (tmp_path / "dark.yaml").write_text(yaml.safe_dump(scene))
    recipe = yaml.safe_load((RECIPES / "Sim-TRIC.yaml").read_text())
    recipe["source"] |= {"scene": "dark.yaml", "shape": [5, 60, 70], "cells": 4, "frames": 1}
    (tmp_path / "Dark.yaml").write_text(yaml.safe_dump(recipe))
    monkeypatch.chdir(tmp_path)
    assert run("simulate", "Dark.yaml", "data", "--sequences", "01") == 0
    frame = read_volume(tmp_path / "data" / "01" / "t000.tif")
    assert frame.shape == (5, 60, 70)
    assert frame.max() == 2**6 - 1
