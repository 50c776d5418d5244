"""Finds images in files, folders and patterns, and opens them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path

from ctc_eval.format import InputError
from efficientcellseg.datasets.reading.image import Image, image_of
from efficientcellseg.datasets.reading.stored import Stored, join_files, natural, with_axes

TIFFS = (".tif", ".tiff", ".lsm", ".stk", ".btf")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp")
MAKERS = (".czi", ".nd2", ".lif")
SUFFIXES = (*TIFFS, *PICTURES, *MAKERS, ".zarr")

# What a file's name numbers: `t003`, `img_z012.png`, `a_t3_c1.tif`.
NUMBERED = re.compile(r"(?:(?<=[_\-. ])|^)(t|z|c|ch)([0-9]+)(?=[_\-. ]|$)", re.IGNORECASE)
FRAME_NAME = re.compile(r"t[0-9]{3,4}\.tif")


@dataclass(frozen=True)
class Reading:
    """What a user says about files, beyond what the files say themselves.

    Attributes
    ----------
    axes : str, optional
        Letters for the axes of each file.
    voxel_size : tuple of float, optional
        Along (plane, row, column), or one value for rows and columns. Micrometers.
    stack : {"z", "t", "none"}, optional
        What the files of a folder are: planes of one volume, time points, or images of their own;
        by default their names say it, and files are images of their own where they do not.
    planes : bool
        Whether an axis of which nothing is known can only be that of planes.
    """

    axes: str | None = None
    voxel_size: tuple[float, ...] | None = None
    stack: str | None = None
    planes: bool = False


def open_images(inputs: Sequence[str | Path], reading: Reading) -> list[Image]:
    """Open the images in files, folders and patterns.

    Parameters
    ----------
    inputs : sequence of str or Path
        Files; folders of files, of OME-Zarr or in challenge layout; patterns such as ``a*.png``.
    reading : Reading

    Returns
    -------
    list of Image
        In the order given, files of a folder in the order of their names' numbers.

    Raises
    ------
    InputError
        Nothing there; what readers refuse.
    """
    opened: list[Stored] = []
    several: set[Path] = set()
    done: set[Path] = set()
    parts: list[tuple[Path, InputError]] = []
    for path in _find_files(inputs):
        if path.resolve() in done:
            continue  # read already, as part of a series of several files
        try:
            found = read_any(path)
        except InputError as error:
            if error.code != "ome-part":
                raise
            parts.append((path, error))
            continue
        opened += [with_axes(one, reading.axes) if reading.axes else one for one in found]
        several.update({path} if len(found) > 1 else ())
        done.update(file.resolve() for one in found for file in one.files)
    for path, refusal in parts:
        if path.resolve() not in done:
            raise refusal
    images = []
    for first, group in _group(opened, reading.stack, several):
        planes = reading.planes or bool(FRAME_NAME.fullmatch(first.name))
        images.append(image_of(_join(group), reading.voxel_size, planes=planes))
    return _named_apart(images)


def read_any(path: Path) -> list[Stored]:
    """Open one file, or a folder of OME-Zarr, according to its suffix.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of Stored
        The images it holds.

    Raises
    ------
    InputError
        An unknown suffix; what the reader refuses.
    """
    suffix = path.suffix.lower()
    if suffix in PICTURES:
        from efficientcellseg.datasets.reading.pictures import read_picture

        return read_picture(path)
    if suffix in MAKERS:
        from efficientcellseg.datasets.reading.vendors import read_vendor

        return read_vendor(path)
    if path.is_dir():
        from efficientcellseg.datasets.reading.ome_zarr import read_zarr

        return read_zarr(path)
    if suffix in TIFFS:
        from efficientcellseg.datasets.reading.tiff import read_tiff

        return read_tiff(path)
    raise InputError(
        f"{path}: a file ending in {suffix or 'nothing'}; expected one of {', '.join(SUFFIXES)}: "
        "save it as TIFF or OME-TIFF",
        code="file-kind",
    )


def _find_files(inputs: Iterable[str | Path]) -> list[Path]:
    """List the files, and the folders of OME-Zarr, that inputs name."""
    from efficientcellseg.datasets.reading.ome_zarr import is_zarr

    found: list[Path] = []
    for given in inputs:
        path = Path(given)
        if path.is_dir() and not is_zarr(path):
            files = _list_folder(path)
            if not files:  # a data set in challenge layout, a folder for each sequence
                folders = sorted(path.glob("[0-9][0-9]/"))
                files = [file for folder in folders for file in _list_folder(folder)]
            if not files:
                raise InputError(
                    f"{path}: no image in this folder; expected files ending in "
                    f"{', '.join(SUFFIXES)}: check the path",
                    code="images-absent",
                )
            found += files
        elif path.exists():
            found.append(path)
        elif matching := [Path(one) for one in glob(str(given))]:  # noqa: PTH207
            found += sorted(matching, key=lambda one: natural(str(one)))
        else:
            raise InputError(
                f"{given}: no such file or folder; expected images: check the path",
                code="file-missing",
            )
    return list(dict.fromkeys(found))


def _list_folder(folder: Path) -> list[Path]:
    """List the images of a folder in the order of the numbers in their names."""
    files = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    ]
    return sorted(files, key=lambda path: natural(path.name))


def _group(
    opened: Sequence[Stored], stack: str | None, several: Collection[Path]
) -> list[tuple[Path, tuple[str, dict[tuple[int, ...], Stored]]]]:
    """Group images that files hold in parts, with their first file.

    Each group is the axes along which its files are numbered, and the files by their places. Files
    that hold `several` images are not grouped by their names.
    """
    groups: dict[object, tuple[str, dict[tuple[int, ...], Stored]]] = {}
    for count, one in enumerate(opened):
        key: object = count
        axes, place = "", tuple[int, ...]()
        alone = stack is not None or one.path in several
        numbers = [] if alone else NUMBERED.findall(one.path.stem)
        letters = "".join(letter[0].upper() for letter, _ in numbers)
        if stack in ("z", "t"):
            key, axes = (one.path.parent, one.path.suffix), stack.upper()
            place = (len(groups[key][1]) if key in groups else 0,)
        elif numbers and len(set(letters)) == len(letters):
            key = (one.path.parent, NUMBERED.sub(r"\1", one.path.name))
            axes, place = letters, tuple(int(number) for _, number in numbers)
        parts = groups.setdefault(key, (axes, {}))[1]
        if place in parts:
            raise InputError(
                f"{one.path}: its name has the same number as {parts[place].path.name}; expected "
                "each number once: rename one of them, or give --stack none",
                code="frame-twice",
            )
        parts[place] = one
    return [(min(parts.items())[1].path, (axes, parts)) for axes, parts in groups.values()]


def _join(group: tuple[str, dict[tuple[int, ...], Stored]]) -> Stored:
    """Make one image of a group."""
    axes, parts = group
    first = parts[min(parts)]
    if len(parts) == 1 and not FRAME_NAME.fullmatch(first.path.name):
        return first
    folder = first.path.resolve().parent
    name = NUMBERED.sub("", first.path.stem.removesuffix(".ome")).strip("_-. ") or folder.name
    if FRAME_NAME.fullmatch(first.path.name) and re.fullmatch("[0-9]{2}", folder.name):
        name = f"{folder.parent.name}_{folder.name}"
    return join_files(parts, axes, name)


def _named_apart(images: Sequence[Image]) -> list[Image]:
    """Make names unique: add the names of folders, then numbers."""
    from collections import Counter
    from dataclasses import replace

    for prefix in (
        lambda image, _: f"{image.path.resolve().parent.name}_{image.name}",
        lambda image, number: f"{image.name}_{number}",
    ):
        counts = Counter(image.name for image in images)
        images = [
            replace(image, stored=replace(image.stored, name=prefix(image, number)))
            if counts[image.name] > 1
            else image
            for number, image in enumerate(images)
        ]
    return list(images)
