"""A 3D U-Net as nnU-Net plans it.

Method: Isensee et al., nnU-Net, Nature Methods 2021, as entered into the challenge by DKFZ-GE.
"""

from __future__ import annotations

from math import prod

from torch import Tensor

from ctc_eval.format import InputError
from efficientcellseg.networks.base import Network
from efficientcellseg.parameters.architecture import UNet3DArchitecture

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
    architecture : UNet3DArchitecture

    Raises
    ------
    InputError
        Planes that the stages cannot halve.
    """

    def __init__(self, architecture: UNet3DArchitecture) -> None:
        from monai.networks.nets import DynUNet

        super().__init__(architecture)
        self.planes, filters = architecture.planes, architecture.filters
        stages = len(filters)
        if self.planes % (step := prod(PLANE_STRIDES[:stages])):
            raise InputError(
                f"planes {self.planes}; expected a multiple of {step}, as {stages} stages halve "
                "them: change the architecture",
                code="planes-odd",
            )
        strides = [(1, 1, 1), *((stride, 2, 2) for stride in PLANE_STRIDES[1:stages])]
        self.net = DynUNet(
            spatial_dims=3,
            in_channels=1,
            out_channels=len(self.maps),
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
