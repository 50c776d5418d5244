"""2D images: real nuclei from the frames to scores, a picture and a submission."""

import json
import subprocess

import numpy as np
import pytest
from commands import masks
from conftest import ROOT
from matplotlib.image import imread

from ctc_eval.cli.main import main as judge
from ctc_eval.format import read_volume, write_volume
from efficientcellseg.cli.main import main as method

FRAMES = ("--frames", "0:2")


@pytest.fixture(scope="module")
def nuclei(data_root, tmp_path_factory):
    """Segment the first images of 360 x 360 pixels; give data set and masks."""
    dataset = data_root / "DSB2018-fluo"
    if not dataset.is_dir():
        pytest.skip(f"{dataset}: not there; place it by hand")
    result = tmp_path_factory.mktemp("nuclei") / "02_RES"
    command = [str(ROOT / "run_seq.sh"), str(dataset), "02", "--recipe", "nuclei-2d", *FRAMES]
    done = subprocess.run(
        [*command, "--output", str(result), "--device", "cpu"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dataset, result


def test_nuclei_are_found(nuclei, tmp_path, capsys):
    dataset, result = nuclei
    assert judge(["validate", str(dataset), "02", "--result", str(result), *FRAMES]) == 0
    assert "note" not in capsys.readouterr().out
    # There are no markers, so that SEG alone is measured unless asked otherwise.
    # The first image is one of every ninth that no network has learned from.
    score = ["score", str(dataset), "02", "--result", str(result), "--frames", "0:1"]
    assert judge([*score, "--measures", "SEG", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["SEG"] > 0.7
    assert judge([*score, "--measures", "benchmark", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == found
    assert judge([*score, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == found
    assert judge([*score, "--measures", "SEG,DET"]) == 1
    assert "error[markers-missing]" in capsys.readouterr().err


def test_the_context_of_a_recipe_for_volumes_does_not_matter(nuclei, tmp_path):
    dataset, result = nuclei
    recipe = (ROOT / "config" / "datasets" / "nuclei-2d.yaml").read_text()
    other = tmp_path / "other.yaml"
    other.write_text(recipe.replace("context: none", "context: intensity"))
    words = ["segment", str(dataset), "02", "--recipe", str(other), "--frames", "0:1"]
    assert method([*words, "--output", str(tmp_path / "RES"), "--device", "cpu"]) == 0
    found = masks(tmp_path / "RES")
    assert found == {"mask000.tif": masks(result)["mask000.tif"]}


def test_the_picture_has_one_row(nuclei, tmp_path):
    dataset, result = nuclei
    words = ["overlay", str(dataset), "02", "--result", str(result)]
    assert method([*words, "--output", str(tmp_path / "a.png")]) == 0
    height, width, _ = imread(tmp_path / "a.png").shape
    assert height < 0.6 * width


def test_a_submission_packs_planes(nuclei, tmp_path):
    dataset, _ = nuclei
    frames = tmp_path / "DSB2018-fluo" / "02"
    for number in range(2):
        volume = read_volume(dataset / "02" / f"t00{number}.tif")
        assert volume.shape == (1, 360, 360)
        write_volume(frames / f"t00{number}.tif", volume)
    # Which frames a first look sees depends on the sequence: it is segmented as it is packed.
    result = tmp_path / "masks"
    words = ["segment", str(frames.parent), "02", "--recipe", "nuclei-2d", "--device", "cpu"]
    assert method([*words, "--output", str(result)]) == 0
    plan = {"dataset": str(frames.parent), "sequence": "02", "masks": str(result)}
    plan["recipe"] = str(ROOT / "config" / "datasets" / "nuclei-2d.yaml")
    (tmp_path / "plan.json").write_text(json.dumps({"sequences": [plan]}))
    packed = tmp_path / "packed"
    assert method(["package", str(tmp_path / "plan.json"), "--output", str(packed)]) == 0
    assert masks(packed / "DSB2018-fluo" / "02_RES") == masks(result)
    assert all(np.any(read_volume(path)) for path in result.glob("mask*.tif"))
