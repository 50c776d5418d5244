"""DU-Net: distances to the background and to neighbor cells, and a watershed on them."""

from __future__ import annotations

import numpy as np

from efficientcellseg.frozen import changed
from efficientcellseg.labelings import LABELINGS
from efficientcellseg.labelings.dunet_watershed import DISTANCE_THRESHOLD
from efficientcellseg.maps import Maps
from efficientcellseg.methods.efficientcellseg import EfficientCellSeg, Tiles
from efficientcellseg.methods.method import parted_by
from efficientcellseg.methods.unet import GRAY
from efficientcellseg.parameters.recipe import Recipe


class DUNet(EfficientCellSeg):
    """DU-Net (Scherr et al. 2020, KIT-Sch-GE) over the tiles of gray slices.

    Against the publication, the watershed runs on the volume, so that a cell keeps its label
    through z, and a sigmoid follows the network. Where a frame holds a single cell, it is what
    the cell distance shows, without a watershed.
    """

    name = "dunet"
    title = "DU-Net"
    staged = False
    kind = "dunet"
    training = (
        "model={kind: dunet}",
        "targets=[cells, cell_distance, neighbor_distance]",
        *GRAY,
    )

    @staticmethod
    def adapt(recipe: Recipe) -> Recipe:
        """Show the network single gray slices, and label the distances it predicts.

        Parameters
        ----------
        recipe : Recipe

        Returns
        -------
        Recipe
        """
        update = {
            "pseudocolor": changed(recipe.pseudocolor, context="none"),
            "maps": LABELINGS["dunet_watershed"].needs,
            "labeling": parted_by(recipe.labeling, "dunet_watershed"),
        }
        return recipe.model_copy(update=update)

    def maps(self, prepared: Tiles) -> Maps:
        """Predict distances, and derive the cells from the cell distance.

        Parameters
        ----------
        prepared : Tiles

        Returns
        -------
        dict of str to ndarray of shape (Z, Y, X), float32
            The distances in 0..1, and `cells`, 0 or 1.
        """
        found = super().maps(prepared)
        lowest = getattr(self.recipe.labeling, "distance_threshold", DISTANCE_THRESHOLD)
        cells = found["cell_distance"] > lowest
        return {**found, "cells": cells.astype(np.float32)}
