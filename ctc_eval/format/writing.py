"""Writes files completely or not at all, and checks beforehand whether they can be written."""

from __future__ import annotations

import errno
import os
import re
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ctc_eval.format.errors import InputError

# What :func:`atomic` calls a file until it is whole.
_TEMPORARY = re.compile(r"\..+-[0-9a-f]{32}(\.[^.]+)?")


def check_writable(path: Path) -> None:
    """Check that a file can be written, before the work that produces its contents.

    Parameters
    ----------
    path : Path
        Nothing is made there, missing folders neither.

    Raises
    ------
    InputError
        No writable folder, or `path` is a folder.
    """
    import tempfile

    existing = next(folder for folder in path.absolute().parents if folder.exists())
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); expected a place for a file: "
            "give another path",
            code="path-unwritable",
        ) from None


def leftovers(folder: Path) -> list[Path]:
    """Find the temporary files of killed writes in a folder, see :func:`atomic`.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of Path
    """
    return sorted(path for path in folder.glob(".*") if _TEMPORARY.fullmatch(path.name))


def remove_leftovers(*paths: Path) -> None:
    """Remove the temporary files of killed writes; nothing else may be writing these files now.

    Parameters
    ----------
    *paths : Path
        Files of one folder that the writes were for.
    """
    stems = {f".{path.stem}" for path in paths}
    for left in leftovers(paths[0].parent):
        if left.stem.rpartition("-")[0] in stems:
            left.unlink(missing_ok=True)


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Provide a temporary file that replaces `path` when the block ends without an error.

    The temporary name keeps the suffix of `path`, because writers such as numpy depend on it. If
    the block raises, `path` is unchanged.

    Parameters
    ----------
    path : Path
        The file to write; its folder is created.

    Yields
    ------
    Path
        Where to write.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}-{uuid.uuid4().hex}{path.suffix}")
    try:
        # Not tempfile.mkstemp: its files are private, and the mode could not be mended without
        # changing the whole process's umask while other threads write.
        temporary.touch(exist_ok=False)
        mode = stat.S_IMODE(temporary.stat().st_mode)
        yield temporary
        temporary.chmod(mode)  # safetensors puts a private file of its own in place
        temporary.replace(path)
    except OSError as error:
        # A full disk comes without a name, and the temporary one is none that the user knows.
        if error.errno is None or error.filename not in (None, temporary, str(temporary)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        temporary.unlink(missing_ok=True)
