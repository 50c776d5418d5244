"""What each step of the chain costs, beside a literal pipeline: `python bench/chain.py`.

The reference is written as the authors' published code works: slice by slice and tile by tile,
CLAHE and a threshold that rises in a loop in float64, ONNX Runtime with one tile at a time,
scipy's distance transform and a watershed of each whole slice. Beside it runs this project's
chain, in each backend that is there, on the same volumes and with the same network: the paper's
(EfficientNet-B5 at 384), whose random weights take as long as learned ones. Labels are made of
the volume's own cells, slightly blurred, since such a network finds none.

Each pipeline runs in a process of its own, on one core. The floor is what the network's products
would take at the rate of a large matrix product, measured in the same run.

Writes results/bench/chain.json and chain.png.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ctc_eval.format import atomic  # noqa: E402

# Name: shape, cells, tiles (rows, columns) of a slice.
SIZES = {
    "30x512x512": ((30, 512, 512), 60, (1, 1)),
    "13x1227x846": ((13, 1227, 846), 1000, (2, 1)),
    "13x2454x1693": ((13, 2454, 1693), 4000, (3, 2)),
}
PIPELINES = ("reference", "torch", "onnxruntime", "openvino", "torch bf16", "openvino bf16")
STEPS = ("color", "network", "label", "label per slice")

logger = logging.getLogger("bench.chain")


def simulate(shape: tuple[int, int, int], cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Paint balls on noise; give the volume, uint16, and where they are, float32 in 0..1."""
    from scipy.ndimage import gaussian_filter

    chance = np.random.default_rng(0)
    inside = np.zeros(shape, np.float32)
    radius = 0.28 * (shape[1] * shape[2] / cells) ** 0.5
    for center in chance.random((cells, 3)) * shape:
        low = np.maximum(center - radius, 0).astype(int)
        high = np.minimum(center + radius + 1, shape).astype(int)
        box = tuple(slice(*ends) for ends in zip(low, high, strict=True))
        apart = sum((axis - c) ** 2 for axis, c in zip(np.ogrid[box], center, strict=True))
        inside[box] = np.maximum(inside[box], apart < radius**2)
    inside = gaussian_filter(inside, 1.0)
    noise = chance.normal(100, 10, shape).astype(np.float32)
    return (noise + 900 * inside).astype(np.uint16), inside


# The reference, literally. Nothing here is shared with the package.


def reference_color(volume: np.ndarray) -> np.ndarray:
    import cv2

    def highlighted(plane: np.ndarray) -> np.ndarray:
        plane = cv2.createCLAHE(10, (16, 16)).apply(plane).astype(np.float64)
        plane = cv2.blur((plane - plane.min()) / (plane.max() - plane.min()), (8, 8))
        threshold = 0.2
        mask = plane > threshold
        for _ in range(30):
            if 0 < mask.mean() <= 0.03:
                break
            threshold += 0.01
            mask = plane > threshold
        return mask.astype(np.float64)

    colored = np.zeros((*volume.shape, 3))
    nothing = np.zeros(volume.shape[1:])
    for z, plane in enumerate(volume.astype(np.float64)):
        above = highlighted(volume[z - 1]) if z else nothing
        below = highlighted(volume[z + 1]) if z + 1 < len(volume) else nothing
        for channel, mask in enumerate((above, nothing, below)):
            values = mask * plane + plane
            colored[z, ..., channel] = (values - values.min()) / (values.max() - values.min())
    return colored


def reference_network(colored: np.ndarray, data: bytes, size: int, tiles: tuple[int, int]) -> Any:
    import cv2
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    maps = np.zeros(colored.shape[:3], np.float32)
    rows, columns = (length // n for length, n in zip(colored.shape[1:3], tiles, strict=True))
    for z, image in enumerate(colored):
        for top in range(0, tiles[0] * rows, rows):
            for left in range(0, tiles[1] * columns, columns):
                tile = cv2.resize(image[top : top + rows, left : left + columns], (size, size))
                given = np.moveaxis(tile, -1, 0)[None].astype(np.float32)
                found = session.run(None, {"x": given})[0][0, 0]
                place = maps[z, top : top + rows, left : left + columns]
                place[:] = cv2.resize(found, (columns, rows))
    return maps


def reference_label(cells: np.ndarray) -> np.ndarray:
    from scipy.ndimage import distance_transform_edt, label
    from skimage.feature import peak_local_max
    from skimage.segmentation import watershed

    labels = np.zeros(cells.shape, np.int32)
    for z, plane in enumerate(cells):
        mask = plane >= 0.5
        depth = distance_transform_edt(mask)
        markers = np.zeros(mask.shape, bool)
        markers[tuple(peak_local_max(depth, min_distance=5, labels=label(mask)[0]).T)] = True
        found = watershed(-depth, label(markers)[0], mask=mask)
        labels[z] = np.where(found > 0, found + labels.max(), 0)
    return labels


def measure(pipeline: str, size: str) -> dict[str, float]:
    """Run a pipeline over a volume of a size; CPU seconds of each step, wall, peak memory."""
    import cv2
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    shape, cells, tiles = SIZES[size]
    volume, inside = simulate(shape, cells)
    network = build_network()
    run = reference_steps if pipeline == "reference" else own_steps
    steps = list(run(pipeline, network, volume, inside, tiles))
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    seconds, begun = {}, time.perf_counter()
    for name, step in steps:
        start = time.process_time()
        step()
        seconds[name] = round(time.process_time() - start, 2)
    wall = round(time.perf_counter() - begun, 2)
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return {**seconds, "wall": wall, "peak_mb": round(int(peak) / 1024)}


def build_network() -> Any:
    """Build the paper's network, of random weights."""
    from efficientcellseg.networks.base import build
    from efficientcellseg.parameters.architecture import EfficientCellSegArchitecture

    return build(EfficientCellSegArchitecture()).eval()


Steps = Iterator[tuple[str, Callable[[], Any]]]


def reference_steps(
    _: str, network: Any, volume: np.ndarray, inside: np.ndarray, tiles: tuple[int, int]
) -> Steps:
    """Give the reference's steps, to be run one after the other."""
    from efficientcellseg.networks.backends import to_onnx

    data, kept = to_onnx(network, "probability"), {}
    yield "color", lambda: kept.update(colored=reference_color(volume))
    yield (
        "network",
        lambda: reference_network(kept.pop("colored"), data, network.input_size, tiles),
    )
    yield "label per slice", lambda: reference_label(inside)


def own_steps(
    pipeline: str, network: Any, volume: np.ndarray, inside: np.ndarray, tiles: tuple[int, int]
) -> Steps:
    """Give this project's steps; slices flow from coloring to the network as in a run."""
    from efficientcellseg.chain.inference import predict_slices
    from efficientcellseg.chain.labeling import label_volume
    from efficientcellseg.chain.pseudocolor import pseudocolored_planes
    from efficientcellseg.chain.tiling import cut, plan_tiles
    from efficientcellseg.labelings import parameters_of
    from efficientcellseg.networks.backends import Autocast, compile_network
    from efficientcellseg.parameters.recipe import Pseudocolor, Tiling

    backend, _, precision = pipeline.partition(" ")
    if backend != "torch":
        network = compile_network(network, backend, "cpu", precision or "float32")
    elif precision:
        network = Autocast(network)
    tiling, kept = Tiling(rows=tiles[0], columns=tiles[1]), {}
    plan, size = plan_tiles(volume.shape[1:], tiling), network.input_size

    def color() -> None:
        planes = pseudocolored_planes(volume, Pseudocolor(), lambda one: cut(one, plan, size))
        kept["slices"] = list(planes)

    yield "color", color
    yield "network", lambda: predict_slices([network], kept.pop("slices"), tiling, volume.shape)
    parameters = parameters_of("distance_watershed")
    yield "label", lambda: label_volume({"cells": inside}, parameters)
    by_slice = parameters_of("distance_watershed", per_slice=True)
    yield "label per slice", lambda: label_volume({"cells": inside}, by_slice)


def floor() -> dict[str, float]:
    """Measure how fast matrix products are, and count those of a tile."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    torch.set_num_threads(1)
    network = build_network()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.zeros(1, 3, network.input_size, network.input_size))
    found = {"gflop_a_tile": round(counter.get_total_flops() / 1e9, 2)}
    for name, kind in (("float32", torch.float32), ("bf16", torch.bfloat16)):
        one = torch.ones(2048, 2048, dtype=kind)
        seconds = []
        for _ in range(30):
            start = time.process_time()
            one @ one
            seconds.append(time.process_time() - start)
        found[f"gflop_a_second_{name}"] = round(2 * 2048**3 / min(seconds) / 1e9, 1)
        found[f"seconds_a_tile_{name}"] = round(
            found["gflop_a_tile"] / found[f"gflop_a_second_{name}"], 3
        )
    return found


def child(*words: str) -> dict[str, Any] | None:
    """Run this file in a process of its own, on one core; None where a package is missing."""
    done = subprocess.run(
        [sys.executable, __file__, *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        logger.info("%s left out: %s", " ".join(words), done.stderr.strip().splitlines()[-1])
        return None
    return json.loads(done.stdout)


def plot(report: dict[str, Any], path: Path) -> None:
    """Draw CPU seconds against size, a panel a step."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(STEPS), figsize=(14, 3.6), layout="constrained")
    sizes = [size for size in SIZES if size in report["sizes"]]
    voxels = [np.prod(SIZES[size][0]) / 1e6 for size in sizes]
    order = np.argsort(voxels)
    for panel, step in zip(panels, STEPS, strict=True):
        for pipeline in PIPELINES:
            costs = [report["sizes"][size].get(pipeline, {}).get(step) for size in sizes]
            if all(cost is not None for cost in costs):
                along = [(voxels[i], costs[i]) for i in order]
                panel.plot(*zip(*along, strict=True), "o-", label=pipeline)
        panel.set(title=step, xlabel="million voxels", ylim=(0, None))
    panels[0].set_ylabel("CPU seconds")
    panels[1].legend(fontsize=7)
    with opened(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """Give a place that becomes the file when it is written, its folder made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary:
        yield temporary


def main() -> int:
    """Measure, report, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=[*SIZES])
    parser.add_argument("--output", type=Path, default=ROOT / "results/bench/chain.json")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    if options.one:
        print(json.dumps(floor() if options.one[0] == "floor" else measure(*options.one)))
        return 0
    report: dict[str, Any] = {"floor": child("--one", "floor", ""), "sizes": {}}
    logger.info("floor: %s", report["floor"])
    for size in options.sizes:
        shape, cells, tiles = SIZES[size]
        found = report["sizes"][size] = {
            "voxels": int(np.prod(shape)),
            "cells": cells,
            "tiles": shape[0] * tiles[0] * tiles[1],
        }
        for pipeline in PIPELINES:
            if taken := child("--one", pipeline, size):
                found[pipeline] = taken
                logger.info("%-14s %-14s %s", size, pipeline, taken)
    with opened(options.output) as temporary:
        temporary.write_text(json.dumps(report, indent=2) + "\n")
    plot(report, options.output.with_suffix(".png"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
