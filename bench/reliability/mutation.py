"""Changes the code bit by bit, and tells which changes no test notices.

`python -m bench.reliability.mutation measures` changes the files of one of `TARGETS` in a copy of
the project and runs the tests that reach the change, in as many processes as `--children` says;
without a name all targets follow each other. It prints figures and each survivor as a difference,
and ends with exit code 1 where one is not explained in equivalent.tsv (file, line after the change,
reason). Started again, it tests what is new, and survivors once more; `--anew` forgets what was
found. Lines that are words for a reader, texts of messages and of the manual, are left as they are.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPIES = ROOT / "results/reliability/mutants"
EXPLAINED = Path(__file__).with_name("equivalent.tsv")

# Nothing but three words or more between quotes; what is logged; what the manual says.
WORDS = (
    r'^\s+(reason = )?f?"[^"]* [^"]* [^"]*"[,)]*$',
    r"^\s+log\.",
    r"\b(help|metavar|description)=",
)

SURVIVED, UNTESTED = 0, 33  # exit codes, as mutmut keeps them

log = logging.getLogger("bench.reliability.mutation")


@dataclass(frozen=True)
class Target:
    """Files to change, and the tests that are to notice."""

    files: tuple[str, ...]
    tests: tuple[str, ...]


_FORMAT, _CHAIN = "ctc_eval/format", "tests/efficientcellseg/chain"
_JUDGED = tuple(
    f"tests/ctc_eval/{name}"
    for name in ("test_cases.py", "test_properties.py", "test_empty_masks.py", "cli")
)
TARGETS = {
    "measures": Target(("ctc_eval/measures/*.py",), ("tests/ctc_eval/measures", *_JUDGED)),
    "overlap": Target(("ctc_eval/overlap.py",), _JUDGED),
    "scoring": Target(
        ("ctc_eval/scoring.py", "ctc_eval/logs.py"),
        (*_JUDGED, "tests/ctc_eval/test_empty_masks.py"),
    ),
    "tracks": Target(
        (f"{_FORMAT}/tracks.py", "ctc_eval/validation.py"),
        ("tests/ctc_eval/test_validation.py", "tests/ctc_eval/format/test_tracks.py", *_JUDGED),
    ),
    "pages": Target(
        tuple(f"{_FORMAT}/{name}.py" for name in ("pages", "decoding", "stack", "metadata", "lzw")),
        ("tests/ctc_eval/format", "tests/ctc_eval/test_validation.py"),
    ),
    "names": Target(
        tuple(
            f"{_FORMAT}/{name}.py" for name in ("names", "reference", "labels", "record", "volumes")
        ),
        ("tests/ctc_eval",),
    ),
    "table": Target(
        ("ctc_eval/table.py",), ("tests/ctc_eval/test_table.py", "tests/ctc_eval/measures")
    ),
    "pseudocolor": Target(
        ("efficientcellseg/chain/pseudocolor.py",),
        tuple(f"{_CHAIN}/test_pseudocolor{name}.py" for name in ("", "_plainly")),
    ),
    "tiling": Target(("efficientcellseg/chain/tiling.py",), (f"{_CHAIN}/test_tiling.py",)),
    "labeling": Target(
        ("efficientcellseg/chain/labeling.py",),
        (f"{_CHAIN}/test_labeling.py", "tests/efficientcellseg/labelings/test_labelings.py"),
    ),
    "labelings": Target(
        ("efficientcellseg/labelings/*.py",), ("tests/efficientcellseg/labelings",)
    ),
}


def prepare(name: str, target: Target) -> Path:
    """Lay out a copy of the project: links to all but the settings, which name the files."""
    folder = COPIES / name
    (folder / "mutants").mkdir(parents=True, exist_ok=True)
    package = target.files[0].partition("/")[0]
    copied = {package, "tests", "pyproject.toml"}
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for entry in {line.partition("/")[0] for line in tracked.stdout.splitlines()}:
        inside = folder if entry in copied else folder / "mutants"
        _link(inside / entry, ROOT / entry)
    _link(folder / "shared", ROOT.parent / "shared")  # where the tests look for it
    settings = {
        "source_paths": [package],
        "only_mutate": list(target.files),
        "also_copy": ["tests"],
        "pytest_add_cli_args_test_selection": list(target.tests),
        "pytest_add_cli_args": ["-m", "not slow", "-p", "no:cacheprovider"],
        "do_not_mutate_patterns": list(WORDS),
        "timeout_constant": 10.0,  # of a busy machine
        "track_dependencies": False,
    }
    # JSON of lists, texts, numbers and truth values is TOML, too.
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    text = (ROOT / "pyproject.toml").read_text() + "\n[tool.mutmut]\n" + "\n".join(lines) + "\n"
    (folder / "pyproject.toml").unlink()
    (folder / "pyproject.toml").write_text(text)
    _forget_survivors(folder / "mutants")
    return folder


def _forget_survivors(mutants: Path) -> None:
    """Have changes that no test noticed tested again, and ask anew which tests reach them."""
    (mutants / "mutmut-stats.json").unlink(missing_ok=True)
    for path in mutants.rglob("*.py.meta"):
        found = json.loads(path.read_text())
        codes = found["exit_code_by_key"]
        found["exit_code_by_key"] = {
            name: None if code in (SURVIVED, UNTESTED) else code for name, code in codes.items()
        }
        path.write_text(json.dumps(found))


def _link(path: Path, target: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    path.symlink_to(target)


def test_changes(folder: Path, children: int) -> tuple[Counter[str], list[str]]:
    """Test each change; give how many ended how, and those that were not noticed."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "mutants"), "OMP_NUM_THREADS": "1"}

    def mutmut(*arguments: str) -> str:
        command = [str(Path(sys.executable).with_name("mutmut")), *arguments]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {(done.stdout + done.stderr)[-3000:]}")
        return done.stdout

    mutmut("run", "--max-children", str(children))
    lines = mutmut("results", "--all", "true").splitlines()
    results = [line.strip().split(": ") for line in lines if ": " in line]
    outcomes = Counter(outcome for _, outcome in results)
    missed = [name for name, outcome in results if outcome in ("survived", "no tests")]
    return outcomes, [mutmut("show", name) for name in missed]


def is_explained(difference: str, reasons: set[tuple[str, str]]) -> bool:
    """Say whether a change stands in the list of those that change nothing."""
    lines = difference.splitlines()
    file = next(line.removeprefix("--- ") for line in lines if line.startswith("--- "))
    after = " ".join(line[1:].strip() for line in lines if re.match(r"\+(?!\+\+ )", line))
    return (file, after.strip()) in reasons


def main() -> int:
    """Run the targets asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.reliability.mutation")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--children", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--anew", action="store_true", help="forget earlier results")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with EXPLAINED.open(newline="") as rows:
        reasons = {(row[0], row[1]) for row in csv.reader(rows, delimiter="\t", quoting=3)}
    unexplained = 0
    for name in options.targets or TARGETS:
        if options.anew:
            shutil.rmtree(COPIES / name, ignore_errors=True)
        outcomes, missed = test_changes(prepare(name, TARGETS[name]), options.children)
        told = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
        open_ones = [one for one in missed if not is_explained(one, reasons)]
        log.info("%s: %d changes, %s", name, outcomes.total(), told)
        log.info("%d not noticed and not explained", len(open_ones))
        log.info("%s", "\n".join(open_ones))
        unexplained += len(open_ones)
    return int(unexplained > 0)


if __name__ == "__main__":
    sys.exit(main())
