"""Reads scores of many runs and published values, and puts them into one table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ctc_eval.format import InputError
from ctc_eval.measures import MEASURES

# How measures are written where one reads them.
_NUMBERS = {name: measure.column for name, measure in MEASURES.items() if measure.column}

COLUMNS = (
    *("dataset", "sequence", "method", "networks", "parameters"),
    *_NUMBERS,
    *("origin", "reference"),
)

Row = dict[str, Any]


def read_scores(path: Path) -> Row:
    """Read a file that ``score --output`` wrote, as a row of the table.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict
        With the keys `COLUMNS`, and ``training``; None where the file has no value. Where masks
        were empty, also ``empty``, how many.

    Raises
    ------
    InputError
        Missing, not JSON, or without data set and sequence.
    """
    try:
        record = json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; expected what `score --output` writes: score the run first",
            code="file-missing",
        ) from None
    except (ValueError, OSError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); expected what `score --output` writes: score again",
            code="file-unreadable",
        ) from None
    if not isinstance(record, dict) or not {"dataset", "sequence"} <= record.keys():
        raise InputError(
            f"{path}: no data set and sequence in it; expected what `score --output` writes: "
            "score again",
            code="score-incomplete",
        )
    row = {column: record.get(column) for column in (*COLUMNS, "training")}
    numeric = [row[name] for name in (*_NUMBERS, "parameters")]
    if not all(value is None or isinstance(value, int | float) for value in numeric):
        raise InputError(
            f"{path}: a measure is not a number; expected one: score again", code="score-number"
        )
    row["reference"] = _reference_text(record)
    row["origin"] = row["origin"] or "measured"
    if record.get("empty_masks"):
        row["empty"] = f"{record['empty_masks']} of {record.get('masks')} masks empty"
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
        CSV with columns of `COLUMNS`, those of measures as far as they are known; empty cells
        where a value is not known.

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
            f"{path}: cannot be read ({error}); expected a CSV: check the path",
            code="file-unreadable",
        ) from None
    reader = csv.DictReader(lines)
    given = tuple(reader.fieldnames or ())
    if given != tuple(name for name in COLUMNS if name in given or name not in _NUMBERS):
        raise InputError(
            f"{path}: columns {', '.join(given)}; expected {', '.join(COLUMNS)}: "
            "mend the first line",
            code="csv-columns",
        )
    rows = []
    for number, cells in enumerate(reader, start=2):
        try:
            rows.append(_published_row(cells))
        except (TypeError, ValueError) as error:
            raise InputError(
                f"{path}: line {number}: {error}; expected numbers in {', '.join(_NUMBERS)} and a "
                "whole number in parameters: mend the line",
                code="csv-cell",
            ) from None
    return rows


def _published_row(cells: dict[str, Any]) -> Row:
    """Make a row of the texts in a line; TypeError or ValueError if they do not fit."""
    if None in cells or None in cells.values():
        raise ValueError("more or fewer cells than columns")
    texts = {column: cells.get(column, "") for column in COLUMNS}
    numbers = {name: float(texts[name]) if texts[name] else None for name in _NUMBERS}
    parameters = int(texts["parameters"]) if texts["parameters"] else None
    return {**texts, **numbers, "parameters": parameters}


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
    return [_tell_empty(row) for row in sorted(rows, key=lambda row: order[row["dataset"]])]


def _tell_empty(row: Row) -> Row:
    """Add to the reference how many masks were empty."""
    if not row.get("empty"):
        return row
    return {**row, "reference": f"{row['reference']}; {row['empty']}"}


def _mean(members: Sequence[Row]) -> Row:
    """Average the sequences; a measure that one of them lacks stays empty."""
    row = {**members[0], "sequence": "mean"}
    for name in _NUMBERS:
        values = [member[name] for member in members]
        row[name] = None if None in values else sum(values) / len(values)
    told = [f"{one['sequence']}: {one['empty']}" for one in members if one.get("empty")]
    return {**row, "empty": ", ".join(told)}


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
        return _csv(rows, columns)
    cells = [list(columns), *([_readable(name, row[name]) for name in columns] for row in rows)]
    write = {"markdown": _markdown, "latex": _latex, "text": _text}[style]
    return write(cells, [name in numeric for name in columns])


def _csv(rows: Sequence[Row], columns: Sequence[str]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_exact(row[column]) for column in columns] for row in rows)
    return buffer.getvalue()


def _markdown(cells: list[list[str]], numeric: Sequence[bool]) -> str:
    cells = [[cell.replace("|", r"\|") for cell in line] for line in cells]
    rule = ["--:" if number else "---" for number in numeric]
    return "".join(f"| {' | '.join(line)} |\n" for line in (cells[0], rule, *cells[1:]))


def _latex(cells: list[list[str]], numeric: Sequence[bool]) -> str:
    lines = [" & ".join(map(_escape_latex, line)) + r" \\" for line in cells]
    columns = "".join("r" if number else "l" for number in numeric)
    head = [rf"\begin{{tabular}}{{{columns}}}", r"\hline", lines[0], r"\hline"]
    return "\n".join([*head, *lines[1:], r"\hline", r"\end{tabular}", ""])


def _text(cells: list[list[str]], numeric: Sequence[bool]) -> str:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for line in cells:
        aligned = [
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, numeric, strict=True)
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
        return format(value, _NUMBERS[column])
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
