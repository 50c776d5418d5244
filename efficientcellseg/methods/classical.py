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

    Takes the same arguments as the other methods; `model`, `device` and `backend` play no part.
    """

    name = "classical"
    title = "Otsu"
    staged = False
    training = None

    def __init__(self, recipe: Recipe, model: Path, device: str, backend: str = "torch") -> None:
        self.anisotropy = recipe.anisotropy

    @staticmethod
    def adapt(recipe: Recipe) -> Recipe:
        """Label without centers, and ask for no network."""
        labeling = parted_by(recipe.labeling, "distance_watershed", threshold=0.5)
        return recipe.model_copy(update={"labeling": labeling, "maps": ()})

    def prepare(self, volume: np.ndarray) -> np.ndarray:
        """Blur by one in-plane pixel."""
        return smooth(volume.astype(np.float32), 1.0, self.anisotropy)

    def maps(self, prepared: np.ndarray) -> Maps:
        """Set what is brighter than Otsu's threshold to 1."""
        from skimage.filters import threshold_otsu

        if prepared.min() == prepared.max():
            return {"cells": np.zeros_like(prepared)}
        return {"cells": (prepared > threshold_otsu(prepared)).astype(np.float32)}
