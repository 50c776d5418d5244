"""The 3D U-Net: its weights counted, its tensors' shapes; an ensemble over a volume."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("monai")

from ctc_eval.format import InputError  # noqa: E402
from efficientcellseg.networks.efficientcellseg import build, count_parameters  # noqa: E402
from efficientcellseg.networks.unet3d import UNet3D, predict_volume  # noqa: E402

SMALL = {"filters": (4, 4, 8, 8, 8), "planes": 4, "input_size": 32}


def small(seed: int, **changes) -> UNet3D:
    torch.manual_seed(seed)
    return UNet3D(**{**SMALL, **changes}).eval()


class Pointwise(torch.nn.Module):
    """A stand-in that maps each voxel for itself: patches leave no trace."""

    maps, planes, input_size = ("cells", "centers"), 4, 16

    def __init__(self, shift: float = 0.0) -> None:
        super().__init__()
        self.shift = torch.nn.Parameter(torch.tensor(shift))

    def forward(self, patch):
        return torch.cat([patch + self.shift, -patch], dim=1)


class Framed(Pointwise):
    """A stand-in that sees cells at the first and the last column of each patch, only there."""

    maps, planes, input_size = ("cells",), 1, 8

    def forward(self, patch):
        logits = torch.full_like(patch, -50.0)
        logits[..., [0, -1]] = 50
        return logits


def test_the_published_weights():
    with torch.device("meta"):
        network = UNet3D()
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
        network = UNet3D(("cells", "centers"), planes=planes, input_size=size)
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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_size": 40}, "input size 40; expected a multiple of 16: take 32 or 48"),
        ({"planes": 3}, "planes 3; expected a multiple of 2: take 2 or 4"),
        ({"planes": 0}, "planes 0; expected a multiple of 2: take 2 or 4"),
        ({"filters": [4] * 8, "input_size": 128}, "8 filters; expected 3 to 7, one a stage"),
        ({"filters": [4, 4]}, "2 filters; expected 3 to 7"),
    ],
)
def test_patches_and_stages_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        small(0, **changes)


@pytest.mark.parametrize("shape", [(4, 16, 16), (1, 5, 7), (9, 37, 50)])
def test_patches_meet_without_seams(shape):
    volume = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    found = predict_volume([Pointwise()], volume)
    assert list(found) == ["cells", "centers"]
    for name, sign in (("cells", 1), ("centers", -1)):
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], 1 / (1 + np.exp(-sign * volume)), atol=1e-6)


def test_a_patch_counts_most_in_its_middle():
    # Patches of 8 columns at columns 0 and 4: column 4 is the first of the second patch and in
    # the middle of the first. A Gaussian of an eighth of the side is 1 wide; far off the middle
    # row, where it is next to nothing, MONAI holds it up.
    found = predict_volume([Framed()], np.zeros((1, 8, 12), np.float32))["cells"]
    first, middle = np.exp(-(3.5**2) / 2), np.exp(-(0.5**2) / 2)
    np.testing.assert_allclose(found[0, 3:5, 4], first / (first + middle), rtol=0.01)
    np.testing.assert_allclose(found[0, :, [0, 11]], 1)
    np.testing.assert_allclose(found[0, :, [1, 6, 10]], 0, atol=1e-6)


def test_an_ensemble_is_the_mean_of_its_members():
    found = predict_volume([Pointwise(2.0), Pointwise(-1.0)], np.zeros((4, 16, 16), np.float32))
    mean = (1 / (1 + np.exp(-2.0)) + 1 / (1 + np.exp(1.0))) / 2
    np.testing.assert_allclose(found["cells"], mean, atol=1e-6)
    volume = np.random.default_rng(1).normal(size=(5, 40, 33)).astype(np.float32)
    members = [small(0), small(1)]
    alone = [predict_volume([network], volume)["cells"] for network in members]
    assert not np.allclose(*alone, atol=1e-3)
    together = predict_volume(members, volume)["cells"]
    np.testing.assert_allclose(together, np.mean(alone, axis=0), atol=1e-6)
    np.testing.assert_array_equal(together, predict_volume(members, volume)["cells"])
