"""The report's page: one HTML file that loads nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctc_eval.table import BLOCKS, Row, columns_of, readable
from efficientcellseg.report.charts import as_svg, draw_frames, draw_parameters, draw_sizes
from efficientcellseg.report.inspection import Inspection
from efficientcellseg.report.lineage import draw_lineages
from efficientcellseg.report.outcomes import MEANINGS, Outcome

if TYPE_CHECKING:
    from efficientcellseg.report.run_folder import SegmentedSequence, StepCost

# How many lineages are drawn, at most.
LINEAGES = 12
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class ReportContent:
    """What the page shows.

    Attributes
    ----------
    title : str
    made_with : mapping of str to str
        Such as version, commit, device; shown at the end.
    table : sequence of dict
        From :func:`ctc_eval.table.build_table`; may be empty.
    sequences : sequence of Inspection
    costs : sequence of StepCost
        May be empty.
    """

    title: str
    made_with: Mapping[str, str]
    table: Sequence[Row]
    sequences: Sequence[Inspection]
    costs: Sequence[StepCost]


def render_page(content: ReportContent) -> str:
    """Write the page.

    Names and texts of the content are escaped; pictures are data URIs and charts SVG elements, so
    that the file is complete by itself.

    Parameters
    ----------
    content : ReportContent

    Returns
    -------
    str
        HTML.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    return environment.get_template("report.html").render(
        content=content,
        blocks=_blocks(content.table),
        sequences=[_sequence(i, one) for i, one in enumerate(content.sequences)],
        parameters=draw_parameters(content.table),
        total_seconds=sum(cost.seconds for cost in content.costs),
        outcomes=_outcomes(),
    )


def _outcomes() -> list[dict[str, Any]]:
    return [
        {"name": outcome.name.lower(), "color": color, "meaning": meaning, "code": int(outcome)}
        for outcome, (color, meaning) in MEANINGS.items()
    ]


def _blocks(table: Sequence[Row]) -> list[dict[str, Any]]:
    """Cut the table into measured and published rows, as text."""
    blocks = []
    for name, sentence in BLOCKS.items():
        rows = [row for row in table if (row["origin"] == "published") == (name == "published")]
        columns = [column for column in columns_of(rows) if column != "origin"]
        columns = [one for one in columns if any(row[one] not in (None, "") for row in rows)]
        if rows:
            cells = [
                [(column, readable(column, row[column])) for column in columns] for row in rows
            ]
            blocks.append({"name": name, "sentence": sentence, "columns": columns, "rows": cells})
    return blocks


def _sequence(number: int, one: Inspection) -> dict[str, Any]:
    """Collect what the template and the script need of a sequence."""
    run, (frames, planes) = one.run, one.shown
    size = run.recipe.voxel_size if run.recipe else None
    unit = "µm" if size else "pixels"
    totals = {o: sum(score.counts[o] for score in one.scores) for o in Outcome}
    return {
        "id": f"sequence-{number}",
        "run": run,
        "title": f"{run.dataset} {run.sequence}",
        "seg": one.seg,
        "det": one.det,
        "annotated": len(one.scores),
        "totals": [{**known, "count": totals[Outcome(known["code"])]} for known in _outcomes()],
        "cover": one.cover,
        "bad": one.bad,
        "views": list(dict.fromkeys(view for part in one.slices for view in part.views)),
        "frames": frames,
        "planes": planes,
        "charts": [
            (draw_frames(one.scores, run.path), "SEG and DET by frame"),
            (draw_sizes(one.sizes, unit, run.path), "Sizes of the reference objects"),
            (_lineages(run), "Lineages"),
        ],
        "shape": one.shape,
        "left_out": _left_out(one),
        "data": {
            "name": f"{run.dataset} {run.sequence}",
            "frames": frames,
            "planes": planes,
            "depth": one.shape[0],
            "um": size[2] * one.window.step if size else None,
            "counts": {score.frame: _counts(score.counts) for score in one.scores},
            "slices": {f"{part.frame}/{part.plane}": _slice(part) for part in one.slices},
        },
    }


def _lineages(run: SegmentedSequence) -> str:
    """Draw the tracks of a sequence; an empty string without any."""
    if not run.tracks:
        return ""
    figure = draw_lineages(run.tracks, LINEAGES)
    return as_svg(figure, f"{run.path} lineages")


def _counts(counts: Mapping[Outcome, int]) -> dict[int, int]:
    return {int(outcome): count for outcome, count in counts.items()}


def _slice(part: Any) -> dict[str, Any]:
    return {
        "views": part.views,
        "result": part.result,
        "reference": part.reference,
        "found": part.found,
        "wanted": part.wanted,
    }


def _left_out(one: Inspection) -> list[str]:
    """Say what of a sequence the page does not show."""
    frames, planes = one.shown
    window, (depth, rows, columns) = one.window, one.shape
    told = []
    if len(frames) < len(one.run.masks):
        told.append(f"{len(frames)} of {len(one.run.masks)} frames are shown.")
    if len(planes) < depth:
        told.append(f"{len(planes)} of {depth} planes are shown.")
    height, width = (part.stop - part.start for part in (window.rows, window.columns))
    if (height, width) != (rows, columns):
        told.append(
            f"Of {rows} x {columns} pixels, rows {window.rows.start} to {window.rows.stop - 1} and "
            f"columns {window.columns.start} to {window.columns.stop - 1} are shown, where most "
            "cells are."
        )
    if window.step > 1:
        told.append(f"One pixel of a picture is {window.step} x {window.step} of the image's.")
    return told + [one.maps_missing] * bool(one.maps_missing)
