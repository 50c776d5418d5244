"""How fast tracks are made, and in how much memory: `python bench/tracking.py`.

Masks of a thousand cells that drift, wander, are missed now and then, divide and die, 50, 100 and
200 frames of them, each linked by `efficientcellseg track` in a process of its own. Memory is the
peak resident set; seconds are those of the whole command, reading and writing included.

Writes results/bench/tracking.json.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ctc_eval.format import atomic, frame_name, write_labels  # noqa: E402

logger = logging.getLogger("bench.tracking")

SHAPE, CELLS, RADIUS, SPACING = (8, 660, 660), 1000, 7.0, 20.0
APART = np.array([0.0, 5.0])  # a daughter, from where her mother was
# Shares of the cells, in each frame: missed by the masks; divided, while as many others die.
MISSED, DIVIDED = 0.01, 0.002


def make_masks(folder: Path, frames: int, seed: int) -> None:
    """Write masks of cells on a grid that wander around their places, which drift."""
    rng = np.random.default_rng(seed)
    rows = int(np.ceil(np.sqrt(CELLS)))
    homes = SPACING * np.stack(np.divmod(np.arange(CELLS), rows), axis=1) + SPACING / 2
    away = rng.normal(0, 2, (CELLS, 2))
    for frame in range(frames):
        away = 0.8 * away + rng.normal(0, 1.5, (CELLS, 2))
        drift = 6 * np.array([np.sin(frame / 9), np.cos(frame / 7)])
        labels = np.zeros(SHAPE, np.uint16)
        divided = rng.random(CELLS) < DIVIDED
        for cell in np.flatnonzero(rng.random(CELLS) >= MISSED):
            place = homes[cell] + away[cell] + drift
            if divided[cell]:
                paint(labels, place - APART, 0.75 * RADIUS, 2 * cell + 1)
                paint(labels, place + APART, 0.75 * RADIUS, 2 * cell + 2)
            else:
                paint(labels, place, RADIUS, 2 * cell + 1)
        write_labels(folder / frame_name("mask", frame, 3), labels)


def paint(labels: np.ndarray, place: np.ndarray, radius: float, label: int) -> None:
    """Draw a flattened ball."""
    low = np.maximum(place - radius, 0).astype(int)
    high = np.minimum(place + radius + 2, SHAPE[1:]).astype(int)
    box = (slice(None), slice(low[0], high[0]), slice(low[1], high[1]))
    z, y, x = np.ogrid[: SHAPE[0], low[0] : high[0], low[1] : high[1]]
    inside = (2 * (z - SHAPE[0] / 2)) ** 2 + (y - place[0]) ** 2 + (x - place[1]) ** 2
    labels[box][inside <= radius**2] = label


def run(command: list[str], cores: int) -> dict[str, float]:
    """Run a command on so many cores; give what it takes."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(cores)}
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{' '.join(command)}: exit code {os.waitstatus_to_exitcode(status)}")
    return {
        "wall_s": round(time.perf_counter() - start, 1),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
        "memory_mb": round(usage.ru_maxrss / 1024),
    }


def main() -> None:
    """Measure, log a line for each length and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, nargs="+", default=[50, 100, 200])
    parser.add_argument("--cores", type=int, default=2)
    args = parser.parse_args()
    found = {}
    for frames in args.frames:
        with tempfile.TemporaryDirectory() as place:
            masks = Path(place, "Bench", "01_RES")
            make_masks(masks, frames, seed=1)
            track = ["track", str(masks.parent), "01", "--recipe", "Sim-TRIC", "--quiet"]
            cost = run([sys.executable, "-m", "efficientcellseg", *track], args.cores)
            rows = (masks / "res_track.txt").read_text().splitlines()
            found[frames] = {**cost, "tracks": len(rows)}
        logger.info("%d frames: %s", frames, found[frames])
    output = ROOT / "results" / "bench" / "tracking.json"
    with atomic(output) as temporary:
        temporary.write_text(json.dumps({"cells": CELLS, "frames": found}, indent=1))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
