"""Methods: what turns a frame into maps, and the labeling that turns these into labels.

A method is made for a recipe. `prepare` may run in several threads, `maps` runs in one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from efficientcellseg.labeling import Maps
from efficientcellseg.recipe import Labeling, Recipe


class Method(Protocol):
    """What the drivers ask of a method."""

    labeling: Labeling

    def prepare(self, volume: np.ndarray) -> Any:
        """Preprocess a volume (Z, Y, X) of raw intensities."""

    def maps(self, prepared: Any) -> Maps:
        """Predict named maps (Z, Y, X), float32 in 0..1."""


class EfficientCellSegMethod:
    """The paper's method: pseudocolor, tiles, one network a map.

    Parameters
    ----------
    recipe : Recipe
    model : Path
        Folder with one model folder for each of the recipe's networks.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    backend : str
        ``torch``, ``onnxruntime`` or ``openvino``.

    Raises
    ------
    InputError
        Models that are not there, damaged or of different input sizes.
    """

    def __init__(self, recipe: Recipe, model: Path, device: str, backend: str = "torch") -> None:
        from efficientcellseg.inference import load_networks

        self.recipe, self.labeling = recipe, recipe.labeling
        self.networks = load_networks(model, recipe.networks, device, backend)

    def prepare(self, volume: np.ndarray) -> tuple[np.ndarray, tuple[int, int, int]]:
        """Pseudocolor and tile."""
        from efficientcellseg.inference import tile_volume
        from efficientcellseg.pseudocolor import pseudocolor

        size = next(iter(self.networks.values())).input_size
        colored = pseudocolor(volume, self.recipe.pseudocolor)
        return tile_volume(colored, self.recipe.tiling, size), volume.shape

    def maps(self, prepared: tuple[np.ndarray, tuple[int, int, int]]) -> Maps:
        """Run each network and put its tiles back in place."""
        from efficientcellseg.inference import predict, untile_volume

        tiles, shape = prepared
        return {
            name: untile_volume(predict(network, tiles), self.recipe.tiling, shape)
            for name, network in self.networks.items()
        }


class ClassicalMethod:
    """The floor: Gaussian blur, Otsu's threshold, distance watershed; no network.

    Takes the same arguments as the other methods; `model`, `device` and `backend` play no part.
    """

    def __init__(self, recipe: Recipe, model: Path, device: str, backend: str = "torch") -> None:
        self.recipe = recipe
        single = recipe.labeling.method == "mask"
        self.labeling = replace(
            recipe.labeling, method="mask" if single else "distance_watershed", threshold=0.5
        )

    def prepare(self, volume: np.ndarray) -> np.ndarray:
        """Blur by one in-plane pixel."""
        from efficientcellseg.labeling import smooth

        return smooth(volume.astype(np.float32), 1.0, self.recipe.anisotropy)

    def maps(self, prepared: np.ndarray) -> Maps:
        """Set what is brighter than Otsu's threshold to 1."""
        from skimage.filters import threshold_otsu

        if prepared.min() == prepared.max():
            return {"cells": np.zeros_like(prepared)}
        return {"cells": (prepared > threshold_otsu(prepared)).astype(np.float32)}


METHODS: dict[str, Callable[[Recipe, Path, str, str], Method]] = {
    "efficientcellseg": EfficientCellSegMethod,
    "classical": ClassicalMethod,
}
