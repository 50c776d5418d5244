"""Offset voting: voxels that point to one center are one cell."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, field_validator

from efficientcellseg.frozen import Reach
from efficientcellseg.labelings.flooding import flood, peaks
from efficientcellseg.labelings.labeling import ForegroundParameters, Labeling
from efficientcellseg.labelings.morphology import largest_pieces, smooth
from efficientcellseg.maps import Maps
from efficientcellseg.maps.offsets import OFFSETS, voted_voxels


class OffsetVotingParameters(ForegroundParameters):
    """Parameters of ``offset_voting`` in a recipe."""

    method: Literal["offset_voting"]
    """Group voxels that point to one center, for cells of up to 64 in-plane pixels."""

    smoothing: Reach = 1.0
    """Standard deviation of the Gaussian over the votes. In-plane pixels."""

    min_distance: Reach = 5.0
    """Centers closer than this are merged into the one with more votes. In-plane pixels."""

    offset_scale: Annotated[float, Field(ge=0.01, le=100)] = 1.0
    """Factor for offsets: pixels of the image per pixel of the network's input. Derived from the \
tiles if it is not given."""

    @field_validator("anisotropy")
    @classmethod
    def _learnt(cls, anisotropy: float | None) -> None:
        if anisotropy is not None:
            raise ValueError("null, since offsets were learned with that of voxel_size")


def offset_voting(maps: Maps, parameters: OffsetVotingParameters, anisotropy: float) -> np.ndarray:
    """Let each voxel vote for its cell's center: those that vote alike are one cell.

    Votes are counted and smoothed. A center is a peak that at least `min_size` voxels vote for, and
    a voxel belongs to the center in whose basin its vote lies. Cells longer than twice
    `OFFSET_REACH` are split into parts. Pieces that touch no center's cell become cells themselves.

    Parameters
    ----------
    maps : dict of str to ndarray of shape (Z, Y, X), float32
        ``cells`` and the offsets, see :mod:`efficientcellseg.maps.offsets`.
    parameters : OffsetVotingParameters
    anisotropy : float
        Distance between planes, in in-plane pixels, the one that the offsets were made with.

    Returns
    -------
    ndarray of shape (Z, Y, X), int32
        Label image; each cell is in one piece.
    """
    foreground = maps["cells"] >= parameters.threshold
    voted = voted_voxels(maps, foreground, anisotropy, parameters.offset_scale)
    height = _smoothed_votes(voted, foreground.shape, parameters.smoothing, anisotropy)
    anywhere = height > 0
    lowest = parameters.min_size - 0.5
    markers = peaks(height, anywhere, lowest, parameters.min_distance, anisotropy)
    labels = np.zeros(foreground.shape, np.int32)
    labels[foreground] = flood(height, markers, anywhere, lonely=False).ravel()[voted]
    # Voxels that went astray go to the cell that they touch.
    return flood(np.zeros(labels.shape, np.float32), largest_pieces(labels), foreground)


def _smoothed_votes(
    voted: np.ndarray, shape: tuple[int, ...], sigma: float, anisotropy: float
) -> np.ndarray:
    """Count the votes for each voxel, smoothed: votes for one make a peak as high as they are many.

    `voted`, (N,), holds flat indices; gives (Z, Y, X), float32.
    """
    from scipy.ndimage import gaussian_filter

    votes = np.zeros(shape, np.float32)
    np.add.at(votes.reshape(-1), voted, 1)
    height = smooth(votes, sigma, anisotropy)
    wide = 2 * int(4 * sigma + 1) + 1
    for length, width in ((len(votes), sigma / anisotropy), (wide, sigma), (wide, sigma)):
        one = np.zeros(length, np.float32)
        one[length // 2] = 1
        height /= gaussian_filter(one, width).max()
    return height


OFFSET_VOTING = Labeling(OffsetVotingParameters, ("cells", *OFFSETS), offset_voting)
