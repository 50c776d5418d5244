"""Write the JSON schemas of the configuration files."""

from __future__ import annotations

import argparse
from pathlib import Path

from efficientcellseg.parameters.schemas import FOLDER, schema_texts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Write the JSON schemas of recipes, the challenge's table, trainings, runs and "
        "submissions: the meaning, values and default of each key."
    )
    parser.add_argument(
        "--output", type=Path, default=FOLDER, metavar="DIR", help="default: config/schemas"
    )


def run(args: argparse.Namespace) -> int:
    """Write them."""
    from ctc_eval.format import atomic

    for name, text in schema_texts().items():
        with atomic(args.output / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return 0
