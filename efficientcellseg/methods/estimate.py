"""Estimates a recipe for images that have none: a plan to read, to change and to use again."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from math import pi, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from efficientcellseg.frozen import changed
from efficientcellseg.methods.scale import fit_scale
from efficientcellseg.parameters.recipe import CellDiameter, open_recipe

if TYPE_CHECKING:
    from efficientcellseg.methods.method import Method
    from efficientcellseg.parameters.recipe import Recipe

log = logging.getLogger(__name__)

# What has less than this share of a typical cell's voxels is no cell.
DEBRIS = 0.01
# More of the image than this share, brighter than half way to the brightest: bright background.
MOSTLY_BRIGHT = 0.6


def base_recipe(
    name: str,
    planes: int,
    voxel_size: Sequence[float] | None = None,
    diameter: float | None = None,
) -> Recipe:
    """Build a recipe for nuclei, in 3D or 2D, from what is known about the images.

    Parameters
    ----------
    name : str
        Of the images.
    planes : int
        Of a frame.
    voxel_size : sequence of float, optional
        Along (plane, row, column), in micrometers.
    diameter : float, optional
        Of the cells, in micrometers if the voxel size is known, else in pixels.

    Returns
    -------
    Recipe
    """
    name = re.sub("[^A-Za-z0-9+_-]", "-", name).lstrip("+_-") or "images"
    known = open_recipe("nuclei-3d" if planes > 1 else "nuclei-2d")
    unit = "um" if voxel_size else "pixels"
    return changed(
        known,
        name=name,
        description=f"Estimated from the images by efficientcellseg, on {known.name}.",
        voxel_size=tuple(float(size) for size in voxel_size) if voxel_size else (1.0, 1.0, 1.0),
        **({"cell_diameter": CellDiameter(**{unit: float(diameter)})} if diameter else {}),
    )


def estimate_recipe(
    base: Recipe,
    method: type[Method],
    model: Path,
    shape: tuple[int, int, int],
    look: Callable[[], list[np.ndarray]],
    **how: Any,
) -> Recipe:
    """Complete a recipe with what a first look at a few volumes shows.

    Parameters
    ----------
    base : Recipe
        From :func:`base_recipe`.
    method : type of Method
    model : Path
        Folder of its networks.
    shape : tuple of int
        (Z, Y, X) of a frame.
    look : callable
        Gives a few volumes (Z, Y, X), uint8 or uint16.
    **how
        ``device``, ``backend``, ``precision`` and ``check`` of
        :func:`efficientcellseg.methods.scale.fit_scale`.

    Returns
    -------
    Recipe
        With the cells' size, and without what follows from it, such as tiles: these are found
        whenever it is used, so that changing the size suffices.

    Raises
    ------
    InputError
        What :func:`efficientcellseg.methods.scale.fit_scale` refuses.
    """
    volumes = look()
    found = fit_scale(base, method, model, shape[1:], lambda: volumes, **how).cell_diameter
    background = float(np.median([np.median(volume) for volume in volumes]))
    _warn_of_bright(base.name, volumes)
    description = f"{base.description} Background about {background:g}."
    recipe = changed(base, description=description)
    if found is None:
        return recipe
    pixel = sqrt(recipe.voxel_size[1] * recipe.voxel_size[2])
    if found.pixels and recipe.voxel_size != (1.0, 1.0, 1.0):
        found = CellDiameter(um=round(found.pixels * pixel, 2))
    recipe = changed(recipe, cell_diameter=found)
    width = recipe.cell_pixels or 0
    cell = pi * width**2 / 4 if shape[0] == 1 else pi * width**3 / 6 / recipe.anisotropy
    labeling = changed(recipe.labeling, min_size=max(round(DEBRIS * cell), 1))
    return changed(recipe, labeling=labeling)


def _warn_of_bright(name: str, volumes: Sequence[np.ndarray]) -> None:
    """Warn if most of an image is bright: cells should be brighter than the rest."""
    for volume in volumes:
        low, high = np.quantile(volume, (0.001, 0.999))
        if np.mean(volume > (low + high) / 2) > MOSTLY_BRIGHT:
            log.warning(
                "%s: most of the image is bright; cells are assumed to be brighter than their "
                "surroundings, and no shipped network knows others",
                name,
            )
            return
