"""Reads label images the way the official evaluation tool does.

The tool reads uint16 TIFFs, one page a plane, uncompressed or packed with LZW, deflate or
packbits. What else a TIFF may be it reads as empty or garbage without a word, so here it is
refused by name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ctc_eval.format.decoding import CODECS, compression_name, read_page
from ctc_eval.format.errors import Fault, InputError
from ctc_eval.format.pages import Form, read_pages
from ctc_eval.format.stack import stack_faults

if TYPE_CHECKING:
    import numpy as np

# TIFF compression codes: none, LZW, deflate (both numbers), packbits.
READABLE_COMPRESSIONS = frozenset({1, 5, 8, 32946, 32773})
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
    """Open a label image; refuse what the official tool would not read correctly.

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
        pages = read_pages(path, file)
        found = dict.fromkeys(stack_faults(path, file, pages))
        found |= dict.fromkeys(_label_faults([page.form for page in pages]))
        if found:
            raise _LabelError([Fault(path, reason, code) for code, reason in found])

        def read(index: int) -> np.ndarray:
            return read_page(file, pages[index])

        yield LabelImage(path, (len(pages), *pages[0].form.shape), read)


def is_all_but_empty(foreground: int, voxels: int) -> bool:
    """Tell whether a mask holds no cell, or almost none: less than one voxel in 10,000.

    Parameters
    ----------
    foreground : int
        Voxels that are not background.
    voxels : int
        All voxels.

    Returns
    -------
    bool
    """
    return foreground < EMPTY_SHARE * voxels


def tell_empty(empty: int, masks: int) -> str:
    """Report how many masks of a sequence are empty or almost empty.

    Parameters
    ----------
    empty, masks : int
        How many masks are empty, and how many there are.

    Returns
    -------
    str
    """
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
        (planes, rows, columns); None if there are faults.
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
    """Count the cores that this process may use: decoding runs in that many threads.

    Returns
    -------
    int
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _label_faults(forms: Sequence[Form]) -> Iterator[tuple[str, str]]:
    """List what else the official tool reads as empty or refuses: code and reason of each fault."""
    for form in dict.fromkeys(forms):
        if form.kind != "uint16":
            yield (
                "pixel-type",
                f"pixel type {form.kind}, expected uint16: the official tool reads no other",
            )
        if form.compression in CODECS and form.compression not in READABLE_COMPRESSIONS:
            yield (
                "tiff-compression",
                f"compression {compression_name(form.compression)}, expected none, LZW, deflate "
                'or packbits: the official tool reads it as empty, save with compression="zlib"',
            )
        if form.tiled:
            yield (
                "tiff-tiled",
                "tiled, expected strips: the official tool reads it as empty, save without tile=",
            )
