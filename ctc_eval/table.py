"""Scores of many runs and published values in one table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ctc_eval.format import InputError

COLUMNS = (
    "dataset",
    "sequence",
    "method",
    "networks",
    "parameters",
    "SEG",
    "DET",
    "OP_CSB",
    "PESEG",
    "origin",
    "reference",
)
_NUMBERS = ("SEG", "DET", "OP_CSB", "PESEG")
_TEXTS = ("dataset", "sequence", "method", "networks", "origin", "reference")

Row = dict[str, Any]


def read_scores(path: Path) -> Row:
    """Read a file that ``score --output`` wrote, as a row of the table.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict
        With the keys `COLUMNS`, and ``training``; None where the file has no value.

    Raises
    ------
    InputError
        Missing, not JSON, or without data set and sequence.
    """
    try:
        record = json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; expected what `score --output` writes: score the run first"
        ) from None
    except (ValueError, OSError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); expected what `score --output` writes: score again"
        ) from None
    if not isinstance(record, dict) or not {"dataset", "sequence"} <= record.keys():
        raise InputError(
            f"{path}: no data set and sequence in it; expected what `score --output` writes: "
            "score again"
        )
    row = {column: record.get(column) for column in (*COLUMNS, "training")}
    numeric = [row[name] for name in (*_NUMBERS, "parameters")]
    if not all(value is None or isinstance(value, int | float) for value in numeric):
        raise InputError(f"{path}: a measure is not a number; expected one: score again")
    row["reference"] = _reference_text(record)
    row["origin"] = row["origin"] or "measured"
    return row


def _reference_text(record: Row) -> str:
    """Say on what a score was measured: the reference, and the frames where not all."""
    text = record.get("reference") or record.get("reference_folder") or ""
    frames = record.get("frames", "all")
    return text if frames == "all" else f"{text}, frames {frames}"


def read_published(path: Path) -> list[Row]:
    """Read published values.

    Parameters
    ----------
    path : Path
        CSV with the columns `COLUMNS`; empty cells where a value is not known.

    Returns
    -------
    list of dict

    Raises
    ------
    InputError
        Missing, other columns, or a cell that is not a number where one belongs.
    """
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error}); expected a CSV: check the path"
        ) from None
    reader = csv.DictReader(lines)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise InputError(
            f"{path}: columns {', '.join(reader.fieldnames or ())}; "
            f"expected {', '.join(COLUMNS)}: mend the first line"
        )
    rows = []
    for number, cells in enumerate(reader, start=2):
        try:
            if None in cells or None in cells.values():
                raise ValueError("more or fewer cells than columns")
            row: Row = {name: float(cells[name]) if cells[name] else None for name in _NUMBERS}
            row["parameters"] = int(cells["parameters"]) if cells["parameters"] else None
        except (TypeError, ValueError) as error:
            raise InputError(
                f"{path}: line {number}: {error}; expected numbers in {', '.join(_NUMBERS)} and a "
                "whole number in parameters: mend the line"
            ) from None
        rows.append({**{name: cells[name] for name in _TEXTS}, **row})
    return [{column: row[column] for column in COLUMNS} for row in rows]


def build_table(scores: Iterable[Row], published: Iterable[Row] = ()) -> list[Row]:
    """Put measured and published rows together, data set by data set.

    Where a method was measured in the same way on two or more sequences of a data set, their
    mean follows as a row of its own, sequence "mean".

    Parameters
    ----------
    scores : iterable of dict
        From :func:`read_scores`.
    published : iterable of dict
        From :func:`read_published`.

    Returns
    -------
    list of dict
        Data sets in the order in which they first come, measured rows before published ones.
    """
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in scores:
        key = ("dataset", "method", "networks", "parameters", "origin", "reference")
        groups.setdefault(tuple(row[name] for name in key), []).append(row)
    rows = []
    for members in groups.values():
        rows += sorted(members, key=lambda row: str(row["sequence"]))
        if len({row["sequence"] for row in members}) > 1:
            rows.append(_mean(members))
    rows += published
    order = {name: i for i, name in enumerate(dict.fromkeys(row["dataset"] for row in rows))}
    return sorted(rows, key=lambda row: order[row["dataset"]])


def _mean(members: Sequence[Row]) -> Row:
    """Average the sequences; a measure that one of them lacks stays empty."""
    row = {**members[0], "sequence": "mean"}
    for name in _NUMBERS:
        values = [member[name] for member in members]
        row[name] = None if None in values else sum(values) / len(values)
    return row


def render(rows: Sequence[Row], style: str = "text", columns: Sequence[str] = COLUMNS) -> str:
    """Write a table as text.

    Parameters
    ----------
    rows : sequence of dict
        From :func:`build_table`, or others with the `columns` as keys.
    style : {"text", "csv", "markdown", "latex"}
        CSV keeps six decimals and bare numbers; the others round to what one reads.
    columns : sequence of str

    Returns
    -------
    str
        Ends with a line break.
    """
    numeric = {
        name
        for name in columns
        if name in (*_NUMBERS, "parameters")
        or any(isinstance(row[name], int | float) for row in rows)
    }
    if style == "csv":
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_exact(row[column]) for column in columns] for row in rows)
        return buffer.getvalue()
    cells = [list(columns), *([_readable(name, row[name]) for name in columns] for row in rows)]
    if style == "markdown":
        cells = [[cell.replace("|", r"\|") for cell in line] for line in cells]
        rule = ["--:" if name in numeric else "---" for name in columns]
        return "".join(f"| {' | '.join(line)} |\n" for line in (cells[0], rule, *cells[1:]))
    if style == "latex":
        lines = [" & ".join(map(_escape_latex, line)) + r" \\" for line in cells]
        columns = "".join("r" if name in numeric else "l" for name in columns)
        head = [rf"\begin{{tabular}}{{{columns}}}", r"\hline", lines[0], r"\hline"]
        return "\n".join([*head, *lines[1:], r"\hline", r"\end{tabular}", ""])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for line in cells:
        aligned = [
            cell.rjust(width) if name in numeric else cell.ljust(width)
            for name, cell, width in zip(columns, line, widths, strict=True)
        ]
        lines.append("  ".join(aligned).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines) + "\n"


def _exact(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def _readable(column: str, value: Any) -> str:
    if value is None:
        return ""
    if column in _NUMBERS:
        # Large networks have a small PESEG.
        return f"{value:.4f}" if column == "PESEG" else f"{value:.3f}"
    if column == "parameters":
        return f"{value / 1e6:.2f} M" if value >= 1e4 else str(value)
    return f"{value:.3f}" if isinstance(value, float) else str(value)


_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        **{character: "\\" + character for character in "&%$#_{}"},
    }
)


def _escape_latex(text: str) -> str:
    return text.translate(_LATEX)
