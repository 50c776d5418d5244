"""Networks in ONNX Runtime and OpenVINO: the same maps as torch, the same batches."""

import sys

import numpy as np
import pytest
from conftest import BACKENDS, ROOT, blobs, random_tiles, tiny_network
from refusal import refused

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from efficientcellseg.chain import inference  # noqa: E402
from efficientcellseg.chain.inference import predict  # noqa: E402
from efficientcellseg.networks import backends  # noqa: E402
from efficientcellseg.networks.backends import compile_network, fastest_backend  # noqa: E402
from efficientcellseg.networks.base import build  # noqa: E402
from efficientcellseg.networks.loading import (  # noqa: E402
    input_size,
    load_networks,
    with_backend,
)
from efficientcellseg.parameters.architecture import UNet3DArchitecture  # noqa: E402
from efficientcellseg.parameters.recipe import load_recipe  # noqa: E402


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_maps_are_those_of_torch(tiny_models, backend):
    count = inference.TILES_AT_ONCE + 3
    networks = ("cells", "centers")
    expected = load_networks(tiny_models, networks, "cpu")
    found = load_networks(tiny_models, networks, "cpu", backend)
    assert [network.input_size for network in found] == [64, 64]
    wanted = predict(expected, random_tiles(count, 64))
    for name, maps in predict(found, random_tiles(count, 64)).items():
        assert maps.shape == (count, 64, 64)
        assert maps.dtype == np.float32
        assert maps.std() > 0.1
        np.testing.assert_allclose(maps, wanted.pop(name), atol=1e-4)
    assert not wanted


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_shipped_networks(backend):
    folder = ROOT / "resources" / "weights" / "generalist"
    size = input_size(folder, ("cells",))
    expected = load_networks(folder, ("cells",), "cpu")
    found = load_networks(folder, ("cells",), "cpu", backend)
    image, _ = blobs((1, size, size), seed=5)
    tile = np.stack([image / 250] * 3, axis=1).astype(np.float32)
    maps = predict(found, tile)["cells"]
    assert maps.std() > 0.05
    np.testing.assert_allclose(maps, predict(expected, tile)["cells"], atol=1e-4)


def test_a_backend_that_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with refused("package-missing", "openvino"):
        compile_network(tiny_network(0), "openvino", "cpu")


def test_other_backends_than_torch_run_on_the_cpu(tiny_models, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with refused("backend-unfit", "cuda", "onnxruntime"):
        load_networks(tiny_models, ("cells",), "cuda", "onnxruntime")


def test_3d_networks_run_in_torch_alone():
    pytest.importorskip("monai")
    shape = {"filters": (4, 4, 8), "planes": 2, "input_size": 16}
    with refused("backend-unfit", "2 slices"):
        compile_network(build(UNet3DArchitecture(kind="unet3d", **shape)), "onnxruntime", "cpu")


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EFFICIENTCELLSEG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def installed(monkeypatch):
    """Say which packages beside onnx are there."""

    def set_to(*names):
        monkeypatch.setattr(backends, "find_spec", lambda name: name in (*names, "onnx"))

    return set_to


def test_the_fastest_that_is_installed_and_agrees(tiny_models, own_cache, installed, monkeypatch):
    folders = [tiny_models / "cells", tiny_models / "centers"]
    installed()
    assert fastest_backend(folders) == "torch"
    installed("onnxruntime")
    assert fastest_backend(folders) == "onnxruntime"
    assert fastest_backend(folders, "bf16") == "torch"  # ONNX Runtime knows no bf16
    monkeypatch.setattr(backends, "_difference", lambda *_: backends.SAME_WITHIN)
    installed("onnxruntime", "openvino")
    assert fastest_backend(folders) == "openvino"
    apart = {"openvino": 2 * backends.SAME_WITHIN, "onnxruntime": 0.0}
    monkeypatch.setattr(backends, "_difference", lambda _, backend: apart[backend])
    assert fastest_backend(folders) == "onnxruntime"
    for nothing in (float("nan"), float("inf")):
        monkeypatch.setattr(backends, "_difference", lambda *_, nothing=nothing: nothing)
        assert fastest_backend(folders) == "torch"


def test_the_difference_to_torch_is_measured_once(tiny_models, own_cache, installed, monkeypatch):
    installed("onnxruntime")
    folder = tiny_models / "cells"
    assert fastest_backend([folder]) == "onnxruntime"
    (verdict,) = own_cache.glob("*onnxruntime*.json")
    assert (own_cache / next(own_cache.glob("*.onnx"))).stat().st_size > 1000
    monkeypatch.setattr(backends, "load_compiled", None)  # is not asked again
    assert fastest_backend([folder]) == "onnxruntime"
    verdict.write_text('{"difference": 0.5}')
    assert fastest_backend([folder]) == "torch"
    verdict.write_text("damaged")
    monkeypatch.undo()
    monkeypatch.setenv("EFFICIENTCELLSEG_CACHE", str(own_cache))
    installed("onnxruntime")
    assert fastest_backend([folder]) == "onnxruntime"


def test_a_network_that_another_program_computes_otherwise(tiny_models, own_cache, installed):
    installed("onnxruntime")
    sha256 = backends.read_card(tiny_models / "cells").sha256
    other = backends.to_onnx(tiny_network(99))
    own_cache.mkdir()
    (own_cache / f"{sha256}-torch-{torch.__version__}.onnx").write_bytes(other)
    assert fastest_backend([tiny_models / "cells"]) == "torch"


def test_what_is_compiled_already_needs_no_network_in_torch(tiny_models, own_cache, monkeypatch):
    tiles = random_tiles(3, 64)
    wanted = predict(load_networks(tiny_models, ("cells",), "cpu", "onnxruntime"), tiles)
    monkeypatch.setattr(backends, "load_model", None)
    found = predict(load_networks(tiny_models, ("cells",), "cpu", "onnxruntime"), tiles)
    np.testing.assert_array_equal(found["cells"], wanted["cells"])


def test_a_cache_that_cannot_be_written(tiny_models, tmp_path, monkeypatch, installed):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EFFICIENTCELLSEG_CACHE", str(tmp_path / "file"))
    installed("onnxruntime")
    assert fastest_backend([tiny_models / "cells"]) == "onnxruntime"


def test_torch_where_a_gpu_or_no_network_is_asked_for(tiny_models, recipe_file, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    recipe = load_recipe(recipe_file)
    assert with_backend(recipe, tiny_models, "cuda").backend == "torch"
    assert with_backend(recipe.model_copy(update={"maps": ()}), tiny_models).backend == "torch"
    asked = with_backend(recipe, tiny_models, "cpu", "onnxruntime")
    assert asked.backend == "onnxruntime"
    assert with_backend(asked, tiny_models, "cpu").backend == "onnxruntime"
    assert with_backend(asked, tiny_models, "cpu", "auto", "bf16").precision == "bf16"


def test_bf16_is_coarser(tiny_models):
    tiles = random_tiles(3, 64)
    fine = predict(load_networks(tiny_models, ("cells",), "cpu"), tiles)["cells"]
    networks = load_networks(tiny_models, ("cells",), "cpu", precision="bf16")
    coarse = predict(networks, tiles)["cells"]
    assert 0 < abs(coarse - fine).max() < 0.1
    with refused("backend-unfit", "bf16", "float32"):
        load_networks(tiny_models, ("cells",), "cpu", "onnxruntime", precision="bf16")
