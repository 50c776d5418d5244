"""DU-Net: distances to the background and to neighbor cells, and a watershed on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from efficientcellseg.chain.labeling import NEEDED, Maps
from efficientcellseg.methods.efficientcellseg import EfficientCellSeg
from efficientcellseg.parameters.recipe import Recipe


class DUNet(EfficientCellSeg):
    """DU-Net (Scherr et al. 2020, KIT-Sch-GE) over the tiles of gray slices.

    Against the publication, the watershed runs on the volume, so that a cell keeps its label
    through z, and a sigmoid follows the network. Where a frame holds a single cell, it is what
    the cell distance shows, without a watershed.
    """

    kind = "dunet"

    @staticmethod
    def adapt(recipe: Recipe) -> Recipe:
        """See the slice alone, predict distances."""
        single = recipe.labeling.method == "mask"
        return replace(
            recipe,
            pseudocolor=replace(recipe.pseudocolor, context="none"),
            networks=NEEDED["dunet_watershed"],
            labeling=replace(recipe.labeling, method="mask" if single else "dunet_watershed"),
        )

    def maps(self, prepared: tuple[np.ndarray, tuple[int, int, int]]) -> Maps:
        """Predict distances; cells are where the cell distance is high enough."""
        found = super().maps(prepared)
        cells = found["cell_distance"] > self.recipe.labeling.distance_threshold
        return {**found, "cells": cells.astype(np.float32)}
