"""Put results and software into a submission."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Put results and the software that makes them again into one folder, as the challenge "
        "wants it: DIR/SW with a script a sequence, networks, recipes and manifest.json (SHA-256 "
        "of each file, versions, parameters, scores), and DIR/<DATASET>/<SEQ>_RES, validated. "
        "DIR appears when it is whole."
    )
    parser.add_argument(
        "plan",
        type=Path,
        metavar="FILE",
        help="what to submit, YAML or JSON; config/schemas/submission.schema.json says how",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="new folder")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier submission")


def run(args: argparse.Namespace) -> int:
    """Write the submission."""
    from efficientcellseg.submission.entries import read_plan
    from efficientcellseg.submission.packing import package

    package(*read_plan(args.plan), args.output, overwrite=args.overwrite)
    return 0
