"""`track` and `segment --track`: from masks to tracks, and to files of other programs."""

import csv
import json
import xml.etree.ElementTree as ET

import pytest
from commands import masks, refusal, run, segment
from conftest import tiny_recipe

from ctc_eval.cli.main import main as judge
from ctc_eval.format import read_tracks


@pytest.fixture
def segmented(tiny_dataset, recipe_file, tiny_models):
    """Segment the tiny sequence."""
    assert segment(tiny_dataset, "01", recipe_file, tiny_models) == 0
    return tiny_dataset / "01_RES"


def test_segment_then_track_is_segment_with_tracks(
    tiny_dataset, recipe_file, tiny_models, segmented, tmp_path
):
    out = tmp_path / "01_RES"
    assert run("track", tiny_dataset, "01", "--recipe", recipe_file) == 0
    assert segment(tiny_dataset, "01", recipe_file, tiny_models, "--track", "--output", out) == 0
    assert masks(out) == masks(segmented)
    for name in ("res_track.txt", ".segmentation.json"):
        assert (out / name).read_text() == (segmented / name).read_text()
    assert judge(["validate", str(tiny_dataset), "01"]) == 0


def test_new_masks_have_no_old_tracks(tiny_dataset, recipe_file, tiny_models, segmented):
    """A damaged mask is made anew, with numbers of its own; tracks come when they are asked for."""
    chosen = (tiny_dataset, "01", recipe_file, tiny_models)
    assert segment(*chosen, "--track") == 0
    whole = masks(segmented), (segmented / "res_track.txt").read_text()
    (segmented / "mask001.tif").write_bytes(b"damaged")
    assert segment(*chosen) == 0
    assert not (segmented / "res_track.txt").exists()
    assert "tracking" not in json.loads((segmented / ".segmentation.json").read_text())
    assert segment(*chosen, "--track") == 0
    assert (masks(segmented), (segmented / "res_track.txt").read_text()) == whole


def test_the_recipe_says_how(tiny_dataset, tiny_models, segmented, tmp_path):
    recipe = tiny_recipe(tmp_path / "own.yaml", tracking={"max_distance": 0.001, "overlap": 1.0})
    out = tmp_path / "out"
    chosen = ("--recipe", recipe, "--output", out)
    assert run("track", tiny_dataset, "01", "--result", segmented, *chosen) == 0
    rows, faults = read_tracks(out / "res_track.txt")
    assert not faults
    assert all(row.begin == row.end and not row.parent for row in rows.values())
    assert not (segmented / "res_track.txt").exists()


def test_exports(tiny_dataset, recipe_file, segmented, tmp_path):
    files = [tmp_path / "exports" / name for name in ("tracks.csv", "tracks.xml")]
    picture = ("--picture", tmp_path / "lineages.svg")
    words = ("track", tiny_dataset, "01", "--recipe", recipe_file, "--export", *files, *picture)
    assert run(*words) == 0
    assert "Lineages" in picture[1].read_text()
    rows, _ = read_tracks(segmented / "res_track.txt")
    with files[0].open() as file:
        table = list(csv.DictReader(file))
    assert len(table) == sum(row.end - row.begin + 1 for row in rows.values())
    assert {int(row["track"]) for row in table} == set(rows)
    assert all(rows[int(row["track"])].parent == int(row["parent"]) for row in table)
    model = ET.parse(files[1]).getroot().find("Model")
    spots = {spot.get("ID"): int(spot.get("FRAME")) for spot in model.iter("Spot")}
    assert len(spots) == len(table)
    for edge in model.iter("Edge"):
        assert spots[edge.get("SPOT_SOURCE_ID")] < spots[edge.get("SPOT_TARGET_ID")]
    parents = sum(row.parent > 0 for row in rows.values())
    steps = sum(row.end - row.begin for row in rows.values())
    assert len(list(model.iter("Edge"))) == steps + parents


def test_masks_of_own_files(tiny_dataset, recipe_file, tiny_models, tmp_path):
    """As the refusal of `segment FILE --track` and docs/tracking.md say."""
    out = tmp_path / "out"
    frames = tiny_dataset / "01" / "t000.tif"
    options = ("--recipe", recipe_file, "--model", tiny_models, "--device", "cpu")
    assert run("segment", frames, *options, "--ctc", "--output", out) == 0
    (result,) = out.glob("*_RES")
    name = result.name.removesuffix("_RES")
    assert run("track", out, name, "--recipe", out / "plan.yaml") == 0
    rows, faults = read_tracks(result / "res_track.txt")
    assert rows
    assert not faults


def test_refusals(tiny_dataset, recipe_file, segmented, tmp_path, capsys, monkeypatch):
    before = masks(segmented)
    chosen = ("track", tiny_dataset, "01", "--recipe", recipe_file)
    capsys.readouterr()
    assert run(*chosen, "--export", tmp_path / "tracks.xlsx") == 1
    refusal(capsys, "export-unknown", "tracks.xlsx", ".csv")
    assert run(*chosen, "--picture", tmp_path / "tracks.csv") == 1
    refusal(capsys, "export-unknown", "tracks.csv", ".svg")
    assert run("track", tiny_dataset, "02", "--recipe", recipe_file) == 1
    refusal(capsys, "folder-missing", "02_RES")
    image = tiny_dataset / "01" / "t000.tif"
    assert run("segment", image, "--track") == 1
    refusal(capsys, "track-files", "t000.tif")
    assert masks(segmented) == before


def test_without_laptrack(tiny_dataset, recipe_file, tiny_models, capsys, monkeypatch):
    """Before anything is segmented."""
    from importlib import metadata

    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("efficientcellseg.tracking.sequence.metadata.version", absent)
    assert segment(tiny_dataset, "01", recipe_file, tiny_models, "--track") == 1
    refusal(capsys, "laptrack-missing", "efficientcellseg[track]")
    assert not (tiny_dataset / "01_RES").exists()
