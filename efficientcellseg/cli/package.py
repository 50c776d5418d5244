"""Put results and software into a submission."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Pack results and the software that reproduces them into one folder, as the challenge "
        "requires: DIR/SW with one script per sequence, networks, recipes and manifest.json "
        "(SHA-256 of each file, versions, parameters, scores), and DIR/<DATASET>/<SEQ>_RES, "
        "validated. DIR appears only when it is complete."
    )
    parser.add_argument(
        "plan",
        type=Path,
        metavar="FILE",
        help="what to submit, YAML or JSON, as described in config/schemas/submission.schema.json",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="new folder")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier submission")


def run(args: argparse.Namespace) -> int:
    """Write the submission."""
    from efficientcellseg.submission.entries import read_plan
    from efficientcellseg.submission.packing import package

    package(*read_plan(args.plan), args.output, overwrite=args.overwrite)
    return 0
