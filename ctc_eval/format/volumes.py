"""Reads and writes volumes: TIFFs with one page a plane.

Axes are (plane, row, column); a 2D frame is a volume with one plane.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ctc_eval.format.decoding import read_page
from ctc_eval.format.errors import InputError
from ctc_eval.format.pages import Page, read_pages
from ctc_eval.format.stack import stack_faults, with_imagej_planes
from ctc_eval.format.writing import atomic

if TYPE_CHECKING:
    import numpy as np

MAX_LABEL = 65535
_UNSIGNED = ("uint8", "uint16", "uint32", "uint64")


@contextmanager
def _open_volume(path: Path) -> Iterator[tuple[BinaryIO, list[Page]]]:
    """Open a TIFF whose pages are the planes of a volume, refusing others."""
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; expected a TIFF volume: check the path", code="file-missing"
        )
    with path.open("rb") as file:
        pages = with_imagej_planes(file, read_pages(path, file))
        for code, reason in stack_faults(path, file, pages):
            raise InputError(f"{path}: {reason}", code=code)
        kind = pages[0].form.kind
        if kind not in _UNSIGNED:
            raise InputError(
                f"{path}: pixel type {kind}; expected unsigned integers (uint8 or uint16): "
                "convert the image, without scaling away its intensities",
                code="pixel-type",
            )
        yield file, pages


def volume_shape(path: Path) -> tuple[tuple[int, int, int], np.dtype]:
    """Read a TIFF's shape and type from its headers, refusing what is not one gray volume.

    Parameters
    ----------
    path : Path
        A TIFF with one page a plane, of any unsigned integer type.

    Returns
    -------
    shape : tuple of int
        (planes, rows, columns).
    dtype : numpy.dtype

    Raises
    ------
    InputError
        Missing, not a TIFF, truncated, RGB or otherwise not gray, pages of different shape,
        metadata that speak of other axes or planes, a type that is not unsigned integer.
    """
    import numpy as np

    with _open_volume(path) as (_, pages):
        form = pages[0].form
        return (len(pages), *form.shape), np.dtype(form.kind)


def read_volume(path: Path) -> np.ndarray:
    """Read a TIFF as a volume.

    Parameters
    ----------
    path : Path
        A TIFF with one page a plane, of any unsigned integer type.

    Returns
    -------
    ndarray of shape (Z, Y, X)
        In the file's own type, in the machine's byte order.

    Raises
    ------
    InputError
        What :func:`volume_shape` refuses, data that do not decode.
    """
    import numpy as np

    with _open_volume(path) as (file, pages):
        form = pages[0].form
        volume = np.empty((len(pages), *form.shape), form.kind)
        try:
            for plane, page in zip(volume, pages, strict=True):
                plane[:] = read_page(file, page)
        except Exception as error:
            # Decoders raise types of their own; to the user they all mean one thing.
            reason = " ".join(str(error).split())
            raise InputError(
                f"{path}: damaged ({reason}); expected {volume.shape} pixels of {form.kind}: "
                "copy or download the file again",
                code="tiff-damaged",
            ) from None
    return volume


def check_frames(files: dict[int, Path]) -> tuple[int, int, int]:
    """Check the headers of all frames before work starts, so that nothing stays half-done.

    Parameters
    ----------
    files : dict of int to Path
        From :func:`frame_files`.

    Returns
    -------
    tuple of int
        The shape (planes, rows, columns) that all frames share.

    Raises
    ------
    InputError
        What :func:`volume_shape` refuses; a frame whose shape or type is not the first one's.
    """
    first = next(iter(files.values()))
    expected = volume_shape(first)
    for path in files.values():
        found = volume_shape(path)
        if found != expected:
            raise InputError(
                f"{path}: shape {found[0]} of {found[1]}; expected {expected[0]} of {expected[1]} "
                f"as in {first.name}: all frames of a sequence are alike",
                code="frame-unlike",
            )
    if expected[1] not in ("uint8", "uint16"):
        raise InputError(
            f"{first}: pixel type {expected[1]}; expected unsigned integers (uint8 or uint16): "
            "convert the images, without scaling away their intensities",
            code="pixel-type",
        )
    return expected[0]


def write_volume(path: Path, volume: np.ndarray) -> None:
    """Write a volume the way the official tool reads it: zlib, minisblack, atomically.

    Parameters
    ----------
    path : Path
        The folder is made where it is missing.
    volume : ndarray of shape (Z, Y, X) or (Y, X), unsigned
        Z = 1 is written as a plain 2D image. Label images must be uint16.
    """
    import tifffile

    pages = volume[0] if volume.ndim == 3 and len(volume) == 1 else volume
    with atomic(path) as temporary:
        tifffile.imwrite(
            temporary, pages, compression="zlib", photometric="minisblack", metadata=None
        )


def write_labels(path: Path, labels: np.ndarray) -> None:
    """Write a label image as uint16.

    Parameters
    ----------
    path : Path
        For example ``02_RES/mask007.tif``.
    labels : ndarray of shape (Z, Y, X) or (Y, X), integer
        0 is background.

    Raises
    ------
    InputError
        Labels below 0 or above 65535, which uint16 cannot hold.
    """
    import numpy as np

    low, high = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    if low < 0 or high > MAX_LABEL:
        raise InputError(
            f"{path}: labels from {low} to {high}; expected 0 to {MAX_LABEL}: "
            "raise the size filter or renumber the labels",
            code="label-range",
        )
    write_volume(path, labels.astype(np.uint16, copy=False))
