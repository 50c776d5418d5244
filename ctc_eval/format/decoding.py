"""Decodes the pixels of a TIFF's pages: a strip holds exactly its pixels, or is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from ctc_eval.format.lzw import check_lzw
from ctc_eval.format.pages import Form, Page

if TYPE_CHECKING:
    import numpy as np


class _Codec(NamedTuple):
    """A compression: its name, imagecodecs' decoder, how many bytes may come out of one."""

    name: str
    decoder: str
    gain: int
    tells_excess: bool = True


# Deflate makes at most 1032 bytes of one, LZW 1279, packbits 64.
CODECS = {
    1: _Codec("none", "", 1),
    5: _Codec("LZW", "lzw", 1400, tells_excess=False),
    8: _Codec("deflate", "zlibng", 1100),
    32946: _Codec("deflate", "zlibng", 1100),
    32773: _Codec("packbits", "packbits", 64),
    34925: _Codec("lzma", "lzma", 10000, tells_excess=False),
    50000: _Codec("zstd", "zstd", 33000),
}
_OTHER_COMPRESSIONS = {6: "jpeg", 7: "jpeg", 33003: "jpeg2000", 34712: "jpeg2000", 34887: "lerc",
                       34933: "png", 50001: "webp", 50002: "jpegxl"}  # fmt: skip


def compression_name(code: int) -> str:
    """Name a compression.

    Parameters
    ----------
    code : int
        As in TIFF files.

    Returns
    -------
    str
        ``unknown`` for a code without a name.
    """
    return CODECS[code].name if code in CODECS else _OTHER_COMPRESSIONS.get(code, "unknown")


def read_page(file: BinaryIO, page: Page) -> np.ndarray:
    """Read a page's pixels.

    Parameters
    ----------
    file : binary file
    page : Page
        Of that file, without a fault.

    Returns
    -------
    ndarray of shape (Y, X)
        Of the page's kind, in the machine's byte order.

    Raises
    ------
    Exception
        Of any type, where a strip or tile does not decode to just its pixels.
    """
    import numpy as np

    form = page.form
    native = np.dtype(form.kind)
    stored = native.newbyteorder("<" if form.order == "<" else ">")
    pixels = np.empty(form.shape, stored)
    height, width = form.chunk
    tile = np.empty(form.chunk, stored) if form.tiled else None
    across = form.grid[1]
    for number, (place, length) in enumerate(page.chunks):
        file.seek(place)
        data = file.read(length)
        row = number // across * height
        if tile is None:
            strip = pixels[row : row + height].reshape(-1).view(np.uint8)
            _decode(form, data, strip, height * width * native.itemsize)
            continue
        column = number % across * width
        _decode(form, data, tile.reshape(-1).view(np.uint8), tile.nbytes)
        whole = _undo_predictor(tile, native) if form.predictor == 2 else tile
        part = pixels[row : row + height, column : column + width]
        part[:] = whole[: part.shape[0], : part.shape[1]]
    if form.predictor == 2 and tile is None:
        return _undo_predictor(pixels, native)
    return pixels.astype(native, copy=False)


def _undo_predictor(pixels: np.ndarray, native: Any) -> np.ndarray:
    """Sum up the differences that rows are stored as."""
    import numpy as np

    return np.cumsum(pixels.astype(native, copy=False), axis=1, dtype=native)


def _decode(form: Form, data: bytes, out: np.ndarray, full: int) -> None:
    """Decode a strip or tile; the last strip may be padded to the length of the others, `full`."""
    import imagecodecs
    import numpy as np

    codec = CODECS[form.compression]
    if not codec.decoder:
        if len(data) not in (len(out), len(out) + 1, full):  # to an even number of bytes
            raise ValueError(f"{len(data)} bytes in a strip of {len(out)}")
        out[:] = np.frombuffer(data, np.uint8, len(out))
        return
    if codec.decoder == "lzw":
        check_lzw(data)
    decode = getattr(imagecodecs, f"{codec.decoder}_decode")
    # One byte more shows what some decoders drop without a word.
    exact = codec.tells_excess and len(out) == full
    found = decode(data, out=out if exact else np.empty(full + 1, np.uint8))
    if len(found) not in (len(out), full):
        raise ValueError(f"{len(found)} bytes in a strip of {len(out)}")
    if not exact:
        out[:] = found[: len(out)]
