"""The option that chooses what runs the networks, in both ways to masks."""

import numpy as np
import pytest
from commands import masks, refusal, run, segment, staged
from conftest import BACKENDS, random_tiles, tiny_recipe

pytest.importorskip("torch")
pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from ctc_eval.format import read_volume  # noqa: E402
from efficientcellseg.cli.main import main  # noqa: E402
from efficientcellseg.networks.backends import fastest_backend  # noqa: E402
from efficientcellseg.parameters.recipe import load_recipe  # noqa: E402
from efficientcellseg.provenance import read_mask_record  # noqa: E402


@pytest.mark.parametrize("backend", BACKENDS)
def test_masks_from_the_command_line(tiny_dataset, tiny_models, tmp_path, backend):
    recipe = tiny_recipe(tmp_path / "Tiny.yaml")
    words = ["segment", str(tiny_dataset), "01", "--recipe", str(recipe), "--frames", "0:2",
             "--model", str(tiny_models), "--device", "cpu"]  # fmt: skip
    assert main([*words, "--output", str(tmp_path / "torch"), "--backend", "torch"]) == 0
    assert main([*words, "--output", str(tmp_path / "other"), "--backend", backend]) == 0
    for frame in range(2):
        expected, found = (
            read_volume(tmp_path / folder / f"mask00{frame}.tif") for folder in ("torch", "other")
        )
        assert expected.any()
        assert np.mean((found > 0) != (expected > 0)) < 1e-3


def test_masks_of_two_backends_are_not_mixed(tiny_dataset, tiny_models, tmp_path, capsys):
    recipe = tiny_recipe(tmp_path / "Tiny.yaml")
    words = ["segment", str(tiny_dataset), "01", "--recipe", str(recipe), "--frames", "0:1",
             "--model", str(tiny_models), "--device", "cpu"]  # fmt: skip
    assert main([*words, "--backend", "torch"]) == 0
    assert main([*words, "--backend", "onnxruntime"]) == 1
    refusal(capsys, "masks-mixed")
    assert main([*words, "--backend", "torch", "--precision", "bf16"]) == 1
    refusal(capsys, "masks-mixed")


@pytest.mark.parametrize("backend", ["torch", "auto", *BACKENDS])
def test_staged_and_fused_in_each_backend(
    tiny_dataset, tiny_models, recipe_file, tmp_path, backend
):
    """The same bytes; the record tells the backend that `auto` came to, which `plan` writes."""
    planned = tmp_path / "planned.yaml"
    chosen = ("--recipe", recipe_file, "--model", tiny_models, "--device", "cpu")
    assert run("plan", tiny_dataset, "01", *chosen, "--backend", backend, "--output", planned) == 0
    named = load_recipe(planned).backend
    fastest = fastest_backend([tiny_models / name for name in ("cells", "centers")])
    assert named == (fastest if backend == "auto" else backend)
    found = staged(tiny_dataset, "01", planned, tiny_models, tmp_path / "staged")
    assert segment(tiny_dataset, "01", recipe_file, tiny_models, "--backend", backend) == 0
    assert masks(found) == masks(tiny_dataset / "01_RES")
    assert read_mask_record(tiny_dataset / "01_RES")["backend"] == named != "auto"


def test_masks_in_bf16_are_nearly_the_same(tiny_dataset, tiny_models, recipe_file, tmp_path):
    fine, coarse = tmp_path / "fine", tmp_path / "coarse"
    chosen = (tiny_dataset, "01", recipe_file, tiny_models, "--backend", "torch", "--frames", "0:1")
    assert segment(*chosen, "--output", fine) == 0
    assert segment(*chosen, "--output", coarse, "--precision", "bf16") == 0
    assert read_mask_record(coarse)["backend"] == "torch bf16"
    expected, found = (read_volume(folder / "mask000.tif") for folder in (fine, coarse))
    assert np.mean((found > 0) != (expected > 0)) < 0.02


def test_the_staged_step(tiny_models, tmp_path):
    recipe = tiny_recipe(tmp_path / "Tiny.yaml", tiling={"rows": 1, "columns": 1})
    (tmp_path / "tiles").mkdir()
    np.savez(tmp_path / "tiles" / "t000.npz", tiles=random_tiles(3, 64), shape=(3, 64, 64))
    for backend in ("torch", "onnxruntime"):
        words = ["infer", tmp_path / "tiles", "--output", tmp_path / backend, "--recipe", recipe,
                 "--model", tiny_models, "--device", "cpu", "--backend", backend]  # fmt: skip
        assert main([str(word) for word in words]) == 0
    with (
        np.load(tmp_path / "torch" / "t000.npz") as expected,
        np.load(tmp_path / "onnxruntime" / "t000.npz") as found,
    ):
        assert set(found) == {"cells", "centers"}
        for name in found:
            np.testing.assert_allclose(found[name], expected[name], atol=1e-4)
