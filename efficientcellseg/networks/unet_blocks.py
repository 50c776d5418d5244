"""Encoder and decoder of the U-Nets: blocks of two convolutions at each resolution."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class UNetEncoder(nn.Module):
    """A block at each resolution, with max pooling or a strided 3x3 convolution between them.

    Parameters
    ----------
    channels : int
        Of the input.
    filters : sequence of int
        Of the blocks, the full resolution first, the bottleneck last.
    strided : bool
        Whether to halve the resolution by convolution.
    """

    def __init__(self, channels: int, filters: Sequence[int], strided: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_block(a, b) for a, b in pairwise([channels, *filters]))
        self.halvings = nn.ModuleList(
            nn.Sequential(*_convolution(width, width, stride=2)) if strided else nn.MaxPool2d(2)
            for width in filters[:-1]
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Compute the tensors of all resolutions.

        Parameters
        ----------
        x : Tensor of shape (N, C, S, S), float32

        Returns
        -------
        list of Tensor
            The full resolution first, the bottleneck last.
        """
        tensors = [self.blocks[0](x)]
        for halve, block in zip(self.halvings, self.blocks[1:], strict=True):
            tensors.append(block(halve(tensors[-1])))
        return tensors


class UNetDecoder(nn.Module):
    """Double the resolution, concatenate the skip, a block; at the end a 1x1 convolution.

    The resolution is doubled bilinearly, or by a transposed 2x2 convolution with batch norm that
    also reduces the channels to the skip's.

    Parameters
    ----------
    filters : sequence of int
        The encoder's.
    outputs : int
        Channels of the result.
    transposed : bool
        Whether to double the resolution by convolution.
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
        """Decode the encoder's tensors.

        Parameters
        ----------
        tensors : list of Tensor
            From the encoder.

        Returns
        -------
        Tensor of shape (N, outputs, S, S), float32
        """
        *skips, x = tensors
        for double, block, skip in zip(self.doublings, self.blocks, reversed(skips), strict=True):
            x = block(torch.cat([double(x), skip], dim=1))
        return self.head(x)


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
