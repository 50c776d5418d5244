"""Says which frame a fault belongs to, whatever step and thread it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ctc_eval.format import InputError


@contextmanager
def naming(frame: object) -> Iterator[None]:
    """Name the frame in the error that ends the work on it.

    Parameters
    ----------
    frame : object
        Such as its path; told as it prints.

    Raises
    ------
    InputError
        One without the frame's name, or too little memory.
    """
    try:
        yield
    except MemoryError as error:
        raise InputError(
            f"{frame}: no memory left ({error or 'MemoryError'}); expected enough for one frame at "
            "least: close other programs or use a larger machine, and run again, what was complete "
            "is kept",
            code="memory-full",
        ) from None
    except InputError as error:
        if str(error).startswith(str(frame)):
            raise
        raise InputError(f"{frame}: {error}", code=error.code) from None
    except Exception as error:
        error.add_note(f"This ended the work on {frame}.")
        raise
