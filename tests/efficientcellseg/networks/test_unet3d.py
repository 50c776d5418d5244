"""The 3D U-Net: its weights counted, its tensors' shapes."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("monai")

from refusal import refused  # noqa: E402

from efficientcellseg.networks.base import build, count_parameters  # noqa: E402
from efficientcellseg.networks.unet3d import UNet3DNetwork  # noqa: E402
from efficientcellseg.parameters.architecture import UNet3DArchitecture  # noqa: E402

SMALL = {"filters": (4, 4, 8, 8, 8), "planes": 4, "input_size": 32}


def published(**changes: object) -> UNet3DNetwork:
    return UNet3DNetwork(UNet3DArchitecture(kind="unet3d", **changes))


def small(seed: int, **changes) -> UNet3DNetwork:
    torch.manual_seed(seed)
    return published(**{**SMALL, **changes}).eval()


def test_the_published_weights():
    with torch.device("meta"):
        network = published()
    # By hand: two convolutions a stage without bias, two instance norms; a transposed
    # convolution and such a stage for each doubling; the head with bias. The decoder's kernels
    # are those of the stage below, as in nnU-Net.
    filters, planes, doubled = [32, 64, 128, 256, 320, 320, 320], [1, 1, 1, 3, 3, 3, 3], [4] * 6
    doubled[3] = 8
    total, before = 32 + 1, 1
    for kernel, wide in zip(planes, filters, strict=True):
        total += 9 * kernel * (before + wide) * wide + 4 * wide
        before = wide
    for stage in range(6):
        wide, deep, kernel = filters[stage], filters[stage + 1], planes[stage + 1]
        total += doubled[stage] * deep * wide + 9 * kernel * 3 * wide * wide + 4 * wide
    assert count_parameters(network) == total == 43_995_457
    # Wagner & Rohr 2022, Table 1: four folds; agrees in all printed digits.
    assert round(4 * total / 1e6, 1) == 176.0


@pytest.mark.parametrize(("planes", "size"), [(16, 64), (10, 128)])
def test_the_published_tensors(planes, size):
    with torch.device("meta"):
        network = published(maps=("cells", "centers"), planes=planes, input_size=size)
        found = network(torch.zeros(2, 1, planes, size, size))
    assert found.shape == (2, 2, planes, size, size)
    assert network.maps == ("cells", "centers")


def test_the_architecture_builds_the_network_again():
    network = small(0)
    again = build(network.architecture)
    again.load_state_dict(network.state_dict())
    patch = torch.rand(1, 1, 4, 32, 32)
    with torch.no_grad():
        assert torch.equal(again.eval()(patch), network(patch))


def test_a_seed_makes_a_network_and_a_step_changes_all_of_it():
    def step() -> tuple[dict, dict]:
        network = small(3).train()
        before = {name: value.clone() for name, value in network.named_parameters()}
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        found = network(torch.rand(2, 1, 4, 32, 32))
        torch.nn.functional.mse_loss(found, torch.rand(found.shape)).backward()
        optimizer.step()
        return before, dict(network.named_parameters())

    before, after = step()
    assert [name for name in before if torch.equal(before[name], after[name])] == []
    for first, second in zip(after.values(), step()[1].values(), strict=True):
        assert torch.equal(first, second)


def test_a_plane_is_seen_with_the_planes_beside_it():
    patch = torch.rand(1, 1, 4, 32, 32, requires_grad=True)
    small(0)(patch)[0, 0, 1].sum().backward()
    assert all(plane.any() for plane in patch.grad[0, 0])


@pytest.mark.parametrize("planes", [3, 5])
def test_planes_that_do_not_halve_are_refused(planes):
    with refused("planes-odd", f"planes {planes}", "multiple of 2"):
        small(0, planes=planes)
