"""``table``: scores and published values in one table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ctc_eval.format import atomic


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Combine files written by `score --output` in one table: a block of measured rows and a "
        "block of published values, which are not comparable."
    )
    parser.add_argument("scores", type=Path, nargs="+", metavar="SCORES.json")
    parser.add_argument(
        "--published", type=Path, metavar="FILE", help="CSV of published values to include"
    )
    parser.add_argument(
        "--all-published",
        action="store_true",
        help="include published values of all data sets, not only of those in the scores",
    )
    parser.add_argument(
        "--format", choices=("text", "csv", "markdown", "latex"), default="text", dest="style"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write to a file instead of the screen"
    )


def run(options: argparse.Namespace) -> int:
    """Write or print the table."""
    from ctc_eval.table import build_table, read_published, read_scores, render_blocks

    scores = [read_scores(path) for path in options.scores]
    published = read_published(options.published) if options.published else []
    if not options.all_published:
        measured = {row["dataset"] for row in scores}
        published = [row for row in published if row["dataset"] in measured]
    text = render_blocks(build_table(scores, published), options.style)
    if options.output:
        with atomic(options.output) as temporary:
            temporary.write_text(text)
    else:
        sys.stdout.write(text)
    return 0
