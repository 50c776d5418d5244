"""The network: an EfficientNet cut off at its sixth stage, and a decoder with four skips.

Method: Wagner & Rohr, EfficientCellSeg, MIDL 2022, section 2.2.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

import efficientcellseg.networks.torchvision_guard  # noqa: F401  (must come before timm)
from ctc_eval.format import InputError
from efficientcellseg.frozen import changed
from efficientcellseg.networks.base import Network
from efficientcellseg.parameters.architecture import EfficientCellSegArchitecture

import timm  # isort: skip


class EfficientCellSegNetwork(Network):
    """Predict maps, such as cells and centers, of a pseudocolored slice.

    The encoder is any EfficientNet of timm. Its tensors are found by their role, the widest
    at each resolution: the resized input, the first block's activation (1/2), and the
    expansions of the first blocks that go down to 1/8 and to 1/16; the bottleneck is the
    expansion of the block that would go down to 1/32. In tf_efficientnet_b5 these are the
    input, stage 1, the expansions of stages 3 and 4, and that of stage 6.

    Parameters
    ----------
    architecture : EfficientCellSegArchitecture
        Squeeze-and-excitation pools over the whole tile, so that the input's size belongs to
        the model. The paper has a network a map; one network for two maps shares all but the last
        layer.

    Raises
    ------
    InputError
        An encoder that timm does not know or that is built otherwise.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, architecture: EfficientCellSegArchitecture) -> None:
        super().__init__(architecture)
        self.encoder = EfficientNetEncoder(architecture.encoder)
        statistics = {
            name: getattr(architecture, name) or values
            for name, values in self.encoder.statistics.items()
        }
        self.architecture = changed(architecture, **statistics)
        self.raw_skip, filters = architecture.raw_skip, architecture.decoder_filters
        for name, values in statistics.items():
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)
        skips = [*reversed(self.encoder.channels[:-1]), 3]
        widths = [self.encoder.channels[-1], *filters]
        self.decoder = nn.ModuleList(
            DecoderBlock(deep + skip, wide)
            for (deep, wide), skip in zip(pairwise(widths), skips, strict=True)
        )
        self.head = nn.Conv2d(filters[-1], len(self.maps), 1)

    def forward(self, image: Tensor) -> Tensor:
        """Predict logits.

        Parameters
        ----------
        image : Tensor of shape (N, 3, S, S), float32
            Pseudocolored tiles in 0..1, S the input size.

        Returns
        -------
        Tensor of shape (N, C, S, S), float32
            A channel for each of `maps`, before the sigmoid.
        """
        normalized = (image - self.mean) / self.std
        *skips, x = self.encoder(normalized)
        skips = [image if self.raw_skip else normalized, *skips]
        for block, skip in zip(self.decoder, reversed(skips), strict=True):
            x = block(x, skip)
        return self.head(x)


class EfficientNetEncoder(nn.Module):
    """An EfficientNet of timm up to the expansion that ends at 1/16 of the input.

    Parameters
    ----------
    name : str
        timm's name.

    Attributes
    ----------
    channels : list of int
        Widths of the three inner skips and of the bottleneck.
    statistics : dict of str to tuple of float
        Mean and standard deviation of the images it was pretrained on.

    Raises
    ------
    InputError
        No EfficientNet of timm, or one that does not halve its input five times.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        refusal = InputError(
            f"encoder {name!r}; expected an EfficientNet that timm knows and that halves its input "
            "five times by strides, such as tf_efficientnet_b5 or tf_efficientnet_lite0",
            code="encoder-unknown",
        )
        if "efficientnet" not in name or not timm.is_model(name):
            raise refusal
        self.name = name
        net: Any = timm.create_model(name, pretrained=False)
        self.statistics = {key: tuple(net.pretrained_cfg[key]) for key in ("mean", "std")}
        self.conv_stem, self.bn1 = net.conv_stem, net.bn1
        # The stem halves once, then the first blocks of four stages.
        halving = [i for i, stage in enumerate(net.blocks) if _halves(stage[0])]
        if len(halving) != 4 or not hasattr(net.blocks[halving[-1]][0], "conv_pw"):
            raise refusal
        _, third, fourth, last = halving
        self.skip_stages = (0, third, fourth)
        self.blocks = nn.ModuleList(net.blocks[:last])
        # Of the block that would halve a fourth time, only the expansion is kept.
        self.expansion = nn.Sequential(net.blocks[last][0].conv_pw, net.blocks[last][0].bn1)
        with torch.no_grad():
            training = self.training
            self.eval()
            tensors = self(torch.zeros(1, 3, 64, 64))
            self.train(training)
        if [x.shape[-1] for x in tensors] != [32, 16, 8, 4]:
            raise refusal
        self.channels = [x.shape[1] for x in tensors]

    def forward(self, image: Tensor) -> list[Tensor]:
        """Compute the skips at 1/2, 1/4 and 1/8 of the input's resolution, and the bottleneck.

        Parameters
        ----------
        image : Tensor of shape (N, 3, S, S), float32
            Normalized.

        Returns
        -------
        list of Tensor
            The bottleneck, at 1/16, last.
        """
        x = self.bn1(self.conv_stem(image))
        skips = []
        for i, stage in enumerate(self.blocks):
            if i in self.skip_stages:
                first, *others = stage.children()
                x, skip = _with_inner(first, x)
                skips.append(skip)
                for block in others:
                    x = block(x)
            else:
                x = stage(x)
        return [*skips, self.expansion(x)]


def _halves(block: nn.Module) -> bool:
    """Tell whether a block halves the resolution."""
    return any(isinstance(m, nn.Conv2d) and m.stride == (2, 2) for m in block.modules())


def _with_inner(block: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """Run a block; give its output and its widest tensor at the input's resolution.

    That is the activation after the expansion (or after the depthwise convolution, where a
    block has no expansion); a fused block, which expands and halves at once, gives its input.
    """
    if hasattr(block, "conv_pw") and hasattr(block, "conv_dw"):
        first = block.conv_pw if hasattr(block, "conv_pwl") else block.conv_dw
        if first.stride == (1, 1):
            caught: list[Tensor] = []
            handle = block.bn1.register_forward_hook(lambda _m, _i, out: caught.append(out))
            try:
                return block(x), caught[0]
            finally:
                handle.remove()
    return block(x), x


class DecoderBlock(nn.Module):
    """Bilinear x 2, concatenate the skip, twice 3x3 convolution, batch norm, ReLU.

    Parameters
    ----------
    channels : int
        Of the deeper tensor and the skip together.
    filters : int
        Channels of the result.
    """

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, filters, 3, padding=1, bias=False),
            nn.BatchNorm2d(filters),
            nn.ReLU(inplace=True),
            nn.Conv2d(filters, filters, 3, padding=1, bias=False),
            nn.BatchNorm2d(filters),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Combine a deeper tensor with the skip.

        Parameters
        ----------
        x : Tensor of shape (N, C, R / 2, R / 2)
        skip : Tensor of shape (N, D, R, R)

        Returns
        -------
        Tensor of shape (N, filters, R, R)
        """
        x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return self.layers(torch.cat([x, skip], dim=1))
