"""Components: each connected piece of the foreground is a cell."""

from __future__ import annotations

from typing import Literal

import numpy as np

from efficientcellseg.labelings.labeling import ForegroundParameters, Labeling
from efficientcellseg.labelings.morphology import connected
from efficientcellseg.maps import Maps


class ComponentsParameters(ForegroundParameters):
    """Parameters of ``components`` in a recipe."""

    method: Literal["components"]
    """Connected components of the foreground."""


def components(maps: Maps, parameters: ComponentsParameters, anisotropy: float) -> np.ndarray:
    """Label connected components of the foreground; voxels connect through their faces.

    Parameters
    ----------
    maps : dict of str to ndarray of shape (Z, Y, X), float32
        With `cells`, in 0..1.
    parameters : ComponentsParameters
    anisotropy : float
        Not used here; all labelings take it.

    Returns
    -------
    ndarray of shape (Z, Y, X), int32
        Label image, 0 is background.
    """
    return connected(maps["cells"] >= parameters.threshold)


COMPONENTS = Labeling(ComponentsParameters, ("cells",), components)
