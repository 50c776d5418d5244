"""A 3D U-Net as nnU-Net plans it.

Method: Isensee et al., nnU-Net, Nature Methods 2021, as entered into the challenge by DKFZ-GE.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from torch import Tensor

from ctc_eval.format import InputError
from efficientcellseg.networks.base import Network, check_side

FILTERS = (32, 64, 128, 256, 320, 320, 320)

# Kernels and strides along the planes, of each stage; 3 and 2 along rows and columns, but for
# the first stage, which does not halve.
PLANE_KERNELS = (1, 1, 1, 3, 3, 3, 3)
PLANE_STRIDES = (1, 1, 1, 1, 2, 1, 1)


class UNet3DNetwork(Network):
    """Predict maps of a patch of a volume.

    nnU-Net's rules for planes that are eight times as far apart as pixels, as those of
    Fluo-C3DH-A549-SIM: 32 filters, doubled up to 320; pooling along rows and columns only, with
    1x3x3 kernels, until planes and pixels are equally far apart, then along all axes with 3x3x3
    kernels, but only once along the few planes. Instance norm, leaky ReLU, transposed
    convolutions. The plan of that entry is not known; of those that the rules allow, this one
    has the weights that Wagner & Rohr 2022 print, 44.0 M, and four of them 176.0 M. nnU-Net's
    further outputs at lower resolutions, which only its training uses, are left out (about a
    thousand weights). Intensities come scaled to 0..1, as for all networks here: the instance
    norm after the first layer takes out mean and deviation, as nnU-Net does beforehand.

    Parameters
    ----------
    maps : sequence of str
        Names of the output channels.
    filters : sequence of int
        Filters of the stages, three to seven; the last is the bottleneck.
    planes : int
        Planes of a patch; a multiple of 2 with seven stages.
    input_size : int
        Rows and columns of a patch; a multiple of 64 with seven stages.

    Raises
    ------
    InputError
        Too few or too many filters; a patch that the stages cannot halve.
    """

    def __init__(
        self,
        maps: Sequence[str] = ("cells",),
        filters: Sequence[int] = FILTERS,
        planes: int = 16,
        input_size: int = 128,
    ) -> None:
        from monai.networks.nets import DynUNet

        super().__init__()
        stages = len(filters)
        if not 3 <= stages <= len(PLANE_STRIDES):
            raise InputError(
                f"{stages} filters; expected 3 to {len(PLANE_STRIDES)}, one a stage",
                code="filters-count",
            )
        check_side("planes", planes, prod(PLANE_STRIDES[:stages]))
        check_side("input size", input_size, 2 ** (stages - 1))
        self.maps, self.planes, self.input_size = tuple(maps), planes, input_size
        self.architecture = {
            "kind": "unet3d",
            "maps": list(maps),
            "filters": list(filters),
            "planes": planes,
            "input_size": input_size,
        }
        strides = [(1, 1, 1), *((stride, 2, 2) for stride in PLANE_STRIDES[1:stages])]
        self.net = DynUNet(
            spatial_dims=3,
            in_channels=1,
            out_channels=len(maps),
            kernel_size=[(kernel, 3, 3) for kernel in PLANE_KERNELS[:stages]],
            strides=strides,
            upsample_kernel_size=strides[1:],
            filters=list(filters),
            norm_name=("instance", {"affine": True}),
        )

    def forward(self, patch: Tensor) -> Tensor:
        """Predict logits.

        Parameters
        ----------
        patch : Tensor of shape (N, 1, P, S, S), float32
            In 0..1; P planes, S the input size.

        Returns
        -------
        Tensor of shape (N, C, P, S, S), float32
            Before the sigmoid; a channel for each of `maps`.
        """
        return self.net(patch)
