"""Writes learning curves: curve.csv and curve.png in a model folder."""

from __future__ import annotations

import csv
from pathlib import Path

from ctc_eval.format import atomic

CURVE_COLUMNS = (
    *("epoch", "training_loss", "validation_loss", "training_iou", "validation_iou"),
    *("learning_rate", "seconds"),
)


def write_curve(folder: Path, curve: list[dict[str, float]]) -> None:
    """Write a learning curve as curve.csv and curve.png.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    curve : list of dict of str to float
        For each epoch the values of `CURVE_COLUMNS`.
    """
    with atomic(folder / "curve.csv") as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, CURVE_COLUMNS)
        writer.writeheader()
        writer.writerows(curve)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    epochs = [row["epoch"] for row in curve]
    for name in ("training_loss", "validation_loss"):
        axes.plot(epochs, [row[name] for row in curve], marker=".", label=name.replace("_", " "))
    axes.set(xlabel="epoch", ylabel="loss")
    axes.legend()
    with atomic(folder / "curve.png") as temporary:
        figure.savefig(temporary, dpi=120)
