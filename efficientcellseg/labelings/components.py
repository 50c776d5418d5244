"""Components: each connected piece of the foreground is a cell."""

from __future__ import annotations

from typing import Literal

import numpy as np

from efficientcellseg.labelings.labeling import ForegroundParameters, Labeling
from efficientcellseg.labelings.morphology import connected
from efficientcellseg.maps import Maps


class ComponentsParameters(ForegroundParameters):
    """What a recipe says of ``components``."""

    method: Literal["components"]
    """Connected components of the foreground."""


def components(maps: Maps, parameters: ComponentsParameters, anisotropy: float) -> np.ndarray:
    """Take connected components of the foreground; voxels connect through their faces."""
    return connected(maps["cells"] >= parameters.threshold)


COMPONENTS = Labeling(ComponentsParameters, ("cells",), components)
