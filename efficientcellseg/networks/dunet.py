"""DU-Net, which predicts distances by a decoder each.

Method: Scherr et al., Cell segmentation and tracking using CNN-based distance predictions and a
graph-based matching strategy, PLOS ONE 2020.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from efficientcellseg.networks.base import Network, check_side
from efficientcellseg.networks.unet_blocks import FILTERS, UNetDecoder, UNetEncoder


class DUNetNetwork(Network):
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
        As in :class:`efficientcellseg.networks.unet.UNetNetwork`.
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
        self.encoder = UNetEncoder(1, filters, strided=True)
        self.decoders = nn.ModuleList(UNetDecoder(filters, 1, transposed=True) for _ in self.maps)

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
