"""Methods: what turns a frame into maps, and the labeling that turns these into labels.

A method is made for a recipe. `prepare` may run in several threads, `maps` runs in one. A new
one is a file in here and a line in `METHODS`.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np

    from efficientcellseg.labeling import Maps
    from efficientcellseg.recipe import Labeling, Recipe

# Imported when they are asked for: command lines list them without loading torch.
METHODS = {
    "efficientcellseg": "efficientcellseg.methods.efficientcellseg:EfficientCellSeg",
    "classical": "efficientcellseg.methods.classical:Classical",
}


class Method(Protocol):
    """What the drivers ask of a method."""

    labeling: Labeling

    def prepare(self, volume: np.ndarray) -> Any:
        """Preprocess a volume (Z, Y, X) of raw intensities."""

    def maps(self, prepared: Any) -> Maps:
        """Predict named maps (Z, Y, X), float32 in 0..1."""


def open_method(name: str, recipe: Recipe, model: Path, device: str) -> Method:
    """Make a method of `METHODS` for a recipe, with the networks in a folder.

    Raises
    ------
    InputError
        Networks that are not there, damaged, or not those that the method needs.
    """
    module, _, kind = METHODS[name].partition(":")
    return getattr(import_module(module), kind)(recipe, model, device)
