"""The paper's tables and figure, made from scores."""

from __future__ import annotations

import argparse
from pathlib import Path

STYLES = {"txt": "text", "csv": "csv", "md": "markdown", "tex": "latex"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Write DIR/table1.{txt,csv,md,tex}, numbers of weights, counted and published; "
        "DIR/table3.*, SEG of methods on data sets, measured and published; and "
        "DIR/figure1.png, SEG against weights."
    )
    parser.add_argument("scores", type=Path, nargs="+", metavar="SCORES.json")
    parser.add_argument(
        "--published", type=Path, required=True, metavar="FILE", help="CSV of published values"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")


def run(args: argparse.Namespace) -> int:
    """Write tables and figure."""
    from ctc_eval.format import atomic
    from ctc_eval.table import build_table, read_published, read_scores, render, render_blocks
    from efficientcellseg.report.tables import (
        TABLE1_COLUMNS,
        TABLE3_COLUMNS,
        compare_methods,
        count_sizes,
        draw_figure,
    )

    scores = [read_scores(path) for path in args.scores]
    table = build_table(scores, read_published(args.published))
    for name, write, rows, columns in (
        ("table1", render, count_sizes(), TABLE1_COLUMNS),
        ("table3", render_blocks, compare_methods(table), TABLE3_COLUMNS),
    ):
        for suffix, style in STYLES.items():
            with atomic(args.output / f"{name}.{suffix}") as temporary:
                temporary.write_text(write(rows, style, columns), encoding="utf-8")
    with atomic(args.output / "figure1.png") as temporary:
        draw_figure(table).savefig(temporary, format="png", dpi=150, metadata={"Software": None})
    return 0
