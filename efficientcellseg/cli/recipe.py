"""Show the recipe of a data set, with all that is known about it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Print the recipe of a data set as YAML, including what config/challenge.yaml knows "
        "about the challenge's data sets. Read it, or use it as a start for your own."
    )
    parser.add_argument(
        "recipe", help="name of a recipe, such as Fluo-N2DL-HeLa, or a file (.yaml)"
    )
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
