"""Networks in ONNX Runtime and OpenVINO: the same maps as torch, the same batches."""

import importlib.util
import sys

import numpy as np
import pytest
import yaml
from conftest import ROOT, blobs, tiny_network, tiny_recipe

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from ctc_eval.format import InputError, read_volume  # noqa: E402
from efficientcellseg.__main__ import main  # noqa: E402
from efficientcellseg.chain import inference  # noqa: E402
from efficientcellseg.chain.inference import load_networks, predict  # noqa: E402
from efficientcellseg.networks.backends import compile_network  # noqa: E402
from efficientcellseg.networks.folders import save_model  # noqa: E402

BACKENDS = [
    "onnxruntime",
    pytest.param(
        "openvino",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("openvino") is None,
            reason="openvino is not installed; it is optional",
        ),
    ),
]


def tiles(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).random((count, 3, size, size), dtype=np.float32)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_maps_are_those_of_torch(tiny_models, backend):
    count = inference.BATCH + 3
    networks = ("cells", "centers")
    expected = load_networks(tiny_models, networks, "cpu")
    found = load_networks(tiny_models, networks, "cpu", backend)
    assert [network.input_size for network in found] == [64, 64]
    wanted = predict(expected, tiles(count, 64))
    for name, maps in predict(found, tiles(count, 64)).items():
        assert maps.shape == (count, 64, 64)
        assert maps.dtype == np.float32
        assert maps.std() > 0.1
        np.testing.assert_allclose(maps, wanted.pop(name), atol=1e-4)
    assert not wanted


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_shipped_networks(backend):
    folder = ROOT / "resources" / "weights" / "generalist"
    size = inference.input_size(folder, ("cells",))
    expected = load_networks(folder, ("cells",), "cpu")
    found = load_networks(folder, ("cells",), "cpu", backend)
    image, _ = blobs((1, size, size), seed=5)
    tile = np.stack([image / 250] * 3, axis=1).astype(np.float32)
    maps = predict(found, tile)["cells"]
    assert maps.std() > 0.1
    np.testing.assert_allclose(maps, predict(expected, tile)["cells"], atol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_masks_from_the_command_line(tiny_dataset, tiny_models, tmp_path, backend):
    recipe = tiny_recipe(tmp_path / "Tiny.yaml")
    words = ["segment", str(tiny_dataset), "01", "--recipe", str(recipe), "--frames", "0:2",
             "--model", str(tiny_models), "--device", "cpu"]  # fmt: skip
    assert main([*words, "--output", str(tmp_path / "torch")]) == 0
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
    assert main(words) == 0
    assert main([*words, "--backend", "onnxruntime"]) == 1
    assert "expected none, or such of this run" in capsys.readouterr().err


def test_the_staged_step(tiny_models, tmp_path):
    recipe = tiny_recipe(tmp_path / "Tiny.yaml", tiling={"rows": 1, "columns": 1})
    (tmp_path / "tiles").mkdir()
    np.savez(tmp_path / "tiles" / "t000.npz", tiles=tiles(3, 64), shape=(3, 64, 64))
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


def test_a_backend_that_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(InputError, match=r"openvino: not installed.*pip install openvino"):
        compile_network(tiny_network(0), "openvino", "cpu")


def test_other_backends_than_torch_run_on_the_cpu(tiny_models, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match="device cuda: onnxruntime runs on the CPU"):
        load_networks(tiny_models, ("cells",), "cuda", "onnxruntime")


# Export


def test_the_exported_file(tmp_path):
    save_model(tmp_path / "model", tiny_network(0, "cells", "centers"), {})
    path = tmp_path / "out" / "both.onnx"
    assert main(["export", str(tmp_path / "model"), "--output", str(path)]) == 0
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (entry,), (result,) = session.get_inputs(), session.get_outputs()
    assert (entry.name, entry.shape[1:]) == ("x", [3, 64, 64])
    assert result.name == "probability"
    network = load_networks(tmp_path / "model", ("cells", "centers"), "cpu")
    for count in (1, 5):
        (found,) = session.run(None, {"x": tiles(count, 64)})
        assert found.shape == (count, 2, 64, 64)
        expected = predict(network, tiles(count, 64))
        for channel, name in enumerate(("cells", "centers")):
            # Untrained maps are next to flat, so the tolerance is narrow.
            assert expected[name].std() > 1e-3
            np.testing.assert_allclose(found[:, channel], expected[name], atol=1e-6)


def test_an_export_comes_back(tiny_models, tmp_path):
    path, folder = tmp_path / "cells.onnx", tmp_path / "m" / "cells"
    assert main(["export", str(tiny_models / "cells"), "--output", str(path)]) == 0
    words = ["--encoder", "tf_efficientnet_lite0", "--decoder-filters", "8", "8", "8", "8"]
    assert main(["import-onnx", str(path), "--output", str(folder), *words,
                 "--input-size", "64"]) == 0  # fmt: skip
    architecture, before = (
        yaml.safe_load((place / "model.yaml").read_text())["architecture"]
        for place in (folder, tiny_models / "cells")
    )
    assert architecture == before
    networks = (load_networks(place, ("cells",), "cpu") for place in (folder.parent, tiny_models))
    maps = [predict(network, tiles(2, 64))["cells"] for network in networks]
    np.testing.assert_allclose(*maps, atol=1e-4)


def test_a_folder_that_is_no_model(tmp_path, capsys):
    assert main(["export", str(tmp_path), "--output", str(tmp_path / "a.onnx")]) == 1
    assert "no model there" in capsys.readouterr().err
    assert not (tmp_path / "a.onnx").exists()
