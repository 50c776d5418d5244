"""Images as the program uses them: frames and channels of volumes, read one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ctc_eval.format import InputError
from efficientcellseg.datasets.reading.stored import (
    AXES,
    Spacing,
    Stored,
    check_sizes,
    drop_short,
    rename_axes,
)

# Parts of channels' names that say nuclei are stained, which the shipped networks know.
NUCLEAR = ("dapi", "hoechst", "h2b", "nuclei", "nuclear", "nucleus", "draq", "histone", "sytox")


@dataclass(frozen=True)
class Image:
    """Frames of volumes, in one or several channels; a plane is a volume with Z = 1.

    Attributes
    ----------
    stored : Stored
        Where it lies, with axes of `AXES` alone.
    channels : tuple of str
        A name for each, ``channel 0`` where the file has none.
    voxel_size : tuple of float, optional
        Along (plane, row, column), in micrometers; None if it is not known.
    guessed_depth : bool
        Whether the distance of planes is not known, and taken to be that of rows.
    """

    stored: Stored
    channels: tuple[str, ...]
    voxel_size: tuple[float, float, float] | None
    guessed_depth: bool

    @property
    def path(self) -> Path:
        """The file or folder.

        Returns
        -------
        Path
        """
        return self.stored.path

    @property
    def name(self) -> str:
        """Name that results are given.

        Returns
        -------
        str
        """
        return self.stored.name

    @property
    def frames(self) -> int:
        """Number of time points.

        Returns
        -------
        int
        """
        return self.stored.sizes.get("T", 1)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of a frame.

        Returns
        -------
        tuple of int
            (planes, rows, columns).
        """
        sizes = self.stored.sizes
        return (sizes.get("Z", 1), sizes["Y"], sizes["X"])

    def read(self, frame: int, channel: int) -> np.ndarray:
        """Read one channel of a frame.

        Parameters
        ----------
        frame : int
            Time point, from 0.
        channel : int
            From 0.

        Returns
        -------
        ndarray of shape (Z, Y, X)
            In the file's type.

        Raises
        ------
        InputError
            Pixels that cannot be decoded.
        """
        sizes = self.stored.sizes
        fixed = {}
        if "T" in sizes:
            fixed["T"] = frame
        if "S" in sizes:
            fixed["S"] = channel
        if "C" in sizes:
            fixed["C"] = 0 if "S" in sizes else channel
        part = self.stored.take(fixed)
        left = [axis for axis in self.stored.axes if axis not in fixed]
        order = [left.index(axis) for axis in "ZYX" if axis in left]
        return part.transpose(order).reshape(self.shape)


def image_of(
    stored: Stored,
    voxel_size: Sequence[float] | None = None,
    *,
    planes: bool = False,
) -> Image:
    """Make an image from the contents of a file, if it is clear which axis is which.

    Parameters
    ----------
    stored : Stored
    voxel_size : sequence of float, optional
        Replaces the file's: (plane, row, column), or one value for rows and columns. Micrometers.
    planes : bool
        Whether an unknown axis can only be that of planes.

    Returns
    -------
    Image

    Raises
    ------
    InputError
        An unknown axis; an image without rows or columns.
    """
    stored = _name_unknown(stored, planes or len(voxel_size or ()) == 3)
    sizes = stored.sizes
    if not {"Y", "X"} <= sizes.keys():
        raise InputError(
            f"{stored.path}: axes {stored.axes}; expected rows (Y) and columns (X): give --axes",
            code="axes-missing",
        )
    if sizes.get("S", 1) > 1 and sizes.get("C", 1) > 1:
        raise InputError(
            f"{stored.path}: shape {stored.shape} ({stored.axes}), channels in RGB; expected one "
            "or the other: split the channels first",
            code="tiff-rgb",
        )
    count = min(sizes.get("S", 1), 3) * sizes.get("C", 1)  # what is fourth is transparency
    if sizes.get("S", 1) == 2:
        count = 1
    names = stored.channels if len(stored.channels) == count else ()
    if not names and "S" in sizes and count == 3:
        names = ("red", "green", "blue")
    unnamed = tuple(f"channel {i}" for i in range(count))
    spacing = _spacing(stored, voxel_size)
    guessed = bool(spacing and spacing[0] is None and sizes.get("Z", 1) > 1)
    whole = spacing and (spacing[0] or spacing[1], spacing[1], spacing[2])
    return Image(check_sizes(stored), names or unnamed, whole, guessed)


def _spacing(stored: Stored, given: Sequence[float] | None) -> Spacing | None:
    """Return the voxel size that the user gives, or else the file's."""
    if not given:
        return stored.spacing
    if len(given) not in (1, 3) or not all(0 < size < float("inf") for size in given):
        raise InputError(
            f"--voxel-size {' '.join(f'{size:g}' for size in given)}; expected three numbers above "
            "0, plane, row and column in micrometers, or one for the pixels of a plane",
            code="voxel-size-malformed",
        )
    if len(given) == 1:
        return (stored.spacing[0] if stored.spacing else None, given[0], given[0])
    return (given[0], given[1], given[2])


def _name_unknown(stored: Stored, planes: bool) -> Stored:
    """Treat an unknown axis as that of planes if it can be no other."""
    unknown = [axis for axis, size in stored.sizes.items() if axis not in AXES and size > 1]
    stored = drop_short(stored, AXES)
    planes = planes or bool(stored.spacing and stored.spacing[0])
    if len(unknown) == 1 and planes and stored.sizes.get("Z", 1) == 1:
        return rename_axes(drop_short(stored, AXES.replace("Z", "")), {unknown[0]: "Z"})
    if unknown:
        (first, *_) = unknown
        raise InputError(
            f"{stored.path}: shape {stored.shape}, and nothing says what the "
            f"{stored.sizes[first]} are; expected to know: give --axes "
            f"{_suggest(stored, 'Z')} for planes of a volume, {_suggest(stored, 'T')} for time "
            f"points, {_suggest(stored, 'C')} for channels",
            code="axes-unknown",
        )
    return stored


def _suggest(stored: Stored, letter: str) -> str:
    return "".join(axis if axis in AXES else letter for axis in stored.axes)


def choose_channel(image: Image, wanted: str | None) -> int:
    """Choose the channel to segment.

    Parameters
    ----------
    image : Image
    wanted : str or None
        A number from 0, or a name; None if there is only one, or if names make it clear.

    Returns
    -------
    int
        From 0.

    Raises
    ------
    InputError
        A channel that does not exist; several, and none that is known to show nuclei.
    """
    names = image.channels
    listed = ", ".join(f"{i} ({name})" for i, name in enumerate(names))
    if wanted is not None:
        alike = [i for i, name in enumerate(names) if name.lower() == wanted.lower()]
        if wanted.isascii() and wanted.isdecimal() and int(wanted) < len(names):
            alike = alike or [int(wanted)]
        if len(alike) != 1:
            raise InputError(
                f"{image.path}: no channel {wanted}; it has {listed}: give --channel one of these",
                code="channel-missing",
            )
        return alike[0]
    if len(names) == 1:
        return 0
    nuclear = [i for i, name in enumerate(names) if any(part in name.lower() for part in NUCLEAR)]
    if len(nuclear) != 1:
        raise InputError(
            f"{image.path}: {len(names)} channels, {listed}; expected to know which shows the "
            "cells: give --channel with its number or name",
            code="channel-unnamed",
        )
    return nuclear[0]
