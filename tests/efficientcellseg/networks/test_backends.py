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
from efficientcellseg.networks.backends import compile_network  # noqa: E402
from efficientcellseg.networks.base import build  # noqa: E402
from efficientcellseg.networks.loading import input_size, load_networks  # noqa: E402
from efficientcellseg.parameters.architecture import UNet3DArchitecture  # noqa: E402


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
    assert maps.std() > 0.1
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
