"""Reads a few frames, and adapts a recipe's tiles to its cells and networks."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ctc_eval.format import frame_files, read_volume, volume_shape
from efficientcellseg.chain.scale import (
    FRAMES,
    GIVEN,
    MEASURED,
    OVERLAP,
    LearntSizes,
    check_scale,
    estimate_by_threshold,
    fit_tile,
    input_diameter,
    measure_cells,
)
from efficientcellseg.chain.segment import segment_volume
from efficientcellseg.chain.tiling import plan_tiles
from efficientcellseg.frozen import changed
from efficientcellseg.networks.folders import network_folders, read_card
from efficientcellseg.networks.loading import with_backend
from efficientcellseg.parameters.recipe import CellDiameter, Tiling

if TYPE_CHECKING:
    from efficientcellseg.methods.method import Method
    from efficientcellseg.networks.folders import Card
    from efficientcellseg.parameters.recipe import Recipe

log = logging.getLogger(__name__)

# Lengths of a labeling in pixels: where a recipe does not say them, those of its networks' input.
LENGTHS = ("smoothing", "min_distance")


def plan_scale(
    recipe: Recipe, method: type[Method], model: Path, frames: Path, **how: Any
) -> Recipe:
    """Adapt a recipe's tiles to the frames in a folder, as :func:`fit_scale` does.

    Parameters
    ----------
    recipe : Recipe
        As the method has adapted it.
    method : type of Method
    model : Path
        Folder of its networks.
    frames : Path
        Folder of the raw frames. Which are looked at does not depend on which are segmented.
    **how
        ``device``, ``backend``, ``precision`` and ``check`` of :func:`fit_scale`.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError
        What :func:`fit_scale` and reading frames refuse.
    """
    files = list(frame_files(frames).values())
    (_, rows, columns), _ = volume_shape(files[0])

    def look() -> list[np.ndarray]:
        return [read_volume(files[number]) for number in evenly_spread(len(files), FRAMES)]

    return fit_scale(recipe, method, model, (rows, columns), look, **how)


def evenly_spread(count: int, wanted: int) -> list[int]:
    """Choose evenly spread numbers from 0 to count - 1.

    Parameters
    ----------
    count : int
        How many there are.
    wanted : int
        How many to choose; all, if there are fewer.

    Returns
    -------
    list of int
        Ascending.
    """
    return sorted({count * (2 * i + 1) // (2 * wanted) for i in range(wanted)})


def fit_scale(
    recipe: Recipe,
    method: type[Method],
    model: Path,
    shape: tuple[int, int],
    look: Callable[[], list[np.ndarray]],
    *,
    device: str = "auto",
    backend: str | None = None,
    precision: str | None = None,
    check: bool = True,
) -> Recipe:
    """Adapt a recipe's tiles so that cells have the size that the networks have learned.

    Parameters
    ----------
    recipe : Recipe
        As the method has adapted it.
    method : type of Method
    model : Path
        Folder of its networks.
    shape : tuple of int
        (Y, X) of a slice.
    look : callable
        Gives a few volumes (Z, Y, X), where the recipe does not say how large cells are.
    device : str
        Where networks run.
    backend, precision : str, optional
        In what, and what they compute in; as the recipe says by default.
    check : bool
        Refuse cells that are too small or too large for the networks.

    Returns
    -------
    Recipe
        With tiling, and with the cells' diameter where that was measured, unless the method has no
        networks or their cards do not say what they have learned; with what runs the networks, no
        longer ``auto``.

    Raises
    ------
    InputError
        Cells of another size than the networks have learned; what loading networks refuses.
    """
    recipe = with_backend(recipe, model, device, backend, precision)
    if not recipe.maps:
        return recipe
    cards = [read_card(folder) for folder in network_folders(model, recipe.maps)]
    recipe = _with_context(recipe, cards)
    if (learnt := _learnt_sizes(cards, model)) is None:
        return recipe
    diameter, tolerance = recipe.cell_pixels, GIVEN
    if diameter is None and (check or not recipe.tiling.is_fixed):
        diameter, tolerance = _measure(recipe, method, model, look(), learnt, device)
    if diameter is None:
        return recipe
    recipe, tile = _tiled(recipe, diameter, learnt, shape)
    if check:
        check_scale(recipe.name, diameter, tile, learnt, tolerance)
    return _with_offsets(recipe, learnt, tile)


def _tiled(
    recipe: Recipe, diameter: float, learnt: LearntSizes, shape: tuple[int, int]
) -> tuple[Recipe, tuple[int, int]]:
    """Return a recipe with tiles for cells of a diameter, and the sides of a tile."""
    if not recipe.tiling.is_fixed:
        recipe = _with_tiles(recipe, diameter, learnt, shape)
    (top, bottom), (left, right) = plan_tiles(shape, recipe.tiling)[0]
    return recipe, (bottom - top, right - left)


def _with_context(recipe: Recipe, cards: Sequence[Card]) -> Recipe:
    """Set `context_2d` to what the networks were trained with, unless the recipe sets it."""
    learnt = {card.context_2d for card in cards}
    given = "context_2d" in recipe.pseudocolor.model_fields_set
    if given or len(learnt) > 1 or learnt <= {None, recipe.pseudocolor.context_2d}:
        return recipe
    return changed(recipe, pseudocolor=changed(recipe.pseudocolor, context_2d=learnt.pop()))


def _learnt_sizes(cards: Sequence[Card], model: Path) -> LearntSizes | None:
    """Say what networks have learned; of several, what all of them know."""
    sizes = [card.cell_diameter for card in cards if card.cell_diameter]
    if len(sizes) < len(cards):
        log.warning(
            "%s: cards do not say how large cells were in training; slices are cut as the recipe "
            "says, unchecked",
            model,
        )
        return None
    low, high = max(size[0] for size in sizes), min(size[2] for size in sizes)
    median = float(np.median([size[1] for size in sizes]))
    side = cards[0].architecture.input_size
    return LearntSizes(min(low, median), median, max(high, median), side)


def _measure(
    recipe: Recipe,
    method: type[Method],
    model: Path,
    volumes: list[np.ndarray],
    learnt: LearntSizes,
    device: str,
) -> tuple[float | None, float]:
    """Measure cells in pixels, and say how far that may be off: by thresholds for fixed tiles."""
    if recipe.tiling.is_fixed:
        guesses = [estimate_by_threshold(volume, recipe.anisotropy) for volume in volumes]
        return next(filter(None, guesses), None), MEASURED**2
    made = method(recipe, model, device, recipe.backend)

    def label(volume: np.ndarray, side: int) -> np.ndarray:
        trial: Any = copy.copy(made)
        trial.recipe = _with_lengths(
            changed(
                recipe,
                tiling=Tiling(side=side, overlap=OVERLAP),
                field_of_interest=0,
                test_time_flips=False,
            ),
            side / learnt.input_size,
        )
        return segment_volume(volume, trial, trial.recipe)

    return measure_cells(volumes, learnt, label, recipe.anisotropy), MEASURED


def _with_tiles(
    recipe: Recipe, diameter: float, learnt: LearntSizes, shape: tuple[int, int]
) -> Recipe:
    """Give the recipe tiles for cells of a certain size, and record the size in it."""
    side = fit_tile(diameter, learnt, shape)
    log.info(
        "%s: cells of %.1f pixels, tiles of %d in %d x %d; the network knows %.0f to %.0f",
        *(recipe.name, diameter, side, *shape, learnt.low, learnt.high),
    )
    tiling = Tiling(side=side, overlap=max(recipe.tiling.overlap, OVERLAP))
    cells = recipe.cell_diameter or CellDiameter(pixels=round(diameter, 1))
    recipe = changed(recipe, tiling=tiling, cell_diameter=cells)
    return _with_lengths(recipe, side / learnt.input_size)


def _with_offsets(recipe: Recipe, learnt: LearntSizes, tile: tuple[int, int]) -> Recipe:
    """Scale offsets that the recipe leaves open: they were learned in the input's pixels."""
    labeling = recipe.labeling
    is_open = "offset_scale" in type(labeling).model_fields.keys() - labeling.model_fields_set
    factor = round(1 / input_diameter(1, tile, learnt.input_size), 4)
    if not is_open or factor == 1:
        return recipe
    return changed(recipe, labeling=changed(labeling, offset_scale=factor))


def _with_lengths(recipe: Recipe, factor: float) -> Recipe:
    """Scale the labeling's lengths that the recipe leaves open to the tiles' pixels."""
    labeling = recipe.labeling
    open_ = [
        name
        for name in LENGTHS
        if name in type(labeling).model_fields and name not in labeling.model_fields_set
    ]
    scaled = {name: round(getattr(labeling, name) * factor, 3) for name in open_}
    return changed(recipe, labeling=changed(labeling, **scaled))
