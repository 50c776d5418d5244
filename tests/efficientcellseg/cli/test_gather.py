"""Masks of shards, together in one folder with the record of what made them."""

import json
import shutil

import pytest
import yaml
from commands import masks, refusal, run, segment

from ctc_eval.format import fingerprint


@pytest.fixture
def shards(tiny_dataset, recipe_file, tiny_models, tmp_path):
    """Segment a sequence in two shards."""
    folders = [tmp_path / "shards" / name for name in ("first", "second")]
    for folder, frames in zip(folders, ("0:2", "2:3"), strict=True):
        place = ("--output", folder, "--frames", frames)
        assert segment(tiny_dataset, "02", recipe_file, tiny_models, *place) == 0
    return folders


def gather(dataset, recipe, models, output, *shards) -> int:
    options = ("--recipe", recipe, "--model", models, "--output", output)
    return run("gather", dataset, "02", *shards, *options)


def test_the_folder_is_that_of_one_run_over_all(
    tiny_dataset, recipe_file, tiny_models, tmp_path, shards
):
    out = tmp_path / "results" / "02_RES"
    assert gather(tiny_dataset, recipe_file, tiny_models, out, *shards) == 0
    assert segment(tiny_dataset, "02", recipe_file, tiny_models) == 0
    fused = tiny_dataset / "02_RES"
    assert masks(out) == masks(fused)
    record = (out / ".segmentation.json").read_text()
    assert record == (fused / ".segmentation.json").read_text()
    assert [path.name for path in out.parent.iterdir()] == ["02_RES"]


def test_the_record_knows_the_frames_that_were_learnt_from(
    tiny_dataset, recipe_file, tiny_models, tmp_path, shards
):
    models = shutil.copytree(tiny_models, tmp_path / "models")
    card = models / "centers" / "model.yaml"
    seen = [fingerprint(tiny_dataset / "02" / "t001.tif")]
    card.write_text(yaml.safe_dump({**yaml.safe_load(card.read_text()), "seen": seen}))
    out = tmp_path / "out"
    out.mkdir()  # an empty folder may be there
    assert gather(tiny_dataset, recipe_file, models, out, *shards) == 0
    assert json.loads((out / ".segmentation.json").read_text())["seen"] == [1]


def test_the_record_knows_the_frames_that_were_segmented(
    tiny_dataset, recipe_file, tiny_models, tmp_path, shards
):
    """Shard after shard or in one process; a run that goes on with further frames, too."""

    def told(folder):
        return json.loads((folder / ".segmentation.json").read_text())["score"]["frames"]

    chosen = (tiny_dataset, recipe_file, tiny_models)
    assert gather(*chosen, tmp_path / "few", shards[1]) == 0
    assert gather(*chosen, tmp_path / "all", *shards) == 0
    assert (told(tmp_path / "few"), told(tmp_path / "all")) == ("2:3", "")
    assert told(shards[0]) == "0:2"
    more = ("--output", shards[0], "--frames", "2:3")
    assert segment(tiny_dataset, "02", recipe_file, tiny_models, *more) == 0
    assert told(shards[0]) == ""


def test_shards_that_do_not_fit_leave_nothing(
    tiny_dataset, recipe_file, tiny_models, tmp_path, shards, capsys
):
    chosen = (tiny_dataset, recipe_file, tiny_models, tmp_path / "results" / "out")
    capsys.readouterr()
    assert gather(*chosen, *shards, shards[0]) == 1
    refusal(capsys, "frame-twice", "mask000.tif")
    for mask in shards[1].glob("mask*"):
        mask.unlink()
    assert gather(*chosen, *shards) == 1
    refusal(capsys, "frames-absent", "second")
    assert not (tmp_path / "results").exists()


def test_masks_that_are_there_are_not_replaced(
    tiny_dataset, recipe_file, tiny_models, tmp_path, shards, capsys
):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mask000.tif").write_text("another")
    capsys.readouterr()
    assert gather(tiny_dataset, recipe_file, tiny_models, out, *shards) == 1
    refusal(capsys, "output-exists", str(out))
    assert masks(out) == {"mask000.tif": b"another"}
