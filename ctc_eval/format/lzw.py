"""Checks LZW codes in TIFFs, because the decoder does not, and some codes crash the process."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_CLEAR, _END, _FIRST = 256, 257, 258
_CODES = 4096 - _FIRST + 2  # between two clear codes at most: then the table is full


def check_lzw(data: bytes) -> None:
    """Check that each code stands for bytes, before the data are decoded.

    imagecodecs looks up the code after a clear code without checking that it stands for a byte.

    Parameters
    ----------
    data : bytes
        A strip or tile, compressed.

    Raises
    ------
    ValueError
        A code that no encoder writes; no clear code at the beginning or where the table is full;
        far more clear codes than are useful.
    """
    import numpy as np

    starts, widths, limits = _schedule()
    bits, place, left = 8 * len(data), 9, 16 + len(data) // 64
    padded = data + bytes(4)
    if int.from_bytes(padded[:2], "big") >> 7 != _CLEAR:
        raise ValueError("LZW data without a clear code")
    while place + 9 <= bits:
        begin = place // 8
        at = starts + place % 8
        part = np.frombuffer(padded[begin : begin + int(at[-1]) // 8 + 4], np.uint8)
        part = np.concatenate([part, np.zeros(4, np.uint8)]).astype(np.uint32)
        inside = int(np.searchsorted(at + widths, bits - 8 * begin, "right"))
        at, width = at[:inside], widths[:inside]
        first = at // 8
        three = part[first] << 16 | part[first + 1] << 8 | part[first + 2]
        codes = three >> (24 - width - at % 8) & ((1 << width) - 1)
        ends = np.flatnonzero((codes == _CLEAR) | (codes == _END))
        end = int(ends[0]) if len(ends) else len(codes)
        left -= 1
        if (codes[:end] > limits[:end]).any() or end == _CODES or left < 0:
            raise ValueError("LZW data with a code that stands for no bytes")
        if end == len(codes) or codes[end] == _END:
            return
        place = 8 * begin + int(at[end] + width[end])


@cache
def _schedule() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the first bit, the width and the largest value of each code after a clear code."""
    import numpy as np

    known = _FIRST + np.maximum(np.arange(_CODES) - 1, 0)
    widths = 9 + (known[:, None] >= np.array([511, 1023, 2047])).sum(axis=1)
    limits = np.concatenate([[_CLEAR - 1], known[1:]])
    return np.cumsum(widths) - widths, widths, limits
