"""The manuals' blocks, and a copy of the project that somebody adds to as a page says."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from conftest import ROOT


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: under which heading it stands, and whose text it is."""

    heading: str
    file: str
    language: str
    text: str


def fenced_blocks(page: Path) -> Iterator[Block]:
    """Read the fenced blocks of a page.

    A block's file is the last path in backticks of the line before it, if that ends in a colon.
    """
    heading = before = ""
    for part in re.split(r"^(```.*?^```$)", page.read_text(), flags=re.DOTALL | re.MULTILINE):
        if found := re.fullmatch(r"```(\w*)\n(.*)```", part, re.DOTALL):
            last = before.strip().rpartition("\n")[2]
            names = re.findall(r"`([^` ]+/[^` ]+)`", last) if last.endswith(":") else []
            yield Block(heading, names[-1] if names else "", found[1], found[2])
        else:
            before = part
            heading = next(iter(re.findall(r"^##? (.+)$", part, re.MULTILINE)[-1:]), heading)


def copy_project(folder: Path) -> Path:
    """Copy what is needed to run commands and tests; what is large is linked."""
    for name in ("efficientcellseg", "ctc_eval", "tests", "config"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    for name in ("Snakefile", "bench", "docs", "resources", "workflow"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def run_there(project: Path, *command: object) -> str:
    """Run ``python -m ...`` in a copy; give what it printed, fail where it failed."""
    words = [sys.executable, "-m", *map(str, command)]
    done = subprocess.run(words, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
