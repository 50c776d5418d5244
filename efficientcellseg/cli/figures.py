"""Draw the paper's figures from a run."""

from __future__ import annotations

import argparse
from pathlib import Path

from efficientcellseg.cli.options import add_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Write DIR/figure1.png, SEG and parameters; figure3.png, a cell that fades from slice to "
        "slice; figure4.png, how a slice is colored; figure6.png, a slice of each data set with "
        "its cells. What a run has no data for is left out."
    )
    add_run(parser)
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="folder for them (default: RESULTS/figures)"
    )


def run(args: argparse.Namespace) -> int:
    """Write the figures."""
    from efficientcellseg.report.writing import write_figures

    write_figures(
        args.results,
        args.output or args.results / "figures",
        data=args.data,
        only=args.only,
        published=args.published,
    )
    return 0
