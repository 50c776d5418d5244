"""Images as stored in files: named axes, and a way to read a part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctc_eval.format import InputError

if TYPE_CHECKING:
    import numpy as np

# Size of a voxel along (plane, row, column) in micrometers; None if a file does not say it.
Spacing = tuple[float | None, float, float]

# Time, channel, plane, row, column, and the samples of an RGB pixel, which count as channels.
AXES = "TCZYXS"
# An image that declares more planes than this is taken for a damaged header.
MOST_PLANES = 10_000_000


@dataclass(frozen=True)
class Stored:
    """An image with named axes, stored somewhere.

    Attributes
    ----------
    path : Path
        Its file or folder.
    name : str
        What results of it are called.
    axes : str
        A letter for each axis: of `AXES`, or another where it is not known what the axis is.
    shape : tuple of int
    dtype : numpy.dtype
    take : callable
        Gives the part at fixed indices, ``take({"T": 3})``, with the other axes in their order.
    spacing : tuple, optional
    channels : tuple of str
        Their names, where the file has them.
    interval : float, optional
        Seconds between time points.
    files : tuple of Path
        All that it is read from.
    """

    path: Path
    name: str
    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype
    take: Callable[[Mapping[str, int]], np.ndarray]
    spacing: Spacing | None = None
    channels: tuple[str, ...] = ()
    interval: float | None = None
    files: tuple[Path, ...] = ()

    @property
    def sizes(self) -> dict[str, int]:
        """Length of each axis.

        Returns
        -------
        dict of str to int
        """
        return dict(zip(self.axes, self.shape, strict=True))


def stored_array(path: Path, name: str, axes: str, array: Any, **more: Any) -> Stored:
    """Make an image of an array, or of anything that is indexed like one.

    Parameters
    ----------
    path : Path
        Of its file.
    name : str
        Of the image.
    axes : str
        One letter for each axis of the array.
    array : array_like
        Read only when pixels are taken.
    **more
        Other fields of :class:`Stored`.

    Returns
    -------
    Stored
    """
    import numpy as np

    def take(fixed: Mapping[str, int]) -> np.ndarray:
        return np.asarray(array[tuple(fixed.get(axis, slice(None)) for axis in axes)])

    return Stored(
        path, name, axes, tuple(array.shape), np.dtype(array.dtype), take, files=(path,), **more
    )


def gather_parts(
    axes: str,
    lengths: Sequence[int],
    fixed: Mapping[str, int],
    read: Callable[[tuple[int, ...]], np.ndarray],
) -> np.ndarray:
    """Combine parts along some axes, at fixed indices of some of them.

    Parameters
    ----------
    axes : str
    lengths : sequence of int
        How long these axes are.
    fixed : mapping of str to int
        Indices, of these and of other axes.
    read : callable
        Gives the part at a place along `axes`; the fixed indices of other axes are its business.

    Returns
    -------
    ndarray
        The axes that are not fixed come first.
    """
    import numpy as np

    ranges = [
        [fixed[axis]] if axis in fixed else range(length)
        for axis, length in zip(axes, lengths, strict=True)
    ]
    found = np.stack([read(place) for place in product(*ranges)])
    outer = [length for axis, length in zip(axes, lengths, strict=True) if axis not in fixed]
    return found.reshape(*outer, *found.shape[1:])


def check_sizes(stored: Stored) -> Stored:
    """Refuse an image without pixels, or with more planes than a sound file declares.

    Parameters
    ----------
    stored : Stored

    Returns
    -------
    Stored
        The same.

    Raises
    ------
    InputError
        One of these.
    """
    if not prod(stored.shape) or prod(stored.shape[:-2]) > MOST_PLANES:
        raise InputError(
            f"{stored.path}: shape {stored.shape}; expected an image with pixels: copy or save it "
            "again",
            code="image-empty",
        )
    return stored


def with_axes(stored: Stored, axes: str) -> Stored:
    """Replace the axes of an image's metadata by those that a user names.

    Parameters
    ----------
    stored : Stored
    axes : str
        Such as ``TZYX``: for all axes, or for those longer than 1.

    Returns
    -------
    Stored

    Raises
    ------
    InputError
        Letters that are not axes, a missing row or column axis, or a wrong number of axes.
    """
    chosen = axes.upper()
    if set(chosen) - set(AXES) or len(set(chosen)) < len(chosen) or not {"Y", "X"} <= set(chosen):
        raise InputError(
            f"--axes {axes}; expected each of T, C, Z, Y, X at most once, with Y and X, such as "
            "TZYX: T time, C channel, Z plane, Y row, X column",
            code="axes-malformed",
        )
    if len(chosen) == len(stored.axes):
        return rename_axes(stored, dict(zip(stored.axes, chosen, strict=True)))
    long = [axis for axis, size in stored.sizes.items() if size > 1]
    if len(chosen) != len(long):
        raise InputError(
            f"{stored.path}: shape {stored.shape} ({stored.axes}); --axes {axes} names "
            f"{len(chosen)} axes: name each axis once",
            code="axes-count",
        )
    return rename_axes(drop_short(stored), dict(zip(long, chosen, strict=True)))


def drop_short(stored: Stored, kept: str = "") -> Stored:
    """Remove axes of length 1.

    Parameters
    ----------
    stored : Stored
    kept : str
        Axes to keep anyway.

    Returns
    -------
    Stored
    """
    short = {axis: 0 for axis, size in stored.sizes.items() if size == 1 and axis not in kept}
    long = {axis: size for axis, size in stored.sizes.items() if axis not in short}

    def take(fixed: Mapping[str, int]) -> np.ndarray:
        return stored.take({**short, **fixed})

    return replace(stored, axes="".join(long), shape=tuple(long.values()), take=take)


def rename_axes(stored: Stored, names: Mapping[str, str]) -> Stored:
    """Rename axes.

    Parameters
    ----------
    stored : Stored
    names : mapping of str to str
        New letters by old ones.

    Returns
    -------
    Stored
    """
    before = {new: old for old, new in names.items()}

    def take(fixed: Mapping[str, int]) -> np.ndarray:
        return stored.take({before.get(axis, axis): at for axis, at in fixed.items()})

    axes = "".join(names.get(axis, axis) for axis in stored.axes)
    return replace(stored, axes=axes, take=take)


def join_files(parts: Mapping[tuple[int, ...], Stored], axes: str, name: str) -> Stored:
    """Make one image of several files, along the axes that their names number.

    Parameters
    ----------
    parts : mapping of tuple of int to Stored
        By their places along the axes; all places are filled.
    axes : str
        The letters that are numbered.
    name : str
        Of the image.

    Returns
    -------
    Stored

    Raises
    ------
    InputError
        A file of another shape or type than the first, one that has such an axis itself, or a
        place without a file.
    """
    # A file may have the axis, too, with the one entry that it is of.
    parts = {
        place: drop_short(part, "".join(set(part.axes) - set(axes)))
        for place, part in parts.items()
    }
    first = parts[min(parts)]
    for part in parts.values():
        if (part.axes, part.shape, part.dtype) != (first.axes, first.shape, first.dtype):
            raise InputError(
                f"{part.path}: shape {part.shape} ({part.axes}) of {part.dtype}; expected "
                f"{first.shape} ({first.axes}) of {first.dtype} as in {first.path.name}: files of "
                "one series are alike; segment the others separately",
                code="frame-unlike",
            )
    if twice := set(axes) & set(first.axes):
        raise InputError(
            f"{first.path}: has an axis {min(twice)}, which its name numbers, too; expected one or "
            "the other: give --axes",
            code="axes-twice",
        )
    lengths = tuple(len({place[i] for place in parts}) for i in range(len(axes)))
    if prod(lengths) != len(parts):
        raise InputError(
            f"{first.path.parent}: {len(parts)} files of {first.name} for {lengths} places along "
            f"{axes}; expected a file for each: add those that are missing",
            code="frame-missing",
        )
    order = [sorted({place[i] for place in parts}) for i in range(len(axes))]

    def take(fixed: Mapping[str, int]) -> np.ndarray:
        within = {axis: at for axis, at in fixed.items() if axis not in axes}

        def read(place: tuple[int, ...]) -> np.ndarray:
            return parts[tuple(order[i][at] for i, at in enumerate(place))].take(within)

        return gather_parts(axes, lengths, fixed, read)

    files = tuple(file for part in parts.values() for file in part.files)
    whole = replace(first, name=name, axes=axes + first.axes, shape=lengths + first.shape)
    return replace(whole, take=take, files=files)


def natural(text: str) -> list[tuple[int, str]]:
    """Make a key that sorts names as people do: image2 before image10.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of (int, str)
    """
    import re

    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]+)", text)
    ]
