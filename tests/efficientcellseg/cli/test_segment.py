"""Frames to masks: both ways the same bytes, and going on where a run was stopped."""

import errno
import json
import os
import shutil

import numpy as np
import pytest
import tifffile
import yaml
from commands import masks, refusal, run, segment, staged
from conftest import BACKENDS, tiny_recipe

from ctc_eval.__main__ import main as judge
from ctc_eval.format import fingerprint, frame_files, read_volume, write_labels, write_volume
from efficientcellseg.chain import inference
from efficientcellseg.chain import segment as chain
from efficientcellseg.methods.efficientcellseg import EfficientCellSeg


@pytest.mark.parametrize("sequence", ["01", "02"])
def test_staged_and_fused_give_the_same_bytes(
    tiny_dataset, recipe_file, tiny_models, tmp_path, sequence
):
    found = masks(staged(tiny_dataset, sequence, recipe_file, tiny_models, tmp_path / "staged"))
    assert segment(tiny_dataset, sequence, recipe_file, tiny_models) == 0
    fused = masks(tiny_dataset / f"{sequence}_RES")
    assert list(fused) == ["mask000.tif", "mask001.tif", "mask002.tif"]
    assert fused == found
    raw = read_volume(tiny_dataset / sequence / "t000.tif")
    labels = [read_volume(tiny_dataset / f"{sequence}_RES" / name) for name in fused]
    assert all(volume.dtype == np.uint16 and volume.shape == raw.shape for volume in labels)
    assert any(volume.max() > 1 for volume in labels)  # there was something to label


@pytest.mark.parametrize(
    "labeling", [{"method": "components", "per_slice": True}, {"method": "distance_watershed"}]
)
def test_so_do_other_recipes_with_one_network(tiny_dataset, tiny_models, tmp_path, labeling):
    recipe = tiny_recipe(
        tmp_path / "one.yaml",
        labeling=labeling,
        maps=["cells"],
        tiling={"rows": 1, "columns": 1},
        field_of_interest=4,
        pseudocolor={"bits": 8, "normalize": "volume", "adjacent_mean": 0.1},
    )
    found = masks(staged(tiny_dataset, "02", recipe, tiny_models, tmp_path / "staged"))
    assert segment(tiny_dataset, "02", recipe, tiny_models) == 0
    assert masks(tiny_dataset / "02_RES") == found


@pytest.mark.parametrize("way", [1, 5, *BACKENDS])
def test_other_batches_and_programs_give_nearly_the_same_masks(
    tiny_dataset, recipe_file, tiny_models, tmp_path, monkeypatch, way
):
    """To one voxel in a thousand; the number of tiles at once is fixed, so that bytes are."""
    chosen, out = (tiny_dataset, "01", recipe_file, tiny_models), tmp_path / "other"
    assert segment(*chosen, "--backend", "torch") == 0
    if isinstance(way, int):
        monkeypatch.setattr(inference, "TILES_AT_ONCE", way)
    backend = "torch" if isinstance(way, int) else way
    assert segment(*chosen, "--backend", backend, "--output", out) == 0
    for path in frame_files(out, "mask").values():
        ours, theirs = read_volume(tiny_dataset / "01_RES" / path.name), read_volume(path)
        assert ours.any()
        assert ((ours > 0) != (theirs > 0)).mean() < 1e-3
        assert abs(int(ours.max()) - int(theirs.max())) <= 1


def test_of_large_frames_one_is_read_ahead(tiny_dataset, recipe_file, tiny_models, monkeypatch):
    """To the same masks; the third is read when the networks are done with the first."""
    assert segment(tiny_dataset, "01", recipe_file, tiny_models) == 0
    overlapping = masks(tiny_dataset / "01_RES")
    events = []

    def told(name, function):
        return lambda *given: (events.append(name), function(*given))[1]

    monkeypatch.setattr(chain, "LARGE", 0)
    monkeypatch.setattr(chain, "read_volume", told("read", chain.read_volume))
    run_networks = told("networks", EfficientCellSeg.maps)
    monkeypatch.setattr(EfficientCellSeg, "maps", lambda *given: run_networks(*given))
    monkeypatch.setattr(chain, "write_labels", told("write", chain.write_labels))
    assert segment(tiny_dataset, "01", recipe_file, tiny_models, "--overwrite") == 0
    assert masks(tiny_dataset / "01_RES") == overlapping
    assert sorted(events) == sorted(["read", "networks", "write"] * 3)
    third = [i for i, event in enumerate(events) if event == "read"][2]
    assert events.index("networks") < third


def test_frames_are_a_shard(tiny_dataset, recipe_file, tiny_models, tmp_path):
    assert segment(tiny_dataset, "02", recipe_file, tiny_models) == 0
    whole = masks(tiny_dataset / "02_RES")
    out = tmp_path / "out"
    chosen = ("--output", out, "--frames")
    assert segment(tiny_dataset, "02", recipe_file, tiny_models, *chosen, "1:3") == 0
    assert masks(out) == {name: whole[name] for name in ("mask001.tif", "mask002.tif")}
    work = tmp_path / "staged"
    found = staged(tiny_dataset, "02", recipe_file, tiny_models, work, "--frames", ":1")
    assert masks(found) == {"mask000.tif": whole["mask000.tif"]}


def test_the_recipe_is_found_by_the_folders_name(
    tiny_dataset, recipe_file, tiny_models, monkeypatch
):
    monkeypatch.setattr("efficientcellseg.parameters.recipe.RECIPES", recipe_file.parent)
    monkeypatch.chdir(tiny_dataset)
    assert run("segment", ".", "02", "--model", tiny_models, "--device", "cpu") == 0
    assert len(masks(tiny_dataset / "02_RES")) == 3


def test_complete_masks_are_kept_and_damaged_ones_made_anew(tiny_dataset, recipe_file, tiny_models):
    chosen = (tiny_dataset, "02", recipe_file, tiny_models)
    assert segment(*chosen) == 0
    out = tiny_dataset / "02_RES"
    whole, times = masks(out), {p.name: p.stat().st_mtime_ns for p in out.iterdir()}
    (out / "mask000.tif").write_bytes(whole["mask000.tif"][:-40])
    tifffile.imwrite(out / "mask001.tif", np.zeros((61, 47), np.uint8))
    assert segment(*chosen) == 0
    assert masks(out) == whole
    assert (out / "mask002.tif").stat().st_mtime_ns == times["mask002.tif"]
    # Headers intact, pixels not.
    with tifffile.TiffFile(out / "mask000.tif") as tif:
        last = tif.pages[0].dataoffsets[0] + tif.pages[0].databytecounts[0] - 1
    damaged = bytearray(whole["mask000.tif"])
    damaged[last] ^= 1
    (out / "mask000.tif").write_bytes(damaged)
    assert segment(*chosen) == 0
    assert masks(out) == whole
    assert (out / "mask001.tif").stat().st_mtime_ns != times["mask001.tif"]
    assert segment(*chosen, "--overwrite") == 0
    assert masks(out) == whole
    assert (out / "mask002.tif").stat().st_mtime_ns != times["mask002.tif"]


def test_masks_made_in_another_way_are_not_taken_for_this_runs(
    tiny_dataset, recipe_file, tiny_models, tmp_path, capsys
):
    chosen, out = (tiny_dataset, "02"), tiny_dataset / "02_RES"
    assert segment(*chosen, recipe_file, tiny_models) == 0
    before = masks(out)
    other = tiny_recipe(tmp_path / "other.yaml", labeling={"method": "components", "min_size": 9})
    capsys.readouterr()
    assert segment(*chosen, other, tiny_models) == 1
    refusal(capsys, "masks-mixed", str(out), " 3 ")
    assert segment(*chosen, recipe_file, tiny_models, "--method", "classical") == 1
    refusal(capsys, "masks-mixed")
    assert segment(*chosen, recipe_file, tmp_path / "nowhere") == 1
    refusal(capsys, "model-missing")
    # A part made anew would leave the others as they were.
    assert segment(*chosen, other, tiny_models, "--overwrite", "--frames", "0:2") == 1
    refusal(capsys, "masks-mixed")
    assert masks(out) == before
    assert segment(*chosen, other, tiny_models, "--overwrite") == 0
    assert masks(out) != before


def test_an_output_that_cannot_be_written_shows_before_work_begins(
    tiny_dataset, recipe_file, tiny_models, tmp_path, capsys
):
    place = tmp_path / "a file"
    place.write_text("")
    assert segment(tiny_dataset, "02", recipe_file, tiny_models, "--output", place) == 1
    refusal(capsys, "path-unwritable", "a file")


def test_a_network_for_another_map_is_refused(
    tiny_dataset, recipe_file, tiny_models, tmp_path, capsys
):
    models = shutil.copytree(tiny_models, tmp_path / "models")
    shutil.rmtree(models / "centers")
    assert segment(tiny_dataset, "02", recipe_file, models, "--output", tmp_path / "out") == 1
    refusal(capsys, "network-missing", "centers")


def test_no_score_on_what_was_learnt_from_unless_told(
    tiny_dataset, recipe_file, tiny_models, tmp_path, capsys
):
    models, out = shutil.copytree(tiny_models, tmp_path / "models"), tmp_path / "out"
    card = models / "centers" / "model.yaml"
    seen = [fingerprint(tiny_dataset / "01" / f"t00{frame}.tif") for frame in (0, 1)]
    card.write_text(yaml.safe_dump({**yaml.safe_load(card.read_text()), "seen": seen}))
    # The frames count, wherever they lie.
    moved = tiny_dataset.rename(tmp_path / "elsewhere")
    assert segment(moved, "01", recipe_file, models, "--output", out) == 0
    assert json.loads((out / ".segmentation.json").read_text())["seen"] == [0, 1]
    capsys.readouterr()
    score = ["score", str(moved), "01", "--result", str(out), "--measures", "SEG"]
    assert judge(score) == 1
    assert "trained on 2 of the frames, from 0 to 1; expected" in capsys.readouterr().err
    assert judge([*score, "--seen"]) == 0
    assert judge([*score, "--frames", "2:"]) == 0
    assert judge([*score, "--frames", "1:"]) == 1


def test_real_frame(data_root, tiny_models, tmp_path):
    dataset = data_root / "BBBC050"
    if not (dataset / "09" / "t000.tif").is_file():
        pytest.skip(f"{dataset}: no sequence 09")
    work = tmp_path / "data" / "BBBC050" / "09"
    work.mkdir(parents=True)
    volume = read_volume(dataset / "09" / "t000.tif")[20:23]
    write_volume(work / "t000.tif", volume)
    options = ("--model", tiny_models, "--device", "cpu")
    assert run("segment", work.parent, "09", *options) == 0
    assert read_volume(work.parent / "09_RES" / "mask000.tif").shape == volume.shape


def test_old_masks_stay_until_new_ones_take_their_place(
    tiny_dataset, recipe_file, tiny_models, tmp_path, capsys, monkeypatch
):
    """A run with --overwrite that dies midway loses nothing, and does not pass for a whole one."""
    chosen, out = (tiny_dataset, "02"), tiny_dataset / "02_RES"
    other = tiny_recipe(tmp_path / "other.yaml", labeling={"method": "components", "min_size": 9})
    assert segment(*chosen, other, tiny_models) == 0
    expected = masks(out)
    assert segment(*chosen, recipe_file, tiny_models, "--overwrite") == 0
    old, left = masks(out), [1]
    assert all(old[name] != expected[name] for name in old)

    def full(path, labels):
        if not left:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        left.pop()
        write_labels(path, labels)

    monkeypatch.setattr(chain, "write_labels", full)
    capsys.readouterr()
    assert segment(*chosen, other, tiny_models, "--overwrite") == 1
    refusal(capsys, "disk-full", "mask00", "make room")
    monkeypatch.undo()
    stale = json.loads((out / ".segmentation.json").read_text())["stale"]
    found = masks(out)
    assert len(stale) == 2
    assert {name: found[name] for name in stale} == {name: old[name] for name in stale}
    assert all(found[name] == expected[name] for name in set(old) - set(stale))
    assert judge(["score", str(tiny_dataset), "02", "--output", str(tmp_path / "s.json")]) == 1
    assert "error[record-unfinished]: " in capsys.readouterr().err
    assert segment(*chosen, other, tiny_models) == 0  # goes on without --overwrite
    assert masks(out) == expected
    assert "stale" not in json.loads((out / ".segmentation.json").read_text())


def test_temporary_files_of_a_killed_run_are_removed(tiny_dataset, recipe_file, tiny_models):
    out = tiny_dataset / "02_RES"
    out.mkdir()
    for name in (f".mask001-{'a1' * 16}.tif", f"..segmentation-{'b2' * 16}.json"):
        (out / name).write_bytes(b"half")
    kept = out / f".mask777-{'c3' * 16}.tif"  # of another run, which may be writing it now
    kept.write_bytes(b"half")
    assert segment(tiny_dataset, "02", recipe_file, tiny_models) == 0
    assert {path.name for path in out.glob(".*")} == {".segmentation.json", kept.name}


def test_a_frame_that_was_replaced_after_its_mask_was_made_is_told(
    tiny_dataset, recipe_file, tiny_models, caplog
):
    """However old the file is, and again at each start; not where it was copied or touched."""
    chosen, mask = (tiny_dataset, "02", recipe_file, tiny_models), "mask001.tif"
    raw, out = tiny_dataset / "02", tiny_dataset / "02_RES"
    assert segment(*chosen) == 0
    before = masks(out)
    later = (out / mask).stat().st_mtime + 60
    os.utime(raw / "t001.tif", (later, later))
    assert segment(*chosen) == 0
    assert "changed" not in caplog.text
    shutil.copy(raw / "t000.tif", raw / "t001.tif")
    os.utime(raw / "t001.tif", (0, 0))
    (out / "mask002.tif").unlink()
    for _ in range(2):
        caplog.clear()
        assert segment(*chosen) == 0
        assert "t001.tif: changed since its mask was made" in caplog.text
    assert masks(out) == before
    (out / mask).unlink()
    caplog.clear()
    assert segment(*chosen) == 0
    assert "changed" not in caplog.text
    assert masks(out)[mask] == before["mask000.tif"]
