"""Reads scores of many runs and published values, and combines them in one table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ctc_eval.format import InputError
from ctc_eval.measures import MEASURES

# How measures are written where one reads them.
_NUMBERS = {name: measure.column for name, measure in MEASURES.items() if measure.column}

# Published rows may have one.
RANK = "rank"

# All columns there are, and those of every table; the others are there where a row has a value.
_ALL = (
    *("dataset", "sequence", "method", "networks", "parameters"),
    *_NUMBERS,
    *(RANK, "origin", "reference"),
)
_ASKED = {RANK, *(name for name, measure in MEASURES.items() if measure.asked)}
COLUMNS = tuple(name for name in _ALL if name not in _ASKED)

# The two blocks of a table, by origin, and the sentence above each.
BLOCKS = {
    "measured": "Measured here on training sequences or simulated data: not comparable with "
    "published values, which were measured on the challenge's secret test references.",
    "published": "Published, measured on the challenge's secret test references unless a row says "
    "otherwise: not comparable with values measured here.",
}

Row = dict[str, Any]


class Printed(float):
    """A published number, which is shown as it was printed."""

    def __new__(cls, text: str) -> Printed:
        """Keep the text beside the number."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str

    def __str__(self) -> str:
        """Return the text."""
        return self.text


def read_scores(path: Path) -> Row:
    """Read a file that ``score --output`` wrote, as a row of the table.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict
        With the keys `COLUMNS`, all measures, and ``training``; None if the file has no
        value. Also ``group``, what rows must have in common to be averaged beside data set and
        reference; and ``told``, what to add to the reference in this row only.

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
    row = {column: record.get(column) for column in (*_ALL, "training")}
    numeric = [row[name] for name in (*_NUMBERS, "parameters")]
    if not all(value is None or isinstance(value, int | float) for value in numeric):
        raise InputError(
            f"{path}: a measure is not a number; expected one: score again", code="score-number"
        )
    row["reference"] = _reference_text(record)
    row["origin"] = row["origin"] or "measured"
    crossed = record.get("cross_validated")
    row["group"] = f"{record.get('name')}, cross-validated" if crossed else row["method"]
    row["told"] = "; ".join(_told(record))
    return row


def _told(record: Row) -> Iterator[str]:
    """Say what applies only to the score's own sequence."""
    if crossed := record.get("cross_validated"):
        yield crossed
    if unannotated := record.get("unannotated"):
        yield f"no frame annotated for {', '.join(unannotated)}"
    if record.get("empty_masks"):
        yield f"{record['empty_masks']} of {record.get('masks')} masks empty"


def _reference_text(record: Row) -> str:
    """Say what a score was measured on: the reference, and the frames if not all."""
    text = record.get("reference") or record.get("reference_folder") or ""
    frames = record.get("frames", "all")
    return text if frames == "all" else f"{text}, frames {frames}"


def read_published(path: Path) -> list[Row]:
    """Read published values.

    Parameters
    ----------
    path : Path
        CSV with columns of `COLUMNS`, those of measures as far as they are known, other
        measures, and maybe `RANK` before the origin; empty cells where a value is not known.

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
    if given != tuple(name for name in _ALL if name in given or name not in (*_NUMBERS, RANK)):
        raise InputError(
            f"{path}: columns {', '.join(given)}; expected {', '.join(COLUMNS)}: "
            "fix the first line",
            code="csv-columns",
        )
    rows = []
    for number, cells in enumerate(reader, start=2):
        try:
            rows.append(_published_row(cells))
        except (TypeError, ValueError) as error:
            raise InputError(
                f"{path}: line {number}: {error}; expected numbers in {', '.join(_NUMBERS)} and a "
                "whole number in parameters: fix the line",
                code="csv-cell",
            ) from None
    return rows


def _published_row(cells: dict[str, Any]) -> Row:
    """Make a row of the texts in a line; TypeError or ValueError if they do not fit."""
    if None in cells or None in cells.values():
        raise ValueError("more or fewer cells than columns")
    texts = {name: cells.get(name, "") for name in _ALL if name in COLUMNS or name in cells}
    if texts["parameters"]:
        int(texts["parameters"])
    numeric = texts.keys() & {"parameters", *_NUMBERS}
    return {**texts, **{name: Printed(texts[name]) if texts[name] else None for name in numeric}}


def build_table(scores: Iterable[Row], published: Iterable[Row] = ()) -> list[Row]:
    """Put measured rows together, then published ones, data set by data set.

    If a method was measured in the same way on two or more sequences of a data set, their mean
    follows as another row, sequence "mean". The same holds for cross-validated sequences, each
    segmented by networks that were trained on the others.

    Parameters
    ----------
    scores : iterable of dict
        From :func:`read_scores`.
    published : iterable of dict
        From :func:`read_published`.

    Returns
    -------
    list of dict
        Measured rows before published ones; data sets in the order in which they first come.
    """
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in scores:
        key = ("dataset", "group", "networks", "parameters", "origin", "reference")
        groups.setdefault(tuple(row[name] for name in key), []).append(row)
    rows = []
    for members in groups.values():
        members.sort(key=lambda row: str(row["sequence"]))
        rows += members
        if len({row["sequence"] for row in members}) > 1:
            rows.append(_mean(members))
    rows += published
    order = {name: i for i, name in enumerate(dict.fromkeys(row["dataset"] for row in rows))}
    rows.sort(key=lambda row: (_block(row) == "published", order[row["dataset"]]))
    return [_tell(row) for row in rows]


def _block(row: Row) -> str:
    return "published" if row["origin"] == "published" else "measured"


def _tell(row: Row) -> Row:
    """Add to the reference what applies only to this row."""
    told = filter(None, (row["reference"], row.get("told")))
    return {**dict.fromkeys(_ASKED), **row, "reference": "; ".join(told)}


def _mean(members: Sequence[Row]) -> Row:
    """Average the sequences; a measure that one of them lacks stays empty."""
    row = {**members[0], "sequence": "mean", "method": members[0]["group"]}
    for name in _NUMBERS:
        values = [member[name] for member in members]
        row[name] = None if None in values else sum(values) / len(values)
    told = [f"{one['sequence']}: {one['told']}" for one in members if one["told"]]
    return {**row, "told": ", ".join(told)}


def columns_of(rows: Iterable[Row]) -> tuple[str, ...]:
    """List the columns of a table: `COLUMNS`, and others for which a row has a value.

    Parameters
    ----------
    rows : iterable of Row

    Returns
    -------
    tuple of str
    """
    there = {name for row in rows for name in _ASKED if row.get(name) not in (None, "")}
    return tuple(name for name in _ALL if name in there or name in COLUMNS)


def render_blocks(
    rows: Sequence[Row], style: str = "text", columns: Sequence[str] | None = None
) -> str:
    """Write a table in two blocks, measured and published, each under a sentence that says so.

    Parameters
    ----------
    rows : sequence of dict
        From :func:`build_table`, or others with an ``origin`` and the `columns` as keys.
    style : {"text", "csv", "markdown", "latex"}
        In CSV, which has one header and nothing but rows, the last column says the sentence.
    columns : sequence of str, optional
        Those of :func:`columns_of` unless given; the last one says the reference.

    Returns
    -------
    str
        Ends with a line break.
    """
    columns = columns or columns_of(rows)
    if style == "csv":
        last = columns[-1]
        told = [". ".join(filter(None, (row[last], BLOCKS[_block(row)]))) for row in rows]
        told_rows = [{**row, last: text} for row, text in zip(rows, told, strict=True)]
        return render(told_rows, style, columns)
    parts = []
    for name, sentence in BLOCKS.items():
        if members := [row for row in rows if _block(row) == name]:
            text = _escape_latex(sentence) if style == "latex" else sentence
            parts.append(f"{text}\n\n{render(members, style, columns)}")
    return "\n".join(parts)


def render(rows: Sequence[Row], style: str = "text", columns: Sequence[str] = COLUMNS) -> str:
    """Write a table as text.

    Parameters
    ----------
    rows : sequence of dict
        From :func:`build_table`, or others with the `columns` as keys.
    style : {"text", "csv", "markdown", "latex"}
        CSV keeps plain numbers with six decimals; the others are rounded for reading.
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
    cells = [list(columns), *([readable(name, row[name]) for name in columns] for row in rows)]
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
    exact = isinstance(value, float) and not isinstance(value, Printed)
    return f"{value:.6f}" if exact else str(value)


def readable(column: str, value: Any) -> str:
    """Write a value for people to read: rounded, and published values as printed.

    Parameters
    ----------
    column : str
    value : object
        None for an empty field.

    Returns
    -------
    str
    """
    if value is None:
        return ""
    if isinstance(value, Printed):
        return f"{value / 1e6:.1f} M" if column == "parameters" else str(value)
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
