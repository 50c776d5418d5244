"""How a fault of the input is reported: as an exception, or as one of many in a list."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path


class InputError(ValueError):
    """The input is at fault: one line says what was found, what was expected, what to do.

    Parameters
    ----------
    message : str
        That line.
    code : str
        Stable name of the fault, such as ``frame-missing``, for programs and tests.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


def tell_system(error: OSError) -> InputError:
    """Explain in one line which file the system could not read or write, and what to do.

    Parameters
    ----------
    error : OSError

    Returns
    -------
    InputError
    """
    place = f"{error.filename}: " if error.filename is not None else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return InputError(
            f"{place}{error.strerror}; expected room for the file: make room and run again, what "
            "was complete is kept",
            code="disk-full",
        )
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return InputError(
            f"{place}{error.strerror}; expected a place that may be read and written: choose "
            "another, or change its permissions",
            code="path-unwritable",
        )
    return InputError(
        f"{place}{error.strerror or error}; expected a path to read or write: check it",
        code="path-unusable",
    )


@dataclass(frozen=True)
class Fault:
    """What is wrong with a file, where all faults are collected.

    Attributes
    ----------
    path : Path
    reason : str
        What was found and what was expected, in one line.
    code : str
        As in :class:`InputError`.
    """

    path: Path
    reason: str
    code: str

    def __str__(self) -> str:
        """Return the line to show."""
        return f"{self.path}: {self.reason}"

    @classmethod
    def of(cls, path: Path, error: InputError) -> Fault:
        """Turn the error that reading a file raised into a fault.

        Parameters
        ----------
        path : Path
            The file.
        error : InputError

        Returns
        -------
        Fault
        """
        return cls(path, str(error).removeprefix(f"{path}: "), error.code)
