"""Marker watershed: cells grow from predicted centers."""

from __future__ import annotations

from typing import Literal

import numpy as np

from efficientcellseg.frozen import Reach, Share
from efficientcellseg.labelings.flooding import flood, peaks
from efficientcellseg.labelings.labeling import ForegroundParameters, Labeling
from efficientcellseg.labelings.morphology import distance, smooth
from efficientcellseg.maps import Maps


class MarkerWatershedParameters(ForegroundParameters):
    """Parameters of ``marker_watershed`` in a recipe."""

    method: Literal["marker_watershed"]
    """Grow cells from predicted centers."""

    center_threshold: Share = 0.2
    """Lowest peak of the center heatmap that counts as a center."""

    smoothing: Reach = 1.0
    """Standard deviation of the Gaussian over center heatmap and distance transform. In-plane \
pixels."""

    min_distance: Reach = 5.0
    """Markers closer than this are merged into the higher one. In-plane pixels."""


def marker_watershed(
    maps: Maps, parameters: MarkerWatershedParameters, anisotropy: float
) -> np.ndarray:
    """Grow cells from predicted centers: marker-based watershed.

    As in the paper (Wagner & Rohr 2022), but in 3D. Markers are the peaks of the smoothed center
    heatmap inside the foreground.

    Parameters
    ----------
    maps : dict of str to ndarray of shape (Z, Y, X), float32
        With `cells` and `centers`, in 0..1.
    parameters : MarkerWatershedParameters
    anisotropy : float
        Distance between planes, in in-plane pixels.

    Returns
    -------
    ndarray of shape (Z, Y, X), int32
        Label image, 0 is background.
    """
    foreground = maps["cells"] >= parameters.threshold
    height = smooth(maps["centers"], parameters.smoothing, anisotropy)
    markers = peaks(
        height, foreground, parameters.center_threshold, parameters.min_distance, anisotropy
    )
    # The heatmap separates cells whose outline has no neck; far from centers it says nothing,
    # and there the distance to the background leads on. Both are at most 1.
    depth = distance(foreground, anisotropy)
    smooth(depth, parameters.smoothing, anisotropy, out=depth)
    depth /= max(depth.max(), 1)
    height += depth
    del depth
    return flood(height, markers, foreground)


MARKER_WATERSHED = Labeling(MarkerWatershedParameters, ("cells", "centers"), marker_watershed)
