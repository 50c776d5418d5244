"""What makes a labeling: its parameters, the maps it needs, and the function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from efficientcellseg.frozen import Anisotropy, Frozen, Share, WholeNumber
from efficientcellseg.maps import Maps


class LabelingParameters(Frozen):
    """Parameters that all labelings share; each adds its own."""

    method: str
    """How maps become labels."""

    min_size: WholeNumber = 0
    """Smaller objects are removed; a center in offset_voting needs this many votes, too. Voxels."""

    fill_holes: bool = True
    """Fill the holes of each object."""

    per_slice: bool = False
    """Label each slice separately, as in the paper, instead of the volume."""

    anisotropy: Anisotropy | None = None
    """Distance between planes in in-plane pixels as the cells show it, if blur along the planes \
axis stretches them. Null: that of voxel_size."""


class ForegroundParameters(LabelingParameters):
    """Parameters that labelings share if they start from the cell probability."""

    threshold: Share = 0.5
    """Lowest cell probability of foreground voxels."""


@dataclass(frozen=True)
class Labeling:
    """A way from maps to labels, named by the ``method`` of its parameters.

    Attributes
    ----------
    parameters : type of LabelingParameters
        What a recipe may say of it; its ``method`` is a Literal of one name.
    needs : tuple of str
        Maps it is made from.
    label : callable
        Maps (Z, Y, X), parameters and anisotropy to a label image (Z, Y, X), int32, whose small
        objects, holes and numbers others take care of.
    """

    parameters: type[LabelingParameters]
    needs: tuple[str, ...]
    label: Callable[[Maps, Any, float], np.ndarray]

    @property
    def name(self) -> str:
        """Name of the labeling in recipes.

        Returns
        -------
        str
        """
        return str(get_args(self.parameters.model_fields["method"].annotation)[0])
