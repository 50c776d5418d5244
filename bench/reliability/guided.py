"""Spoils inputs where that leads to new lines of code: `python -m bench.reliability.guided`.

Reads TIFFs, track files and recipes, each for so many seconds, guided by atheris (not among the
project's packages, which are for other systems than Linux, too: pip install atheris). What goes
wrong is kept in results/reliability/wrong, and the exit code is 1; what a run learnt is kept in
results/reliability/guided.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import random
import re
import subprocess
import sys
from pathlib import Path

KINDS = ("TIFF", "track file", "recipe")
FOLDER = Path("results/reliability")

log = logging.getLogger("bench.reliability.guided")


def guide(kind: str, seconds: int) -> None:
    """Fuzz one kind; ends the process."""
    import atheris

    with atheris.instrument_imports(include=["ctc_eval", "efficientcellseg.parameters", "yaml"]):
        import efficientcellseg.parameters.recipe  # noqa: F401
        from bench.reliability.corpus import kinds
        from bench.reliability.fuzzing import attempt
    _, make, read = kinds()[kind]
    learnt, wrong = FOLDER / "guided" / kind.replace(" ", "-"), FOLDER / "wrong"
    for folder in (learnt, wrong):
        folder.mkdir(parents=True, exist_ok=True)
    for number in range(100):
        (learnt / f"seed-{number}").write_bytes(make(random.Random(number)))

    def once(data: bytes) -> None:
        attempt(data, read)

    # attempt has a limit of its own for the seconds that one input may take.
    flags = [f"-max_total_time={seconds}", "-timeout=0", "-rss_limit_mb=4096", "-max_len=8192"]
    prefix = f"-artifact_prefix={wrong}/{kind.replace(' ', '-')}-guided-"
    atheris.Setup([sys.argv[0], *flags, prefix, str(learnt)], once)
    atheris.Fuzz()


def main() -> int:
    """Fuzz the kinds one after the other, each in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m bench.reliability.guided")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--seconds", type=int, default=600, help="for each (default: 600)")
    parser.add_argument("--only", choices=KINDS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if not importlib.util.find_spec("atheris"):
        log.info("guided inputs left out: atheris is not installed")
        return 0
    if options.only:
        guide(options.only, options.seconds)
    failed = False
    for kind in options.kinds:
        command = [sys.executable, "-m", __spec__.name, "--only", kind]
        done = subprocess.run(
            [*command, "--seconds", str(options.seconds)],
            capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip
        runs = re.search(r"Done (\d+) runs in (\d+)", done.stderr)
        covered = re.findall(r" cov: (\d+) ", done.stderr)
        if done.returncode or not runs:
            failed = True
            log.info("%s: %s", kind, done.stderr[-3000:])
            continue
        told = (kind, runs[1], runs[2], covered[0], covered[-1])
        log.info("%s: %s inputs in %s s, none wrong; branches reached %s, at the end %s", *told)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
