"""DU-Net's watershed: cells grow from the cores of predicted distances.

Method: Scherr et al., Cell segmentation and tracking using CNN-based distance predictions and a
graph-based matching strategy, PLOS ONE 2020.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from efficientcellseg.frozen import Reach, Share
from efficientcellseg.labelings.flooding import flood
from efficientcellseg.labelings.labeling import Labeling, LabelingParameters
from efficientcellseg.labelings.morphology import connected, remove_small, smooth
from efficientcellseg.maps import Maps

# What the neighbor distance is raised to where it is taken off the cell distance.
SEED_POWER = 2

# The smoothed cell distance is higher in cells.
DISTANCE_THRESHOLD = 0.07

# A smaller seed is noise. Voxels.
SEED_SIZE = 3


class DUNetWatershedParameters(LabelingParameters):
    """Parameters of ``dunet_watershed`` in a recipe."""

    method: Literal["dunet_watershed"]
    """Grow cells from the cores of predicted distances."""

    smoothing: Reach = 1.0
    """Standard deviation of the Gaussian over the cell distance. In-plane pixels."""

    distance_threshold: Share = DISTANCE_THRESHOLD
    """Lowest smoothed cell distance inside cells."""

    seed_threshold: Share = 0.5
    """Lowest smoothed cell distance, minus the squared neighbor distance, inside seeds."""


def dunet_watershed(
    maps: Maps, parameters: DUNetWatershedParameters, anisotropy: float
) -> np.ndarray:
    """Grow cells from their cores: watershed of the predicted cell distance.

    Seeds are the connected voxels where the cell distance, less the squared neighbor distance,
    is high. The maps are predicted slice by slice; the watershed runs on the stack of them, so
    that seeds of successive planes join and a cell keeps its label through z. Cells that lie
    exactly above each other are one seed, since both distances know of one plane only.

    Parameters
    ----------
    maps : dict of str to ndarray of shape (Z, Y, X), float32
        ``cell_distance`` and ``neighbor_distance``.
    parameters : DUNetWatershedParameters
    anisotropy : float
        Distance between planes, in in-plane pixels.

    Returns
    -------
    ndarray of shape (Z, Y, X), int32
        Label image; foreground without any seed is left out, as published.
    """
    height = smooth(maps["cell_distance"], parameters.smoothing, anisotropy)
    near = maps["neighbor_distance"].clip(0, 1) ** SEED_POWER
    seeds = remove_small(connected(height - near > parameters.seed_threshold), SEED_SIZE)
    return flood(height, seeds, height > parameters.distance_threshold, lonely=False)


DUNET_WATERSHED = Labeling(
    DUNetWatershedParameters, ("cell_distance", "neighbor_distance"), dunet_watershed
)
