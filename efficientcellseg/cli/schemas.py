"""Write the JSON schemas of the configuration files."""

from __future__ import annotations

import argparse
from pathlib import Path

from efficientcellseg.parameters.schemas import FOLDER, schema_texts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Write the JSON schemas of recipes, of the challenge's table, of trainings, runs and "
        "submissions: what each key means, what it may be, and its default."
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
