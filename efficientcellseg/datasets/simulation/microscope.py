"""The microscope: anisotropic blur, light lost with depth, stray light, photons, a camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from efficientcellseg.datasets.simulation.splines import spline_field, spline_weights
from efficientcellseg.parameters.scene import Microscope


@dataclass(frozen=True)
class UnevenField:
    """A smooth field that varies over the frame, between -1 and 1.

    It is made where it is looked at, since of a large frame it would fill memory.
    """

    lattice: np.ndarray  # (A, B, C)
    weights: tuple[np.ndarray, np.ndarray, np.ndarray]  # (Z, A), (Y, B) and (X, C)

    @classmethod
    def draw(cls, shape: tuple[int, int, int], rng: np.random.Generator) -> UnevenField:
        """Choose a field at random.

        Parameters
        ----------
        shape : tuple of int
            (Z, Y, X) of a frame.
        rng : Generator

        Returns
        -------
        UnevenField
        """
        lattice = rng.uniform(-1, 1, size=(3, 4, 4))
        steps = (np.array(lattice.shape) - 1) / np.maximum(np.array(shape) - 1, 1)
        planes, rows, columns = (
            spline_weights(np.arange(count) * step, values, wrap=False)
            for count, step, values in zip(shape, steps, lattice.shape, strict=True)
        )
        return cls(lattice, (planes, rows, columns))

    def strip(self, plane: int, part: slice) -> np.ndarray:
        """Compute some rows of a plane.

        Parameters
        ----------
        plane : int
        part : slice
            Of rows.

        Returns
        -------
        ndarray of shape (rows, X), float32
        """
        planes, rows, columns = self.weights
        return spline_field(self.lattice, planes[plane : plane + 1], rows[part], columns)[0]


def expose(
    light: np.ndarray,
    microscope: Microscope,
    voxel_size: tuple[float, float, float],
    backdrop: UnevenField,
    rng: np.random.Generator,
) -> np.ndarray:
    """Take a picture: blur, light lost with depth, stray light, photon and camera noise.

    Parameters
    ----------
    light : ndarray of shape (Z, Y, X), float32
        What the specimen emits; 1 is a cell of mean brightness. Is blurred in place.
    microscope : Microscope
    voxel_size : tuple of float
        Micrometers along (plane, row, column).
    backdrop : UnevenField
        The background's course.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (Z, Y, X), uint16
        Counts below 2 to the power of the camera's bits.
    """
    from scipy.ndimage import gaussian_filter, uniform_filter

    # Two box filters make a wide tent at a cost that does not grow with its width.
    wide = [max(size // 6, 1) for size in light.shape[1:]]
    stray = microscope.haze * uniform_filter(uniform_filter(light.mean(axis=0), wide), wide)
    along, within = microscope.blur
    sigma = np.array([along if len(light) > 1 else 0.0, within, within]) / voxel_size
    gaussian_filter(light, sigma, truncate=3, output=light)
    faintest = 1 - microscope.depth_loss
    picture = np.empty(light.shape, dtype=np.uint16)
    gray = np.empty(light.shape[1:])
    # Strips of rows that a processor's cache holds in eight bytes a voxel.
    high = max(1, 2**17 // light.shape[2])
    strips = [slice(start, start + high) for start in range(0, light.shape[1], high)]
    for plane, depth in enumerate(np.linspace(0, 1, len(light)).tolist()):
        # All photons of a plane come before its read noise, in one random stream.
        for part in strips:
            counts = faintest**depth * light[plane, part]
            counts += stray[part]
            counts *= microscope.signal
            uneven = 1 + microscope.unevenness * backdrop.strip(plane, part)
            counts += microscope.background * uneven
            np.maximum(counts, 0, out=counts)
            counts /= microscope.counts_per_photon
            np.multiply(rng.poisson(counts), microscope.counts_per_photon, out=gray[part])
        for part in strips:
            read = rng.normal(microscope.offset, microscope.read_noise, size=gray[part].shape)
            read += gray[part]
            np.rint(read, out=read)
            picture[plane, part] = np.clip(read, 0, 2**microscope.bits - 1, out=read)
    return picture
