"""Pages of a TIFF, read strictly: each pixel that the header declares must be in the file.

General readers are lenient. They fill the missing part of a strip with zeros, follow metadata to
planes elsewhere, and believe whatever size a header declares. For a label image or a frame, that
silently gives a wrong volume, so anything that does not fit is refused here. This is also faster
for stacks of small pages, whose tags take a general reader most of its time.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ctc_eval.format.errors import InputError

Tags = dict[int, tuple[int, ...]]

_SUBFILE, _OLD_SUBFILE, _COLUMNS, _ROWS, _BITS, _COMPRESSION = 254, 255, 256, 257, 258, 259
_PHOTOMETRIC, _BIT_ORDER, _DESCRIPTION, _SAMPLES, _PREDICTOR, _FORMAT = 262, 266, 270, 277, 317, 339
_STRIPS, _STRIP_ROWS, _STRIP_BYTES = 273, 278, 279
_TILE_COLUMNS, _TILE_ROWS, _TILES, _TILE_BYTES = 322, 323, 324, 325
_METAMORPH, _DEPTH, _TILE_DEPTH = 33629, 32997, 32998
# Where a tag is left out, as TIFF 6.0 has it; none for the photometric interpretation.
_DEFAULTS = {
    **dict.fromkeys((_SUBFILE, _OLD_SUBFILE), 0),
    **dict.fromkeys((_BITS, _COMPRESSION, _BIT_ORDER, _SAMPLES, _PREDICTOR, _FORMAT), 1),
    **dict.fromkeys((_DEPTH, _TILE_DEPTH, _METAMORPH), 1),
    _PHOTOMETRIC: -1,
    _STRIP_ROWS: 2**32 - 1,
}
_LISTS = {_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES, _BITS, _FORMAT}
_WANTED = _LISTS | _DEFAULTS.keys() | {_COLUMNS, _ROWS, _TILE_COLUMNS, _TILE_ROWS}
_TYPES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}  # TIFF's whole numbers
_KINDS = {1: "uint", 2: "int", 3: "float"}


class Form(NamedTuple):
    """What a page is like; the pages of a stack share it."""

    shape: tuple[int, int]
    kind: str
    bits: int
    order: str
    compression: int
    predictor: int
    photometric: int
    samples: int
    bit_order: int
    subfile: tuple[int, int]
    depth: int
    metamorph: int
    tiled: bool
    chunk: tuple[int, int]

    @property
    def grid(self) -> tuple[int, int]:
        """Number of strips or tiles.

        Returns
        -------
        tuple of int
            Along rows and columns.
        """
        (rows, columns), (height, width) = self.shape, self.chunk
        return -(-rows // height), -(-columns // width)


@dataclass(frozen=True, slots=True)
class Page:
    """Where a page's pixels are.

    Attributes
    ----------
    form : Form
    chunks : list of (int, int)
        Offset and length of each strip or tile, in bytes.
    description : tuple of int or None
        Offset and length of the text that describes the image.
    """

    form: Form
    chunks: list[tuple[int, int]]
    description: tuple[int, int] | None


class _Layout(NamedTuple):
    order: str
    number: struct.Struct
    entry: struct.Struct
    pointer: struct.Struct


def read_pages(path: Path, file: BinaryIO) -> list[Page]:
    """Read the headers of all pages.

    Parameters
    ----------
    path : Path
        Its name, for the message.
    file : binary file

    Returns
    -------
    list of Page
        One at least; :func:`stack_faults` says what they may not be.

    Raises
    ------
    InputError
        No TIFF, truncated, or with a tag that is missing, twice, or not as TIFF 6.0 has it.
    """
    size = file.seek(0, 2)
    pages: list[Page] = []
    chunks, seen = 0, set()
    try:
        layout, offset = _read_start(file)
        while offset:
            if offset in seen:
                raise ValueError("its pages form a loop")
            seen.add(offset)
            tags, description, offset = _read_tags(file, layout, offset, size)
            pages.append(_make_page(tags, description, layout.order))
            chunks += len(pages[-1].chunks)
            if 4 * chunks > size:  # each has a place and a length, two bytes long at least
                raise ValueError(f"its header has no room for {chunks} strips or tiles")
        if not pages:
            raise ValueError("no page in it")
    except EOFError:
        raise InputError(
            f"{path}: truncated, {size} bytes hold less than its header speaks of; "
            "expected the whole file: copy or write it again",
            code="tiff-truncated",
        ) from None
    except (ValueError, struct.error) as error:
        raise InputError(
            f"{path}: cannot be read as a TIFF ({error}); expected an undamaged gray stack: "
            "copy or write the file again",
            code="tiff-unreadable",
        ) from None
    return pages


def _read_start(file: BinaryIO) -> tuple[_Layout, int]:
    """Read how the file is laid out, and where its first page is."""
    file.seek(0)
    start = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(start[:2])
    if order is None or len(start) < 8:
        raise ValueError("no TIFF header")
    (version,) = struct.unpack_from(f"{order}H", start, 2)
    count, entry, pointer = ("H", "HHI4s", "I") if version == 42 else ("Q", "HHQ8s", "Q")
    if version != 42 and start[2:8] != struct.pack(f"{order}HHH", 43, 8, 0):
        raise ValueError("no TIFF header")
    layout = _Layout(order, *(struct.Struct(order + part) for part in (count, entry, pointer)))
    return layout, layout.pointer.unpack_from(start, 4 if version == 42 else 8)[0]


def _read_tags(
    file: BinaryIO, layout: _Layout, offset: int, size: int
) -> tuple[Tags, tuple[int, int] | None, int]:
    """Read a page's numbers, where its description is, and where the next page is (0: nowhere)."""
    order, entry = layout.order, layout.entry
    if offset + layout.number.size > size:
        raise EOFError
    file.seek(offset)
    (count,) = layout.number.unpack(file.read(layout.number.size))
    end = entry.size * count
    if offset + end > size:
        raise EOFError
    block = file.read(end + layout.pointer.size)
    if len(block) < end + layout.pointer.size:
        raise EOFError
    tags: Tags = {}
    description = None
    for code, kind, length, value in entry.iter_unpack(block[:end]):
        if code == _DESCRIPTION and length > len(value):
            description = layout.pointer.unpack(value)[0], length
        elif code == _METAMORPH:
            tags[code] = (length,)
        elif code in _WANTED:
            if code in tags:
                raise ValueError(f"tag {code} appears twice")
            if kind not in _TYPES or not length or (length > 1 and code not in _LISTS):
                raise ValueError(f"tag {code} has {length} values of type {kind}")
            if length > size:
                raise EOFError
            numbers = _numbers(f"{order}{length}{_TYPES[kind]}")
            if numbers.size > len(value):
                (place,) = layout.pointer.unpack(value)
                if place + numbers.size > size:
                    raise EOFError
                file.seek(place)
                value = file.read(numbers.size)
            tags[code] = numbers.unpack_from(value)
    return tags, description, layout.pointer.unpack_from(block, end)[0]


@lru_cache(maxsize=64)
def _numbers(layout: str) -> struct.Struct:
    """Return an unpacker of numbers, from a cache: most tags have the same few layouts."""
    return struct.Struct(layout)


def _make_page(tags: Tags, description: tuple[int, int] | None, order: str) -> Page:
    """Make a page of its tags; ValueError if one is missing or without sense."""
    single = _DEFAULTS | {code: values[0] for code, values in tags.items()}
    tiled = _TILES in tags
    places, lengths = (_TILES, _TILE_BYTES) if tiled else (_STRIPS, _STRIP_BYTES)
    needed = (_COLUMNS, _ROWS, places, lengths, *((_TILE_COLUMNS, _TILE_ROWS) if tiled else ()))
    if missing := [str(code) for code in needed if code not in tags]:
        raise ValueError(f"no tag {', '.join(missing)}")
    shape = single[_ROWS], single[_COLUMNS]
    chunk = (
        (single[_TILE_ROWS], single[_TILE_COLUMNS])
        if tiled
        else (min(single[_STRIP_ROWS], shape[0]), shape[1])
    )
    if not all((*shape, *chunk)):
        raise ValueError(f"{shape[0]}x{shape[1]} pixels in chunks of {chunk[0]}x{chunk[1]}")
    if len(tags[places]) != len(tags[lengths]):
        raise ValueError(f"{len(tags[places])} places for {len(tags[lengths])} chunks")
    bits = single[_BITS]
    form = Form(
        shape,
        "bool" if bits == 1 else f"{_KINDS.get(single[_FORMAT], 'complex')}{bits}",
        bits,
        order,
        single[_COMPRESSION],
        single[_PREDICTOR],
        single[_PHOTOMETRIC],
        single[_SAMPLES],
        single[_BIT_ORDER],
        (single[_SUBFILE], single[_OLD_SUBFILE]),
        max(single[_DEPTH], single[_TILE_DEPTH]),
        single[_METAMORPH],
        tiled,
        chunk,
    )
    return Page(form, list(zip(tags[places], tags[lengths], strict=True)), description)
