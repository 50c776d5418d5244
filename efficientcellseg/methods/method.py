"""What makes a compared method: how it reads a recipe, its networks, how a frame becomes maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from efficientcellseg.chain.segment import FrameMethod
from efficientcellseg.labelings import LabelingParameters, relabeled

if TYPE_CHECKING:
    from efficientcellseg.parameters.recipe import Recipe


class Method(FrameMethod, Protocol):
    """A way from a frame to maps, which the labeling of an adapted recipe turns into labels.

    Adapt a recipe first, and build the method from the adapted one. `prepare` may then run in
    several threads; `maps` runs in one.

    Parameters
    ----------
    recipe : Recipe
        As adapted by :meth:`adapt`.
    model : Path
        Folder of the networks.
    device : str
        Where networks run.
    backend : str
        What runs them.

    Attributes
    ----------
    name : str
        Its name in command lines, in the workflow, and of its folder of results.
    title : str
        Its name in tables if it has no networks; networks have names of their own.
    staged : bool
        Whether the workflow runs it step by step, with `prepare` and `maps` as commands of their
        own, which support only the paper's method.
    """

    name: str
    title: str
    staged: bool

    def __init__(self, recipe: Recipe, model: Path, device: str, backend: str = "torch") -> None:
        """Load the networks in the folder `model` for an adapted recipe."""

    @property
    def training(self) -> tuple[str, ...] | None:
        """What it changes of a training configuration, KEY=VALUE; None if it has no networks."""

    @staticmethod
    def adapt(recipe: Recipe) -> Recipe:
        """Change what the method does differently from the recipe.

        Parameters
        ----------
        recipe : Recipe

        Returns
        -------
        Recipe
            Its maps are those that the method's networks predict, none for a method without any.
            Its labeling turns the method's maps into labels.
        """


def parted_by(parameters: LabelingParameters, method: str, **values: Any) -> LabelingParameters:
    """Build the parameters of another labeling, unless all foreground is one cell: that stays.

    Parameters
    ----------
    parameters : LabelingParameters
        The recipe's own.
    method : str
        A name in :data:`efficientcellseg.labelings.LABELINGS`.
    **values
        Parameters to change.

    Returns
    -------
    LabelingParameters
    """
    return relabeled(parameters, "mask" if parameters.method == "mask" else method, **values)
