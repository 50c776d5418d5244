"""Networks given away as ONNX."""

import numpy as np
import pytest
import yaml
from commands import refusal
from conftest import random_tiles, tiny_network

pytest.importorskip("torch")
pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from efficientcellseg.chain.inference import predict  # noqa: E402
from efficientcellseg.cli.main import main  # noqa: E402
from efficientcellseg.networks.folders import save_model  # noqa: E402
from efficientcellseg.networks.loading import load_networks  # noqa: E402


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
        (found,) = session.run(None, {"x": random_tiles(count, 64)})
        assert found.shape == (count, 2, 64, 64)
        expected = predict(network, random_tiles(count, 64))
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
    maps = [predict(network, random_tiles(2, 64))["cells"] for network in networks]
    np.testing.assert_allclose(*maps, atol=1e-4)


def test_a_folder_that_is_no_model(tmp_path, capsys):
    assert main(["export", str(tmp_path), "--output", str(tmp_path / "a.onnx")]) == 1
    refusal(capsys, "model-missing")
    assert not (tmp_path / "a.onnx").exists()
