"""Reads PNG, JPEG and other pictures of one plane."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ctc_eval.format import InputError
from efficientcellseg.datasets.reading.stored import Stored, stored_array

if TYPE_CHECKING:
    import numpy as np


def read_picture(path: Path) -> list[Stored]:
    """Open a picture, gray or RGB; transparency is dropped, and three equal channels are gray.

    Parameters
    ----------
    path : Path
        PNG or JPEG.

    Returns
    -------
    list of Stored

    Raises
    ------
    InputError
        A file that cannot be decoded.
    """
    opened = _open(path)

    def take(fixed: Mapping[str, int]) -> np.ndarray:
        return _open(path).take(fixed)  # decoded again: there may be thousands

    return [replace(opened, take=take)]


def _open(path: Path) -> Stored:
    import cv2
    import numpy as np

    pixels = None
    with suppress(cv2.error):  # nothing in it, or sizes beyond all measure
        pixels = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise InputError(
            f"{path}: cannot be read as a picture; expected an undamaged PNG or JPEG: copy or save "
            "it again",
            code="picture-unreadable",
        )
    if pixels.ndim == 3:
        pixels = pixels[..., 2::-1]  # from blue, green, red, transparency
        if (pixels == pixels[..., :1]).all():
            pixels = pixels[..., 0]
    return stored_array(path, path.stem, "YXS"[: pixels.ndim], pixels)
