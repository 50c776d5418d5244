"""The manuals, and what they tell people to type."""

import shutil
import subprocess
from pathlib import Path

from conftest import ROOT
from extension import fenced_blocks

# docs/extending.md is followed by a test of its own.
MANUALS = [
    "README.md",
    "CONTRIBUTING.md",
    *(f"docs/{path.name}" for path in sorted(ROOT.glob("docs/*.md")) if path.stem != "extending"),
]
PROGRAMS = ("efficientcellseg", "ctc-eval", "snakemake", "make", "pip", "pytest", "python")
# Where programs are called by their path.
PLACES = ("run_seq.sh", ".venv/bin/python")
# What a block of commands begins with; drawings stand in blocks without a language, too.
STARTS = (*PROGRAMS, "./", ".venv", "source", "for ")
RECORDER = '#!{bash}\nprintf "%s\\0" "$0" "$@" >> "$CALLS"\necho >> "$CALLS"\n'


def command_blocks(page: str) -> list[str]:
    """List the blocks of a page that are commands."""
    blocks = (block for block in fenced_blocks(ROOT / page) if block.language in ("", "sh"))
    return [block.text for block in blocks if block.text.startswith(STARTS)]


class Recorder:
    """A folder in which each program only writes down how it was called.

    Bash runs the commands, so that loops and variables are its own affair.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.bash = folder, shutil.which("bash")
        for name in (*(f"bin/{program}" for program in PROGRAMS), *PLACES):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(RECORDER.format(bash=self.bash))
            path.chmod(0o755)
        (folder / ".venv" / "bin" / "activate").touch()

    def calls(self, text: str) -> list[list[str]]:
        """List the calls of programs in a text of shell commands."""
        log = self.folder / "calls"
        done = subprocess.run(
            [self.bash, "-euc", text],
            cwd=self.folder,
            env={"PATH": str(self.folder / "bin"), "CALLS": str(log)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{done.stderr}\n{text}"
        lines = log.read_text().splitlines()
        log.unlink()
        calls = (line.split("\0")[:-1] for line in lines)
        return [[Path(words[0]).name, *words[1:]] for words in calls]
