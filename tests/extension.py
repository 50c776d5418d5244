"""A copy of the project that somebody adds to, as its pages say how."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from conftest import ROOT


def python_blocks(page: Path, heading: str) -> list[str]:
    """Read the blocks of Python below a heading of a page, up to the next heading."""
    text = page.read_text(encoding="utf-8").partition(f"{heading}\n")[2]
    return re.findall(r"```python\n(.*?)```", text.partition("\n#")[0], re.DOTALL)


def copy_project(folder: Path) -> Path:
    """Copy what is needed to run commands and tests; what is large is linked."""
    for name in ("efficientcellseg", "ctc_eval", "tests", "config"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "resources").symlink_to(ROOT / "resources")
    return folder


def run_there(project: Path, *command: object) -> str:
    """Run ``python -m ...`` in a copy; give what it printed, fail where it failed."""
    words = [sys.executable, "-m", *map(str, command)]
    done = subprocess.run(words, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
