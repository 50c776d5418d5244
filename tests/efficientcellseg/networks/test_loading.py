"""The networks of a folder: which are loaded, which are refused, and where they run."""

import pytest
import yaml
from conftest import tiny_network
from refusal import refused

torch = pytest.importorskip("torch")

from efficientcellseg.networks.folders import save_model  # noqa: E402
from efficientcellseg.networks.loading import (  # noqa: E402
    device_of,
    input_size,
    load_networks,
)


def test_the_networks_of_a_folder(tiny_models):
    networks = load_networks(tiny_models, ("cells", "centers"), "cpu")
    assert [network.maps for network in networks] == [("cells",), ("centers",)]
    assert not any(network.training for network in networks)
    assert input_size(tiny_models, ("cells", "centers")) == 64
    weights = [network.head.weight for network in networks]
    assert not torch.equal(*weights)


def test_one_network_may_give_all_maps(tmp_path):
    save_model(tmp_path / "both", tiny_network(0, "cells", "centers"), {})
    for folder in (tmp_path, tmp_path / "both"):
        (network,) = load_networks(folder, ("cells", "centers"), "cpu")
        assert network.maps == ("cells", "centers")
    save_model(tmp_path / "other", tiny_network(1, "centers"), {})
    # What a recipe has no use for is not loaded.
    assert len(load_networks(tmp_path, ("cells",), "cpu")) == 1


def test_networks_of_different_sizes_are_refused(tmp_path):
    for name in ("cells", "centers"):
        save_model(tmp_path / name, tiny_network(0, name), {})
    card = yaml.safe_load((tmp_path / "centers" / "model.yaml").read_text())
    card["architecture"]["input_size"] = 96
    (tmp_path / "centers" / "model.yaml").write_text(yaml.safe_dump(card))
    with refused("input-size-mixed", "'cells': 64, 'centers': 96"):
        load_networks(tmp_path, ("cells", "centers"), "cpu")


def test_a_missing_network_is_named(tiny_models, tmp_path):
    with refused("model-missing", str(tmp_path), "--model DIR"):
        load_networks(tmp_path, ("cells",), "cpu")
    with refused("network-missing", "centers"):
        load_networks(tiny_models / "cells", ("cells", "centers"), "cpu")


def test_devices(monkeypatch):
    assert device_of("cpu").type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert device_of("auto").type == "cpu"
    with refused("device-missing", "cuda: 0 "):
        device_of("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device_of("auto").type == "cuda"
    assert device_of("cuda:1").index == 1
    with refused("device-missing", "cuda:2: 2 "):
        device_of("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "mps", "meta"])
def test_other_devices_are_refused(name):
    with refused("device-unknown", repr(name)):
        device_of(name)
