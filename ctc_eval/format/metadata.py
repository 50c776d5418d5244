"""Checks a TIFF's description: it must say that each page is a plane, in order.

Microscopes and programs describe the pages in the first page's description: OME's XML, ImageJ's
lines, tifffile's JSON. Axes other than depth, missing planes and planes in another file are
refused, because only the pages of the file itself are read, in order.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from xml.etree import ElementTree

_NUMBER = re.compile(r"[0-9]{1,9}")
_IMAGEJ = re.compile(r"^(images|channels|slices|frames)=([0-9]{1,9})\s*$", re.MULTILINE)
_SHAPE = re.compile(r'"shape": ?\[([0-9, ]{1,200})\]')
_AXES = re.compile(r'"axes": ?"([A-Za-z_]{1,20})"')

_Fault = tuple[str, str]


def imagej_planes(description: bytes) -> int:
    """Count the planes in ImageJ's description.

    Parameters
    ----------
    description : bytes

    Returns
    -------
    int
        1 if it says nothing about them.
    """
    return _imagej(description).get("images", 1)


def _imagej(description: bytes) -> dict[str, int]:
    if not description.startswith(b"ImageJ="):
        return {}
    found = _IMAGEJ.findall(description.decode("latin-1"))
    return {name: int(number) for name, number in found}


def metadata_fault(
    path: Path, descriptions: Iterable[bytes], shape: Sequence[int]
) -> _Fault | None:
    """Say how the descriptions differ from the pages read as planes.

    Parameters
    ----------
    path : Path
        The file, for its name.
    descriptions : iterable of bytes
        Of each page, from the first one on; later ones are looked at where they count.
    shape : sequence of int
        (planes, rows, columns) of the pages.

    Returns
    -------
    tuple of str or None
        Code and reason.
    """
    every = iter(descriptions)
    raw = next(every)
    first = raw.strip(b"\0 \r\n\t")
    if first.endswith(b"OME>"):
        return _ome_fault(path, first, shape)
    if first.startswith(b"ImageJ="):
        return _imagej_fault(_imagej(first), shape)
    if first.startswith(b"{") and b'"shape"' in first:
        return _shaped_fault(chain([raw], every), shape)
    return None


def _imagej_fault(told: dict[str, int], shape: Sequence[int]) -> _Fault | None:
    sizes = [("T", told.get("frames", 1)), ("Z", told.get("slices", 1))]
    sizes.append(("C", told.get("channels", 1)))
    axes = "".join(axis for axis, size in sizes if size > 1)
    if axes not in ("", "Z"):
        return _axes_fault(f"{axes}YX")
    planes = math.prod(size for _, size in sizes)
    for count in {told.get("images", 1), planes if planes > 1 else told.get("images", 1)}:
        if count != shape[0]:
            return _count_fault([count, *shape[1:]], shape)
    return None


def _shaped_fault(descriptions: Iterable[bytes], shape: Sequence[int]) -> _Fault | None:
    """Check what tifffile's own writer says: a shape for each image that was written."""
    planes = 0
    for description in descriptions:
        text = description.decode("latin-1")
        told = _SHAPE.search(text)
        if not told:
            continue
        sizes = [int(size) for size in _NUMBER.findall(told[1])]
        if sizes[-2:] != list(shape[1:]):
            return _count_fault(sizes, shape)
        found = _AXES.search(text)
        axes = found[1].upper() if found and len(found[1]) == len(sizes) else ""
        leading = [axes[i : i + 1] or "Z" for i in range(len(sizes) - 2) if sizes[i] > 1]
        if leading not in ([], ["Z"]) or axes[-2:] not in ("", "YX"):
            return _axes_fault(axes or f"{len(leading) + 2} of length {sizes}")
        planes += math.prod(sizes[:-2])
    return _count_fault([planes, *shape[1:]], shape) if planes != shape[0] else None


def _ome_fault(path: Path, description: bytes, shape: Sequence[int]) -> _Fault | None:
    """Check OME-XML: one image whose planes are the pages of this file, in order."""
    if b"<!ENTITY" in description or b"<!DOCTYPE" in description:
        return "tiff-metadata", "OME metadata that define entities, expected plain XML: save again"
    try:
        root = ElementTree.fromstring(description)
        images = list(_named(root, "Pixels"))
        if len(images) != 1:
            return "tiff-axes", (
                f"OME metadata of {len(images)} images, expected one volume per file: save one"
            )
        (pixels,) = images
        sizes = {axis: _number(pixels.get(f"Size{axis}")) for axis in "TCZYX"}
        places = sorted(islice(_ome_places(path, root, pixels, shape[0]), shape[0] + 1))
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        return "tiff-metadata", f"OME metadata are damaged ({error}), expected XML: save again"
    axes = "".join(axis for axis in "TCZ" if sizes[axis] > 1)
    if axes not in ("", "Z"):
        return _axes_fault(f"{axes}YX")
    told = [sizes[axis] for axis in "ZYX"]
    if told != list(shape):
        return _count_fault(told, shape)
    if places and places != [(plane, plane) for plane in range(shape[0])]:
        return "tiff-elsewhere", (
            "OME metadata put planes in another file or another order, or leave some out; "
            "expected all in this file, from the first page on: save them as one gray stack"
        )
    return None


def _ome_places(
    path: Path, root: ElementTree.Element, pixels: ElementTree.Element, planes: int
) -> Iterator[tuple[int, int]]:
    """Return plane and page of each plane in OME-XML; (-1, -1) for one in another file."""
    for data in _named(pixels, "TiffData"):
        others = [
            own
            for own in _named(data, "UUID")
            if own.text != root.get("UUID") and own.get("FileName") != path.name
        ]
        first, page = _number(data.get("FirstZ", "0")), _number(data.get("IFD", "0"))
        count = _number(data.get("PlaneCount", str(planes) if data.get("IFD") is None else "1"))
        if others or _number(data.get("FirstC", "0")) or _number(data.get("FirstT", "0")):
            yield -1, -1
        # One more than there are shows as well that it is too many.
        yield from ((first + i, page + i) for i in range(min(count, planes + 1)))


def _named(element: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    """Find the elements of a name, in whatever namespace."""
    return (one for one in element.iter() if one.tag.rpartition("}")[2] == name)


def _number(text: str | None) -> int:
    if text is None or not _NUMBER.fullmatch(text):
        raise ValueError(f"{(text or 'nothing')[:40]} for a number")
    return int(text)


def _axes_fault(axes: str) -> _Fault:
    return "tiff-axes", (
        f"axes {axes}, expected ZYX or YX (planes, rows, columns): save one channel and one time "
        "point per file, with depth as the first axis"
    )


def _count_fault(told: Sequence[int], shape: Sequence[int]) -> _Fault:
    return "tiff-planes", (
        f"its metadata speak of shape {tuple(told)}, expected {tuple(shape)} as its pages have: "
        "save the planes as one gray stack"
    )
