"""Reads trained models; writes learning curves (the paper's figure 5) and a table (its table 2)."""

from __future__ import annotations

import csv
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctc_eval.format import InputError, atomic
from efficientcellseg.parameters.architecture import EfficientCellSegArchitecture
from efficientcellseg.parameters.reading import check_values
from efficientcellseg.parameters.training import TrainingConfiguration

if TYPE_CHECKING:
    from efficientcellseg.networks.base import Network

# What networks see, by what red and blue show of the neighbor slices.
INPUTS = {"highlight": "pseudocolor", "none": "gray", "intensity": "neighbors' gray"}
# Batch of the inference that is timed, and how often: the median counts.
BATCH, TURNS = 8, 7


@dataclass(frozen=True)
class TrainingRun:
    """One training: a model on a data set with a seed.

    Attributes
    ----------
    training, model, seed : str
        From the folder, TRAINING/MODEL/SEED.
    architecture : EfficientCellSegArchitecture
    configuration : TrainingConfiguration
    device : str
        What it was trained on.
    curve : list of dict of str to float
        Its curve.csv, a row an epoch.
    """

    training: str
    model: str
    seed: str
    architecture: EfficientCellSegArchitecture
    configuration: TrainingConfiguration
    device: str
    curve: list[dict[str, float]]


def read_run(folder: Path) -> TrainingRun:
    """Read what ``python -m efficientcellseg train`` left in TRAINING/MODEL/SEED.

    Parameters
    ----------
    folder : Path
        With the model and its ``curve.csv``; its last three parts name the run.

    Returns
    -------
    TrainingRun

    Raises
    ------
    InputError
        No model there, one of another kind, or no learning curve.
    """
    from efficientcellseg.networks.folders import read_card

    card, path = read_card(folder), folder / "curve.csv"
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; expected the learning curve: train again", code="file-missing"
        )
    with path.open(newline="") as file:
        curve = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    training, model, seed = folder.resolve().parts[-3:]
    built = card.architecture
    if not isinstance(built, EfficientCellSegArchitecture):
        raise InputError(
            f"{folder}: a network of kind {built.kind}; expected efficientcellseg, whose decoders "
            "are compared: leave it out",
            code="network-kind",
        )
    configuration = check_values(
        card.configuration, TrainingConfiguration, f"{folder}: configuration"
    )
    device = card.software.get("device", "")
    return TrainingRun(training, model, seed, built, configuration, device, curve)


def read_published_sizes(path: Path) -> dict[str, int]:
    """Read the paper's decoder sizes by filters, ``112-80-48-16``, from a CSV.

    Parameters
    ----------
    path : Path
        With columns ``decoder_filters`` and ``decoder_parameters``.

    Returns
    -------
    dict of str to int
        Number of parameters of the decoder.

    Raises
    ------
    KeyError
        A column is missing.
    ValueError
        A number of parameters is no integer.
    """
    with path.open(newline="") as file:
        return {
            row["decoder_filters"]: int(row["decoder_parameters"]) for row in csv.DictReader(file)
        }


def summarize(runs: list[TrainingRun], published: dict[str, int]) -> list[dict[str, str]]:
    """Put runs into a table, a row for each model on each data set.

    Parameters
    ----------
    runs : list of TrainingRun
    published : dict of str to int
        The paper's decoder sizes by filters, ``112-80-48-16``.

    Returns
    -------
    list of dict
        MeanIoU of the last epoch as mean +- standard deviation over seeds; parameters counted
        from the built model, the paper's beside; times as medians.
    """
    from efficientcellseg.networks.base import build, count_parameters

    rows = []
    for training, model in sorted({(run.training, run.model) for run in runs}):
        same = [run for run in runs if (run.training, run.model) == (training, model)]
        configuration = same[0].configuration
        network: Any = build(same[0].architecture)
        encoder = count_parameters(network.encoder)
        decoder = count_parameters(network) - encoder
        filters = "-".join(map(str, same[0].architecture.decoder_filters))
        printed = published.get(filters)
        optimization = configuration.training
        batch = optimization.batch * optimization.accumulate
        seconds = statistics.median(row["seconds"] for run in same for row in run.curve)
        rows.append(
            {
                "training": training,
                "model": model,
                "encoder weights": "ImageNet" if configuration.encoder_weights else "random",
                "input": INPUTS[configuration.pseudocolor.context],
                "decoder filters": filters,
                "encoder parameters": f"{encoder}",
                "decoder parameters": f"{decoder}",
                "paper's decoder": f"{printed}" if printed else "",
                "difference": f"{decoder / printed - 1:+.0%}" if printed else "",
                "seeds": f"{len(same)}",
                "samples seen": f"{batch * optimization.steps * len(same[0].curve)}",
                "training MeanIoU": _spread([run.curve[-1]["training_iou"] for run in same]),
                "test MeanIoU": _spread([run.curve[-1]["validation_iou"] for run in same]),
                "s/epoch": f"{seconds:.1f}",
                "training ms/sample": f"{1000 * seconds / (batch * optimization.steps):.0f}",
                "inference ms/sample": f"{1000 * time_inference(network):.0f}",
                "device": same[0].device,
            }
        )
    return rows


def _spread(values: list[float]) -> str:
    spread = f" +- {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{spread}"


def time_inference(network: Network) -> float:
    """Measure the seconds that a network takes for a tile, on a GPU if there is one.

    Parameters
    ----------
    network : Network
        Put into evaluation mode and moved to the device that is measured.

    Returns
    -------
    float
        Seconds for a tile of random values: the median of `TURNS` batches, the first included,
        divided by the `BATCH` tiles of each.
    """
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    network.eval().to(device)
    batch = torch.rand(BATCH, 3, network.input_size, network.input_size, device=device)
    turns = []
    with torch.inference_mode():
        for _ in range(TURNS):
            started = time.perf_counter()
            network(batch).sum().item()  # waits for the GPU
            turns.append(time.perf_counter() - started)
    return statistics.median(turns) / BATCH


def draw_curves(runs: list[TrainingRun], path: Path) -> None:
    """Draw MeanIoU by epoch: a panel a data set, a color a model, a band over the seeds.

    Parameters
    ----------
    runs : list of TrainingRun
        At least one. Of a model's seeds, as many epochs are drawn as all have; the band is the
        standard deviation.
    path : Path
        PNG file to write.
    """
    import numpy as np
    from matplotlib.figure import Figure

    trainings = sorted({run.training for run in runs})
    models = sorted({run.model for run in runs})
    figure = Figure(figsize=(6 * len(trainings), 4.5), layout="constrained")
    panels = figure.subplots(1, len(trainings), squeeze=False)[0]
    for panel, training in zip(panels, trainings, strict=True):
        for color, model in enumerate(models):
            same = [run for run in runs if (run.training, run.model) == (training, model)]
            for name, style in (("training_iou", ":"), ("validation_iou", "-")):
                # Runs may end early: as many epochs as all have.
                epochs = min((len(run.curve) for run in same), default=0)
                values = np.array([[row[name] for row in run.curve[:epochs]] for run in same])
                if not len(values):
                    continue
                x, mean, spread = range(1, epochs + 1), values.mean(axis=0), values.std(axis=0)
                label = f"Model {model}" if style == "-" else None
                panel.plot(x, mean, style, color=f"C{color}", label=label)
                panel.fill_between(x, mean - spread, mean + spread, color=f"C{color}", alpha=0.15)
        panel.set(title=training, xlabel="epoch", ylabel="MeanIoU (lines: test, dots: training)")
        panel.legend()
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")


def write_table(rows: list[dict[str, str]], path: Path) -> None:
    """Write rows as CSV, or as Markdown where the path ends in .md.

    Parameters
    ----------
    rows : list of dict of str to str
        At least one; all have the same keys, which become the header.
    path : Path
        File to write, UTF-8.
    """
    header = list(rows[0])
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        if path.suffix == ".md":
            lines = [header, ["---"] * len(header), *(list(row.values()) for row in rows)]
            file.writelines(f"| {' | '.join(line)} |\n" for line in lines)
        else:
            writer = csv.DictWriter(file, header)
            writer.writeheader()
            writer.writerows(rows)
