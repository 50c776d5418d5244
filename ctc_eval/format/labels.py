"""Reads label images the way the official evaluation tool does.

The tool reads uint16 TIFFs, one page a plane, uncompressed or packed with LZW, deflate or
packbits. What else a TIFF may be it reads as empty or garbage without a word, so here it is
refused by name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctc_eval.format.errors import Fault, InputError
from ctc_eval.format.plain import plain_pages, read_plain

if TYPE_CHECKING:
    import numpy as np

# TIFF compression codes: none, LZW, deflate (both numbers), packbits.
READABLE_COMPRESSIONS = frozenset({1, 5, 8, 32946, 32773})
MINISBLACK = 1
# A mask with a smaller share of its voxels in cells is as good as empty: a cell of a few voxels.
EMPTY_SHARE = 1e-4


@dataclass(frozen=True)
class LabelImage:
    """An open label image whose pages have been checked.

    Attributes
    ----------
    path : Path
    shape : tuple of int
        (planes, rows, columns).
    """

    path: Path
    shape: tuple[int, int, int]
    _read: Callable[[int], np.ndarray]

    def plane(self, index: int) -> np.ndarray:
        """Read one plane.

        Parameters
        ----------
        index : int
            Plane, counted from 0.

        Returns
        -------
        ndarray of shape (Y, X), uint16

        Raises
        ------
        InputError
            The data do not decode.
        """
        try:
            return self._read(index)
        except Exception as error:
            # Decoders raise types of their own; to the user they all mean one thing.
            raise InputError(
                f"{self.path}: plane {index} is damaged ({error}); expected "
                f"{self.shape[1]}x{self.shape[2]} labels: copy or write the file again",
                code="tiff-damaged",
            ) from None


@contextmanager
def open_labels(path: Path) -> Iterator[LabelImage]:
    """Open a label image, refusing what the official tool would not read as it is meant.

    Parameters
    ----------
    path : Path
        A mask or a reference image.

    Yields
    ------
    LabelImage

    Raises
    ------
    InputError
        Missing, not a TIFF, truncated, or one of the traps that :func:`label_faults` lists.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; expected a label image: check the path", code="file-missing"
        )
    with path.open("rb") as file:
        pages = plain_pages(file)

        def read(index: int) -> np.ndarray:
            try:
                return read_plain(file, pages[index])
            except Exception:
                with _open_any(path) as image:
                    return image._read(index)

        if pages:
            yield LabelImage(path, (len(pages), *pages[0].shape), read)
            return
    with _open_any(path) as image:
        yield image


@contextmanager
def _open_any(path: Path) -> Iterator[LabelImage]:
    """Open a label image of any kind, with words for all that may be wrong with it."""
    import numpy as np
    import tifffile

    try:
        tif = tifffile.TiffFile(path)
    except Exception as error:
        raise _unreadable(path, error) from None
    with tif:
        try:
            pages = list(tif.pages)
            found = dict.fromkeys(_page_faults(pages, path.stat().st_size))  # each once
        except Exception as error:
            raise _unreadable(path, error) from None
        if found:
            raise _LabelError([Fault(path, reason, code) for code, reason in found])
        rows, columns = pages[0].shape

        def read(index: int) -> np.ndarray:
            return np.asarray(pages[index].asarray(maxworkers=1), dtype=np.uint16)

        yield LabelImage(path, (len(pages), rows, columns), read)


def is_all_but_empty(foreground: int, voxels: int) -> bool:
    """Tell whether a mask holds no cell, or next to none: under one voxel in 10,000."""
    return foreground < EMPTY_SHARE * voxels


def tell_empty(empty: int, masks: int) -> str:
    """Say how many masks of a sequence are empty or all but empty."""
    return f"{empty} of {masks} masks hold no cell or next to none (under 1 voxel in 10,000)"


class _LabelError(InputError):
    """All that keeps the official tool from reading a label image."""

    def __init__(self, faults: list[Fault]) -> None:
        reasons = "; ".join(fault.reason for fault in faults)
        super().__init__(f"{faults[0].path}: {reasons}", code=faults[0].code)
        self.faults = faults


def label_faults(path: Path) -> tuple[tuple[int, int, int] | None, list[Fault]]:
    """List what keeps the official tool from reading a label image, from its headers.

    Parameters
    ----------
    path : Path

    Returns
    -------
    shape : tuple of int or None
        (planes, rows, columns); None where there are faults.
    faults : list of Fault
    """
    try:
        with open_labels(path) as image:
            return image.shape, []
    except _LabelError as error:
        return None, error.faults
    except InputError as error:
        return None, [Fault.of(path, error)]


def core_count() -> int:
    """Count the cores that this process may use: decoding runs in that many threads."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _unreadable(path: Path, error: Exception) -> InputError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return InputError(
        f"{path}: cannot be read as a TIFF ({reason}), expected an undamaged one: "
        "write the file again",
        code="tiff-unreadable",
    )


def _page_faults(pages: list[Any], file_size: int) -> Iterator[tuple[str, str]]:
    """Check the tags of all pages; give code and reason of each fault."""
    if not pages:
        yield "tiff-empty", "has no page, expected one a plane: write the file again"
        return
    first = pages[0]
    for page in pages:
        yield from _pixel_faults(page)
        yield from _storage_faults(page)
        if page.shape != first.shape:
            yield (
                "tiff-mixed",
                f"pages of {_by(first.shape)} and {_by(page.shape)} pixels, expected one size: "
                "write the file again",
            )
        strips = zip(page.dataoffsets, page.databytecounts, strict=False)
        end = max((offset + count for offset, count in strips), default=0)
        if end > file_size:
            yield (
                "tiff-truncated",
                f"truncated, {file_size} bytes, expected {end}: copy or write the file again",
            )
            return


def _pixel_faults(page: Any) -> Iterator[tuple[str, str]]:
    """Check what a page's pixels are."""
    if page.samplesperpixel != 1:
        yield (
            "tiff-rgb",
            f"{page.samplesperpixel} values a pixel (RGB), expected one: save labels with "
            'photometric="minisblack" (three or four planes become RGB without it)',
        )
    elif page.photometric != MINISBLACK:
        yield (
            "tiff-photometric",
            f"photometric {_name(page.photometric)}, expected minisblack: the official tool "
            'inverts or refuses others, save with photometric="minisblack"',
        )
    if page.dtype != "uint16":
        yield (
            "pixel-type",
            f"pixel type {page.dtype}, expected uint16: the official tool reads no other",
        )


def _storage_faults(page: Any) -> Iterator[tuple[str, str]]:
    """Check how a page's pixels are stored."""
    if int(page.compression) not in READABLE_COMPRESSIONS:
        yield (
            "tiff-compression",
            f"compression {_name(page.compression)}, expected none, LZW, deflate or packbits: "
            'the official tool reads it as empty, save with compression="zlib"',
        )
    if page.predictor not in (1, 2):
        yield (
            "tiff-predictor",
            f"predictor {_name(page.predictor)}, expected none or horizontal: save without it",
        )
    if page.is_tiled:
        yield (
            "tiff-tiled",
            "tiled, expected strips: the official tool reads it as empty, save without tile=",
        )
    if page.imagedepth != 1:
        yield (
            "tiff-depth",
            f"{page.imagedepth} planes in one page, expected a page a plane: save it so",
        )


def _name(code: Any) -> str:
    return str(getattr(code, "name", code)).lower()


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
