"""DU-Net, which predicts distances by a decoder each.

Method: Scherr et al., Cell segmentation and tracking using CNN-based distance predictions and a
graph-based matching strategy, PLOS ONE 2020.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from efficientcellseg.networks.base import Network
from efficientcellseg.networks.unet_blocks import UNetDecoder, UNetEncoder
from efficientcellseg.parameters.architecture import DUNetArchitecture


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
    architecture : DUNetArchitecture
    """

    def __init__(self, architecture: DUNetArchitecture) -> None:
        super().__init__(architecture)
        filters = architecture.filters
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
