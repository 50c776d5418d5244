"""Reads a run's folder and writes its report."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ctc_eval.format import atomic, read_volume
from ctc_eval.table import Row, build_table, read_published, read_scores
from efficientcellseg import __version__
from efficientcellseg.parameters.locations import ROOT
from efficientcellseg.report.inspection import inspect_sequence
from efficientcellseg.report.overlay import views_of
from efficientcellseg.report.page import ReportContent, render_page
from efficientcellseg.report.paper_figures import (
    draw_efficiency,
    draw_examples,
    draw_fading,
    draw_pseudocoloring,
)
from efficientcellseg.report.pictures import fullest_plane
from efficientcellseg.report.run_folder import (
    SegmentedSequence,
    find_networks,
    find_sequences,
    read_costs,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)

# Slices of a sequence, at most.
MOST = 36
# Why a figure may be left out: what the run lacks.
LACKING = {
    "figure1": "no scores",
    "figure3": "no frame of three planes with a cell",
    "figure4": "no frame of three planes that networks have seen",
}


def write_report(
    results: Path,
    output: Path,
    *,
    data: Path | None = None,
    only: Collection[str] = (),
    networks: Sequence[Path] = (),
    published: Path | None = None,
    device: str = "auto",
    slices: int = 150,
) -> None:
    """Write one HTML file about a run.

    Parameters
    ----------
    results : Path
        A run's folder with ``METHOD/DATASET/SEQ_RES``, or a data set's with ``SEQ_RES``.
    output : Path
        HTML file to write.
    data : Path, optional
        Folder of the data sets; unless given, it is looked for as
        :func:`efficientcellseg.report.run_folder.find_sequences` does.
    only : collection of str
        METHOD/DATASET/SEQ of the sequences that are wanted; all unless given.
    networks : sequence of Path
        Where networks lie, beside the run's own and those that are shipped.
    published : Path, optional
        CSV of published values.
    device : str
        Where networks run.
    slices : int
        How many slices the page has, about.

    Raises
    ------
    InputError
        What is missing, damaged, or does not belong together.
    """
    sequences = find_sequences(results, data, only)
    each = max(min(slices // len(sequences), MOST), 3)
    places = [*networks, results / "models", ROOT / "resources" / "weights"]
    inspected = [
        inspect_sequence(run, find_networks(places, run.weights), device, each) for run in sequences
    ]
    content = ReportContent(
        title=results.resolve().name,
        made_with=_made_with(results),
        table=_table(results, sequences, published),
        sequences=inspected,
        costs=read_costs(results),
    )
    with atomic(output) as temporary:
        temporary.write_text(render_page(content), encoding="utf-8")
    log.info("report -> %s, %.1f MB", output, output.stat().st_size / 1e6)


def write_figures(
    results: Path,
    folder: Path,
    *,
    data: Path | None = None,
    only: Collection[str] = (),
    published: Path | None = None,
) -> None:
    """Write the paper's Figures 1, 3, 4 and 6 from a run: ``figure1.png``, ...

    What the run has no data for is left out, and told.

    Parameters
    ----------
    results : Path
        A run's folder with ``METHOD/DATASET/SEQ_RES``, or a data set's with ``SEQ_RES``.
    folder : Path
        Where the figures go.
    data : Path, optional
        Folder of the data sets; unless given, it is looked for as
        :func:`efficientcellseg.report.run_folder.find_sequences` does.
    only : collection of str
        METHOD/DATASET/SEQ of the sequences that are wanted; all unless given.
    published : Path, optional
        CSV of published values.

    Raises
    ------
    InputError
        What is missing or damaged.
    """
    sequences = find_sequences(results, data, only)
    figures: dict[str, Figure] = {}
    if table := _table(results, sequences, published):
        figures["figure1"] = draw_efficiency(table)
    datasets = {run.dataset: run for run in reversed(sequences)}  # the first sequence of each
    columns, colored = [], ""
    for run in reversed(datasets.values()):
        number = list(run.masks)[len(run.masks) // 2]
        volume, labels = read_volume(run.frames[number]), read_volume(run.masks[number])
        plane = fullest_plane(labels)
        um = run.recipe.voxel_size[2] if run.recipe else None
        (raw, found), *_ = views_of(volume, {"result": labels}, plane, um)
        columns.append((replace(raw, caption=run.dataset), found))
        if len(volume) < 3:
            continue
        if "figure3" not in figures and labels.any():
            figures["figure3"] = draw_fading(volume, labels, um)
        # By what highlights regions, as published, where a data set has it.
        colors = run.recipe.pseudocolor if run.recipe and run.weights else None
        if colors and (not colored or colored != colors.context == "highlight"):
            colored, middle = colors.context, min(max(plane, 1), len(volume) - 2)
            figures["figure4"] = draw_pseudocoloring(volume, middle, colors)
    figures["figure6"] = draw_examples(columns)
    for name in ("figure1", "figure3", "figure4", "figure6"):
        if name not in figures:
            log.info("%s: left out, the run has %s", name, LACKING[name])
            continue
        with atomic(folder / f"{name}.png") as temporary:
            figures[name].savefig(temporary, format="png", metadata={"Software": None})
    log.info("figure5: the learning curves of the ablation, `snakemake ablation` makes them")


def _table(
    results: Path, sequences: Sequence[SegmentedSequence], published: Path | None
) -> list[Row]:
    """Read the scores of the sequences, whole ones and parts; published values after them."""
    folder = results / "scores"
    scores = [
        read_scores(path)
        for run in sequences
        if run.folder
        for path in sorted((folder / run.folder / run.dataset).glob(f"{run.sequence}*.json"))
    ]
    return build_table(scores, read_published(published) if published else [])


def _made_with(results: Path) -> dict[str, str]:
    """Say what the run's record tells of version, machine and seeds."""
    known = {"version": __version__}
    record = results / "run.json"
    if record.is_file():
        found = json.loads(record.read_text(encoding="utf-8"))
        names = ("commit", "python", "platform", "device")
        known |= {name: str(found[name]) for name in names if found.get(name)}
        packages = found.get("packages", {})
        known |= {name: packages[name] for name in ("torch", "numpy") if name in packages}
    return known
