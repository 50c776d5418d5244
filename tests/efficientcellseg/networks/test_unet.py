"""U-Net and DU-Net: their weights counted, their tensors' shapes, what they see and learn."""

from itertools import pairwise

import pytest

torch = pytest.importorskip("torch")

from torch.nn.functional import mse_loss  # noqa: E402

from efficientcellseg.networks.base import build, count_parameters  # noqa: E402
from efficientcellseg.networks.dunet import DUNetNetwork  # noqa: E402
from efficientcellseg.networks.unet import UNetNetwork  # noqa: E402
from efficientcellseg.parameters.architecture import (  # noqa: E402
    DUNetArchitecture,
    UNetArchitecture,
)


def unet(**values: object) -> UNetNetwork:
    return UNetNetwork(UNetArchitecture(kind="unet", **values))


def dunet(**values: object) -> DUNetNetwork:
    return DUNetNetwork(DUNetArchitecture(kind="dunet", **values))


PUBLISHED = [64, 128, 256, 512, 1024]
SMALL = (4, 8, 16, 16, 16)
BOTH = pytest.mark.parametrize("make", [unet, dunet])


def convolutions(channels: int, filters: int) -> int:
    """Count by hand: two 3x3 convolutions with bias, each with a batch norm."""
    return 9 * (channels + filters) * filters + 2 * filters + 4 * filters


def millions(module: torch.nn.Module) -> float:
    return count_parameters(module) / 1e6


def test_the_published_unet():
    with torch.device("meta"):
        network = unet()
    encoder = sum(convolutions(a, b) for a, b in pairwise([3, *PUBLISHED]))
    decoder = sum(convolutions(a + b, a) for a, b in pairwise(PUBLISHED))
    assert count_parameters(network.encoder) == encoder == 18_851_136
    assert count_parameters(network.decoder) == decoder + 64 + 1 == 12_539_585
    # Wagner & Rohr 2022, Table 1; agrees in all printed digits.
    assert round(millions(network.encoder), 1) == 18.9
    assert round(millions(network.decoder), 1) == 12.5
    assert round(millions(network), 1) == 31.4


def test_the_published_dunet():
    with torch.device("meta"):
        network = dunet()
    encoder = sum(convolutions(a, b) for a, b in pairwise([1, *PUBLISHED]))
    strided = sum(9 * a * a + a + 2 * a for a in PUBLISHED[:-1])
    # Transposed 2x2 convolutions without bias, with batch norm.
    decoder = sum(4 * a * b + 2 * a + convolutions(a + a, a) for a, b in pairwise(PUBLISHED))
    assert count_parameters(network.encoder) == encoder + strided == 21_986_304
    assert count_parameters(network.decoders) == 2 * (decoder + 64 + 1) == 24_386_690
    # Wagner & Rohr 2022, Table 1: the sum agrees, its parts within one percent.
    assert round(millions(network), 1) == 46.4
    assert millions(network.encoder) == pytest.approx(22.2, rel=0.01)
    assert millions(network.decoders) == pytest.approx(24.2, rel=0.01)
    # The difference is the size of the decoders' last blocks.
    last = 2 * convolutions(128, 64) / 1e6
    assert millions(network.encoder) + last == pytest.approx(22.2, abs=0.05)
    assert millions(network.decoders) - last == pytest.approx(24.2, abs=0.05)


@BOTH
@pytest.mark.parametrize("size", [64, 96])
def test_a_channel_for_each_map(make, size):
    with torch.device("meta"):
        network = make(input_size=size)
        found = network(torch.zeros(2, 3, size, size))
    assert found.shape == (2, len(network.maps), size, size)
    assert network.input_size == size


def test_the_names_of_the_maps():
    assert unet(filters=SMALL).maps == ("cells",)
    assert dunet(filters=SMALL).maps == ("cell_distance", "neighbor_distance")
    network = unet(maps=("cells", "centers"), filters=SMALL, input_size=64)
    assert network.maps == ("cells", "centers")
    assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 2, 64, 64)


@BOTH
def test_the_architecture_builds_the_network_again(make):
    network = make(filters=SMALL, input_size=64)
    again = build(network.architecture)
    again.load_state_dict(network.state_dict())
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(again.eval()(image), network.eval()(image))


@BOTH
def test_a_seed_makes_a_network_and_a_step_changes_all_of_it(make):
    def step() -> tuple[dict, dict]:
        torch.manual_seed(3)
        network = make(filters=SMALL, input_size=64)
        before = {name: value.clone() for name, value in network.named_parameters()}
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        found = network(torch.rand(2, 3, 64, 64))
        mse_loss(found, torch.rand(found.shape)).backward()
        optimizer.step()
        return before, dict(network.named_parameters())

    before, after = step()
    unchanged = [name for name in before if torch.equal(before[name], after[name])]
    assert unchanged == []
    for first, second in zip(after.values(), step()[1].values(), strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize(("make", "seen"), [(unet, [True] * 3), (dunet, [False, True, False])])
def test_the_channels_that_are_seen(make, seen):
    torch.manual_seed(0)
    network = make(filters=SMALL, input_size=64).eval()
    image = torch.rand(1, 3, 64, 64, requires_grad=True)
    network(image).sum().backward()
    assert [bool(channel.any()) for channel in image.grad[0]] == seen


def test_the_decoders_of_a_dunet_do_not_share_weights():
    torch.manual_seed(0)
    network = dunet(filters=SMALL, input_size=64).eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        before = network(image)
        network.decoders[0].head.bias += 1
        after = network(image)
    torch.testing.assert_close(after[:, 0], before[:, 0] + 1)
    assert torch.equal(after[:, 1], before[:, 1])
