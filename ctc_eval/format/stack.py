"""Says why a TIFF's pages are not the planes of one gray volume that the file contains."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ctc_eval.format.decoding import CODECS, compression_name
from ctc_eval.format.metadata import imagej_planes, metadata_fault
from ctc_eval.format.pages import Form, Page

_MAX_DESCRIPTION = 16 << 20  # bytes; what follows is not read
_PHOTOMETRICS = {-1: "not told", 0: "miniswhite", 1: "minisblack", 2: "rgb", 3: "palette"}


def _form_faults(form: Form) -> Iterator[tuple[str, str]]:
    """Explain why a page is no plane of a gray volume: code and reason of each fault."""
    if form.samples != 1:
        yield (
            "tiff-rgb",
            f"{form.samples} values a pixel (RGB), expected one gray value: save one channel, or "
            'planes with photometric="minisblack" (three or four become RGB without it)',
        )
    elif form.photometric != 1:
        found = _PHOTOMETRICS.get(form.photometric, form.photometric)
        yield (
            "tiff-photometric",
            f"photometric {found}, expected minisblack: others are read inverted or not at all, "
            'save with photometric="minisblack"',
        )
    if form.compression not in CODECS:
        name = compression_name(form.compression)
        yield (
            "tiff-compression",
            f"compression {name} ({form.compression}), expected none, LZW, "
            'deflate or packbits: save with compression="zlib"',
        )
    if form.predictor not in (1, 2):
        reason = f"predictor {form.predictor}, expected none or horizontal: save without it"
        yield "tiff-predictor", reason
    if form.subfile[0] & 5 or form.subfile[1] == 2:
        yield (
            "tiff-reduced",
            "a page that is a smaller copy or a transparency mask, expected a page a plane: save "
            "the planes alone",
        )
    if form.depth != 1 or form.metamorph != 1:
        planes = max(form.depth, form.metamorph)
        yield "tiff-depth", f"{planes} planes in one page, expected a page a plane: save it so"
    if form.bit_order != 1:
        yield "tiff-bits", "bits in reversed order, expected the usual one: save the file again"


def stack_faults(path: Path, file: BinaryIO, pages: list[Page]) -> Iterator[tuple[str, str]]:
    """Explain why pages are not the planes of one gray volume: code and reason of each fault.

    Parameters
    ----------
    path : Path
        The file's name.
    file : binary file
    pages : list of Page
        Of that file, from :func:`read_pages`.
    """
    forms = list(dict.fromkeys(page.form for page in pages))
    first = forms[0]
    found = dict.fromkeys(fault for form in forms for fault in _form_faults(form))
    for form in forms:
        if (form.shape, form.kind) != (first.shape, first.kind):
            found["tiff-mixed", (
                f"pages of {_by(first)} and {_by(form)}, expected one size and type: save the "
                "planes as one gray stack"
            )] = None  # fmt: skip
            break
    yield from found
    if found:
        return
    if fault := _storage_fault(pages, file.seek(0, 2)):
        yield fault
        return
    told = (_read_description(file, page) for page in pages)
    if fault := metadata_fault(path, told, (len(pages), *first.shape)):
        yield fault


def _by(form: Form) -> str:
    return f"{form.shape[0]}x{form.shape[1]} pixels of {form.kind}"


def _read_description(file: BinaryIO, page: Page) -> bytes:
    if page.description is None:
        return b""
    file.seek(page.description[0])
    return file.read(min(page.description[1], _MAX_DESCRIPTION))


def with_imagej_planes(file: BinaryIO, pages: list[Page]) -> list[Page]:
    """Add the planes of an ImageJ stack over 4 GB, in which only the first page is described.

    Parameters
    ----------
    file : binary file
    pages : list of Page
        Of that file.

    Returns
    -------
    list of Page
        The same ones where it is no such stack.
    """
    (page, *others), form = pages, pages[0].form
    planes = 1 if others else imagej_planes(_read_description(file, page))
    place, length = page.chunks[0]
    # No more than the file has room for: what is said of others is a fault.
    room = (file.seek(0, 2) - place) // max(length, 1)
    if not 1 < planes <= room or len(page.chunks) > 1 or form.compression != 1:
        return pages
    return [Page(form, [(place + i * length, length)], page.description) for i in range(planes)]


def _storage_fault(pages: list[Page], size: int) -> tuple[str, str] | None:
    """Explain why a file of `size` bytes cannot contain the pixels that its headers declare."""
    possible = 0.0
    for page in pages:
        form = page.form
        down, across = form.grid
        if down * across != len(page.chunks):
            return "tiff-unreadable", (
                f"{len(page.chunks)} strips or tiles, expected {down * across} by its header: "
                "copy or write the file again"
            )
        held = 0
        for place, length in page.chunks:
            held += length
            if place < 8:
                return "tiff-unreadable", (
                    f"pixels from byte {place} on, expected them behind the file's header: copy "
                    "or write the file again"
                )
            if place + length > size:
                return "tiff-truncated", (
                    f"truncated, {size} bytes, expected {place + length}: copy or write the file "
                    "again"
                )
        gain = CODECS[form.compression].gain
        rows, columns = (down * form.chunk[0], across * form.chunk[1]) if form.tiled else form.shape
        wanted = rows * columns * form.bits / 8
        possible += wanted / gain
        if wanted > held * gain or possible > size:
            return "tiff-impossible", (
                f"speaks of {wanted:.0f} bytes a plane, expected no more than {size} bytes can "
                f"hold of {len(pages)} planes: copy or write the file again"
            )
    return None
