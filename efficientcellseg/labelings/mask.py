"""Mask: all foreground of a frame is one cell."""

from __future__ import annotations

from typing import Literal

import numpy as np

from efficientcellseg.labelings.labeling import ForegroundParameters, Labeling
from efficientcellseg.maps import Maps


class MaskParameters(ForegroundParameters):
    """What a recipe says of ``mask``."""

    method: Literal["mask"]
    """All foreground is one cell."""


def mask(maps: Maps, parameters: MaskParameters, anisotropy: float) -> np.ndarray:
    """Take all foreground for one cell: for frames that hold a single one, as in the paper."""
    return (maps["cells"] >= parameters.threshold).astype(np.int32)


MASK = Labeling(MaskParameters, ("cells",), mask)
