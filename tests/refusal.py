"""Refusals are matched by their stable code, and by the names and values they must tell."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ctc_eval.format import InputError


@contextmanager
def refused(code: str, *told: str) -> Iterator[pytest.ExceptionInfo[InputError]]:
    """Expect an InputError of a code, in one line, with all that is `told` in it."""
    with pytest.raises(InputError) as caught:
        yield caught
    line = str(caught.value)
    assert caught.value.code == code, line
    assert "\n" not in line
    for words in told:
        assert words in line
