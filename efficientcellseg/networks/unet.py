"""U-Net, which the method is compared with.

Method: Ronneberger et al., U-Net, MICCAI 2015.
"""

from __future__ import annotations

from torch import Tensor

from efficientcellseg.networks.base import Network
from efficientcellseg.networks.unet_blocks import UNetDecoder, UNetEncoder
from efficientcellseg.parameters.architecture import UNetArchitecture


class UNetNetwork(Network):
    """Predict maps of a pseudocolored or gray slice.

    Against Ronneberger et al., convolutions are padded and followed by batch norm, and the
    decoder doubles the resolution by interpolation, without weights. So counted, encoder and
    bottleneck have 18.9 M weights and the decoder 12.5 M, as Wagner & Rohr 2022 print; with
    the transposed convolutions of 2015 the decoder would have 12.2 M.

    Parameters
    ----------
    architecture : UNetArchitecture
    """

    def __init__(self, architecture: UNetArchitecture) -> None:
        super().__init__(architecture)
        filters = architecture.filters
        self.encoder = UNetEncoder(3, filters, strided=False)
        self.decoder = UNetDecoder(filters, len(self.maps), transposed=False)

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
