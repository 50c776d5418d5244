"""The shape of a cell: its form, look and motion as a scene has them, and its skeleton.

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
class CellShape:
    """How the cells of a scene look and behave. Lengths in micrometers, times in frames."""

    width: tuple[float, float]  # range of a cell's diameter, across its long axis
    aspect: tuple[float, float]  # range of length over width
    flatness: float  # height over width
    taper: float  # how much thinner a cell is at its ends, 0..1
    tilt: float  # standard deviation of the long axis' rise over its run
    bend: float  # standard deviation of the sagitta over the length
    arms: int  # short side branches
    roughness: float  # share by which the surface goes in and out, 0..1
    texture: float  # amplitude of the texture over the mean, 0..1
    texture_size: float  # distance of the texture's lumps
    rim_fade: float  # light lost from the center line to the surface, 0..1
    end_fade: float  # light lost from mid-height to the upper and lower end, 0..1
    brightness_spread: float  # standard deviation of the logarithm of brightness
    spacing: float  # distance of neighbors over the sum of their radii
    strand: int  # cells that settle side by side
    sheet: bool  # one curved layer of cells, instead of any depth
    flow: float  # speed of the common drift
    jitter: float  # standard deviation of a cell's own steps
    growth: float  # share by which the width grows in a frame
    divisions: float  # share of cells that divide in a sequence


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
