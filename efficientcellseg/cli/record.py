"""Say beside masks what they were made with, where the steps ran one by one."""

from __future__ import annotations

import argparse
import json

from efficientcellseg.cli.options import (
    add_model,
    add_output,
    add_recipe,
    add_sequence,
    model_of,
    recipe_of,
)
from efficientcellseg.methods import METHODS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Write DIR/.segmentation.json, as `segment` does: method, recipe, hashes of the networks, "
        "and the frames that they have learnt from, which `ctc_eval score` then refuses."
    )
    add_sequence(parser)
    add_output(parser, "masks")
    add_recipe(parser)
    parser.add_argument("--method", choices=METHODS, default="efficientcellseg")
    add_model(parser)


def run(args: argparse.Namespace) -> int:
    """Write the record."""
    from ctc_eval.format import RECORD, atomic
    from efficientcellseg.cli.segment import making_of

    recipe = recipe_of(args)
    frames = args.dataset_dir / args.sequence
    making = making_of(args.method, recipe, model_of(args, recipe), frames)
    with atomic(args.output / RECORD) as temporary:
        temporary.write_text(json.dumps(making, indent=1))
    return 0
