"""The package as a library: light to import, one call from a volume to labels."""

import doctest
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, blobs
from refusal import refused

import efficientcellseg
from ctc_eval.format import read_volume
from efficientcellseg.cli.main import main


def test_the_import_is_light():
    script = (
        "import sys, efficientcellseg as e\n"
        "assert e.segment and e.__version__\n"
        "heavy = {'numpy', 'torch', 'yaml', 'pydantic', 'ctc_eval'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_the_example_runs_as_written():
    pytest.importorskip("torch")
    found = doctest.testmod(efficientcellseg, raise_on_error=True)
    assert found.attempted > 5


def test_the_labels_are_those_of_the_command_line(tiny_dataset, recipe_file, tiny_models):
    pytest.importorskip("torch")
    options = ["--recipe", recipe_file, "--model", tiny_models, "--device", "cpu"]
    words = ["segment", tiny_dataset, "01", "--frames", "0:1", *options]
    assert main([str(word) for word in words]) == 0
    volume = read_volume(tiny_dataset / "01" / "t000.tif")
    labels = efficientcellseg.segment(volume, recipe_file, model=tiny_models, device="cpu")
    np.testing.assert_array_equal(labels, read_volume(tiny_dataset / "01_RES" / "mask000.tif"))
    assert labels.any()


def test_other_shapes_and_names_are_refused():
    image = blobs((1, 64, 64), seed=5)[0][0].astype(np.uint8)
    with refused("volume-axes", "(64, 64)", "image[None]"):
        efficientcellseg.segment(image)
    with refused("model-missing", "nowhere"):
        efficientcellseg.segment(image[None], model="nowhere")
