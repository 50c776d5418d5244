"""How fast the judge is, and how much memory it takes: `python bench/judge.py`.

Two made-up sequences of the sizes of Fluo-C3DL-MDA231 and Fluo-N3DL-TRIC are scored in
processes of their own. CPU seconds are user and system time over those of a bare interpreter,
the median of several runs; memory is the peak resident set. All take turns, so that what else the
machine does slows them alike; bytecode is cached, as it is for users.

The official programs are not at hand: `OFFICIAL` has what one of them took elsewhere, and what
py-ctcmetrics took there, which is timed here, too, and so says how fast this machine is.

Writes results/bench/judge.json, and ends with exit code 1 where a check fails, but for wall
seconds, which tell of the machine's load.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ctc_eval.format import atomic  # noqa: E402

Shape = tuple[int, int, int]

logger = logging.getLogger("bench.judge")

# CPU seconds on another machine: SEGMeasure on sequences of the two sizes, and py-ctcmetrics on
# the smaller one. SEG, DET and TRA are three programs, which read the same files and count the same
# overlaps each; what DETMeasure and TRAMeasure took is not known and taken to be the same.
OFFICIAL = {"12x30x512x512": 1.4, "13x1745x2440": 1.8}
PROGRAMS, CALIBRATION = 3, 21.0
TIMES = 4  # that the judge is to be faster

PY_CTCMETRICS = (
    "import sys; from ctc_metrics import evaluate_sequence; "
    "print(evaluate_sequence(sys.argv[1], sys.argv[2], ['SEG'])['SEG'])"
)


@dataclass(frozen=True)
class Cost:
    """What a process took: CPU and wall seconds, peak memory in MB, and what it printed."""

    cpu: float
    wall: float
    memory: float
    said: str


def make_labels(shape: Shape, cells: int, radii: Shape, seed: int) -> np.ndarray:
    """Fill a volume with ellipsoids of about the given radii (plane, row, column)."""
    import numpy as np

    rng = np.random.default_rng(seed)
    volume = np.zeros(shape, np.uint16)
    for label in range(1, cells + 1):
        center = rng.uniform((0, 0, 0), shape)
        radius = np.array(radii) * rng.uniform(0.7, 1.3, 3)
        low = np.maximum(center - radius, 0).astype(int)
        box = tuple(map(slice, low, np.minimum(center + radius + 1, shape).astype(int)))
        axes = zip(np.ogrid[box], center, radius, strict=True)
        volume[box][sum(((x - c) / r) ** 2 for x, c, r in axes) <= 1] = label
    return volume


def make_sequence(root: Path, frames: int, shape: Shape, cells: int, radii: Shape) -> None:
    """Write a sequence whose result is its reference, moved by a few pixels."""
    import numpy as np

    from ctc_eval.format import write_labels

    spans: dict[int, list[int]] = {}
    for frame in range(frames):
        labels = make_labels(shape, cells, radii, seed=frame)
        write_labels(root / f"01_GT/SEG/man_seg{frame:03d}.tif", labels)
        write_labels(root / f"01_GT/TRA/man_track{frame:03d}.tif", labels)
        write_labels(root / f"01_RES/mask{frame:03d}.tif", np.roll(labels, (1, 2), (1, 2)))
        for label in np.unique(labels[labels > 0]).tolist():
            spans.setdefault(label, []).append(frame)
    rows = "".join(f"{label} {seen[0]} {seen[-1]} 0\n" for label, seen in sorted(spans.items()))
    (root / "01_GT/TRA/man_track.txt").write_text(rows)
    (root / "01_RES/res_track.txt").write_text(rows)


def run(command: list[str]) -> Cost:
    """Run a command, measuring it alone (children it started included)."""
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read().decode(errors="replace").strip()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {said[-500:]}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, said)


def measure(commands: dict[str, list[str]], repeats: int) -> dict[str, dict[str, float | str]]:
    """Give the median cost of each command; they take turns, after a first run not counted."""
    for command in commands.values():
        run(command)
    rounds = [{name: run(command) for name, command in commands.items()} for _ in range(repeats)]
    return {
        name: {
            "cpu_s": round(statistics.median(costs[name].cpu for costs in rounds), 3),
            "wall_s": round(statistics.median(costs[name].wall for costs in rounds), 3),
            "memory_mb": round(statistics.median(costs[name].memory for costs in rounds), 1),
            "said": rounds[-1][name].said,
        }
        for name in commands
    }


def over(cost: dict, start_up: dict) -> float:
    """CPU seconds over an interpreter's start-up."""
    return round(cost["cpu_s"] - start_up["cpu_s"], 3)


def main() -> int:
    """Measure, report, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="runs a figure (default: 5)")
    parser.add_argument("--output", type=Path, default=ROOT / "results/bench/judge.json")
    options = parser.parse_args()
    logging.basicConfig(format="%(message)s", level=logging.INFO)

    score = [*(judge := [sys.executable, "-m", "ctc_eval"]), "score"]
    with tempfile.TemporaryDirectory(prefix="bench-judge-") as folder:
        mda231, tric = Path(folder, "MDA231"), Path(folder, "TRIC")
        # In a process of its own: a child's peak memory counts from that of its parent.
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            pool.submit(make_sequence, mda231, 12, (30, 512, 512), 50, (5, 30, 30)).result()
            pool.submit(make_sequence, tric, 1, (13, 1745, 2440), 1500, (3, 12, 12)).result()
        commands = {
            "start_up": [sys.executable, "-c", "pass"],
            "help": [*judge, "--help"],
            "seg_12x30x512x512": [*score, str(mda231), "01", "--measures", "SEG"],
            "seg_det_tra_12x30x512x512": [*score, str(mda231), "01", "--measures", "SEG,DET,TRA"],
            "seg_det_tra_13x1745x2440": [*score, str(tric), "01", "--measures", "SEG,DET,TRA"],
            "py_ctcmetrics_seg_12x30x512x512": [
                *(sys.executable, "-c", PY_CTCMETRICS),
                *(str(mda231 / "01_RES"), str(mda231 / "01_GT")),
            ],
        }
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(folder, "bytecode"))
        figures = measure(commands, options.repeats)
        del figures["help"]["said"]

    start_up = figures["start_up"]
    small, large = figures["seg_12x30x512x512"], figures["seg_det_tra_13x1745x2440"]
    checks = {
        "help, wall seconds": (figures["help"]["wall_s"], 0.3),
        "SEG 12x30x512x512, CPU seconds over start-up": (over(small, start_up), 1.2),
        "SEG 12x30x512x512, MB": (small["memory_mb"], 150),
        "SEG, DET, TRA 13x1745x2440, CPU seconds over start-up": (over(large, start_up), 1.5),
        "SEG, DET, TRA 13x1745x2440, MB": (large["memory_mb"], 400),
    }
    theirs = over(figures["py_ctcmetrics_seg_12x30x512x512"], start_up)
    share = round(over(small, start_up) / theirs, 4)
    checks["SEG 12x30x512x512, CPU as a share of py-ctcmetrics'"] = (share, round(1 / 15, 4))
    ours = sum(over(figures[f"seg_det_tra_{size}"], start_up) for size in OFFICIAL)
    official = PROGRAMS * sum(OFFICIAL.values()) * theirs / CALIBRATION
    share = round(ours / official, 4)
    checks["SEG, DET, TRA of both, CPU as a share of the official programs'"] = (share, 1 / TIMES)
    report = {
        "figures": figures,
        "checks": {
            name: {"found": found, "at_most": limit, "met": found <= limit}
            for name, (found, limit) in checks.items()
        },
    }
    for name, check in report["checks"].items():
        met = "passed" if check["met"] else "FAILED"
        logger.info("%-66s %8.3f  at most %-7.4g %s", name, check["found"], check["at_most"], met)
    with atomic(options.output) as temporary:
        temporary.write_text(json.dumps(report, indent=2) + "\n")
    return int(not all(one["met"] for name, one in report["checks"].items() if "wall" not in name))


if __name__ == "__main__":
    sys.exit(main())
