"""Mask: all foreground of a frame is one cell."""

from __future__ import annotations

from typing import Literal

import numpy as np

from efficientcellseg.labelings.labeling import ForegroundParameters, Labeling
from efficientcellseg.maps import Maps


class MaskParameters(ForegroundParameters):
    """Parameters of ``mask`` in a recipe."""

    method: Literal["mask"]
    """All foreground is one cell."""


def mask(maps: Maps, parameters: MaskParameters, anisotropy: float) -> np.ndarray:
    """Treat all foreground as one cell: for frames that hold a single one, as in the paper.

    Parameters
    ----------
    maps : dict of str to ndarray of shape (Z, Y, X), float32
        With `cells`, in 0..1.
    parameters : MaskParameters
    anisotropy : float
        Not used here; all labelings take it.

    Returns
    -------
    ndarray of shape (Z, Y, X), int32
        1 in the cell, 0 in the background.
    """
    return (maps["cells"] >= parameters.threshold).astype(np.int32)


MASK = Labeling(MaskParameters, ("cells",), mask)
