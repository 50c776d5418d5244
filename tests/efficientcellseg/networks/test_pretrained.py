"""What a network starts from: an encoder's weights by name or position, another network's."""

from pathlib import Path

import pytest
from conftest import TINY, network_of, tiny_network
from refusal import refused

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from efficientcellseg.networks.efficientcellseg import EfficientNetEncoder  # noqa: E402
from efficientcellseg.networks.pretrained import (  # noqa: E402
    load_encoder,
    load_from_hub,
    start_from,
)


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


def wanted(state: dict, encoder: EfficientNetEncoder) -> dict:
    stages = len(encoder.blocks)
    return {
        name: state[
            name.replace("expansion.0", f"blocks.{stages}.0.conv_pw").replace(
                "expansion.1", f"blocks.{stages}.0.bn1"
            )
        ]
        for name in encoder.state_dict()
    }


def assert_loaded(encoder: EfficientNetEncoder, state: dict) -> None:
    expected = wanted(state, encoder)
    for name, value in encoder.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(value, expected[name]), name


def test_an_encoder_by_position_from_a_file_with_other_names(imagenet, tmp_path):
    renamed = {f"_{i}.layer": value for i, value in enumerate(imagenet.values())
               if value.is_floating_point()}  # fmt: skip
    torch.save(renamed, tmp_path / "other.pth")
    encoder = EfficientNetEncoder(TINY["encoder"])
    load_encoder(encoder, tmp_path / "other.pth")
    assert_loaded(encoder, imagenet)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_an_encoder_by_timms_names_in_whatever_order(imagenet, tmp_path, suffix):
    path = tmp_path / f"model.{suffix}"
    state = dict(sorted(imagenet.items(), reverse=True))
    torch.save(state, path) if suffix == "pth" else save_file(state, path)
    encoder = EfficientNetEncoder(TINY["encoder"])
    load_encoder(encoder, path)
    assert_loaded(encoder, imagenet)


def test_an_encoder_of_other_shapes_is_refused_and_nothing_loaded(imagenet, tmp_path):
    torch.save({k: v for k, v in imagenet.items() if k != "conv_stem.weight"}, tmp_path / "a.pth")
    encoder = EfficientNetEncoder(TINY["encoder"])
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    with refused("weights-unfit", "bn1.weight", "(32,)", "(32, 3, 3, 3)"):
        load_encoder(encoder, tmp_path / "a.pth")
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())


def test_an_encoder_with_too_few_tensors_is_refused(imagenet, tmp_path):
    torch.save(dict(list(imagenet.items())[:20]), tmp_path / "a.pth")
    with refused("weights-unfit", "a.pth"):
        load_encoder(EfficientNetEncoder(TINY["encoder"]), tmp_path / "a.pth")


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_files_that_hold_no_weights_are_refused(tmp_path, name):
    path = tmp_path / name
    with refused("file-missing", name):
        load_encoder(EfficientNetEncoder(TINY["encoder"]), path)
    path.write_bytes(b"nothing of the kind")
    with refused("weights-unreadable", name):
        load_encoder(EfficientNetEncoder(TINY["encoder"]), path)


def test_a_checkpoint_around_the_weights_is_refused(tmp_path):
    torch.save({"state_dict": {"a": torch.zeros(1)}}, tmp_path / "a.pth")
    with refused("weights-unreadable", "not a mapping of names to tensors"):
        load_encoder(EfficientNetEncoder(TINY["encoder"]), tmp_path / "a.pth")


def test_weights_from_the_hub(monkeypatch):
    import timm

    torch.manual_seed(5)
    net = timm.create_model(TINY["encoder"], pretrained=False)
    asked = []

    def create(name, pretrained):
        asked.append((name, pretrained))
        return net

    encoder = EfficientNetEncoder(TINY["encoder"])
    monkeypatch.setattr(timm, "create_model", create)
    load_from_hub(encoder, TINY["encoder"])
    assert asked == [(TINY["encoder"], True)]
    image = torch.rand(1, 3, 64, 64)
    stem = torch.nn.functional.relu6(net.bn1(net.conv_stem(image)))
    torch.testing.assert_close(encoder.bn1(encoder.conv_stem(image)), stem)
    torch.testing.assert_close(encoder.expansion[0].weight, net.blocks[5][0].conv_pw.weight)


def test_a_hub_out_of_reach_says_what_else_there_is(monkeypatch):
    import timm

    def fail(name, pretrained):
        raise OSError("no route\nto host")

    encoder = EfficientNetEncoder(TINY["encoder"])
    monkeypatch.setattr(timm, "create_model", fail)
    with refused("hub-unreachable", "no route to host", "--encoder-weights"):
        load_from_hub(encoder, TINY["encoder"])


def test_starting_from_a_network_with_other_maps_or_of_another_kind():
    both, centers = tiny_network(1, "cells", "centers"), tiny_network(2, "centers")
    fresh = both.head.weight.detach().clone()
    start_from(both, centers)
    assert torch.equal(both.head.weight[1], centers.head.weight[0])
    assert torch.equal(both.head.weight[0], fresh[0])
    assert torch.equal(both.encoder.conv_stem.weight, centers.encoder.conv_stem.weight)
    other = network_of({**TINY, "decoder_filters": (8, 8, 8, 4)})
    with refused("weights-unfit"):
        start_from(other, centers)


def test_no_pickle_is_ever_executed(tmp_path):
    ran = tmp_path / "ran"

    class Malicious:
        def __reduce__(self):
            return (Path.touch, (ran,))

    torch.save({"a": Malicious()}, tmp_path / "encoder.pth")
    with refused("weights-unreadable"):
        load_encoder(EfficientNetEncoder(TINY["encoder"]), tmp_path / "encoder.pth")
    assert not ran.exists()
