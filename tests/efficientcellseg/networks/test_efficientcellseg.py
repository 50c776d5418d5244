"""The network: its weights counted, its tensors' shapes, timm's encoder inside."""

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from conftest import tiny_network  # noqa: E402
from refusal import refused  # noqa: E402

from efficientcellseg.networks import torchvision_guard  # noqa: E402
from efficientcellseg.networks.base import count_parameters  # noqa: E402
from efficientcellseg.networks.efficientcellseg import (  # noqa: E402
    DecoderBlock,
    EfficientCellSegNetwork,
    EfficientNetEncoder,
)
from efficientcellseg.parameters.architecture import EfficientCellSegArchitecture  # noqa: E402


@pytest.fixture(scope="module")
def published():
    """Make the paper's network without memory for its weights."""
    with torch.device("meta"):
        return EfficientCellSegNetwork(EfficientCellSegArchitecture())


def small(encoder: str, size: int) -> EfficientCellSegNetwork:
    values = {"encoder": encoder, "decoder_filters": (8, 8, 8, 8), "input_size": size}
    return EfficientCellSegNetwork(EfficientCellSegArchitecture(**values))


def decoder_weights(filters: list[int]) -> int:
    """Count by hand: two 3x3 convolutions without bias, two batch norms; then 1x1 with bias."""
    total = 0
    for deep, skip, wide in zip([1056, *filters], [384, 240, 48, 3], filters, strict=False):
        total += 9 * (deep + skip) * wide + 9 * wide * wide + 2 * (2 * wide)
    return total + filters[-1] + 1


def test_the_published_weights(published):
    assert count_parameters(published.encoder) == 5_565_880
    assert count_parameters(published) - 5_565_880 == 1_063_233
    assert decoder_weights([64, 48, 32, 16]) == 1_063_233
    assert round(count_parameters(published) / 1e6, 2) == 6.63


@pytest.mark.parametrize(
    ("filters", "millions"), [([112, 80, 48, 16], 1.96), ([512, 256, 128, 64], 11.9)]
)
def test_other_decoders(filters, millions):
    widths, skips = [1056, *filters], [384, 240, 48, 3]
    with torch.device("meta"):
        blocks = [DecoderBlock(d + s, f) for d, s, f in zip(widths, skips, filters, strict=False)]
    counted = sum(map(count_parameters, blocks)) + filters[-1] + 1
    assert counted == decoder_weights(filters)
    assert counted / 1e6 == pytest.approx(millions, abs=0.05)


def test_the_published_tensors(published):
    assert published.encoder.channels == [48, 240, 384, 1056]
    image = torch.zeros(2, 3, 384, 384, device="meta")
    assert [tuple(x.shape) for x in published.encoder(image)] == [
        (2, 48, 192, 192),
        (2, 240, 96, 96),
        (2, 384, 48, 48),
        (2, 1056, 24, 24),
    ]
    assert published(image).shape == (2, 1, 384, 384)
    # ImageNet's statistics, as Keras normalizes within its network.
    assert published.architecture.mean == pytest.approx([0.485, 0.456, 0.406])
    assert published.architecture.std == pytest.approx([0.229, 0.224, 0.225])


@pytest.mark.parametrize(
    "encoder",
    ["tf_efficientnet_lite0", "efficientnet_b0", "tf_efficientnetv2_s", "efficientnet_es"],
)
@pytest.mark.parametrize("size", [64, 96])
def test_any_efficientnet_at_any_size(encoder, size):
    with torch.device("meta"):
        network = small(encoder, size)
        tensors = network.encoder(torch.zeros(2, 3, size, size))
        assert network(torch.zeros(2, 3, size, size)).shape == (2, 1, size, size)
    assert [x.shape[-1] for x in tensors] == [size // 2, size // 4, size // 8, size // 16]
    assert [x.shape[1] for x in tensors] == network.encoder.channels


def test_the_encoder_is_timms():
    import timm

    torch.manual_seed(0)
    encoder = EfficientNetEncoder("tf_efficientnet_lite0").eval()
    whole = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    stages = len(encoder.blocks)
    renamed = {
        name.replace("expansion.0", f"blocks.{stages}.0.conv_pw").replace(
            "expansion.1", f"blocks.{stages}.0.bn1"
        ): value
        for name, value in encoder.state_dict().items()
    }
    missing, unexpected = whole.load_state_dict(renamed, strict=False)
    assert not unexpected
    assert missing
    caught = {}
    # The activations that timm's network itself computes: the stem's stage, the expansions of
    # the blocks that go to 1/8 and 1/16, and of the one that goes to 1/32.
    for key, module in enumerate(
        (whole.blocks[0][0].bn1, whole.blocks[2][0].bn1, whole.blocks[3][0].bn1,
         whole.blocks[5][0].bn1)
    ):  # fmt: skip
        module.register_forward_hook(lambda _m, _i, out, key=key: caught.__setitem__(key, out))
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        whole.forward_features(image)
        found = encoder(image)
    for key, tensor in enumerate(found):
        torch.testing.assert_close(tensor, caught[key])
    # Nothing stays hooked, so the network can be copied and exported.
    assert not any(module._forward_hooks for module in encoder.modules())


def test_the_input_is_normalized_within():
    plain, shifted = tiny_network(0), tiny_network(0)
    image = torch.rand(1, 3, 64, 64)
    shifted.mean = torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1)
    shifted.std = torch.tensor([0.5, 0.25, 2.0]).view(1, 3, 1, 1)
    plain.mean, plain.std = torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1)
    with torch.no_grad():
        torch.testing.assert_close(shifted(image), plain((image - shifted.mean) / shifted.std))
    # Statistics are part of the architecture, not of the weights.
    assert not {"mean", "std"} & plain.state_dict().keys()


def test_the_head_gives_logits():
    network = tiny_network(0)
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.fill_(-3)
        assert (network(torch.rand(1, 3, 64, 64)) == -3).all()


@pytest.mark.parametrize("encoder", ["resnet18", "efficientnet_zz", "efficientnet_blur_b0"])
def test_encoders_of_another_make_are_refused(encoder):
    with refused("encoder-unknown", encoder):
        small(encoder, 64)


@pytest.mark.parametrize(
    ("version", "cuda"),
    [("0.28.0+cu130", True), ("0.28.0+cpu", False), ("0.28.0", False), (None, False)],
)
def test_the_guard_tells_builds_apart(version, cuda, tmp_path, monkeypatch):
    # All builds carry the last lines, word for word.
    if version:
        (tmp_path / "version.py").write_text(
            f"__version__ = '{version}'\ngit_version = '8fb8'\n"
            "from torchvision.extension import _check_cuda_version\n"
            "if _check_cuda_version() > 0:\n    cuda = _check_cuda_version()\n"
        )
    found = SimpleNamespace(submodule_search_locations=[str(tmp_path)]) if version else None
    monkeypatch.setattr("importlib.util.find_spec", lambda name: found)
    assert torchvision_guard._torchvision_is_for_cuda() is cuda


def test_timm_is_usable_behind_the_guard():
    import timm

    assert timm.is_model("tf_efficientnet_b5")
    if torch.version.cuda is None and torchvision_guard._torchvision_is_for_cuda():
        assert "iou_threshold" in str(torch.ops.torchvision.nms.default._schema)
