"""Networks from ONNX files as Keras's exporter writes them."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from refusal import refused

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from keras_network import (  # noqa: E402
    ARCHITECTURE,
    MEAN,
    VARIANCE,
    Keras,
    images,
    ours,
    runtime,
    saved,
    sensible,
)
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from efficientcellseg.frozen import changed  # noqa: E402
from efficientcellseg.networks import onnx_graph  # noqa: E402
from efficientcellseg.networks.onnx_import import import_onnx  # noqa: E402
from efficientcellseg.parameters.architecture import EfficientCellSegArchitecture  # noqa: E402


def assert_same(
    path: Path,
    architecture: EfficientCellSegArchitecture,
    scale: float = 255.0,
    limit: float = 1e-4,
):
    model, differences = import_onnx(path, architecture, scale, limit)
    tiles = images(architecture.input_size)
    expected = runtime(path, np.float32(scale) * tiles)
    assert expected.std() > 0.1  # a map that says something
    assert np.abs(ours(model, tiles) - expected).max() < limit
    assert differences["probability"] < limit
    return model


@pytest.fixture(scope="module")
def small():
    """Make the network that most tests' files hold."""
    return sensible(ARCHITECTURE)


@pytest.mark.parametrize("norm", ["node", "constants", "fused"])
@pytest.mark.parametrize("gate", ["conv", "matmul"])
def test_a_keras_network_in_all_its_forms(small, norm, gate, tmp_path):
    pad = "auto" if gate == "matmul" else "node"
    keras = Keras(small, norm, gate, pad, prefix="" if norm == "fused" else "model/en_")
    model = assert_same(saved(keras.network(), tmp_path / "a.onnx"), ARCHITECTURE)
    assert not keras.weights
    assert model.architecture.mean == pytest.approx(MEAN, rel=1e-5)
    assert model.architecture.std == pytest.approx(np.sqrt(VARIANCE), rel=1e-5)
    assert model.architecture.raw_skip


@pytest.mark.parametrize("norm", ["node", "constants"])
@pytest.mark.parametrize("gate", ["conv", "matmul"])
def test_what_onnx_runtime_left_unfused(small, norm, gate, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_graph, "_simplified", lambda original: original)
    path = saved(Keras(small, norm, gate).network(), tmp_path / "a.onnx")
    model = assert_same(path, ARCHITECTURE)
    x = torch.randn(2, 240, 3, 3)
    for found, wanted in zip(model.modules(), small.modules(), strict=True):
        if isinstance(wanted, torch.nn.Conv2d) and wanted is not small.decoder[-1].layers[0]:
            torch.testing.assert_close(found.weight, wanted.weight)
        elif isinstance(wanted, torch.nn.BatchNorm2d) and wanted.num_features == 240:
            torch.testing.assert_close(found(x), wanted(x), rtol=1e-4, atol=1e-4)


def test_the_rescaling_of_later_versions(tmp_path):
    # The root of the variance twice, which is the published normalization.
    network = sensible(ARCHITECTURE, VARIANCE)
    path = saved(Keras(network, "fused").network(rescaled=True), tmp_path / "a.onnx")
    model = assert_same(path, ARCHITECTURE)
    assert model.architecture.mean == pytest.approx(MEAN, rel=1e-5)
    assert model.architecture.std == pytest.approx(VARIANCE, rel=1e-5)


def test_images_fed_in_0_to_1(tmp_path):
    network = sensible(ARCHITECTURE, brightest=1)
    path = saved(Keras(network, "fused").network(brightest=1), tmp_path / "a.onnx")
    # The image is all but constant after the division by 255, so that rounding shows.
    model = assert_same(path, ARCHITECTURE, scale=1.0, limit=1e-3)
    assert model.architecture.mean == pytest.approx([255 * m for m in MEAN], rel=1e-5)
    assert model.architecture.std == pytest.approx(255 * np.sqrt(VARIANCE), rel=1e-5)
    with refused("output-differs", "rounding alone", "--tolerance"):
        import_onnx(path, ARCHITECTURE, 1.0, tolerance=1e-7)


def test_a_network_for_images_of_one_size(small, tmp_path):
    path = saved(Keras(small, "fused").network(image_shape=(50, 90)), tmp_path / "a.onnx")
    _, differences = import_onnx(path, ARCHITECTURE, 255.0)
    assert 0 < differences["probability"] < 1e-4


def test_the_published_architecture(tmp_path):
    published = EfficientCellSegArchitecture(input_size=96)
    keras = Keras(sensible(published), "fused")
    network = keras.network(1.6, 2.2, (64, 48, 32, 16), size=96)
    assert_same(saved(network, tmp_path / "b5.onnx"), published)


# What does not fit


def test_a_missing_convolution(tmp_path):
    path = saved(Keras().network(convolutions=1), tmp_path / "a.onnx")
    # The file's name of the first that does not fit, and ours.
    told = ("61 convolutions, expected 65", "while/Conv_", "decoder.0.layers.3 (8, 8, 3, 3)")
    with refused("layers-mismatch", *told) as caught:
        import_onnx(path, ARCHITECTURE)
    assert len(str(caught.value)) < 700


def test_a_wrong_shape(tmp_path):
    path = saved(Keras().network(filters=(8, 8, 8, 16)), tmp_path / "a.onnx")
    told = ("(16, 11, 3, 3) for decoder.3.layers.0 (8, 11, 3, 3)", "head (1, 8, 1, 1)")
    with refused("layers-mismatch", "65 convolutions, expected 65; 3 do not fit", *told):
        import_onnx(path, ARCHITECTURE)


def test_another_encoder(small, tmp_path):
    path = saved(Keras(small).network(), tmp_path / "a.onnx")
    other = changed(ARCHITECTURE, encoder="tf_efficientnet_lite0")
    with refused("layers-mismatch", "a.onnx"):
        import_onnx(path, other)


def test_another_input_size(small, tmp_path):
    path = saved(Keras(small).network(), tmp_path / "a.onnx")
    with refused("output-shape", "(96, 96)"):
        import_onnx(path, changed(ARCHITECTURE, input_size=96))


def test_shapes_that_fit_and_another_order(small, tmp_path):
    path = saved(Keras(small).network(joined="skip first"), tmp_path / "a.onnx")
    with refused("output-differs", "connected otherwise") as caught:
        import_onnx(path, ARCHITECTURE, 255.0)
    found = re.search(r"by (\S+) in probability", str(caught.value))
    assert found
    assert float(found[1]) > 0.01


def test_no_sigmoid(small, tmp_path):
    path = saved(Keras(small).network(sigmoid=False), tmp_path / "a.onnx")
    with refused("sigmoid-missing", "a.onnx"):
        import_onnx(path, ARCHITECTURE)


def test_a_normalization_that_is_none(tmp_path):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    weight = numpy_helper.from_array(np.zeros((4, 3, 1, 1), np.float32), "w")
    nodes = [helper.make_node("Exp", ["x"], ["e"]), helper.make_node("Conv", ["e", "w"], ["y"])]
    graph = helper.make_graph(nodes, "g", [x], [y], [weight])
    opset = [helper.make_opsetid("", 13)]
    path = tmp_path / "a.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    with refused("normalization-missing", "first convolution"):
        import_onnx(path, ARCHITECTURE)


def test_files_that_are_no_networks(small, tmp_path):
    path = tmp_path / "a.onnx"
    with refused("file-missing", "a.onnx"):
        import_onnx(path, ARCHITECTURE)
    saved(Keras(small).network(), path)
    whole = path.read_bytes()
    for content in (b"", b"<html>Not Found</html>", whole[: len(whole) // 2], whole[:-7]):
        path.write_bytes(content)
        with refused("onnx-damaged", "a.onnx"):
            import_onnx(path, ARCHITECTURE)


def test_packages_that_are_missing(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with refused("package-missing", "onnx"):
        import_onnx(tmp_path / "a.onnx", ARCHITECTURE)
