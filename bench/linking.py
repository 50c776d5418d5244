"""How well perfect masks are linked: `python bench/linking.py [--seeds 1 2 3] [--frames 12]`.

Each simulated data set is made anew, its masks lose the numbers that say who is who, and
`efficientcellseg track` gives them back. What is wrong then is wrong in the links: TRA would be 1,
and BC(1), the F1 score of divisions found within a frame, too, where there are divisions.

Writes results/bench/linking.json.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ctc_eval.format import atomic, frame_files, read_tracks, read_volume, write_labels  # noqa: E402

logger = logging.getLogger("bench.linking")

DATASETS = ("Sim-A549", "Sim-MDA231", "Sim-TRIC", "Sim-TRIC-calibrated", "Sim-Dividing")


def call(module: str, *arguments: object) -> str:
    """Run a command line of the project; give what it says."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-500:]}")
    return done.stdout


def strip(reference: Path, result: Path, seed: int) -> None:
    """Write the reference's masks with numbers drawn anew in each frame."""
    rng = np.random.default_rng(seed)
    for path in frame_files(reference, "man_track").values():
        labels = read_volume(path)
        names = np.concatenate([[0], 1 + rng.permutation(int(labels.max()))])
        write_labels(result / path.name.replace("man_track", "mask"), names[labels])


def measure(name: str, seed: int, frames: int) -> dict[str, float]:
    """Simulate, link and score a sequence."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, name)
        drawn = ("--frames", frames, "--seed", seed, "--sequences", "01")
        call("efficientcellseg", "simulate", name, folder, *drawn)
        strip(folder / "01_GT" / "TRA", folder / "01_RES", seed)
        call("efficientcellseg", "track", folder, "01", "--quiet")
        call("ctc_eval", "validate", folder, "01")
        rows, _ = read_tracks(folder / "01_GT" / "TRA" / "man_track.txt")
        divisions = len({row.parent for row in rows.values()} - {0})
        wanted = "DET,TRA,LNK,BC" if divisions else "DET,TRA,LNK"
        score = json.loads(call("ctc_eval", "score", folder, "01", "--measures", wanted, "--json"))
        kept = {one: score[one] for one in ("DET", "TRA", "LNK", "BC(1)") if one in score}
        return {"cells": len(rows), "divisions": divisions, **kept}


def main() -> None:
    """Measure, log a line for each sequence and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", nargs="+", default=DATASETS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--frames", type=int, default=12)
    args = parser.parse_args()
    found = {}
    for name in args.datasets:
        for seed in args.seeds:
            found[f"{name} {seed}"] = measure(name, seed, args.frames)
            logger.info("%s, seed %d: %s", name, seed, found[f"{name} {seed}"])
    output = ROOT / "results" / "bench" / "linking.json"
    with atomic(output) as temporary:
        temporary.write_text(json.dumps({"frames": args.frames, "found": found}, indent=1))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
