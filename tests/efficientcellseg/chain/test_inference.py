"""Networks over tiles: batches, folders of networks, devices."""

import numpy as np
import pytest
import yaml
from conftest import tiny_network

torch = pytest.importorskip("torch")

from ctc_eval.format import InputError  # noqa: E402
from efficientcellseg.chain import inference  # noqa: E402
from efficientcellseg.chain.inference import (  # noqa: E402
    device_of,
    input_size,
    load_networks,
    predict,
    untile_volume,
)
from efficientcellseg.maps.offsets import OFFSETS  # noqa: E402
from efficientcellseg.networks.folders import save_model  # noqa: E402
from efficientcellseg.parameters.recipe import Tiling  # noqa: E402


class Mean(torch.nn.Module):
    """Stand-in network: the channels' mean as logit of each map; keeps the batches' sizes."""

    def __init__(self, *maps: str) -> None:
        super().__init__()
        self.maps = maps
        self.place = torch.nn.Parameter(torch.zeros(1))
        self.batches: list[int] = []

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        assert torch.is_inference_mode_enabled()
        self.batches.append(len(image))
        mean = image.mean(1, keepdim=True)
        return torch.cat([mean + i for i, _ in enumerate(self.maps)], 1)


@pytest.mark.parametrize("count", [1, inference.BATCH, 2 * inference.BATCH + 3])
def test_predictions_are_probabilities_in_order(count):
    tiles = np.random.default_rng(0).normal(0, 3, (count, 3, 4, 4)).astype(np.float32)
    network = Mean("cells", "centers")
    found = predict([network], tiles)
    assert list(found) == ["cells", "centers"]
    for logit, values in zip((0, 1), found.values(), strict=True):
        assert values.shape == (count, 4, 4)
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, 1 / (1 + np.exp(-tiles.mean(1) - logit)), atol=1e-6)
    assert sum(network.batches) == count
    assert max(network.batches) <= inference.BATCH


def test_what_several_networks_predict_is_averaged():
    tiles = np.zeros((1, 3, 4, 4), np.float32)
    found = predict([Mean("cells"), Mean("centers", "cells")], tiles)
    np.testing.assert_allclose(found["centers"], 0.5)
    np.testing.assert_allclose(found["cells"], (0.5 + 1 / (1 + np.exp(-1))) / 2, rtol=1e-6)


class Slopes(torch.nn.Module):
    """Says how bright the tile is, and points to where it gets brighter; always too high."""

    def __init__(self, bias: float) -> None:
        super().__init__()
        self.maps, self.bias = ("cells", *OFFSETS), bias

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        red, green, blue = image.unbind(1)
        rows = torch.roll(green, -1, 1) - torch.roll(green, 1, 1)
        columns = torch.roll(green, -1, 2) - torch.roll(green, 1, 2)
        return torch.stack([green, blue - red, rows, columns], 1) + self.bias


def test_mirrored_views_are_mirrored_back_and_offsets_turned_round():
    tiles = np.random.default_rng(0).random((3, 3, 8, 8), np.float32)
    plain = predict([Slopes(0.0)], tiles)
    found = predict([Slopes(0.0)], tiles, test_time_flips=True)
    assert list(found) == ["cells", *OFFSETS]
    for name, maps in found.items():
        np.testing.assert_allclose(maps, plain[name], atol=1e-6)


def test_what_a_network_always_sees_on_one_side_is_averaged_out():
    tiles = np.full((1, 3, 4, 4), 0.25, np.float32)
    plain = predict([Slopes(1.0)], tiles)
    found = predict([Slopes(1.0)], tiles, test_time_flips=True)
    np.testing.assert_allclose(found["cells"], plain["cells"])
    for name in OFFSETS:
        assert (plain[name] > 0.7).all()
        np.testing.assert_allclose(found[name], 0.5, atol=1e-6)


def test_tiles_of_a_volume_come_back_in_their_planes():
    maps = np.arange(8, dtype=np.float32)[:, None, None] * np.ones((1, 2, 3), np.float32)
    found = untile_volume(maps, Tiling(rows=2, columns=2), (2, 4, 6))
    np.testing.assert_array_equal(found[:, ::2, ::3], [[[0, 1], [2, 3]], [[4, 5], [6, 7]]])


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
    with pytest.raises(InputError, match=r"'cells': 64, 'centers': 96.*expected one size"):
        load_networks(tmp_path, ("cells", "centers"), "cpu")


def test_a_missing_network_is_named(tiny_models, tmp_path):
    with pytest.raises(InputError, match=r"no model there; expected .* --model DIR"):
        load_networks(tmp_path, ("cells",), "cpu")
    with pytest.raises(InputError, match=r"no network for centers, only for cells; expected one"):
        load_networks(tiny_models / "cells", ("cells", "centers"), "cpu")


def test_devices(monkeypatch):
    assert device_of("cpu").type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert device_of("auto").type == "cpu"
    with pytest.raises(InputError, match=r"device cuda: 0 GPUs are visible"):
        device_of("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device_of("auto").type == "cuda"
    assert device_of("cuda:1").index == 1
    with pytest.raises(InputError, match=r"device cuda:2: 2 GPUs are visible"):
        device_of("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "mps", "meta"])
def test_other_devices_are_refused(name):
    with pytest.raises(InputError, match="expected auto, cpu, cuda or cuda:N"):
        device_of(name)
