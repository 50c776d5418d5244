"""Show the recipe of a data set, with all that is known of it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Write the recipe of a data set as YAML, what config/challenge.yaml knows of the "
        "challenge's data sets included: to read, or to begin one of your own with."
    )
    parser.add_argument("recipe", help="recipe's name, such as Fluo-N2DL-HeLa, or file (.yaml)")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="FILE.yaml (default: standard output)"
    )


def run(args: argparse.Namespace) -> int:
    """Write it."""
    from ctc_eval.format import atomic
    from efficientcellseg.parameters.recipe import open_recipe, recipe_text

    text = recipe_text(open_recipe(args.recipe))
    if not args.output:
        sys.stdout.write(text)
        return 0
    with atomic(args.output) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return 0
