"""U-Net, which the method is compared with.

Method: Ronneberger et al., U-Net, MICCAI 2015.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from efficientcellseg.networks.base import Network, check_side
from efficientcellseg.networks.unet_blocks import FILTERS, UNetDecoder, UNetEncoder


class UNetNetwork(Network):
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
        self.encoder = UNetEncoder(3, filters, strided=False)
        self.decoder = UNetDecoder(filters, len(maps), transposed=False)

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
