"""Write the report of a run: one page to look at."""

from __future__ import annotations

import argparse
from pathlib import Path

from efficientcellseg.cli.options import add_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Write one self-contained HTML file: scores, slices of each sequence with the cells "
        "that were found and missed, sizes, the worst objects, seconds and memory. RESULTS is "
        "the folder of a run, which contains METHOD/DATASET/SEQ_RES, or of a data set, which "
        "contains SEQ_RES."
    )
    add_run(parser)
    parser.add_argument(
        "--model",
        type=Path,
        nargs="*",
        default=[],
        metavar="DIR",
        help="where else to look for the networks that made the masks, besides RESULTS/models "
        "and the shipped ones; they predict the maps shown",
    )
    parser.add_argument(
        "--device", default="auto", help="auto (a GPU if there is one), cpu, cuda or cuda:N"
    )
    parser.add_argument(
        "--slices",
        type=int,
        default=150,
        metavar="N",
        help="approximate number of slices to show, 20 to 60 kB each, at most 36 per sequence "
        "(default: 150)",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: RESULTS/report.html")


def run(args: argparse.Namespace) -> int:
    """Write the page."""
    from ctc_eval.format import check_writable
    from efficientcellseg.report.writing import write_report

    output = args.output or args.results / "report.html"
    check_writable(output)
    write_report(
        args.results,
        output,
        data=args.data,
        only=args.only,
        networks=args.model,
        published=args.published,
        device=args.device,
        slices=args.slices,
    )
    return 0
