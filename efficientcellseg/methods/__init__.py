"""Methods: what turns a frame into maps, and the labeling that turns these into labels.

A method reads a recipe in its own way, `adapt`, and is made for what comes of it. `prepare` may
run in several threads, `maps` runs in one. A new one is a file in here and a line in `METHODS`;
docs/methods.md shows how.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np

    from efficientcellseg.chain.labeling import Maps
    from efficientcellseg.parameters.recipe import Recipe

# Imported when they are asked for: command lines list them without loading torch.
METHODS = {
    "efficientcellseg": "efficientcellseg.methods.efficientcellseg:EfficientCellSeg",
    "unet": "efficientcellseg.methods.unet:UNet",
    "dunet": "efficientcellseg.methods.dunet:DUNet",
    "unet3d_ensemble": "efficientcellseg.methods.unet3d_ensemble:UNet3DEnsemble",
    "classical": "efficientcellseg.methods.classical:Classical",
}


class Method(Protocol):
    """What the drivers ask of a method."""

    def __init__(self, recipe: Recipe, model: Path, device: str, backend: str = "torch") -> None:
        """Load the networks in the folder `model` for an adapted recipe."""

    @staticmethod
    def adapt(recipe: Recipe) -> Recipe:
        """Change what the method does otherwise than the recipe says.

        The changed recipe's networks are the maps that the method's networks predict, none for
        a method without; its labeling is what turns the method's maps into labels.
        """

    def prepare(self, volume: np.ndarray) -> Any:
        """Preprocess a volume (Z, Y, X) of raw intensities."""

    def maps(self, prepared: Any) -> Maps:
        """Predict named maps (Z, Y, X), float32 in 0..1."""


def find_method(name: str) -> type[Method]:
    """Import a method of `METHODS`."""
    module, _, kind = METHODS[name].partition(":")
    return getattr(import_module(module), kind)
