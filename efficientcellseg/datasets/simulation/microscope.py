"""The microscope: anisotropic blur, light lost with depth, stray light, photons, a camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from efficientcellseg.datasets.simulation.splines import spline_field, spline_weights


@dataclass(frozen=True)
class Microscope:
    """How a scene's pictures are taken. Light and noise in camera counts, lengths in um."""

    blur: tuple[float, float]  # standard deviation of the spread along planes, and within
    signal: float  # counts of a cell of mean brightness
    background: float  # counts beside cells
    unevenness: float  # share by which the background varies
    haze: float  # share of the light that spreads widely
    depth_loss: float  # share of the signal lost on the way to the last plane, 0..1
    counts_per_photon: float  # few photons are noisy
    read_noise: float  # standard deviation, counts
    offset: float  # counts of an unlit pixel
    bits: int  # of the camera


def uneven_field(shape: tuple[int, int, int], rng: np.random.Generator) -> np.ndarray:
    """Make a smooth field that varies over the frame.

    Parameters
    ----------
    shape : tuple of int
        Planes, rows, columns.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (Z, Y, X), float32
        Between -1 and 1.
    """
    coarse = rng.uniform(-1, 1, size=(3, 4, 4))
    steps = (np.array(coarse.shape) - 1) / np.maximum(np.array(shape) - 1, 1)
    planes, rows, columns = (
        spline_weights(np.arange(count) * step, values, wrap=False)
        for count, step, values in zip(shape, steps, coarse.shape, strict=True)
    )
    field = np.empty(shape, dtype=np.float32)
    for part in _strips(shape):
        field[:, part] = spline_field(coarse, [planes, rows[part], columns])
    return field


def _strips(shape: tuple[int, ...]) -> list[slice]:
    """Cut a frame's rows into strips that a processor's cache holds in eight bytes a voxel."""
    high = max(1, 2**17 // (shape[0] * shape[-1]))
    return [slice(start, start + high) for start in range(0, shape[-2], high)]


def expose(
    light: np.ndarray,
    microscope: Microscope,
    voxel_size: tuple[float, float, float],
    backdrop: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Take a picture: blur, light lost with depth, stray light, photon and camera noise.

    Parameters
    ----------
    light : ndarray of shape (Z, Y, X), float32
        What the specimen emits; 1 is a cell of mean brightness.
    microscope : Microscope
    voxel_size : tuple of float
        Micrometers along (plane, row, column).
    backdrop : ndarray of shape (Z, Y, X), float32
        The background's course, -1 to 1.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (Z, Y, X), uint16
        Counts below 2 to the power of the camera's bits.
    """
    from scipy.ndimage import gaussian_filter, uniform_filter

    along, within = microscope.blur
    sigma = np.array([along, within, within]) / voxel_size
    sharp = gaussian_filter(light, sigma if len(light) > 1 else [0, *sigma[1:]], truncate=3)
    # Two box filters make a wide tent at a cost that does not grow with its width.
    wide = [max(size // 6, 1) for size in light.shape[1:]]
    stray = uniform_filter(uniform_filter(light.mean(axis=0), wide), wide)
    stray *= np.float32(microscope.haze)
    faintest = 1 - microscope.depth_loss
    picture = np.empty(light.shape, dtype=np.uint16)
    gray = np.empty(light.shape[1:])
    strips = _strips((1, *gray.shape))
    # A plane's photons come before its read noise, in one random stream.
    for plane, depth in enumerate(np.linspace(0, 1, len(light)).tolist()):
        for part in strips:
            counts = faintest**depth * sharp[plane, part]
            counts += stray[part]
            counts *= microscope.signal
            counts += microscope.background * (1 + microscope.unevenness * backdrop[plane, part])
            np.maximum(counts, 0, out=counts)
            counts /= microscope.counts_per_photon
            np.multiply(rng.poisson(counts), microscope.counts_per_photon, out=gray[part])
        for part in strips:
            read = rng.normal(microscope.offset, microscope.read_noise, size=gray[part].shape)
            read += gray[part]
            np.rint(read, out=read)
            picture[plane, part] = np.clip(read, 0, 2**microscope.bits - 1, out=read)
    return picture
