"""Reads a run's folder and writes its report."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Sequence
from pathlib import Path

from ctc_eval.format import atomic
from ctc_eval.table import Row, build_table, read_published, read_scores
from efficientcellseg import __version__
from efficientcellseg.parameters.locations import ROOT
from efficientcellseg.report.inspection import inspect_sequence
from efficientcellseg.report.page import ReportContent, render_page
from efficientcellseg.report.run_folder import (
    SegmentedSequence,
    find_networks,
    find_sequences,
    read_costs,
)

log = logging.getLogger(__name__)

# Slices of a sequence, at most.
MOST = 36


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
    results, data, only
        As for :func:`efficientcellseg.report.run_folder.find_sequences`.
    output : Path
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
