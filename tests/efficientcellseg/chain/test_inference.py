"""Networks over tiles: batches, averages, flips."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from efficientcellseg.chain import inference  # noqa: E402
from efficientcellseg.chain.inference import predict, untile_volume  # noqa: E402
from efficientcellseg.maps.offsets import OFFSETS  # noqa: E402
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


@pytest.mark.parametrize("count", [1, inference.TILES_AT_ONCE, 2 * inference.TILES_AT_ONCE + 3])
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
    assert max(network.batches) <= inference.TILES_AT_ONCE


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


def test_flipped_views_are_flipped_back_and_offsets_turned_round():
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


def test_only_the_maps_that_are_wanted():
    tiles = np.random.default_rng(0).random((3, 3, 4, 4), dtype=np.float32)
    networks = [Mean("cells"), Mean("centers", "cells")]
    wanted = predict(networks, tiles, maps=["cells"])
    assert wanted.keys() == {"cells"}
    np.testing.assert_array_equal(wanted["cells"], predict(networks, tiles)["cells"])
    flipped = predict(networks, tiles, test_time_flips=True, maps=["centers"])
    assert flipped.keys() == {"centers"}
