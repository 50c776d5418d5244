"""The steps' command lines: both ways to the same masks, going on, and bad input."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tifffile
import yaml
from conftest import ROOT, TINY, tiny_recipe

from ctc_eval.__main__ import main as judge
from ctc_eval.format import fingerprint, read_volume, write_volume
from efficientcellseg.__main__ import main

COMMANDS = ["pseudocolor", "tile", "infer", "label", "segment", "samples", "train"]


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def masks(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("mask*"))}


def staged(dataset, sequence, recipe, models, work, *options):
    """Run the four steps one by one; give the folder of masks."""
    one, two, three, four = (work / name for name in ("colored", "tiles", "maps", "masks"))
    shared = ("--recipe", recipe)
    assert run("pseudocolor", dataset, sequence, "--output", one, *shared, *options) == 0
    assert run("tile", one, "--output", two, "--model", models, *shared) == 0
    assert run("infer", two, "--output", three, "--model", models, "--device", "cpu", *shared) == 0
    assert run("label", three, "--output", four, *shared) == 0
    return four


def segment(dataset, sequence, recipe, models, *options) -> int:
    chosen = ("--recipe", recipe, "--model", models, "--device", "cpu")
    return run("segment", dataset, sequence, *chosen, *options)


# Both ways


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
    assert (
        "holds 3 masks made with another recipe, method, model or backend"
        in capsys.readouterr().err
    )
    assert segment(*chosen, recipe_file, tiny_models, "--method", "classical") == 1
    assert segment(*chosen, recipe_file, tmp_path / "nowhere") == 1
    # A part made anew would leave the others as they were.
    assert segment(*chosen, other, tiny_models, "--overwrite", "--frames", "0:2") == 1
    assert masks(out) == before
    assert segment(*chosen, other, tiny_models, "--overwrite") == 0
    assert masks(out) != before


def test_an_output_that_cannot_be_written_shows_before_work_begins(
    tiny_dataset, recipe_file, tiny_models, tmp_path, capsys
):
    place = tmp_path / "a file"
    place.write_text("")
    assert segment(tiny_dataset, "02", recipe_file, tiny_models, "--output", place) == 1
    line = capsys.readouterr().err
    assert "a file: cannot be written" in line
    assert line.count("\n") == 1


def test_a_network_for_another_map_is_refused(
    tiny_dataset, recipe_file, tiny_models, tmp_path, capsys
):
    models = shutil.copytree(tiny_models, tmp_path / "models")
    shutil.rmtree(models / "centers")
    assert segment(tiny_dataset, "02", recipe_file, models, "--output", tmp_path / "out") == 1
    assert "no network for centers, only for cells; expected one" in capsys.readouterr().err


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
    steps = tmp_path / "steps"
    options = ("--recipe", recipe_file, "--model", models, "--output", steps)
    assert run("record", moved, "01", *options) == 0
    record = json.loads((out / ".segmentation.json").read_text())
    assert record == json.loads((steps / ".segmentation.json").read_text())
    assert record["seen"] == [0, 1]
    capsys.readouterr()
    score = ["score", str(moved), "01", "--result", str(out), "--measures", "SEG"]
    assert judge(score) == 1
    assert "learnt from 2 of the frames, from 0 to 1; expected" in capsys.readouterr().err
    assert judge([*score, "--seen"]) == 0
    assert judge([*score, "--frames", "2:"]) == 0
    assert judge([*score, "--frames", "1:"]) == 1


# Bad input: exit code 1, one line, nothing written


def replace_frame(dataset, **options) -> None:
    image = np.zeros(options.pop("shape", (61, 47)), options.pop("kind", np.uint8))
    tifffile.imwrite(dataset / "02" / "t001.tif", image, **options)


def truncate(dataset) -> None:
    path = dataset / "02" / "t001.tif"
    path.write_bytes(path.read_bytes()[:-50])


def empty(dataset) -> None:
    for path in (dataset / "02").iterdir():
        path.unlink()


def all_of(kind: type):
    def change(dataset) -> None:
        for path in (dataset / "02").iterdir():
            tifffile.imwrite(path, np.zeros((61, 47), kind))

    return change


FAULTS = {
    "missing frame": (lambda d: (d / "02" / "t001.tif").unlink(), "t001.tif is missing"),
    "wrong shape": (lambda d: replace_frame(d, shape=(60, 47)), r"t001.tif: shape \(1, 60, 47\)"),
    "wrong type": (lambda d: replace_frame(d, kind=np.uint16), "of uint16; expected .* of uint8"),
    "truncated": (truncate, "t001.tif: "),
    "rgb": (
        lambda d: replace_frame(d, shape=(61, 47, 3), photometric="rgb"),
        "t001.tif: RGB image",
    ),
    "text": (lambda d: (d / "02" / "t001.tif").write_text("x"), "cannot be read as a TIFF"),
    "empty folder": (empty, "no file named t000.tif"),
    "no sequence": (lambda d: (d / "02").rename(d / "03"), "no such folder"),
    "signed": (all_of(np.int16), "pixel type int16; expected unsigned"),
    "32 bits": (all_of(np.uint32), "uint32; expected unsigned integers \\(uint8 or uint16\\)"),
}


def refused(capsys, tmp_path) -> str:
    """Give the one line on stderr, where nothing was written beside the test's own input."""
    line = capsys.readouterr().err.rstrip("\n")
    # A progress bar may have begun; what counts is the line after it.
    line = line.split("\r")[-1].split("\n")[-1] if "\r" in line else line
    assert line
    assert "\n" not in line
    assert "Traceback" not in line
    out = tmp_path / "out"
    assert not out.exists() or not any(out.iterdir())
    return line


@pytest.mark.parametrize("command", ["segment", "pseudocolor"])
@pytest.mark.parametrize("fault", list(FAULTS))
def test_frames_at_fault(tiny_dataset, recipe_file, tiny_models, tmp_path, capsys, command, fault):
    change, message = FAULTS[fault]
    change(tiny_dataset)
    options = ["--model", tiny_models, "--device", "cpu"] if command == "segment" else []
    place = ("--output", tmp_path / "out", "--recipe", recipe_file)
    assert run(command, tiny_dataset, "02", *place, *options) == 1
    assert re.search(message, refused(capsys, tmp_path))


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ("5", "frames '5'; expected A:B"),
        ("a:b", "frames 'a:b'; expected A:B"),
        ("3:", "frames 3:: none in .*; it has frames 0 to 2"),
        ("2:1", "frames '2:1' hold no frame"),
    ],
)
def test_frames_that_are_not_there(
    tiny_dataset, recipe_file, tiny_models, tmp_path, capsys, frames, message
):
    options = ("--frames", frames, "--output", tmp_path / "out")
    assert segment(tiny_dataset, "02", recipe_file, tiny_models, *options) == 1
    assert re.search(message, refused(capsys, tmp_path))


def test_frames_after_the_last_are_told(tiny_dataset, recipe_file, tiny_models, tmp_path, caplog):
    options = ("--frames", "1:5", "--output", tmp_path / "out")
    assert segment(tiny_dataset, "02", recipe_file, tiny_models, *options) == 0
    assert list(masks(tmp_path / "out")) == ["mask001.tif", "mask002.tif"]
    told = [record.getMessage() for record in caplog.records if "no frame" in record.getMessage()]
    assert told == [f"{tiny_dataset / '02'}: no frame 3 to 4, the last one is 2"]


def test_an_unknown_key_of_the_recipe(tiny_dataset, tiny_models, tmp_path, capsys):
    recipe = tiny_recipe(tmp_path / "r.yaml", labeling={"method": "components", "min_sise": 3})
    out = ("--output", tmp_path / "out")
    assert segment(tiny_dataset, "02", recipe, tiny_models, *out) == 1
    line = refused(capsys, tmp_path)
    assert (
        "labeling: unknown key min_sise (meant: min_size?), allowed: anisotropy, fill_holes, me"
        in line
    )


def test_an_unknown_data_set(tiny_dataset, tiny_models, tmp_path, capsys):
    out = ("--output", tmp_path / "out")
    assert run("segment", tiny_dataset, "02", "--model", tiny_models, *out) == 1
    assert "Tiny: no recipe of that name; known: BBBC050" in refused(capsys, tmp_path)


def test_no_weights(tiny_dataset, recipe_file, tmp_path, capsys):
    out = ("--output", tmp_path / "out")
    assert segment(tiny_dataset, "02", recipe_file, tmp_path / "nowhere", *out) == 1
    line = refused(capsys, tmp_path)
    assert "nowhere: no model there; expected a folder with model.yaml" in line


def test_tampered_weights(tiny_dataset, recipe_file, tiny_models, tmp_path, capsys):
    models = shutil.copytree(tiny_models, tmp_path / "models")
    path = models / "centers" / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    out = ("--output", tmp_path / "out")
    assert segment(tiny_dataset, "02", recipe_file, models, *out) == 1
    assert "centers/weights.safetensors: SHA-256" in refused(capsys, tmp_path)


def test_masks_do_not_replace_the_frames(tiny_dataset, recipe_file, tiny_models, capsys):
    before = masks(tiny_dataset / "02")
    place = ("--output", tiny_dataset / "02")
    assert segment(tiny_dataset, "02", recipe_file, tiny_models, *place) == 1
    assert "holds the raw frames" in capsys.readouterr().err
    assert masks(tiny_dataset / "02") == before


def test_a_step_without_the_step_before(recipe_file, tiny_models, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    shared = (tmp_path / "in", "--output", tmp_path / "out", "--recipe", recipe_file)
    model = ("--model", tiny_models)
    for command, ending, options in (
        ("tile", "npy", model), ("infer", "npz", model), ("label", "npz", ())
    ):  # fmt: skip
        assert run(command, *shared, *options) == 1
        line = capsys.readouterr().err.removesuffix("\n")
        assert "\n" not in line  # no progress bar before work begins
        assert "\r" not in line
        assert f"no t*.{ending}; expected the step before to have filled it" in line
        (tmp_path / "in" / f"t000.{ending}").write_bytes(
            b"PK\x03\x04" if ending == "npz" else b"no array"
        )
        assert run(command, *shared, *options) == 1
        assert f"t000.{ending}: damaged" in refused(capsys, tmp_path)
        (tmp_path / "in" / f"t000.{ending}").unlink()


def test_a_step_given_the_folder_of_another(recipe_file, tiny_models, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    np.savez(tmp_path / "in" / "t000.npz", cells=np.zeros((1, 4, 4), np.float32))
    shared = (tmp_path / "in", "--output", tmp_path / "out", "--recipe", recipe_file)
    assert run("infer", *shared, "--model", tiny_models, "--device", "cpu") == 1
    assert "expected the folder that the step before filled" in refused(capsys, tmp_path)
    assert run("label", *shared) == 1
    assert "no centers map among cells" in refused(capsys, tmp_path)


def test_tiles_of_another_recipe(tiny_dataset, recipe_file, tiny_models, tmp_path, capsys):
    one, two = tmp_path / "colored", tmp_path / "tiles"
    assert run("pseudocolor", tiny_dataset, "02", "--output", one, "--recipe", recipe_file) == 0
    model = ("--model", tiny_models)
    assert run("tile", one, "--output", two, "--recipe", recipe_file, *model) == 0
    other = tiny_recipe(tmp_path / "other.yaml", tiling={"rows": 1})
    capsys.readouterr()
    out = ("--output", tmp_path / "out")
    assert run("infer", two, *out, "--recipe", other, *model, "--device", "cpu") == 1
    assert "6 tiles; expected 1, 1 for each of 1 slices" in refused(capsys, tmp_path)


# Training, from configuration to a network that segments


def configuration(tmp_path, **changes):
    values = {
        "model": {**TINY, "decoder_filters": list(TINY["decoder_filters"])},
        "data": [{"dataset": "Tiny", "sequences": ["02"]}],
        "training": {"batch": 2, "epochs": 1, "steps": 1, "validation": 0.3},
    }
    path = tmp_path / "training.yaml"
    path.write_text(yaml.safe_dump({**values, **changes}))
    return path


def test_from_frames_to_networks_to_masks(tiny_dataset, recipe_file, tmp_path, monkeypatch):
    monkeypatch.setattr("efficientcellseg.parameters.recipe.RECIPES", recipe_file.parent)
    config, samples = configuration(tmp_path), tmp_path / "samples.npz"
    assert run("samples", config, "--data", tiny_dataset.parent, "--output", samples) == 0
    for name in ("cells", "centers"):
        place = ("--maps", name, "--output", tmp_path / "models" / name)
        assert run("train", config, "--samples", samples, *place, "--device", "cpu") == 0
        card = yaml.safe_load((tmp_path / "models" / name / "model.yaml").read_text())
        assert (card["architecture"]["maps"], card["samples"]) == ([name], 18)
        assert len(card["seen"]) == 3
        assert {"commit", "packages", "python"} <= card["software"].keys()
        assert card["configuration"]["training"]["steps"] == 1
    assert segment(tiny_dataset, "02", recipe_file, tmp_path / "models") == 0
    assert len(masks(tiny_dataset / "02_RES")) == 3


def test_samples_of_another_configuration(tiny_dataset, recipe_file, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("efficientcellseg.parameters.recipe.RECIPES", recipe_file.parent)
    config, samples = configuration(tmp_path), tmp_path / "samples.npz"
    assert run("samples", config, "--data", tiny_dataset.parent, "--output", samples) == 0
    other = configuration(tmp_path, model={**TINY, "decoder_filters": [8] * 4, "input_size": 96})
    options = ("--maps", "cells", "--output", tmp_path / "out")
    capsys.readouterr()
    assert run("train", other, "--samples", samples, *options) == 1
    assert "of Tiny at 64 pixels; expected Tiny at 96" in refused(capsys, tmp_path)
    colored = ("--set", "pseudocolor.context=none")
    config = configuration(tmp_path)
    assert run("train", config, "--samples", samples, *options, *colored) == 1
    assert "'context': 'none'" in refused(capsys, tmp_path).replace('"', "'")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"encoder": "tf_efficientnet_lite0", "input_size": 100}}, "model.input_size"),
        ({"modell": {}}, "unknown key modell"),
        ({"data": []}, "data"),
    ],
)
def test_a_training_configuration_at_fault(tmp_path, capsys, changes, message):
    config = configuration(tmp_path, **changes)
    assert run("samples", config, "--output", tmp_path / "out" / "s.npz") == 1
    assert message in refused(capsys, tmp_path)


# Help


def test_help_of_each_command_waits_for_no_torch():
    script = (
        "import contextlib, io, sys\n"
        "from efficientcellseg.__main__ import main\n"
        "for command in sys.argv[1:]:\n"
        "    text = io.StringIO()\n"
        "    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):\n"
        "        main([command, '--help'] if command != '-' else ['--help'])\n"
        "    assert 'usage: python -m efficientcellseg' in text.getvalue(), command\n"
        "    heavy = {'torch', 'timm', 'cv2', 'scipy', 'skimage'} & sys.modules.keys()\n"
        "    assert not heavy, (command, heavy)\n"
        "    print(command, len(text.getvalue()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "-", *COMMANDS], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    lengths = dict(line.split() for line in done.stdout.splitlines())
    assert list(lengths) == ["-", *COMMANDS]
    assert min(map(int, lengths.values())) > 200


@pytest.mark.parametrize("arguments", [[], ["sing"], ["segment"], ["infer", "x", "--recipe"]])
def test_wrong_usage_is_exit_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err


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
