"""Write the report of a run: one page to look at."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Write one HTML file that loads nothing from anywhere: scores, each sequence's slices with "
        "what was found and missed, sizes, the worst objects, seconds and memory. RESULTS is the "
        "folder of a run, holding METHOD/DATASET/SEQ_RES, or of a data set, holding SEQ_RES."
    )
    parser.add_argument("results", type=Path, metavar="RESULTS", help="folder of masks")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder of the data sets (default: RESULTS/data, beside it, or ./data)",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="METHOD/DATASET/SEQ",
        help="the sequences to show, in this order (default: all)",
    )
    parser.add_argument(
        "--model",
        type=Path,
        nargs="*",
        default=[],
        metavar="DIR",
        help="where to look for the networks that made the masks, beside RESULTS/models and those "
        "that are shipped: they predict the maps that are shown",
    )
    parser.add_argument("--published", type=Path, metavar="FILE", help="CSV of published values")
    parser.add_argument(
        "--device", default="auto", help="auto (a GPU where there is one), cpu, cuda or cuda:N"
    )
    parser.add_argument(
        "--slices",
        type=int,
        default=150,
        metavar="N",
        help="slices to show in all, about: 20 to 60 kB each, at most 36 of a sequence (default: "
        "150)",
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
