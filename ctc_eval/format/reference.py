"""Finds the annotated images of a sequence, in the layouts that the challenge has for them."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ctc_eval.format.errors import InputError
from ctc_eval.format.names import frame_digits, frame_files, is_inside

_OBJECTS = re.compile(r"man_seg(?:([0-9]{3,4})|_([0-9]{3,4})_([0-9]{3}))\.tif")
_MARKERS = re.compile(r"man_track([0-9]{3,4})()()\.tif")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReferenceImage:
    """One annotated image.

    Attributes
    ----------
    path : Path
    frame : int
    plane : int or None
        The slice it shows; None for a whole frame.
    digits : int
        Digits of the frame's number in the file's name.
    """

    path: Path
    frame: int
    plane: int | None
    digits: int


@dataclass(frozen=True)
class Reference:
    """The annotated images of a sequence.

    Attributes
    ----------
    folder : Path
    objects : tuple of ReferenceImage
        Of the folder SEG, in the order of their names.
    markers : tuple of ReferenceImage
        Of the folder TRA, whole frames, in order.
    """

    folder: Path
    objects: tuple[ReferenceImage, ...]
    markers: tuple[ReferenceImage, ...]

    @property
    def track_file(self) -> Path:
        """Where the reference tracks are, if they exist.

        Returns
        -------
        Path
        """
        return self.folder / "TRA" / "man_track.txt"


def find_reference(folder: Path, needs: Iterable[str] = ("objects",)) -> Reference:
    """Find the annotated images of a sequence.

    Parameters
    ----------
    folder : Path
        ``01_GT`` with SEG and TRA, ``01_ST`` with SEG alone, or a folder of ``maskTTT.tif``
        such as ``01_ERR_SEG``, whose every object is a reference object and a marker.
    needs : iterable of {"objects", "markers", "tracks"}
        What must be there.

    Returns
    -------
    Reference

    Raises
    ------
    InputError
        What is needed is not there, or names with different digit counts.
    """
    wanted = set(needs)
    if wanted - {"objects", "markers", "tracks"}:
        raise ValueError(f"needs {sorted(wanted)}; expected some of objects, markers, tracks")
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder; expected a reference, SEG/man_seg000.tif or mask000.tif "
            "in it: name it with --reference",
            code="folder-missing",
        )
    if _has_masks(folder):
        return _masks_as_reference(folder, wanted)
    objects = _images(folder / "SEG", _OBJECTS) if "objects" in wanted else ()
    markers = _images(folder / "TRA", _MARKERS) if wanted & {"markers", "tracks"} else ()
    if not objects and "objects" in wanted:
        raise InputError(
            f"{folder}: no SEG/man_seg000.tif or SEG/man_seg_000_000.tif; expected reference "
            "objects: choose another --reference, or --measures that need none",
            code="objects-missing",
        )
    if not markers and wanted & {"markers", "tracks"}:
        raise InputError(
            f"{folder}: no TRA/man_track000.tif; expected reference markers (a silver truth has "
            "none): choose another --reference, or --measures that need none, such as SEG",
            code="markers-missing",
        )
    digits = sorted({image.digits for image in (*objects, *markers)})
    if len(digits) > 1:
        raise InputError(
            f"{folder}: frame numbers have {' and '.join(map(str, digits))} digits; expected the "
            "same count everywhere, that of the raw frames: rename the files",
            code="frame-digits",
        )
    return Reference(folder, objects, markers)


def has_markers(folder: Path) -> bool:
    """Tell whether a reference folder has markers; a silver truth has none.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    bool
    """
    if _has_masks(folder):
        return True
    return any(_MARKERS.fullmatch(path.name) for path in (folder / "TRA").glob("*.tif"))


def annotations_in(folder: Path, frames: slice) -> set[str]:
    """Tell which of "objects" and "markers" a reference has in a range of frames.

    Parameters
    ----------
    folder : Path
    frames : slice
        Half open.

    Returns
    -------
    set of str
    """
    if _has_masks(folder):
        masks = list(frame_files(folder, "mask", complete=False))
        found = {"objects": masks, "markers": masks}
    else:
        found = {
            "objects": [image.frame for image in _images(folder / "SEG", _OBJECTS)],
            "markers": [image.frame for image in _images(folder / "TRA", _MARKERS)],
        }
    return {kind for kind, numbers in found.items() if any(is_inside(n, frames) for n in numbers)}


def _has_masks(folder: Path) -> bool:
    return not (folder / "SEG").is_dir() and not (folder / "TRA").is_dir()


def _masks_as_reference(folder: Path, wanted: set[str]) -> Reference:
    """Take a folder of masks as reference: each of their objects is a marker, too."""
    files = frame_files(folder, "mask", complete=False)
    if "tracks" in wanted:
        raise InputError(
            f"{folder}: masks without TRA/man_track.txt; expected reference tracks: "
            "choose another --reference, or --measures that need none",
            code="tracks-missing",
        )
    images = tuple(
        ReferenceImage(path, frame, None, frame_digits(path)) for frame, path in files.items()
    )
    return Reference(folder, images, images)


def _images(folder: Path, pattern: re.Pattern[str]) -> tuple[ReferenceImage, ...]:
    """List the images whose names fit, in the order of their names, the official tool's."""
    if not folder.is_dir():
        return ()
    images = []
    for path in sorted(folder.glob("*.tif")):
        found = pattern.fullmatch(path.name)
        if found is None:
            log.warning("%s: left out, its name is not one of a reference image", path)
            continue
        number, sliced, plane = found.groups()
        frame = number or sliced
        images.append(ReferenceImage(path, int(frame), int(plane) if plane else None, len(frame)))
    return tuple(images)
