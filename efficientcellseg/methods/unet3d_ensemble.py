"""An ensemble of 3D U-Nets, one per fold of the training data, as in nnU-Net."""

from __future__ import annotations

import numpy as np

from efficientcellseg.chain.inference import predict_volume, untile_volume
from efficientcellseg.maps import Maps
from efficientcellseg.methods.efficientcellseg import Tiles
from efficientcellseg.methods.unet import GRAY, UNet


class UNet3DEnsemble(UNet):
    """3D U-Nets (Isensee et al. 2021, as entered by DKFZ-GE), averaged, then a distance watershed.

    Patches are the recipe's tiles, resized as for all methods, with the networks' number of
    planes; along the planes they overlap by half and count most in their middle. nnU-Net resizes
    to the median voxel size instead, overlaps patches along rows and columns, too (here as far
    as the recipe's tiles do), and averages over mirrored patches. It reads a recipe as U-Net does.
    """

    name = "unet3d_ensemble"
    title = "3D U-Net"
    staged = False
    kind = "unet3d"
    # Four folds, as entered; a slab is as much as a batch of slices.
    training = (
        "model={kind: unet3d}",
        "targets=[cells]",
        "training.folds=4",
        "training.batch=1",
        *GRAY,
    )

    def maps(self, prepared: Tiles) -> Maps:
        """Run all networks over the stack of each tile, and average them.

        Parameters
        ----------
        prepared : Tiles

        Returns
        -------
        dict of str to ndarray of shape (Z, Y, X), float32
            `cells`, in 0..1.
        """
        slices, shape = prepared
        # Green of all slices, (N, Z, S, S): N stacks.
        stacks = np.stack([tiles[:, 1] for tiles in slices], 1)
        cells = np.stack([predict_volume(self.networks, stack)["cells"] for stack in stacks], 1)
        cells = cells.reshape(-1, *cells.shape[2:])
        return {"cells": untile_volume(cells, self.recipe.tiling, shape)}
