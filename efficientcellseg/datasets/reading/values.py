"""Converts intensities of any type to uint8 or uint16, unchanged if they fit, and records how."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ctc_eval.format import InputError

LARGEST = 65535


@dataclass(frozen=True)
class Conversion:
    """How intensities become unsigned integers: ``round((value - offset) * factor)``.

    Attributes
    ----------
    pixel_type : str
        What they are in the file.
    low, high : float
        Smallest and largest of all frames.
    offset, factor : float
        0 and 1 where values stay as they are.
    """

    pixel_type: str
    low: float
    high: float
    offset: float = 0.0
    factor: float = 1.0

    def __str__(self) -> str:
        """Say it in words."""
        found = f"{self.pixel_type}, {self.low:g} to {self.high:g}"
        if self.factor != 1:
            return f"{found}, scaled to 0 to {LARGEST}"
        return f"{found}, {self.offset:+g} taken off" if self.offset else f"{found}, as they are"

    def apply(self, volume: np.ndarray) -> np.ndarray:
        """Convert a volume.

        Parameters
        ----------
        volume : ndarray of shape (Z, Y, X)
            Of the image that this was measured on.

        Returns
        -------
        ndarray of shape (Z, Y, X), uint8 or uint16
        """
        if volume.dtype in (np.uint8, np.uint16):
            return volume
        if self.factor == 1:
            return (volume.astype(np.float64) - self.offset).astype(np.uint16)
        scaled = (volume.astype(np.float64) - self.offset) * self.factor
        return np.rint(np.clip(scaled, 0, LARGEST)).astype(np.uint16)

    def record(self) -> dict[str, Any]:
        """Make a record of it that fits into JSON.

        Returns
        -------
        dict of str to object
        """
        return asdict(self)


def measure_values(volumes: Iterable[np.ndarray], name: str) -> Conversion:
    """Read all values of an image once, and find how they fit into uint16.

    Parameters
    ----------
    volumes : iterable of ndarray
        Frame by frame.
    name : str
        Of the image, for messages.

    Returns
    -------
    Conversion

    Raises
    ------
    InputError
        Values that are not numbers, or all the same.
    """
    low, high, whole, kind = np.inf, -np.inf, True, ""
    for frame, volume in enumerate(volumes):
        kind = str(volume.dtype)
        if volume.dtype.kind not in "buif":
            raise InputError(
                f"{name}: pixel type {kind}; expected real numbers: convert the image",
                code="pixel-type",
            )
        if volume.dtype.kind == "f":
            if wrong := int(np.count_nonzero(~np.isfinite(volume))):
                raise InputError(
                    f"{name}: {wrong} of {volume.size} values of frame {frame} are not numbers "
                    "(NaN or infinite); expected intensities: replace them, by 0 for example",
                    code="values-nan",
                )
            whole = whole and bool((volume == np.rint(volume)).all())
        low, high = min(low, float(volume.min())), max(high, float(volume.max()))
    if low == high:
        raise InputError(
            f"{name}: all pixels are {low:g}; expected an image that shows something: choose "
            "another channel or file",
            code="image-constant",
        )
    if whole and 0 <= low and high <= LARGEST:
        return Conversion(kind, low, high)
    if whole and high - low <= LARGEST:
        return Conversion(kind, low, high, low)
    return Conversion(kind, low, high, low, LARGEST / (high - low))
