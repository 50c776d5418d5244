"""Any files in; labels, a table, a picture, a plan out; and what is refused."""

import csv
import json

import numpy as np
import pytest
import tifffile
import yaml
from commands import refusal, run
from conftest import blobs
from matplotlib.image import imread
from PIL import Image

from ctc_eval.format import read_volume
from efficientcellseg.cli.options import is_sequence
from efficientcellseg.own_data.segmenting import default_output

CPU = ("--device", "cpu", "-q")


def movie(path, frames=2, interval=30.0):
    """Write frames of balls, in two channels: the second twice as bright, without noise."""
    volumes = np.stack([blobs((3, 70, 90), seed)[0] for seed in range(frames)])
    balls = np.stack([2.0 * blobs((3, 70, 90), seed)[1] for seed in range(frames)])
    tifffile.imwrite(
        path,
        np.stack([volumes, balls], 2).astype(np.float32),
        metadata={
            "axes": "TZCYX",
            "Channel": {"Name": ["DAPI", "number"]},
            "PhysicalSizeZ": 2.0,
            "PhysicalSizeY": 0.5,
            "PhysicalSizeX": 0.25,
            "TimeIncrement": interval,
        },
    )
    return path


def table(folder):
    with (folder / "cells.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_movie_with_channels(tmp_path, recipe_file, tiny_models, capsys):
    path = movie(tmp_path / "a.ome.tif")
    options = ("--recipe", recipe_file, "--model", tiny_models, *CPU)
    assert run("segment", path, *options) == 0
    out = tmp_path / "a_cells"
    told = capsys.readouterr()
    assert told.err == ""
    rows = table(out)
    assert told.out == f"2 frames, {len(rows)} cells -> {out}, picture -> {out / 'picture.png'}\n"
    names = {"a_labels.tif", "cells.csv", "picture.png", "plan.yaml", "record.json"}
    assert {file.name for file in out.iterdir()} == names
    with tifffile.TiffFile(out / "a_labels.tif") as tif:
        labels, about = tif.asarray(), tif.imagej_metadata
        assert (tif.series[0].axes, labels.dtype) == ("TZYX", np.uint16)
        tags = tif.pages[0].tags
        assert [tags.valueof(f"{one}Resolution") for one in "XY"] == [(4, 1), (2, 1)]
    assert (about["spacing"], about["unit"], about["finterval"]) == (2.0, "um", 30.0)
    values = tifffile.imread(path)
    assert len(rows) == sum(len(np.unique(frame)) - 1 for frame in labels) > 2
    for row in rows:
        frame, label = int(row["frame"]), int(row["label"])
        inside = labels[frame] == label
        center = [float(one.mean()) for one in np.nonzero(inside)]
        assert [float(row[axis]) for axis in "zyx"] == pytest.approx(center, abs=0.006)
        assert int(row["voxels"]) == inside.sum()
        volume = inside.sum() * 2.0 * 0.5 * 0.25
        assert float(row["volume_um3"]) == pytest.approx(volume, rel=1e-5)
        across = float(row["equivalent_diameter_um"])
        assert np.pi / 6 * across**3 == pytest.approx(volume, rel=1e-2)
        assert row["area_um2"] == ""
        for channel, name in enumerate(("DAPI", "number")):
            mean = values[frame, :, channel][inside].mean()
            assert float(row[f"mean_{name}"]) == pytest.approx(mean, rel=1e-4)
    record = json.loads((out / "record.json").read_text())
    (image,) = record["images"]
    assert (image["channel"], image["axes"], image["frames"]) == ("DAPI", "TZCYX", "0:2")
    assert image["values"]["factor"] != 1  # balls on noise of all kinds of numbers
    assert imread(out / "picture.png").ndim == 3


def test_frames_and_challenge_layout(tmp_path, recipe_file, tiny_models):
    path = movie(tmp_path / "a.ome.tif", frames=3)
    options = ("--recipe", recipe_file, "--model", tiny_models, *CPU)
    assert run("segment", path, *options, "--output", tmp_path / "all") == 0
    whole = tifffile.imread(tmp_path / "all" / "a_labels.tif")
    chosen = ("--frames", "1:3", "--ctc", "--output", tmp_path / "some")
    assert run("segment", path, *options, *chosen) == 0
    masks = sorted((tmp_path / "some" / "a_RES").iterdir())
    assert [one.name for one in masks] == ["mask001.tif", "mask002.tif"]
    np.testing.assert_array_equal([read_volume(one) for one in masks], whole[1:])
    assert {row["frame"] for row in table(tmp_path / "some")} == {"1", "2"}


def test_masks_are_those_of_the_challenge_layout(tiny_dataset, recipe_file, tiny_models, tmp_path):
    options = ("--recipe", recipe_file, "--model", tiny_models, *CPU)
    assert run("segment", tiny_dataset, "01", *options) == 0
    frames = [read_volume(tiny_dataset / "01" / f"t00{i}.tif") for i in range(3)]
    path = tmp_path / "movie.ome.tif"
    tifffile.imwrite(path, np.stack(frames).astype(np.float32), metadata={"axes": "TZYX"})
    assert run("segment", path, *options, "--output", tmp_path / "own") == 0
    masks = [read_volume(tiny_dataset / "01_RES" / f"mask00{i}.tif") for i in range(3)]
    found = tifffile.imread(tmp_path / "own" / "movie_labels.tif")
    np.testing.assert_array_equal(found, masks)
    folder = tiny_dataset / "01"
    assert run("segment", folder, *options, "--output", tmp_path / "folder") == 0
    found = tifffile.imread(tmp_path / "folder" / "Tiny_01_labels.tif")
    np.testing.assert_array_equal(found, masks)


def test_a_plan_is_estimated_told_and_used_again(tmp_path, capfd):
    """By the shipped network, on balls that it knows."""
    volume = np.random.default_rng(1).normal(100, 5, (1, 160, 160))
    grid = np.indices(volume.shape[1:])
    for y, x in (40, 40), (40, 110), (110, 80):
        volume[0, (grid[0] - y) ** 2 + (grid[1] - x) ** 2 < 12**2] += 90
    for name in ("one", "two"):
        Image.fromarray(volume[0].astype(np.uint8)).save(tmp_path / f"{name}.png")
    small = np.ascontiguousarray(volume[0, :150].astype(np.uint8))
    Image.fromarray(small).save(tmp_path / "x.png")
    out = tmp_path / "out"
    assert run("segment", tmp_path / "*.png", "--output", out, "--device", "cpu") == 0
    told = capfd.readouterr()
    assert told.out.startswith("3 frames, 9 cells -> ")
    plan = yaml.safe_load((out / "plan_1.yaml").read_text())
    assert plan["cell_diameter"]["pixels"] == pytest.approx(24, rel=0.1)
    assert "tiling" not in plan
    assert yaml.safe_load((out / "plan_2.yaml").read_text())["cell_diameter"]
    (row, *_) = table(out)
    assert (row["z"], row["volume_um3"], row["equivalent_diameter_um"]) == ("", "", "")
    again = tmp_path / "again"
    words = ("--recipe", out / "plan_1.yaml", "--output", again, *CPU)
    assert run("segment", tmp_path / "one.png", *words) == 0
    first, second = (tifffile.imread(one / "one_labels.tif") for one in (out, again))
    np.testing.assert_array_equal(first, second)
    given = tmp_path / "given"
    words = ("--diameter", "30", "--voxel-size", "0.5", "--output", given, *CPU)
    assert run("segment", tmp_path / "one.png", *words) == 0
    plan = yaml.safe_load((given / "plan.yaml").read_text())
    assert plan["cell_diameter"] == {"um": 30.0}
    assert plan["voxel_size"] == [0.5, 0.5, 0.5]


def test_results_are_kept(tmp_path, recipe_file, tiny_models, capsys):
    path = movie(tmp_path / "a.ome.tif")
    options = ("--recipe", recipe_file, "--model", tiny_models, *CPU)
    assert run("segment", path, *options, "--output", tmp_path) == 1
    refusal(capsys, "output-raw", str(tmp_path))
    assert run("segment", path, *options) == 0
    out = tmp_path / "a_cells"
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    capsys.readouterr()
    assert run("segment", path, *options) == 1
    refusal(capsys, "output-exists", "--overwrite")
    values = tifffile.imread(path)
    values[1, 2, 0, 3, 4] = np.nan
    tifffile.imwrite(path, values, metadata={"axes": "TZCYX"})
    assert run("segment", path, *options, "--channel", "0", "--overwrite") == 1
    refusal(capsys, "values-nan", "1 of 18900 values of frame 1")
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before


def test_bad_input_is_one_line_and_writes_nothing(tmp_path, capsys):
    tifffile.imwrite(tmp_path / "flat.tif", np.full((20, 30), 7, np.uint8))
    (tmp_path / "empty.tif").write_bytes(b"")
    movie(tmp_path / "movie.ome.tif")
    for name, options, code in (
        ("flat.tif", (), "image-constant"),
        ("empty.tif", (), "tiff-unreadable"),
        ("gone.tif", (), "file-missing"),
        ("movie.ome.tif", ("--channel", "GFP"), "channel-missing"),
        ("movie.ome.tif", ("--axes", "ZYX"), "axes-count"),
        ("movie.ome.tif", ("--voxel-size", "1", "2"), "voxel-size-malformed"),
        ("movie.ome.tif", ("--frames", "7:9"), "frames-absent"),
        ("movie.ome.tif", ("--recipe", "nowhere"), "recipe-unknown"),
    ):
        out = tmp_path / "out"
        assert run("segment", tmp_path / name, *options, "--output", out, *CPU) == 1, code
        refusal(capsys, code)
        assert not out.exists()


def test_which_words_are_a_sequence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Data" / "01").mkdir(parents=True)
    (tmp_path / "b.tif").touch()
    assert is_sequence(["Data", "01"])
    assert is_sequence(["gone", "02"])  # refused as a sequence, as ever
    assert not is_sequence(["b.tif", "b.tif"])
    assert not is_sequence(["Data/01"])
    assert not is_sequence(["Data", "01", "02"])


def test_where_results_go(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plate").mkdir()
    assert default_output(["plate"]) == tmp_path / "plate_cells"
    assert default_output(["plate/a.ome.tif"]) == tmp_path / "plate" / "a_cells"
    assert default_output(["plate/*.png"]) == tmp_path / "plate_cells"
    assert str(default_output(["plate/a.png", "plate/b.png"])) == "plate/cells"


def test_the_images_voxel_size_counts_not_the_recipes(tmp_path, recipe_file, tiny_models):
    path = movie(tmp_path / "a.ome.tif", frames=1)
    options = ("--recipe", recipe_file, "--model", tiny_models, *CPU)
    assert run("segment", path, *options) == 0
    recipe = yaml.safe_load((tmp_path / "a_cells" / "plan.yaml").read_text())
    assert recipe["voxel_size"] == [2.0, 0.5, 0.25]
    out = ("--output", tmp_path / "b")
    assert run("segment", path, *options, *out, "--voxel-size", "3", "1", "1") == 0
    recipe = yaml.safe_load((tmp_path / "b" / "plan.yaml").read_text())
    assert recipe["voxel_size"] == [3.0, 1.0, 1.0]
