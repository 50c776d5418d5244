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
    with refused("volume-axes", "(1, 1, 64, 64)", "one time point"):
        efficientcellseg.segment(image[None, None])
    with refused("recipe-overruled", "voxel_size"):
        efficientcellseg.segment(image, "nuclei-2d", diameter=9)
    with refused("voxel-size-malformed", "(1, 0, 1)"):
        efficientcellseg.segment(image[None], voxel_size=(1, 0, 1))
    with refused("diameter-malformed", "-3"):
        efficientcellseg.segment(image, diameter=-3)
    with refused("image-constant", "all pixels are 7"):
        efficientcellseg.segment(np.full((4, 9, 9), 7))
    with refused("values-nan"):
        efficientcellseg.segment(np.full((4, 9, 9), np.nan))
    with refused("model-missing", "nowhere"):
        efficientcellseg.segment(image[None], model="nowhere")


def test_an_image_is_a_volume_of_one_plane_of_any_type(recipe_file, tiny_models):
    pytest.importorskip("torch")
    image = blobs((1, 64, 64), seed=5)[0][0].astype(np.uint8)
    call = {"model": tiny_models, "device": "cpu"}
    labels = efficientcellseg.segment(image, recipe_file, **call)
    assert labels.shape == image.shape
    assert labels.max() > 1
    for same in (image[None], image.astype(float), image.astype(np.int64)):
        np.testing.assert_array_equal(
            np.squeeze(efficientcellseg.segment(same, recipe_file, **call)), labels
        )


def test_without_a_recipe_sizes_are_measured_or_told():
    """Planes twice as far apart as pixels: balls are round only if that is known."""
    pytest.importorskip("torch")
    volume = np.random.default_rng(0).normal(50, 3, (16, 128, 128))
    plane, row, column = np.indices(volume.shape)
    for y, x in (32, 32), (32, 96), (96, 64):
        inside = (2 * (plane - 8)) ** 2 + (row - y) ** 2 + (column - x) ** 2 < 10**2
        volume[inside] += 90
    for sizes in ({"voxel_size": (2, 1, 1)}, {"voxel_size": (4, 2, 2), "diameter": 40}, {}):
        labels = efficientcellseg.segment(volume, device="cpu", **sizes)
        assert len(np.unique(labels[labels > 0])) == 3, sizes
        assert [labels[8, y, x] > 0 for y, x in ((32, 32), (32, 96), (96, 64))] == [True] * 3
