"""What makes a compared method: how it reads a recipe, its networks, how a frame becomes maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from efficientcellseg.labelings import LabelingParameters, relabeled

if TYPE_CHECKING:
    import numpy as np

    from efficientcellseg.maps import Maps
    from efficientcellseg.parameters.recipe import Recipe


class Method(Protocol):
    """A way from a frame to maps, which the labeling of an adapted recipe turns into labels.

    `adapt` comes first, and what it gives makes the method. `prepare` may then run in several
    threads, `maps` runs in one.

    Attributes
    ----------
    name : str
        What command lines and the workflow call it, and its folder of results.
    title : str
        What tables call it where it has no networks; else these have names of their own.
    staged : bool
        Whether the workflow runs it step by step, `prepare` and `maps` as commands of their own,
        which know the paper's method alone.
    """

    name: str
    title: str
    staged: bool

    def __init__(self, recipe: Recipe, model: Path, device: str, backend: str = "torch") -> None:
        """Load the networks in the folder `model` for an adapted recipe."""

    @property
    def training(self) -> tuple[str, ...] | None:
        """What it changes of a training configuration, KEY=VALUE; None where it has no networks."""

    @staticmethod
    def adapt(recipe: Recipe) -> Recipe:
        """Change what the method does otherwise than the recipe says.

        The changed recipe's maps are those that the method's networks predict, none for a method
        without; its labeling is what turns the method's maps into labels.
        """

    def prepare(self, volume: np.ndarray) -> Any:
        """Preprocess a volume (Z, Y, X) of raw intensities."""

    def maps(self, prepared: Any) -> Maps:
        """Predict named maps (Z, Y, X), float32 in 0..1."""


def parted_by(parameters: LabelingParameters, method: str, **values: Any) -> LabelingParameters:
    """Give the parameters of another labeling, unless all foreground is one cell: that stays.

    Parameters
    ----------
    parameters : LabelingParameters
        The recipe's own.
    method : str
        A name in :data:`efficientcellseg.labelings.LABELINGS`.
    **values
        What is to be otherwise.
    """
    return relabeled(parameters, "mask" if parameters.method == "mask" else method, **values)
