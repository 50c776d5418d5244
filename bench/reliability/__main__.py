"""Shows what docs/reliability.md promises, with figures: `make reliability`.

Ends with exit code 1 where a promise is not kept. All chance comes from --seed.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.reliability.fuzzing import fuzz
from bench.reliability.runs import CLASSICAL, NETWORK, kill, kill_staged, long_run, near, same

log = logging.getLogger("bench.reliability")
WRONG = Path("results/reliability/wrong")


def main() -> int:
    """Run the checks that are asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.reliability", description=__doc__)
    parser.add_argument("--inputs", type=int, default=20_000, help="spoiled inputs to read")
    parser.add_argument("--kills", type=int, default=30, help="runs to kill")
    parser.add_argument("--frames", type=int, default=500, help="frames of the long run")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    network = ("--model", str(NETWORK))

    def inputs(_: Path) -> list[str]:
        outcomes = fuzz(options.inputs, options.seed, WRONG)
        return [*outcomes.lines(), *(["spoiled inputs went wrong"] if outcomes.wrong else [])]

    checks: dict[str, tuple[Callable[[Path], list[str]], int]] = {
        "spoiled inputs": (inputs, 9),
        "kills": (lambda folder: kill(folder, options.kills, options.seed), 1),
        "kills, step by step": (
            lambda folder: kill_staged(folder, options.kills, options.seed),
            1,
        ),
        "long run": (lambda folder: long_run(folder, options.frames, options.seed), 1),
        "determinism": (lambda folder: same(folder, options.seed, [CLASSICAL, network]), 2),
        "other programs and batches": (lambda folder: near(folder, options.seed), 1),
    }
    failed = False
    for name, (check, lines) in checks.items():
        begin = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            told = check(Path(folder))
        failed |= len(told) > lines
        log.info("%s (%.0f s)", name, time.monotonic() - begin)
        log.info("  %s", "\n  ".join(told))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
