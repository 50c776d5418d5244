"""U-Net: the cell probability of a slice, and no more; what the paper measures itself against."""

from __future__ import annotations

from dataclasses import replace

from efficientcellseg.chain.labeling import without_centers
from efficientcellseg.methods.efficientcellseg import EfficientCellSeg
from efficientcellseg.parameters.recipe import Recipe


class UNet(EfficientCellSeg):
    """U-Net (Ronneberger et al. 2015) over the tiles of gray slices, then a distance watershed.

    Against the publication, cells are parted by the watershed of the paper's method instead of
    weights at their borders, which a network for all data sets would have to learn for each.
    Labels are joined across slices as the recipe says.
    :class:`efficientcellseg.networks.unet.UNetNetwork` says what differs in the network.
    """

    kind = "unet"

    @staticmethod
    def adapt(recipe: Recipe) -> Recipe:
        """See the slice alone, predict cells alone."""
        return replace(
            recipe,
            pseudocolor=replace(recipe.pseudocolor, context="none"),
            networks=("cells",),
            labeling=without_centers(recipe.labeling),
        )
