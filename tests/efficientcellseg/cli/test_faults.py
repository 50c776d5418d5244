"""Bad input: exit code 1, one line with the fault's code, nothing written."""

import shutil

import numpy as np
import pytest
import tifffile
from commands import masks, refusal, run, segment
from conftest import tiny_recipe

from ctc_eval.format import InputError
from efficientcellseg.chain import segment as chain
from efficientcellseg.methods.efficientcellseg import EfficientCellSeg


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
    "missing frame": (lambda d: (d / "02" / "t001.tif").unlink(), "frame-missing", "t001.tif"),
    "wrong shape": (lambda d: replace_frame(d, shape=(60, 47)), "frame-unlike", "(1, 60, 47)"),
    "wrong type": (lambda d: replace_frame(d, kind=np.uint16), "frame-unlike", "uint16"),
    "truncated": (truncate, "tiff-truncated", "t001.tif"),
    "rgb": (
        lambda d: replace_frame(d, shape=(61, 47, 3), photometric="rgb"),
        "tiff-rgb",
        "t001.tif",
    ),
    "text": (lambda d: (d / "02" / "t001.tif").write_text("x"), "tiff-unreadable", "t001.tif"),
    "empty folder": (empty, "frames-absent", "t000.tif"),
    "no sequence": (lambda d: (d / "02").rename(d / "03"), "folder-missing", "02"),
    "signed": (all_of(np.int16), "pixel-type", "int16"),
    "32 bits": (all_of(np.uint32), "pixel-type", "uint32"),
}


def refused(capsys, tmp_path, code: str, *told: str) -> None:
    """Expect one line on stderr, and nothing written beside the test's own input."""
    refusal(capsys, code, *told)
    out = tmp_path / "out"
    assert not out.exists() or not any(out.iterdir())


@pytest.mark.parametrize("command", ["segment", "pseudocolor"])
@pytest.mark.parametrize("fault", list(FAULTS))
def test_frames_at_fault(tiny_dataset, recipe_file, tiny_models, tmp_path, capsys, command, fault):
    change, code, *told = FAULTS[fault]
    change(tiny_dataset)
    options = ["--model", tiny_models, "--device", "cpu"] if command == "segment" else []
    place = ("--output", tmp_path / "out", "--recipe", recipe_file)
    assert run(command, tiny_dataset, "02", *place, *options) == 1
    refused(capsys, tmp_path, code, *told)


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ("5", "range-malformed"),
        ("a:b", "range-malformed"),
        ("3:", "frames-absent"),
        ("2:1", "range-empty"),
    ],
)
def test_frames_that_are_not_there(
    tiny_dataset, recipe_file, tiny_models, tmp_path, capsys, frames, code
):
    options = ("--frames", frames, "--output", tmp_path / "out")
    assert segment(tiny_dataset, "02", recipe_file, tiny_models, *options) == 1
    refused(capsys, tmp_path, code, frames)


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
    refused(capsys, tmp_path, "key-unknown", "labeling", "min_sise", "min_size", "anisotropy")


def test_an_unknown_data_set(tiny_dataset, tiny_models, tmp_path, capsys):
    out = ("--output", tmp_path / "out")
    assert run("segment", tiny_dataset, "02", "--model", tiny_models, *out) == 1
    refused(capsys, tmp_path, "recipe-unknown", "Tiny", "BBBC050")


def test_no_weights(tiny_dataset, recipe_file, tmp_path, capsys):
    out = ("--output", tmp_path / "out")
    assert segment(tiny_dataset, "02", recipe_file, tmp_path / "nowhere", *out) == 1
    refused(capsys, tmp_path, "model-missing", "nowhere", "model.yaml")


def test_tampered_weights(tiny_dataset, recipe_file, tiny_models, tmp_path, capsys):
    models = shutil.copytree(tiny_models, tmp_path / "models")
    path = models / "centers" / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    out = ("--output", tmp_path / "out")
    assert segment(tiny_dataset, "02", recipe_file, models, *out) == 1
    refused(capsys, tmp_path, "weights-hash", "centers/weights.safetensors")


def test_masks_do_not_replace_the_frames(tiny_dataset, recipe_file, tiny_models, capsys):
    before = masks(tiny_dataset / "02")
    place = ("--output", tiny_dataset / "02")
    assert segment(tiny_dataset, "02", recipe_file, tiny_models, *place) == 1
    refusal(capsys, "output-raw", "02")
    assert masks(tiny_dataset / "02") == before


def test_a_step_without_the_step_before(recipe_file, tiny_models, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    shared = (tmp_path / "in", "--output", tmp_path / "out", "--recipe", recipe_file)
    model = ("--model", tiny_models)
    for command, ending, options in (
        ("tile", "npy", model), ("infer", "npz", model), ("label", "npz", ())
    ):  # fmt: skip
        assert run(command, *shared, *options) == 1
        line = capsys.readouterr().err
        assert line.startswith("error[arrays-missing]: ")
        assert line.count("\n") == 1  # no progress bar before work begins
        assert "\r" not in line
        (tmp_path / "in" / f"t000.{ending}").write_bytes(
            b"PK\x03\x04" if ending == "npz" else b"no array"
        )
        assert run(command, *shared, *options) == 1
        refused(capsys, tmp_path, "array-damaged", f"t000.{ending}")
        (tmp_path / "in" / f"t000.{ending}").unlink()


def test_a_step_given_the_folder_of_another(recipe_file, tiny_models, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    np.savez(tmp_path / "in" / "t000.npz", cells=np.zeros((1, 4, 4), np.float32))
    shared = (tmp_path / "in", "--output", tmp_path / "out", "--recipe", recipe_file)
    assert run("infer", *shared, "--model", tiny_models, "--device", "cpu") == 1
    refused(capsys, tmp_path, "array-missing", "tiles")
    assert run("label", *shared) == 1
    refused(capsys, tmp_path, "map-missing", "centers")


def test_tiles_of_another_recipe(tiny_dataset, recipe_file, tiny_models, tmp_path, capsys):
    one, two = tmp_path / "colored", tmp_path / "tiles"
    assert run("pseudocolor", tiny_dataset, "02", "--output", one, "--recipe", recipe_file) == 0
    model = ("--model", tiny_models)
    assert run("tile", one, "--output", two, "--recipe", recipe_file, *model) == 0
    other = tiny_recipe(tmp_path / "other.yaml", tiling={"rows": 1})
    capsys.readouterr()
    out = ("--output", tmp_path / "out")
    assert run("infer", two, *out, "--recipe", other, *model, "--device", "cpu") == 1
    refused(capsys, tmp_path, "tiles-count", "6")


def test_the_frame_is_named_whatever_ends_the_work_on_it(
    tiny_dataset, recipe_file, tiny_models, tmp_path, capsys, monkeypatch
):
    """In the fused way, by each of its threads; masks that were complete are kept."""
    chosen = (tiny_dataset, "02", recipe_file, tiny_models)
    for step, fault, code in (
        ("prepare", InputError("odd; expected even", code="values-odd"), "values-odd"),
        ("maps", MemoryError("3 GB"), "memory-full"),
        ("labels", InputError("70000 objects", code="label-range"), "label-range"),
    ):
        calls = []

        def second_fails(*given, calls=calls, fault=fault):
            calls.append(given)
            if len(calls) == 2:
                raise fault
            return real(*given)  # noqa: B023

        place = (chain, "label_volume") if step == "labels" else (EfficientCellSeg, step)
        real = getattr(*place)
        with monkeypatch.context() as patch:
            patch.setattr(*place, second_fails)
            capsys.readouterr()
            assert segment(*chosen, "--output", tmp_path / step) == 1
        frame = "t00" if step != "maps" else "t001.tif"  # threads take the first two at once
        line = refusal(capsys, code, frame, str(fault))
        assert line.count("t00") == 1
        assert segment(*chosen, "--output", tmp_path / step) == 0
    assert masks(tmp_path / "maps") == masks(tmp_path / "labels") == masks(tmp_path / "prepare")


def test_what_is_no_fault_of_the_input_tells_the_frame_too(
    tiny_dataset, recipe_file, tiny_models, monkeypatch
):
    def fail(*_):
        raise RuntimeError("CUDA error: device-side assert")

    monkeypatch.setattr(EfficientCellSeg, "maps", fail)
    with pytest.raises(RuntimeError, match="device-side") as caught:
        segment(tiny_dataset, "02", recipe_file, tiny_models)
    assert caught.value.__notes__ == [f"This ended the work on {tiny_dataset / '02' / 't000.tif'}."]


def test_too_many_objects_are_told_with_the_frame(recipe_file, tmp_path, capsys):
    """65,536 cells of one pixel, in a step of its own."""
    cells = np.zeros((1, 512, 512), np.float32)
    cells[:, ::2, ::2] = 1
    (tmp_path / "in").mkdir()
    np.savez(tmp_path / "in" / "t007.npz", cells=cells)
    recipe = tiny_recipe(tmp_path / "r.yaml", labeling={"method": "components", "min_size": 0})
    assert run("label", tmp_path / "in", "--output", tmp_path / "out", "--recipe", recipe) == 1
    refused(capsys, tmp_path, "label-range", "t007.npz", "65536 objects")
