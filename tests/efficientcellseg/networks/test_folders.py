"""Model folders: what is saved comes back, what was tampered with does not."""

import hashlib
import re
from pathlib import Path

import pytest
import yaml
from conftest import TINY, tiny_network

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from ctc_eval.format import InputError  # noqa: E402
from efficientcellseg.networks.base import build  # noqa: E402
from efficientcellseg.networks.efficientcellseg import EfficientCellSegNetwork  # noqa: E402
from efficientcellseg.networks.folders import (  # noqa: E402
    file_hash,
    load_model,
    read_card,
    save_model,
)


@pytest.fixture
def folder(tmp_path):
    save_model(tmp_path / "cells", tiny_network(3), {"seed": 3})
    return tmp_path / "cells"


def test_round_trip_in_half_precision(folder):
    before, after = tiny_network(3).state_dict(), load_model(folder)
    assert not after.training
    assert after.state_dict().keys() == before.keys()
    for name, value in after.state_dict().items():
        if before[name].is_floating_point():
            assert value.dtype == torch.float32
            torch.testing.assert_close(value, before[name].half().float(), rtol=0, atol=0)
        else:
            assert torch.equal(value, before[name])
    stored = load_file(folder / "weights.safetensors")
    assert {value.dtype for value in stored.values()} == {torch.float16, torch.int64}
    assert sorted(path.name for path in folder.iterdir()) == ["model.yaml", "weights.safetensors"]


def test_the_card_says_what_the_model_is(folder):
    card = read_card(folder)
    assert card["architecture"]["encoder"] == TINY["encoder"]
    assert card["architecture"]["decoder_filters"] == [8, 8, 8, 8]
    assert card["architecture"]["input_size"] == 64
    assert card["architecture"]["maps"] == ["cells"]
    assert card["seed"] == 3
    data = (folder / "weights.safetensors").read_bytes()
    assert card["sha256"] == file_hash(folder / "weights.safetensors")
    assert card["sha256"] == hashlib.sha256(data).hexdigest()


def test_saving_leaves_the_model_as_it_was(tmp_path):
    network = tiny_network(0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    save_model(tmp_path / "m", network, {})
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_tampered_weights_are_refused(folder):
    path = folder / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert re.search(r"SHA-256 [0-9a-f]{64}; expected [0-9a-f]{64}: copy", refusal(folder))


def test_truncated_weights_are_refused(folder):
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    assert "SHA-256" in refusal(folder)


def test_missing_files_are_refused(folder):
    (folder / "weights.safetensors").unlink()
    assert "no weights; expected them beside model.yaml" in refusal(folder)
    (folder / "model.yaml").unlink()
    assert "no model there; expected a folder with model.yaml" in refusal(folder)
    assert "no model there" in refusal(folder / "nowhere")


@pytest.mark.parametrize(
    "text", ["", "- a\n", "sha256: abc\n", "architecture: {}\n", "a: [\n", "\0"]
)
def test_a_card_of_another_content_is_refused(folder, text):
    (folder / "model.yaml").write_text(text)
    assert "model.yaml" in refusal(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"encoder": "efficientnet_b0"},
        {"encoder": "resnet18"},
        {"decoder_filters": [16, 8, 8, 8]},
        {"decoder_filters": None},
        {"input_size": 65},
        {"depth": 3},
    ],
)
def test_another_architecture_is_refused(folder, change):
    card = read_card(folder)
    card["architecture"] |= change
    (folder / "model.yaml").write_text(yaml.safe_dump(card))
    assert "does not fit the architecture" in refusal(folder)


def test_weights_that_half_precision_cannot_hold_are_refused(tmp_path):
    network = tiny_network(0)
    with torch.no_grad():
        network.head.bias.fill_(1e6)
    with pytest.raises(ValueError, match="diverged"):
        save_model(tmp_path / "m", network, {})
    assert not (tmp_path / "m" / "model.yaml").exists()


def test_a_card_that_yaml_cannot_hold_leaves_nothing(tmp_path):
    with pytest.raises(yaml.YAMLError):
        save_model(tmp_path / "m", tiny_network(0), {"when": object()})
    assert not list((tmp_path / "m").iterdir())


def test_no_pickle_is_ever_executed(folder, tmp_path):
    ran = tmp_path / "ran"

    class Malicious:
        def __reduce__(self):
            return (Path.touch, (ran,))

    torch.save({"a": Malicious()}, folder / "weights.safetensors")
    card = read_card(folder)
    card["sha256"] = file_hash(folder / "weights.safetensors")
    (folder / "model.yaml").write_text(yaml.safe_dump(card))
    with pytest.raises(Exception, match=r"(?i)header|does not fit"):
        load_model(folder)
    assert not ran.exists()


def test_all_keys_of_the_card_build_the_model(folder):
    assert isinstance(build(read_card(folder)["architecture"]), EfficientCellSegNetwork)
