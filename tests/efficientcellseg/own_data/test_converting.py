"""Any files into challenge layout, and from there to a network of one's own."""

import json

import numpy as np
import pytest
import tifffile
import yaml
from commands import masks, refusal, run
from conftest import blobs
from own_files import pillow_stack

from ctc_eval.__main__ import main as judge
from ctc_eval.format import read_volume
from efficientcellseg.networks.folders import read_card


def test_values_that_fit_stay_and_what_was_done_is_told(tmp_path, capsys):
    values = np.arange(3 * 2 * 20 * 30).reshape(3, 2, 20, 30)
    about = {"axes": "TZYX", "PhysicalSizeZ": 3.0, "PhysicalSizeY": 1.0, "PhysicalSizeX": 1.0}
    tifffile.imwrite(tmp_path / "a.ome.tif", values.astype(np.float32), metadata=about)
    tifffile.imwrite(tmp_path / "b.ome.tif", -values.astype(np.int16), metadata=about)
    for name in "ab":
        assert run("convert", tmp_path / f"{name}.ome.tif", tmp_path / name, "03", "-q") == 0
    assert "3 frames -> " in capsys.readouterr().out
    found = [read_volume(tmp_path / "a" / "03" / f"t00{t}.tif") for t in range(3)]
    np.testing.assert_array_equal(found, values)
    found = [read_volume(tmp_path / "b" / "03" / f"t00{t}.tif") for t in range(3)]
    np.testing.assert_array_equal(found, 3599 - values)
    (image,) = json.loads((tmp_path / "b" / "03.json").read_text())["images"]
    assert image["values"]["offset"] == -3599
    assert (image["voxel_size"], image["values"]["pixel_type"]) == ([3, 1, 1], "int16")


def test_several_files_of_several_types(tmp_path):
    plane = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30) % 250
    tifffile.imwrite(tmp_path / "1.tif", plane.astype(np.uint8))
    tifffile.imwrite(tmp_path / "2.tif", plane + 500)
    words = (tmp_path / "1.tif", tmp_path / "2.tif", tmp_path / "Mine", "01", "-q")
    assert run("convert", *words) == 0
    found = [read_volume(tmp_path / "Mine" / "01" / f"t00{t}.tif")[0] for t in (0, 1)]
    assert found[0].dtype == found[1].dtype == np.uint16
    np.testing.assert_array_equal(found, [plane, plane + 500])


def test_what_is_refused_leaves_nothing(tmp_path, capsys):
    volume = np.arange(4 * 20 * 30, dtype=np.uint16).reshape(4, 20, 30)
    pillow_stack(tmp_path / "a.tif", volume)
    pillow_stack(tmp_path / "b.tif", volume[:3])
    labels = volume.astype(np.float32) / 7
    tifffile.imwrite(tmp_path / "c.tif", labels, photometric="minisblack")
    data = tmp_path / "Mine"
    zyx = ("--axes", "ZYX", "-q")
    for inputs, sequence, options, code in (
        (["a.tif", "b.tif"], "01", (), "frame-unlike"),
        (["a.tif"], "1", (), "sequence-malformed"),
        (["a.tif"], "01", ("--labels", tmp_path / "b.tif"), "labels-unlike"),
        (["a.tif"], "01", ("--labels", tmp_path / "a.tif", tmp_path / "a.tif"), None),
        (["a.tif"], "02", ("--labels", tmp_path / "c.tif"), "label-range"),
        (["a.tif"], "01", (), "output-exists"),
    ):
        files = [tmp_path / name for name in inputs]
        expected = 1 if code else 0
        before = sorted(data.rglob("*"))
        assert run("convert", *files, data, sequence, *zyx, *options) == expected, code
        if code:
            refusal(capsys, code)
            assert sorted(data.rglob("*")) == before


@pytest.mark.slow
def test_four_commands_from_painted_cells_to_masks(tmp_path, capsys, monkeypatch):
    """Of planes: lay out, plan, train (three steps), use, and score without markers."""
    monkeypatch.chdir(tmp_path)
    for folder in ("images", "painted"):
        (tmp_path / folder).mkdir()
    for seed in range(4):
        image, labels = blobs((1, 90, 100), seed)
        tifffile.imwrite(tmp_path / "images" / f"cell{seed}.tif", image[0].astype(np.float32))
        tifffile.imwrite(tmp_path / "painted" / f"cell{seed}.tif", labels[0].astype(np.int32))
    assert run("convert", "images", "MyCells", "01", "--labels", "painted") == 0
    assert run("plan", "MyCells", "01", "--output", "MyCells.yaml", "--device", "cpu") == 0
    recipe = yaml.safe_load((tmp_path / "MyCells.yaml").read_text())
    sizes = [
        2 * np.sqrt((blobs((1, 90, 100), seed)[1] == label).sum() / np.pi)
        for seed in range(4)
        for label in range(1, 7)
    ]
    typical = np.median([size for size in sizes if size > 3])
    assert recipe["cell_diameter"]["pixels"] == pytest.approx(typical, rel=0.15)
    few = ["training.epochs=1", "training.steps=3", "training.batch=2"]
    words = ("MyCells-training.yaml", "--output", "mine", "--device", "cpu", "--set", *few)
    capsys.readouterr()
    assert run("train", *words) == 0
    assert capsys.readouterr().out == "network -> mine; to use it: segment ... --model mine\n"
    assert len(read_card(tmp_path / "mine").seen) > 4
    used = ("--recipe", "MyCells.yaml", "--model", "mine", "--device", "cpu")
    assert run("segment", "images", *used) == 0
    assert run("segment", "MyCells", "01", *used) == 0
    found = {name: read_volume(tmp_path / "MyCells" / "01_RES" / name) for name in masks(
        tmp_path / "MyCells" / "01_RES")}  # fmt: skip
    assert len(found) == 4
    for number, volume in enumerate(found.values()):
        path = tmp_path / "images_cells" / f"cell{number}_labels.tif"
        np.testing.assert_array_equal(tifffile.imread(path), volume[0])
    capsys.readouterr()
    assert judge(["score", "MyCells", "01"]) == 1
    assert "frames-seen" in capsys.readouterr().err
    assert judge(["score", "MyCells", "01", "--seen"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("SEG measure: ")
    assert "DET" not in told.out
