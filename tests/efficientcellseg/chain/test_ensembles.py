"""An ensemble of 3D networks over a volume: patches meet, members are averaged."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("monai")

from efficientcellseg.chain.inference import predict_volume  # noqa: E402
from efficientcellseg.networks.base import Network, build  # noqa: E402
from efficientcellseg.parameters.architecture import UNet3DArchitecture  # noqa: E402


def small(seed: int) -> Network:
    torch.manual_seed(seed)
    shape = {"filters": (4, 4, 8, 8, 8), "planes": 4, "input_size": 32}
    return build(UNet3DArchitecture(kind="unet3d", **shape)).eval()


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
