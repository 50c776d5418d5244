"""The first staged step: a recipe whose tiles fit the cells of a sequence."""

from __future__ import annotations

import argparse
from pathlib import Path

from efficientcellseg.cli.options import (
    add_dataset,
    add_device,
    add_method,
    add_model,
    add_recipe,
    add_scale_check,
    model_of,
    recipe_of,
    with_backend,
)
from efficientcellseg.methods import METHODS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Write the recipe that a sequence is segmented with, as the method reads it: where it does "
        "not say how large cells are, a few frames are looked at, and tiles follow from that; it "
        "names what runs the networks. "
        "`segment` does the same by itself. Exit code 1 where cells are of another size than the "
        "networks know."
    )
    add_dataset(parser)
    add_recipe(parser)
    add_method(parser)
    add_model(parser)
    add_device(parser)
    add_scale_check(parser)
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="recipe to write, FILE.yaml"
    )


def run(args: argparse.Namespace) -> int:
    """Write the recipe."""
    from ctc_eval.format import atomic
    from efficientcellseg.methods.scale import plan_scale
    from efficientcellseg.parameters.recipe import recipe_text

    method = METHODS[args.method]
    recipe = method.adapt(recipe_of(args))
    model = model_of(args, recipe)
    recipe = with_backend(args, recipe, model)
    planned = plan_scale(
        recipe,
        method,
        model,
        args.dataset_dir / args.sequence,
        device=args.device,
        backend=recipe.backend,
        check=args.scale_check == "on",
    )
    with atomic(args.output) as temporary:
        temporary.write_text(recipe_text(planned), encoding="utf-8")
    return 0
