"""Reads and writes the files between the staged steps: one file of arrays per frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

from ctc_eval.format import InputError, atomic, remove_leftovers

if TYPE_CHECKING:
    import numpy as np


def arrays_of(
    folder: Path, suffix: str, *names: str
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Read the arrays that the previous step wrote, one file per frame.

    That there are files is checked at once, the files as they are read.

    Parameters
    ----------
    folder : Path
    suffix : str
        ``.npy`` or ``.npz``.
    *names : str
        Arrays that each .npz must have.

    Returns
    -------
    iterator of (str, dict of str to ndarray)
        The file's stem, for example ``t007``, and the named arrays of an .npz; of an .npy, one
        named ``array``, mapped from disk.

    Raises
    ------
    InputError
        No such file, or one that is damaged or of another step.
    """
    files = sorted(folder.glob(f"t*{suffix}"))
    if not files:
        raise InputError(
            f"{folder}: no t*{suffix}; expected the step before to have filled it",
            code="arrays-missing",
        )
    return _read_arrays(files, names)


def _read_arrays(
    files: list[Path], names: tuple[str, ...]
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    import numpy as np

    for path in files:
        try:
            if path.suffix == ".npy":
                yield path.stem, {"array": np.load(path, mmap_mode="r", allow_pickle=False)}
            else:
                # Opened here, since numpy leaves files open that turn out to be damaged.
                with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                    if missing := ", ".join(set(names) - set(arrays.files)):
                        raise InputError(
                            f"{path}: arrays {', '.join(arrays.files)}, no {missing}; expected the "
                            "folder that the step before filled",
                            code="array-missing",
                        )
                    yield path.stem, {name: arrays[name] for name in arrays.files}
        except InputError:
            raise
        except (OSError, EOFError, ValueError, BadZipFile) as error:
            raise InputError(
                f"{path}: damaged ({error}); run the step before again", code="array-damaged"
            ) from None


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write named arrays as .npz, or the one array as .npy, atomically."""
    import numpy as np

    remove_leftovers(path)
    with atomic(path) as temporary:
        if path.suffix == ".npy":
            np.save(temporary, arrays["array"])
        else:
            # numpy's stub takes the names for options.
            np.savez(temporary, **arrays)  # type: ignore[arg-type]
