"""Simulations on disk: reproducible bytes, the challenge's layout, what is in the way."""

from dataclasses import replace

import numpy as np
import pytest
from refusal import refused
from simulated import SCENES, hashes, small

from ctc_eval.format import read_volume
from efficientcellseg.datasets.simulation.writing import write_sequence
from efficientcellseg.parameters.recipe import RECIPES, load_recipe
from efficientcellseg.parameters.source import SimulationSource


@pytest.mark.parametrize("scene", SCENES)
def test_same_seed_same_bytes(scene, tmp_path):
    for run in ("a", "b"):
        write_sequence(tmp_path / run, "01", small(scene, frames=2))
    write_sequence(tmp_path / "c", "01", small(scene, frames=2, seed=8))
    first, second, third = (hashes(tmp_path / run) for run in "abc")
    assert len(first) == 3 * 2 + 1
    assert first == second
    assert {name for name in first if first[name] == third[name]} <= {"01_GT/TRA/man_track.txt"}


def test_files_are_in_challenge_layout(tmp_path):
    sequence = small("tric", frames=3)
    assert write_sequence(tmp_path, "02", sequence) == tmp_path / "02"
    numbers = ("000", "001", "002")
    assert sorted(hashes(tmp_path)) == sorted(
        [f"02/t{n}.tif" for n in numbers]
        + [f"02_GT/SEG/man_seg{n}.tif" for n in numbers]
        + [f"02_GT/TRA/man_track{n}.tif" for n in numbers]
        + ["02_GT/TRA/man_track.txt"]
    )
    for number, (raw, labels) in zip(numbers, sequence, strict=True):
        np.testing.assert_array_equal(read_volume(tmp_path / f"02/t{number}.tif"), raw)
        for kind in ("SEG/man_seg", "TRA/man_track"):
            written = read_volume(tmp_path / f"02_GT/{kind}{number}.tif")
            np.testing.assert_array_equal(written, labels)
    lines = (tmp_path / "02_GT/TRA/man_track.txt").read_text().splitlines()
    assert [[int(word) for word in line.split(" ")] for line in lines] == sequence.tracks.tolist()


def test_frames_of_an_earlier_longer_run_are_refused(tmp_path):
    write_sequence(tmp_path, "01", small("a549", frames=3))
    before = hashes(tmp_path)
    with refused("frame-leftover", "t002.tif", "2 frames"):
        write_sequence(tmp_path, "01", small("a549", frames=2))
    assert hashes(tmp_path) == before


def test_too_many_frames_for_the_digits(tmp_path):
    one = small("a549", frames=1)
    long = replace(one, skeletons=one.skeletons * 1001)
    with refused("frames-too-many", "1001", "1000"):
        write_sequence(tmp_path, "01", long)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["Sim-A549", "Sim-MDA231", "Sim-TRIC"])
def test_demo_recipes_are_small_and_simulated(name):
    recipe = load_recipe(RECIPES / f"{name}.yaml")
    assert recipe.name == name
    assert isinstance(recipe.source, SimulationSource)
    assert recipe.source.seed == 1
    assert 4 <= recipe.source.frames <= 6
