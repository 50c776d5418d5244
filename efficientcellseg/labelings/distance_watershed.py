"""Distance watershed: cells are split at the necks of the foreground."""

from __future__ import annotations

from typing import Literal

import numpy as np

from efficientcellseg.frozen import Reach
from efficientcellseg.labelings.flooding import flood, peaks
from efficientcellseg.labelings.labeling import ForegroundParameters, Labeling
from efficientcellseg.labelings.morphology import distance, smooth
from efficientcellseg.maps import Maps


class DistanceWatershedParameters(ForegroundParameters):
    """Parameters of ``distance_watershed`` in a recipe."""

    method: Literal["distance_watershed"]
    """Split at the necks of the distance transform."""

    smoothing: Reach = 1.0
    """Standard deviation of the Gaussian over the distance transform. In-plane pixels."""

    min_distance: Reach = 5.0
    """Markers closer than this are merged into the higher one. In-plane pixels."""


def distance_watershed(
    maps: Maps, parameters: DistanceWatershedParameters, anisotropy: float
) -> np.ndarray:
    """Split the foreground at its necks: watershed of the distance transform.

    Markers are the peaks of the smoothed distance to the background.

    Parameters
    ----------
    maps : dict of str to ndarray of shape (Z, Y, X), float32
        With `cells`, in 0..1.
    parameters : DistanceWatershedParameters
    anisotropy : float
        Distance between planes, in in-plane pixels.

    Returns
    -------
    ndarray of shape (Z, Y, X), int32
        Label image, 0 is background.
    """
    foreground = maps["cells"] >= parameters.threshold
    height = distance(foreground, anisotropy)
    smooth(height, parameters.smoothing, anisotropy, out=height)
    markers = peaks(height, foreground, 0.0, parameters.min_distance, anisotropy)
    return flood(height, markers, foreground)


DISTANCE_WATERSHED = Labeling(DistanceWatershedParameters, ("cells",), distance_watershed)
