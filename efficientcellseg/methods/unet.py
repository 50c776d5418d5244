"""U-Net: only the cell probability of a slice; the baseline of the paper."""

from __future__ import annotations

from efficientcellseg.frozen import changed
from efficientcellseg.methods.efficientcellseg import EfficientCellSeg
from efficientcellseg.methods.method import parted_by
from efficientcellseg.parameters.recipe import Recipe

# Networks of gray slices that start at random.
GRAY = ("pseudocolor.context=none", "encoder_weights=null", "start=null")


class UNet(EfficientCellSeg):
    """U-Net (Ronneberger et al. 2015) over the tiles of gray slices, then a distance watershed.

    Against the publication, cells are parted by the watershed of the paper's method instead of
    weights at their borders, which a network for all data sets would have to learn for each.
    Labels are joined across slices as the recipe says.
    :class:`efficientcellseg.networks.unet.UNetNetwork` says what differs in the network.
    """

    name = "unet"
    title = "U-Net"
    staged = False
    kind = "unet"
    training: tuple[str, ...] = ("model={kind: unet}", "targets=[cells]", *GRAY)

    @staticmethod
    def adapt(recipe: Recipe) -> Recipe:
        """Show the network single gray slices, and predict only cells.

        Parameters
        ----------
        recipe : Recipe

        Returns
        -------
        Recipe
        """
        return changed(
            recipe,
            pseudocolor=changed(recipe.pseudocolor, context="none"),
            maps=("cells",),
            labeling=parted_by(recipe.labeling, "distance_watershed"),
        )
