"""The paper's method: pseudocolor, tiles, and one network per map or one for all maps."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from efficientcellseg.chain.inference import predict_slices
from efficientcellseg.chain.pseudocolor import pseudocolored_planes
from efficientcellseg.chain.tiling import cut, plan_tiles
from efficientcellseg.maps import Maps
from efficientcellseg.networks.loading import load_networks
from efficientcellseg.parameters.recipe import Recipe

# The tiles of a volume, slice by slice, and its shape (Z, Y, X).
Tiles = tuple[Iterator[np.ndarray], tuple[int, int, int]]


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
        self.networks = load_networks(
            model, recipe.maps, device, backend, self.kind, recipe.precision
        )

    @staticmethod
    def adapt(recipe: Recipe) -> Recipe:
        """Leave the recipe as it is: it is written for this method.

        Parameters
        ----------
        recipe : Recipe

        Returns
        -------
        Recipe
        """
        return recipe

    def prepare(self, volume: np.ndarray) -> Tiles:
        """Pseudocolor and tile slice by slice, when the networks ask for them.

        Parameters
        ----------
        volume : ndarray of shape (Z, Y, X), uint8 or uint16

        Returns
        -------
        Tiles
            An iterator over the tiles of each slice, and the volume's shape.
        """
        size, plan = self.networks[0].input_size, plan_tiles(volume.shape[1:], self.recipe.tiling)
        slices = pseudocolored_planes(
            volume, self.recipe.pseudocolor, lambda plane: cut(plane, plan, size)
        )
        # Begun here, so that the first are there when the networks are done with what is before.
        return chain([next(slices)], slices), volume.shape

    def maps(self, prepared: Tiles) -> Maps:
        """Run the networks and put their tiles back in place.

        Parameters
        ----------
        prepared : Tiles

        Returns
        -------
        dict of str to ndarray of shape (Z, Y, X), float32
            Each map, in 0..1.
        """
        slices, shape = prepared
        recipe = self.recipe
        return predict_slices(
            self.networks, slices, recipe.tiling, shape, recipe.test_time_flips, recipe.maps
        )
