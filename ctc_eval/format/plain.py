"""Plain TIFFs read without ceremony: the kind that nearly all label images are.

For a stack of small pages a general reader spends more time on each page's tags than on its
pixels. Plain is a little-endian TIFF (6.0) of uint16 pages in strips, 0 as black, no predictor,
uncompressed or packed with LZW, deflate or packbits. Whatever else a file is, damaged included,
is left to the general reader, which also has words for it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import numpy as np

Tags = dict[int, tuple[int, ...]]

_COLUMNS, _ROWS, _COMPRESSION, _OFFSETS, _STRIP_ROWS, _BYTES = 256, 257, 259, 273, 278, 279
# Bits, photometric, bit order, samples, planar configuration, predictor, sample format.
_REQUIRED = {258: 16, 262: 1, 266: 1, 277: 1, 284: 1, 317: 1, 339: 1}
# Where a tag is left out, as TIFF 6.0 has it.
_DEFAULTS = {266: 1, 277: 1, 284: 1, 317: 1, 339: 1, _COMPRESSION: 1, _STRIP_ROWS: 2**32 - 1}
_KNOWN = {_COLUMNS, _ROWS, _OFFSETS, _BYTES, *_REQUIRED, *_DEFAULTS}
# Kind of page, description, orientation, resolution, position, unit, page number, software.
_OF_NO_MATTER = {254, 270, 274, 282, 283, 286, 287, 296, 297, 305}
_FORMATS = {3: "H", 4: "I"}  # TIFF's SHORT and LONG
_CODECS = {1: "none", 5: "lzw", 8: "zlibng", 32946: "zlibng", 32773: "packbits"}


@dataclass(frozen=True)
class PlainPage:
    """Where a page's pixels are.

    Attributes
    ----------
    shape : tuple of int
        (rows, columns).
    codec : str
        none, lzw, zlibng or packbits, as imagecodecs names its decoders.
    strip_rows : int
        Rows of each strip; the last may have fewer.
    strips : tuple of (int, int)
        Offset and length of each, in bytes.
    """

    shape: tuple[int, int]
    codec: str
    strip_rows: int
    strips: tuple[tuple[int, int], ...]


def plain_pages(file: BinaryIO) -> list[PlainPage]:
    """Read the headers of a plain TIFF.

    Parameters
    ----------
    file : binary file

    Returns
    -------
    list of PlainPage
        All of one shape; empty for a file that is not plain or not whole.
    """
    size = file.seek(0, 2)
    file.seek(0)
    pages: list[PlainPage] = []
    seen = set()
    try:
        magic, offset = struct.unpack("<4sI", file.read(8))
        while offset and magic == b"II*\0" and offset not in seen:
            seen.add(offset)
            tags, offset = _read_tags(file, offset)
            pages.append(_make_page(tags))
    except (struct.error, KeyError, ValueError):
        return []  # cut, or a tag that is missing, of a rare type or not as it is in plain files
    is_whole = all(start + length <= size for page in pages for start, length in page.strips)
    return pages if is_whole and not offset and len({page.shape for page in pages}) == 1 else []


def _read_tags(file: BinaryIO, offset: int) -> tuple[Tags, int]:
    """Read a page's numbers, and where the next page is (0 for nowhere)."""
    file.seek(offset)
    (count,) = struct.unpack("<H", file.read(2))
    block = file.read(12 * count + 4)
    (following,) = struct.unpack_from("<I", block, 12 * count)
    tags: Tags = {}
    for code, kind, length, value in struct.iter_unpack("<HHI4s", block[:-4]):
        if code not in _OF_NO_MATTER:
            numbers = struct.Struct(f"<{length}{_FORMATS[kind]}")
            if numbers.size > len(value):
                file.seek(*struct.unpack("<I", value))
                value = file.read(numbers.size)
            tags[code] = numbers.unpack_from(value)
    return tags, following


def _make_page(tags: Tags) -> PlainPage:
    """Make a page of its tags; ValueError or KeyError if it is not plain."""
    single = _DEFAULTS | {code: values[0] for code, values in tags.items()}
    rows, strip_rows = single[_ROWS], min(single[_STRIP_ROWS], single[_ROWS])
    if not (
        tags.keys() <= _KNOWN
        and all(single[code] == value for code, value in _REQUIRED.items())
        and min(strip_rows, single[_COLUMNS], *tags[_BYTES]) > 0
        and len(tags[_OFFSETS]) == len(tags[_BYTES]) == -(-rows // strip_rows)
    ):
        raise ValueError("not plain")
    strips = tuple(zip(tags[_OFFSETS], tags[_BYTES], strict=True))
    return PlainPage((rows, single[_COLUMNS]), _CODECS[single[_COMPRESSION]], strip_rows, strips)


def read_plain(file: BinaryIO, page: PlainPage) -> np.ndarray:
    """Read a page's pixels.

    Parameters
    ----------
    file : binary file
    page : PlainPage
        Of that file, from :func:`plain_pages`.

    Returns
    -------
    ndarray of shape (Y, X), uint16

    Raises
    ------
    Exception
        Of any type, where a strip does not decode to just its pixels.
    """
    import imagecodecs
    import numpy as np

    decode = getattr(imagecodecs, f"{page.codec}_decode")
    pixels = np.empty(page.shape, "<u2")
    for number, (start, length) in enumerate(page.strips):
        strip = pixels[number * page.strip_rows :][: page.strip_rows].reshape(-1).view(np.uint8)
        file.seek(start)
        data = file.read(length)
        if page.codec == "none":
            strip[:] = np.frombuffer(data, np.uint8)
        elif len(decode(data, out=strip)) < len(strip):
            raise ValueError(f"strip {number} is too short")
    return pixels.astype(np.uint16, copy=False)
