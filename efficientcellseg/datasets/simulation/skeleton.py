"""The skeleton of a cell.

A cell is a skeleton of joints and bones; it fills what lies within the radius of a bone, and
that radius runs linearly from joint to joint. One round form thus serves nuclei, elongated
cells and cells with branching protrusions. Coordinates are micrometers along
(plane, row, column), with voxel (0, 0, 0) centered on the origin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# The spine of a cell, or the body of one with protrusions.
SPINE_JOINTS = 5
SPINE_BONES = np.stack([np.arange(SPINE_JOINTS - 1), np.arange(1, SPINE_JOINTS)], axis=1)


@dataclass(frozen=True)
class Skeleton:
    """A cell in one frame.

    Attributes
    ----------
    label : int
        Identity of the cell, the same in all frames.
    points : ndarray of shape (J, 3)
        Joints.
    radii : ndarray of shape (J,)
        Radius at each joint, within the plane.
    bones : ndarray of shape (M, 2), integer
        The two joints of each bone.
    brightness : float
        Mean light of the cell.
    """

    label: int
    points: np.ndarray
    radii: np.ndarray
    bones: np.ndarray
    brightness: float
