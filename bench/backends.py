"""How fast the networks run in torch, ONNX Runtime and OpenVINO: `python bench/backends.py`.

The shipped network and the paper's own predict batches of tiles of simulated nuclei in one thread,
in float32, in bfloat16, and in OpenVINO with 8-bit integers (ranges from other tiles of the same
kind). The backends take turns, so that what else the machine does falls on all of them; a ratio
is that of one turn. Medians are reported, of CPU seconds. What is not installed is left out.

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
from efficientcellseg.networks.backends import Compiled, require, to_onnx  # noqa: E402
from efficientcellseg.networks.folders import load_model  # noqa: E402
from efficientcellseg.networks.loading import load_networks  # noqa: E402

# Name: program and precision.
BACKENDS = {
    "torch": ("torch", "float32"),
    "onnxruntime": ("onnxruntime", "float32"),
    "openvino": ("openvino", "float32"),
    "openvino bf16": ("openvino", "bf16"),
}

WEIGHTS = ROOT / "resources/weights"

logger = logging.getLogger("bench.backends")


def simulated_tiles(size: int, seed: int) -> np.ndarray:
    """Give a batch of tiles of simulated nuclei, as the network for small volumes sees them."""
    from efficientcellseg.chain.inference import tile_volume
    from efficientcellseg.chain.pseudocolor import pseudocolor
    from efficientcellseg.datasets.simulation.sequence import simulate_sequence
    from efficientcellseg.parameters.recipe import Tiling, open_recipe
    from efficientcellseg.parameters.scene import open_scene

    recipe = open_recipe("Sim-TRIC")
    shape = (TILES_AT_ONCE, 120, 120)
    scene = open_scene("tric")
    (volume, _), *_ = simulate_sequence(scene, shape, 1, 40, seed, recipe.voxel_size)
    return tile_volume(pseudocolor(volume, recipe.pseudocolor), shape, Tiling(), size)


def compiled(folder: Path) -> dict[str, Any]:
    """Load a folder's network into each backend that is there."""
    networks = {}
    for name, (backend, precision) in BACKENDS.items():
        try:
            networks[name] = load_networks(folder, ("cells",), "cpu", backend, precision=precision)
        except InputError as error:
            logger.info("%s left out: %s", name, error)
    try:
        networks["openvino int8"] = [quantized(folder)]
    except InputError as error:
        logger.info("openvino int8 left out: %s", error)
    return networks


def quantized(folder: Path, batches: int = 4) -> Compiled:
    """Give a network in 8-bit integers, by ONNX Runtime's static quantization, in OpenVINO."""
    openvino, _ = require("openvino"), require("onnxruntime")
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Tiles(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.left = [{"x": simulated_tiles(model.input_size, seed)} for seed in range(batches)]

        def get_next(self) -> dict[str, np.ndarray] | None:
            return self.left.pop() if self.left else None

    model = load_model(folder)
    with tempfile.TemporaryDirectory(prefix="bench-backends-") as scratch:
        first, ready, last = (Path(scratch, name) for name in ("a.onnx", "b.onnx", "c.onnx"))
        first.write_bytes(to_onnx(model))
        quant_pre_process(str(first), str(ready), skip_symbolic_shape=True)
        quantization.quantize_static(str(ready), str(last), Tiles(), per_channel=True)
        core = openvino.Core()
        hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
        request = core.compile_model(core.read_model(last.read_bytes()), "CPU", hints)
    return Compiled(model.architecture, lambda tiles: request(tiles)[0])


def measure(folder: Path, turns: int) -> dict[str, Any]:
    """Compare the backends on one network."""
    networks = compiled(folder)
    tiles = simulated_tiles(networks["torch"][0].input_size, 100)
    maps = {name: predict(network, tiles)["cells"] for name, network in networks.items()}  # warm-up
    seconds: dict[str, list[float]] = {backend: [] for backend in networks}
    for _ in range(turns):
        for backend, network in networks.items():
            start = time.process_time()
            predict(network, tiles)
            seconds[backend].append(time.process_time() - start)
    wanted = maps["torch"] > 0.5
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
            "foreground_iou": float(
                (wanted & (maps[backend] > 0.5)).sum() / (wanted | (maps[backend] > 0.5)).sum()
            ),
        }
        for backend, taken in seconds.items()
    }


def main() -> int:
    """Measure, report, and write the figures."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5, help="of each backend (default: 5)")
    parser.add_argument("--output", type=Path, default=ROOT / "results/bench/backends.json")
    options = parser.parse_args()
    logging.basicConfig(format="%(message)s", level=logging.INFO)

    torch.set_num_threads(1)
    networks = {
        "tf_efficientnet_lite0 at 160": measure(WEIGHTS / "generalist", 2 * options.turns),
        "the paper's, tf_efficientnet_b5 at 384": measure(WEIGHTS / "Sim-A549-B5", options.turns),
    }
    for name, figures in networks.items():
        for backend, found in figures.items():
            logger.info(
                "%-38s %-13s %7.2f tiles a CPU second, %.2f x torch, largest difference %.2g, "
                "overlap of foreground %.4f",
                *(name, backend, *found.values()),
            )
    report = {"batch": TILES_AT_ONCE, "threads": 1, "networks": networks}
    with atomic(options.output) as temporary:
        temporary.write_text(json.dumps(report, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
