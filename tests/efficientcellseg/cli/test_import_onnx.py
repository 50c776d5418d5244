"""The command that imports networks from ONNX files."""

import hashlib

import numpy as np
import pytest
from commands import refusal, run

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from keras_network import ARCHITECTURE, Keras, images, ours, runtime, saved, sensible

from efficientcellseg.datasets import published
from efficientcellseg.networks.folders import read_card
from efficientcellseg.networks.loading import load_model


@pytest.fixture(scope="module")
def small():
    """Make the network that most tests' files hold."""
    return sensible(ARCHITECTURE)


def command(*words: object) -> int:
    small = ["--encoder", "tf_efficientnet_b0", "--decoder-filters", *"8888", "--input-size", "64"]
    return run("import-onnx", *words, *small, "--input-scale", "255")


def test_the_command_writes_a_model_folder(small, tmp_path):
    path = saved(Keras(small).network(), tmp_path / "a.onnx")
    assert command(path, "--output", tmp_path / "m" / "centers", "--target", "centers") == 0
    model, tiles = load_model(tmp_path / "m" / "centers"), images(64)
    # Not halved: the folder holds what was compared.
    assert np.abs(ours(model, tiles) - runtime(path, 255 * tiles)).max() < 1e-4
    card = read_card(tmp_path / "m" / "centers")
    assert card.architecture.maps == ("centers",)
    assert card.imported_from == {
        "file": "a.onnx",
        "url": None,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "input_scale": 255.0,
    }
    assert card.difference_to_onnxruntime["probability"] < 1e-4


def test_nothing_is_written_of_a_file_that_does_not_fit(small, tmp_path, capsys):
    path = saved(Keras(small).network(joined="skip first"), tmp_path / "a.onnx")
    assert command(path, "--output", tmp_path / "cells") == 1
    refusal(capsys, "output-differs", "connected otherwise")
    assert not (tmp_path / "cells").exists()


def test_a_download_is_recorded_once_it_fits(small, server, tmp_path, capsys):
    path = saved(Keras(small).network(), tmp_path / "a.onnx")
    url, output = server.url("ecs.onnx"), tmp_path / "m" / "cells"
    server.files["ecs.onnx"] = b"<html>"
    assert command(url, "--output", output) == 1
    refusal(capsys, "onnx-damaged", "ecs.onnx")
    assert {p.name for p in output.parent.iterdir()} == {"ecs.onnx"}
    (output.parent / "ecs.onnx").unlink()
    server.files["ecs.onnx"] = path.read_bytes()
    server.faults = ["drop"]
    assert command(url, "--output", output) == 0
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert (output.parent / "ecs.onnx.sha256").read_text() == f"{digest}  ecs.onnx\n"
    assert read_card(output).imported_from["url"] == url
    # What lies there is used, if it still is what it was.
    asked = len(server.ranges)
    assert command(url, "--output", output) == 0
    assert len(server.ranges) == asked
    (output.parent / "ecs.onnx").write_bytes(path.read_bytes() + b"\0")
    assert command(url, "--output", output) == 1
    found = hashlib.sha256(path.read_bytes() + bytes(1)).hexdigest()
    refusal(capsys, "download-hash", found)


def test_the_authors_networks_by_name(server, tmp_path, monkeypatch, capsys):
    assert published.AUTHORS_NETWORKS["ecs_tric"] == (
        "https://github.com/roydenwa/efficient-cell-seg/raw/HEAD/pretrained-models/ecs_tric.onnx"
    )
    monkeypatch.setitem(published.AUTHORS_NETWORKS, "ecs_a549", server.url("ecs_a549.onnx"))
    assert command("ecs_a549", "--output", tmp_path / "m" / "cells") == 1
    told = ("HTTP 404", str(tmp_path / "m" / "ecs_a549.onnx"))
    refusal(capsys, "download-refused", *told)
