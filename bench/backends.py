"""How fast the networks run in torch, ONNX Runtime and OpenVINO: `python bench/backends.py`.

The shipped network and one of the paper's architecture (random weights) predict batches of
tiles in one thread. The backends take turns, so that what else the machine does falls on all of
them; a ratio is that of one turn. Medians are reported, of CPU seconds. What is not installed is
left out.

Writes results/bench/backends.json.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ctc_eval.format import InputError, atomic  # noqa: E402
from efficientcellseg.chain.inference import TILES_AT_ONCE, predict  # noqa: E402
from efficientcellseg.networks.loading import load_networks  # noqa: E402

BACKENDS = ("torch", "onnxruntime", "openvino")

logger = logging.getLogger("bench.backends")


def compiled(folder: Path) -> dict[str, Any]:
    """Load a folder's network into each backend that is there."""
    networks = {}
    for backend in BACKENDS:
        try:
            networks[backend] = load_networks(folder, ("cells",), "cpu", backend)
        except InputError as error:
            logger.info("%s left out: %s", backend, error)
    return networks


def measure(folder: Path, turns: int) -> dict[str, Any]:
    """Compare the backends on one network."""
    networks = compiled(folder)
    size = networks["torch"][0].input_size
    tiles = np.random.default_rng(0).random((TILES_AT_ONCE, 3, size, size), dtype=np.float32)
    maps = {name: predict(network, tiles)["cells"] for name, network in networks.items()}  # warm-up
    seconds: dict[str, list[float]] = {backend: [] for backend in networks}
    for _ in range(turns):
        for backend, network in networks.items():
            start = time.process_time()
            predict(network, tiles)
            seconds[backend].append(time.process_time() - start)
    return {
        backend: {
            "tiles_per_cpu_s": round(TILES_AT_ONCE / statistics.median(taken), 3),
            "times_torch": round(
                statistics.median(
                    torch / own for torch, own in zip(seconds["torch"], taken, strict=True)
                ),
                3,
            ),
            "largest_difference": float(abs(maps[backend] - maps["torch"]).max()),
        }
        for backend, taken in seconds.items()
    }


def main() -> int:
    """Measure, report, and write the figures."""
    import torch

    from efficientcellseg.networks.base import build
    from efficientcellseg.networks.folders import save_model
    from efficientcellseg.parameters.architecture import EfficientCellSegArchitecture

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5, help="of each backend (default: 5)")
    parser.add_argument("--output", type=Path, default=ROOT / "results/bench/backends.json")
    options = parser.parse_args()
    logging.basicConfig(format="%(message)s", level=logging.INFO)

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="bench-backends-") as folder:
        save_model(Path(folder, "cells"), build(EfficientCellSegArchitecture()).eval(), {})
        networks = {
            "shipped, tf_efficientnet_lite0 at 160": measure(
                ROOT / "resources/weights/generalist", 2 * options.turns
            ),
            "paper, tf_efficientnet_b5 at 384": measure(Path(folder), options.turns),
        }
    for name, figures in networks.items():
        for backend, found in figures.items():
            logger.info("%-40s %-12s %8.2f tiles a CPU second, %.2f x torch", name, backend,
                        found["tiles_per_cpu_s"], found["times_torch"])  # fmt: skip
    report = {"batch": TILES_AT_ONCE, "threads": 1, "networks": networks}
    with atomic(options.output) as temporary:
        temporary.write_text(json.dumps(report, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
