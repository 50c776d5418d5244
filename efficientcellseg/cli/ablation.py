"""Compare trained models."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Compare trained models: a picture of MeanIoU by epoch, and a table with the spread "
        "over seeds, the number of parameters and times. RUN is a model folder "
        "TRAINING/MODEL/SEED."
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="model folder")
    parser.add_argument("--published", type=Path, metavar="FILE", help="the paper's sizes, .csv")
    parser.add_argument("--figure", type=Path, required=True, metavar="FILE", help="FILE.png")
    parser.add_argument(
        "--table", type=Path, nargs="+", required=True, metavar="FILE", help="FILE.csv, FILE.md"
    )


def run(args: argparse.Namespace) -> int:
    """Write picture and tables."""
    from efficientcellseg.report.ablation import (
        draw_curves,
        read_published_sizes,
        read_run,
        summarize,
        write_table,
    )

    runs = [read_run(folder) for folder in args.runs]
    rows = summarize(runs, read_published_sizes(args.published) if args.published else {})
    for path in args.table:
        write_table(rows, path)
    draw_curves(runs, args.figure)
    return 0
