"""OME metadata: what they say about an image, and what to refuse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ctc_eval.format import InputError
from efficientcellseg.datasets.reading.stored import MOST_PLANES, Spacing

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


@dataclass(frozen=True)
class OmeImage:
    """What OME metadata say about an image.

    Attributes
    ----------
    spacing : tuple, optional
    interval : float, optional
        Seconds between time points.
    channels : tuple of str
    """

    spacing: Spacing | None
    interval: float | None
    channels: tuple[str, ...]


def check_ome(path: Path, text: str, pages: int) -> None:
    """Refuse metadata that lead out of the file's folder or declare missing planes.

    Parameters
    ----------
    path : Path
    text : str
        The XML.
    pages : int
        How many pages the file has.

    Raises
    ------
    InputError
    """
    root = _parse(path, text)
    told = [one.get("FileName") or one.get("MetadataFile") for one in root.iter()]
    names = sorted({name for name in told if name})
    for name in names:
        if Path(name).name != name or "\\" in name or name in ("", "..", "."):
            raise InputError(
                f"{path}: its OME metadata name a file in another folder, {name!r}; expected the "
                "files of a series side by side: save it again",
                code="ome-elsewhere",
            )
    if any(_tag(one) == "BinaryOnly" for one in root):
        raise InputError(
            f"{path}: a part of a series, which {', '.join(names)} describes; expected "
            "that file: give it in place of this one",
            code="ome-part",
        )
    sizes = [one for one in root.iter() if _tag(one) == "Pixels"]
    try:
        declared = sum(
            int(one.get("SizeT", 1)) * int(one.get("SizeZ", 1)) * int(one.get("SizeC", 1))
            for one in sizes
        )
        samples = max([int(one.get("SamplesPerPixel", 1)) for one in root.iter()] or [1])
    except ValueError:
        declared, samples = -1, 1
    alone = not any(name != path.name for name in names)
    if not 0 < declared <= MOST_PLANES or (alone and declared > pages * samples):
        raise InputError(
            f"{path}: its OME metadata speak of {declared} planes, the file has {pages}; expected "
            "all of them: put the files of the series side by side, or save it again",
            code="ome-planes-missing",
        )


def read_ome(text: str, micrometers: Mapping[str, float]) -> list[OmeImage]:
    """Read what OME metadata say about each image.

    Parameters
    ----------
    text : str
        The XML, checked by :func:`check_ome`.
    micrometers : mapping of str to float
        Micrometers in a unit.

    Returns
    -------
    list of OmeImage
    """
    from xml.etree import ElementTree

    found = []
    for pixels in ElementTree.fromstring(text).iter():
        if _tag(pixels) != "Pixels":
            continue
        names = [one.get("Name") for one in pixels if _tag(one) == "Channel"]
        step = _number(pixels.get("TimeIncrement"))
        if step and pixels.get("TimeIncrementUnit", "s") != "s":
            step = {"ms": 1e-3, "min": 60.0, "h": 3600.0}.get(pixels.get("TimeIncrementUnit", ""))
            step = step and step * float(pixels.get("TimeIncrement", 0))
        sizes = list(_physical_sizes(pixels, micrometers))
        depth, rows, columns = sizes
        spacing = (depth, rows, columns) if rows and columns else None
        named = tuple(str(name) for name in names) if all(names) else ()
        found.append(OmeImage(spacing, step, named))
    return found


def _physical_sizes(pixels: Element, micrometers: Mapping[str, float]) -> Iterator[float | None]:
    for axis in "ZYX":
        size = _number(pixels.get(f"PhysicalSize{axis}"))
        factor = micrometers.get(pixels.get(f"PhysicalSize{axis}Unit", "µm").lower())
        yield size * factor if size and factor else None


def _number(text: str | None) -> float | None:
    """Read a number above 0; None for anything else."""
    try:
        value = float(text or 0)
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None


def _parse(path: Path, text: str) -> Element:
    from xml.etree import ElementTree

    try:
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise ElementTree.ParseError("declares entities")
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise InputError(
            f"{path}: its OME metadata are no XML ({error}); expected them whole: save it again",
            code="ome-malformed",
        ) from None


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]
