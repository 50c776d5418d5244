"""Reads spoiled inputs: each gives a right result, or one line that says what is at fault."""

from __future__ import annotations

import resource
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.reliability.corpus import Read, corpus
from ctc_eval.format import InputError

SECONDS = 20  # for one input of a few kilobytes: more is a hang
BYTES = 2 << 30  # that the memory may grow by, whatever a header speaks of


@dataclass
class Outcomes:
    """What became of the inputs, by kind."""

    read: Counter = field(default_factory=Counter)
    refused: Counter = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    grown: int = 0

    def lines(self) -> Iterator[str]:
        """Tell the figures."""
        for kind in {**self.read, **self.refused}:
            yield f"{kind}: {self.read[kind]} read, {self.refused[kind]} refused in one line"
        total = self.read.total() + self.refused.total() + len(self.wrong)
        yield f"{total} inputs, {len(self.wrong)} wrong, memory grew by {self.grown >> 20} MiB"
        yield from self.wrong[:20]


@contextmanager
def _limit(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise AssertionError(f"not done in {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def attempt(content: bytes, read: Read) -> str | None:
    """Read one input; give the line that refuses it. What else is raised is a fault of ours."""
    folder = Path(tempfile.mkdtemp())
    try:
        (folder / "input").write_bytes(content)
        with _limit(SECONDS):
            read(folder / "input")
    except InputError as error:
        if "\n" in str(error):
            raise AssertionError(f"several lines: {error!r}") from None
        return str(error)
    finally:
        shutil.rmtree(folder)
    return None


def fuzz(count: int, seed: int, keep: Path | None = None) -> Outcomes:
    """Read so many inputs; those that go wrong are kept in a folder."""
    outcomes = Outcomes()
    before = 0
    for number, (kind, content, read) in enumerate(corpus(count, seed)):
        before = before or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            refused = attempt(content, read)
            (outcomes.read if refused is None else outcomes.refused)[kind] += 1
        except Exception as error:
            outcomes.wrong.append(f"{kind} {number}: {type(error).__name__}: {str(error)[:200]}")
            if keep:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{kind.replace(' ', '-')}-{number}").write_bytes(content)
    outcomes.grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    if outcomes.grown > BYTES:
        outcomes.wrong.append(f"memory grew by {outcomes.grown >> 20} MiB")
    return outcomes
