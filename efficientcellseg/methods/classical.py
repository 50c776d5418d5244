"""The baseline: what thresholds reach without a network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from efficientcellseg.labelings.morphology import smooth
from efficientcellseg.maps import Maps
from efficientcellseg.methods.method import parted_by
from efficientcellseg.parameters.recipe import Recipe


class Classical:
    """Gaussian blur, Otsu's threshold, distance watershed; no network.

    Parameters
    ----------
    recipe : Recipe
        As adapted by :meth:`adapt`.
    model : Path
        Not used; all methods take it.
    device : str
        Not used.
    backend : str
        Not used.
    """

    name = "classical"
    title = "Otsu"
    staged = False
    training = None

    def __init__(self, recipe: Recipe, model: Path, device: str, backend: str = "torch") -> None:
        self.anisotropy = recipe.anisotropy

    @staticmethod
    def adapt(recipe: Recipe) -> Recipe:
        """Label without centers, and ask for no network.

        Parameters
        ----------
        recipe : Recipe

        Returns
        -------
        Recipe
        """
        labeling = parted_by(recipe.labeling, "distance_watershed", threshold=0.5)
        return recipe.model_copy(update={"labeling": labeling, "maps": ()})

    def prepare(self, volume: np.ndarray) -> np.ndarray:
        """Blur with a standard deviation of one in-plane pixel.

        Parameters
        ----------
        volume : ndarray of shape (Z, Y, X), uint8 or uint16

        Returns
        -------
        ndarray of shape (Z, Y, X), float32
        """
        return smooth(volume.astype(np.float32), 1.0, self.anisotropy)

    def maps(self, prepared: np.ndarray) -> Maps:
        """Set voxels brighter than Otsu's threshold (Otsu 1979) to 1.

        Parameters
        ----------
        prepared : ndarray of shape (Z, Y, X), float32

        Returns
        -------
        dict of str to ndarray of shape (Z, Y, X), float32
            `cells`, 0 or 1; 0 in a volume of one value.
        """
        from skimage.filters import threshold_otsu

        if prepared.min() == prepared.max():
            return {"cells": np.zeros_like(prepared)}
        return {"cells": (prepared > threshold_otsu(prepared)).astype(np.float32)}
