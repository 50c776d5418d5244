"""The first staged step: a recipe whose tiles fit the cells of a sequence."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from efficientcellseg.cli.options import (
    add_dataset,
    add_device,
    add_method,
    add_model,
    add_recipe,
    add_scale_check,
    is_known,
    model_of,
    recipe_of,
    where_of,
)
from efficientcellseg.methods import METHODS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Write the recipe that a sequence is segmented with, as adapted by the method. If it "
        "does not state the cell size, the size is measured in a few frames and tiles are "
        "chosen to match. It also names the program that runs the networks. `segment` does all "
        "this by itself. For your own data set without a recipe, one is estimated; if there is "
        "a reference SEQ_GT, FILE-training.yaml is written as well, from which `train` makes a "
        "network for such cells. Exit code 1 means that cells have another size than the "
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
    """Write the planned recipe."""
    from ctc_eval.format import atomic
    from efficientcellseg.methods.scale import plan_scale
    from efficientcellseg.parameters.recipe import recipe_text

    method = METHODS[args.method]
    how = {**where_of(args), "check": args.scale_check == "on"}
    if args.recipe is None and not is_known(args.dataset_dir.resolve().name):
        return _plan_own(args, how)
    recipe = method.adapt(recipe_of(args))
    frames = args.dataset_dir / args.sequence
    planned = plan_scale(recipe, method, model_of(args, recipe), frames, **how)
    with atomic(args.output) as temporary:
        temporary.write_text(recipe_text(planned), encoding="utf-8")
    return 0


def _plan_own(args: argparse.Namespace, how: dict[str, Any]) -> int:
    """Estimate a recipe, and plan a training where there is a reference."""
    import yaml

    from ctc_eval.format import atomic
    from efficientcellseg.own_data.training_plan import plan_sequence, plan_training
    from efficientcellseg.parameters.recipe import recipe_text

    place = (args.dataset_dir, args.sequence)
    recipe = plan_sequence(*place, METHODS[args.method], args.model, **how)
    texts = {args.output: recipe_text(recipe)}
    if (args.dataset_dir / f"{args.sequence}_GT").is_dir():
        training = plan_training(recipe, args.output, *place, METHODS[args.method])
        file = args.output.with_name(f"{args.output.stem}-training.yaml")
        texts[file] = yaml.safe_dump(training, sort_keys=False, width=100)
    for path, text in texts.items():
        with atomic(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    sys.stdout.write(f"plan -> {', training -> '.join(map(str, texts))}\n")
    return 0
