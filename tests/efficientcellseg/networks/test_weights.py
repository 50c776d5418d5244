"""Model folders: what is saved comes back, what was tampered with does not."""

import hashlib
import re
from pathlib import Path

import pytest
import yaml
from conftest import TINY, tiny_network

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from ctc_eval.format import InputError  # noqa: E402
from efficientcellseg.networks.efficientcellseg import EfficientCellSeg, Encoder, build  # noqa: E402
from efficientcellseg.networks.folders import (  # noqa: E402
    file_hash,
    load_encoder,
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

    torch.save({"a": Malicious()}, tmp_path / "encoder.pth")
    with pytest.raises(InputError, match="no weights"):
        load_encoder(Encoder(TINY["encoder"]), tmp_path / "encoder.pth")
    torch.save({"a": Malicious()}, folder / "weights.safetensors")
    card = read_card(folder)
    card["sha256"] = file_hash(folder / "weights.safetensors")
    (folder / "model.yaml").write_text(yaml.safe_dump(card))
    with pytest.raises(Exception, match=r"(?i)header|does not fit"):
        load_model(folder)
    assert not ran.exists()


# The encoder's start


@pytest.fixture(scope="module")
def imagenet():
    """Make what stands for timm's pretrained network, of random weights and statistics."""
    import timm

    torch.manual_seed(7)
    network = timm.create_model(TINY["encoder"], pretrained=False)
    state = {
        name: torch.rand_like(value) if value.is_floating_point() else value
        for name, value in network.state_dict().items()
    }
    network.load_state_dict(state)
    return state


def wanted(state: dict, encoder: Encoder) -> dict:
    stages = len(encoder.blocks)
    return {
        name: state[
            name.replace("expansion.0", f"blocks.{stages}.0.conv_pw").replace(
                "expansion.1", f"blocks.{stages}.0.bn1"
            )
        ]
        for name in encoder.state_dict()
    }


def assert_loaded(encoder: Encoder, state: dict) -> None:
    expected = wanted(state, encoder)
    for name, value in encoder.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(value, expected[name]), name


def test_an_encoder_by_position_from_a_file_with_other_names(imagenet, tmp_path):
    renamed = {f"_{i}.layer": value for i, value in enumerate(imagenet.values())
               if value.is_floating_point()}  # fmt: skip
    torch.save(renamed, tmp_path / "other.pth")
    encoder = Encoder(TINY["encoder"])
    load_encoder(encoder, tmp_path / "other.pth")
    assert_loaded(encoder, imagenet)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_an_encoder_by_timms_names_in_whatever_order(imagenet, tmp_path, suffix):
    path = tmp_path / f"model.{suffix}"
    state = dict(sorted(imagenet.items(), reverse=True))
    torch.save(state, path) if suffix == "pth" else save_file(state, path)
    encoder = Encoder(TINY["encoder"])
    load_encoder(encoder, path)
    assert_loaded(encoder, imagenet)


def test_an_encoder_of_other_shapes_is_refused_and_nothing_loaded(imagenet, tmp_path):
    torch.save({k: v for k, v in imagenet.items() if k != "conv_stem.weight"}, tmp_path / "a.pth")
    encoder = Encoder(TINY["encoder"])
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    with pytest.raises(InputError, match=r"bn1.weight has shape \(32,\); expected \(32, 3, 3, 3\)"):
        load_encoder(encoder, tmp_path / "a.pth")
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())


def test_an_encoder_with_too_few_tensors_is_refused(imagenet, tmp_path):
    torch.save(dict(list(imagenet.items())[:20]), tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"\d+ tensors; expected at least \d+"):
        load_encoder(Encoder(TINY["encoder"]), tmp_path / "a.pth")


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_files_that_hold_no_weights_are_refused(tmp_path, name):
    path = tmp_path / name
    with pytest.raises(InputError, match="no such file"):
        load_encoder(Encoder(TINY["encoder"]), path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match=r"no weights .*expected a \.safetensors or \.pth"):
        load_encoder(Encoder(TINY["encoder"]), path)


def test_a_checkpoint_around_the_weights_is_refused(tmp_path):
    torch.save({"state_dict": {"a": torch.zeros(1)}}, tmp_path / "a.pth")
    with pytest.raises(InputError, match="not a mapping of names to tensors"):
        load_encoder(Encoder(TINY["encoder"]), tmp_path / "a.pth")


def test_all_keys_of_the_card_build_the_model(folder):
    assert isinstance(build(read_card(folder)["architecture"]), EfficientCellSeg)


def test_weights_from_the_hub(monkeypatch):
    import timm

    from efficientcellseg.networks.folders import load_from_hub

    torch.manual_seed(5)
    net = timm.create_model(TINY["encoder"], pretrained=False)
    asked = []

    def create(name, pretrained):
        asked.append((name, pretrained))
        return net

    encoder = Encoder(TINY["encoder"])
    monkeypatch.setattr(timm, "create_model", create)
    load_from_hub(encoder, TINY["encoder"])
    assert asked == [(TINY["encoder"], True)]
    image = torch.rand(1, 3, 64, 64)
    stem = torch.nn.functional.relu6(net.bn1(net.conv_stem(image)))
    torch.testing.assert_close(encoder.bn1(encoder.conv_stem(image)), stem)
    torch.testing.assert_close(encoder.expansion[0].weight, net.blocks[5][0].conv_pw.weight)


def test_a_hub_out_of_reach_says_what_else_there_is(monkeypatch):
    import timm

    from efficientcellseg.networks.folders import load_from_hub

    def fail(name, pretrained):
        raise OSError("no route\nto host")

    encoder = Encoder(TINY["encoder"])
    monkeypatch.setattr(timm, "create_model", fail)
    with pytest.raises(InputError, match=r"hub \(no route to host\).*--encoder-weights"):
        load_from_hub(encoder, TINY["encoder"])


def test_starting_from_a_network_with_other_maps_or_of_another_kind():
    from efficientcellseg.networks.folders import start_from

    both, centers = tiny_network(1, "cells", "centers"), tiny_network(2, "centers")
    fresh = both.head.weight.detach().clone()
    start_from(both, centers)
    assert torch.equal(both.head.weight[1], centers.head.weight[0])
    assert torch.equal(both.head.weight[0], fresh[0])
    assert torch.equal(both.encoder.conv_stem.weight, centers.encoder.conv_stem.weight)
    other = EfficientCellSeg(**{**TINY, "decoder_filters": (8, 8, 8, 4)})
    with pytest.raises(InputError, match="to start from; expected"):
        start_from(other, centers)
