"""Compares encoders and input sizes on equal budgets: `python -m bench.encoders`.

Each learns from ImageNet weights by config/training/encoders.yaml, in 400 steps of 16 slices,
then segments the embryos 07 and 08 of BBBC050, which none has learned from. Hours on one core; what
is there already is not made anew. Writes encoders.json and encoders.png into the output folder.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.encoders.imagenet import fetch_encoder
from ctc_eval.format import atomic
from efficientcellseg.networks.folders import read_card

log = logging.getLogger("bench.encoders")
CONFIGURATION = "config/training/encoders.yaml"
# Encoder and side of its input.
ARMS = (
    ("tf_efficientnet_lite0", 160),
    ("tf_efficientnet_lite2", 160),
    ("tf_efficientnet_b0", 160),
    ("tf_efficientnet_lite0", 224),
    ("tf_efficientnet_b0", 224),
    ("tf_efficientnet_lite2", 224),
)
MEASURED = ("07", "08")


def main() -> None:
    """Run what is not there yet, and tell what all came to."""
    parser = argparse.ArgumentParser(prog="python -m bench.encoders", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder with BBBC050")
    parser.add_argument("--output", type=Path, default=Path("results/bench/encoders"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    rows = []
    for seed in args.seeds:
        for encoder, size in ARMS:
            rows.append(compare(encoder, size, seed, args.data, args.output))
            log.info("%s", json.dumps(rows[-1]))
            with atomic(args.output / "encoders.json") as temporary:
                temporary.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
            draw(rows, args.output / "encoders.png")


def compare(encoder: str, size: int, seed: int, data: Path, output: Path) -> dict[str, Any]:
    """Train one and score it; give its row."""
    folder = output / f"{encoder.removeprefix('tf_efficientnet_')}-{size}-{seed}"
    done = folder / "row.json"
    if done.exists():
        return dict(json.loads(done.read_text(encoding="utf-8")))
    sizes = ["--set", f"model.encoder={encoder}", f"model.input_size={size}"]
    samples = output / f"samples-{size}.npz"
    if not samples.exists():
        run(
            "efficientcellseg",
            "samples",
            CONFIGURATION,
            "--data",
            data,
            "--output",
            samples,
            *sizes,
        )
    weights = fetch_encoder(encoder, output / "imagenet")
    places = ["--samples", samples, "--output", folder, "--encoder-weights", weights]
    run("efficientcellseg", "train", CONFIGURATION, *places, *sizes, f"training.seed={seed}")
    row = {"encoder": encoder, "input_size": size, "seed": seed} | learnt(folder)
    started = time.monotonic()
    for sequence in MEASURED:
        result = folder / f"{sequence}_RES"
        words = [data / "BBBC050", sequence]
        run(
            "efficientcellseg",
            "segment",
            *words,
            "--model",
            folder,
            "--output",
            result,
            "--overwrite",
        )
        scores = run(
            "ctc_eval", "score", *words, "--result", result, "--measures", "SEG,DET", "--json"
        )
        row |= {f"{name} {sequence}": json.loads(scores)[name] for name in ("SEG", "DET")}
    row["seconds to segment"] = round(time.monotonic() - started, 1)
    row["SEG"] = sum(row[f"SEG {sequence}"] for sequence in MEASURED) / len(MEASURED)
    row["PESEG"] = row["SEG"] / row["parameters"] * 1e6
    with atomic(done) as temporary:
        temporary.write_text(json.dumps(row), encoding="utf-8")
    return row


def run(package: str, *words: object) -> str:
    """Run one of the project's commands; give what it prints."""
    command = [sys.executable, "-m", package, *map(str, words)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def learnt(folder: Path) -> dict[str, Any]:
    """Say how large a network is and how long it learned."""
    with (folder / "curve.csv").open(newline="", encoding="utf-8") as file:
        curve = list(csv.DictReader(file))
    best = max(float(epoch["validation_iou"]) for epoch in curve)
    seconds = sum(float(epoch["seconds"]) for epoch in curve)
    parameters = read_card(folder).parameters
    return {"parameters": parameters, "seconds to learn": round(seconds), "validation IoU": best}


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw SEG against weights, a point a run."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for row in rows:
        name = f"{row['encoder'].removeprefix('tf_efficientnet_')} at {row['input_size']}"
        axes.plot(row["parameters"] / 1e6, row["SEG"], "o")
        axes.annotate(name, (row["parameters"] / 1e6, row["SEG"]), fontsize=7)
    axes.set(xlabel="weights, millions", ylabel="SEG, BBBC050 07 and 08")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
