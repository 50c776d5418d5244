"""The paper's method: pseudocolor, tiles, one network a map or one for all."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from efficientcellseg.chain.inference import predict, tile_volume, untile_volume
from efficientcellseg.chain.pseudocolor import pseudocolored_planes
from efficientcellseg.maps import Maps
from efficientcellseg.networks.loading import load_networks
from efficientcellseg.parameters.recipe import Recipe


class EfficientCellSeg:
    """Networks over the tiles of pseudocolored slices.

    Parameters
    ----------
    recipe : Recipe
    model : Path
        A model folder, or a folder of such, that predict the recipe's maps.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    backend : str
        ``torch``, ``onnxruntime`` or ``openvino``.

    Raises
    ------
    InputError
        Models that are not there, damaged, of another kind or of different input sizes.
    """

    name = "efficientcellseg"
    title = "EfficientCellSeg"
    staged = True
    kind = "efficientcellseg"
    training: tuple[str, ...] = ()

    def __init__(self, recipe: Recipe, model: Path, device: str, backend: str = "torch") -> None:
        self.recipe = recipe
        self.networks = load_networks(model, recipe.maps, device, backend, self.kind)

    @staticmethod
    def adapt(recipe: Recipe) -> Recipe:
        """Take the recipe as it is: it is written for this method."""
        return recipe

    def prepare(self, volume: np.ndarray) -> tuple[np.ndarray, tuple[int, int, int]]:
        """Pseudocolor and tile."""
        colored = pseudocolored_planes(volume, self.recipe.pseudocolor)
        size = self.networks[0].input_size
        return tile_volume(colored, volume.shape, self.recipe.tiling, size), volume.shape

    def maps(self, prepared: tuple[np.ndarray, tuple[int, int, int]]) -> Maps:
        """Run the networks and put their tiles back in place."""
        tiles, shape = prepared
        recipe = self.recipe
        predicted = predict(self.networks, tiles, recipe.test_time_flips, recipe.maps)
        del prepared, tiles  # where this is all that holds them, they make room
        return {name: untile_volume(one, recipe.tiling, shape) for name, one in predicted.items()}
