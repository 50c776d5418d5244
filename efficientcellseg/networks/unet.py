"""U-Nets that the method is compared with: one decoder, or two that predict distances.

Methods: Ronneberger et al., U-Net, MICCAI 2015; Scherr et al., Cell segmentation and tracking
using CNN-based distance predictions and a graph-based matching strategy, PLOS ONE 2020.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from ctc_eval.format import InputError
from efficientcellseg.networks.efficientcellseg import Network

FILTERS = (64, 128, 256, 512, 1024)


class UNet(Network):
    """Predict maps of a pseudocolored or gray slice.

    Against Ronneberger et al., convolutions are padded and followed by batch norm, and the
    decoder doubles the resolution by interpolation, without weights. So counted, encoder and
    bottleneck have 18.9 M weights and the decoder 12.5 M, as Wagner & Rohr 2022 print; with
    the transposed convolutions of 2015 the decoder would have 12.2 M.

    Parameters
    ----------
    maps : sequence of str
        Names of the output channels.
    filters : sequence of int
        Filters of the encoder's blocks, the first at full resolution, the last the bottleneck.
    input_size : int
        Side of the square input in pixels; a multiple of 16 with five blocks.

    Raises
    ------
    InputError
        An input size that the blocks cannot halve.
    """

    def __init__(
        self,
        maps: Sequence[str] = ("cells",),
        filters: Sequence[int] = FILTERS,
        input_size: int = 384,
    ) -> None:
        super().__init__()
        check_side("input size", input_size, 2 ** (len(filters) - 1))
        self.maps, self.input_size = tuple(maps), input_size
        self.architecture = {
            "kind": "unet",
            "maps": list(maps),
            "filters": list(filters),
            "input_size": input_size,
        }
        self.encoder = Encoder(3, filters, strided=False)
        self.decoder = Decoder(filters, len(maps), transposed=False)

    def forward(self, image: Tensor) -> Tensor:
        """Predict logits.

        Parameters
        ----------
        image : Tensor of shape (N, 3, S, S), float32
            In 0..1, S the input size.

        Returns
        -------
        Tensor of shape (N, C, S, S), float32
            Before the sigmoid; a channel for each of `maps`.
        """
        return self.decoder(self.encoder(image))


class DUNet(Network):
    """Predict, for a gray slice, the distances to the background and to neighbor cells.

    One encoder, which halves the resolution by strided convolutions, and a decoder for each
    map. It has 46.4 M weights, as Wagner & Rohr 2022 print; they assign 22.2 M to the encoder
    and 24.2 M to the decoders, while 22.0 M and 24.4 M are counted here. (The difference is
    what the two last blocks of the decoders have, 0.22 M.)

    Against Scherr et al., whose last layers are linear, a sigmoid follows, as for the maps of all
    networks here; the distances lie in 0..1 anyway.

    Parameters
    ----------
    maps : sequence of str
        Names of the output channels, a decoder each.
    filters : sequence of int
        As in :class:`UNet`.
    input_size : int
        Side of the square input in pixels; a multiple of 16 with five blocks.

    Raises
    ------
    InputError
        An input size that the blocks cannot halve.
    """

    def __init__(
        self,
        maps: Sequence[str] = ("cell_distance", "neighbor_distance"),
        filters: Sequence[int] = FILTERS,
        input_size: int = 384,
    ) -> None:
        super().__init__()
        check_side("input size", input_size, 2 ** (len(filters) - 1))
        self.maps, self.input_size = tuple(maps), input_size
        self.architecture = {
            "kind": "dunet",
            "maps": list(maps),
            "filters": list(filters),
            "input_size": input_size,
        }
        self.encoder = Encoder(1, filters, strided=True)
        self.decoders = nn.ModuleList(Decoder(filters, 1, transposed=True) for _ in self.maps)

    def forward(self, image: Tensor) -> Tensor:
        """Predict logits.

        Parameters
        ----------
        image : Tensor of shape (N, 3, S, S), float32
            In 0..1, S the input size. Only the second channel is seen: pseudocolor's green,
            the slice itself.

        Returns
        -------
        Tensor of shape (N, 2, S, S), float32
            Before the sigmoid; cell distance and neighbor distance.
        """
        tensors = self.encoder(image[:, 1:2])
        return torch.cat([decoder(tensors) for decoder in self.decoders], dim=1)


class Encoder(nn.Module):
    """A block at each resolution; between them max pooling or a strided 3x3 convolution."""

    def __init__(self, channels: int, filters: Sequence[int], strided: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_block(a, b) for a, b in pairwise([channels, *filters]))
        self.halvings = nn.ModuleList(
            nn.Sequential(*_convolution(width, width, stride=2)) if strided else nn.MaxPool2d(2)
            for width in filters[:-1]
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Give the tensors of all resolutions, the full one first, the bottleneck last."""
        tensors = [self.blocks[0](x)]
        for halve, block in zip(self.halvings, self.blocks[1:], strict=True):
            tensors.append(block(halve(tensors[-1])))
        return tensors


class Decoder(nn.Module):
    """Double the resolution, concatenate the skip, a block; at the end a 1x1 convolution.

    The resolution is doubled by a transposed 2x2 convolution with batch norm, which also
    brings the channels to the skip's number, or bilinearly.
    """

    def __init__(self, filters: Sequence[int], outputs: int, transposed: bool) -> None:
        super().__init__()
        steps = list(pairwise(reversed(filters)))
        self.doublings = nn.ModuleList(
            _transposed(deep, wide)
            if transposed
            else nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
            for deep, wide in steps
        )
        self.blocks = nn.ModuleList(
            _block((wide if transposed else deep) + wide, wide) for deep, wide in steps
        )
        self.head = nn.Conv2d(filters[0], outputs, 1)

    def forward(self, tensors: list[Tensor]) -> Tensor:
        """Decode what the encoder gave."""
        *skips, x = tensors
        for double, block, skip in zip(self.doublings, self.blocks, reversed(skips), strict=True):
            x = block(torch.cat([double(x), skip], dim=1))
        return self.head(x)


def check_side(name: str, side: int, multiple: int) -> None:
    """Check the side of a network's input.

    Raises
    ------
    InputError
        It is not a multiple.
    """
    if side < multiple or side % multiple:
        lower = max(side // multiple * multiple, multiple)
        raise InputError(
            f"{name} {side}; expected a multiple of {multiple}: take {lower} or {lower + multiple}"
        )


def _convolution(channels: int, filters: int, stride: int = 1) -> list[nn.Module]:
    """3x3 convolution, ReLU, batch norm: in the order of Scherr et al."""
    return [
        nn.Conv2d(channels, filters, 3, stride, padding=1),
        nn.ReLU(inplace=True),
        nn.BatchNorm2d(filters),
    ]


def _block(channels: int, filters: int) -> nn.Sequential:
    return nn.Sequential(*_convolution(channels, filters), *_convolution(filters, filters))


def _transposed(channels: int, filters: int) -> nn.Sequential:
    # No bias: the batch norm that follows would take it out again.
    return nn.Sequential(
        nn.ConvTranspose2d(channels, filters, 2, 2, bias=False), nn.BatchNorm2d(filters)
    )
