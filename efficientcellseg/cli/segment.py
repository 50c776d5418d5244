"""The fused way: frames to masks in one process."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from efficientcellseg.cli.options import (
    add_dataset,
    add_device,
    add_frames,
    add_method,
    add_model,
    add_recipe,
    add_scale_check,
    frames_of,
    model_of,
    recipe_of,
    with_backend,
)
from efficientcellseg.methods import METHODS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Segment a sequence: DATASET_DIR/SEQ/tTTT.tif, uint8 or uint16 (Z, Y, X), to "
        "maskTTT.tif, uint16, 0 = background. Complete masks are kept, so that a run that was "
        "stopped goes on. Exit code 1: the input is at fault, one line says how."
    )
    add_dataset(parser)
    add_frames(parser)
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="folder for masks (default: DATASET_DIR/SEQ_RES)"
    )
    add_recipe(parser)
    add_method(parser)
    add_model(parser)
    add_device(parser)
    add_scale_check(parser)
    parser.add_argument("--overwrite", action="store_true", help="make masks anew that exist")


def run(args: argparse.Namespace) -> int:
    """Segment the sequence."""
    from tqdm import tqdm

    from efficientcellseg.chain.segment import segment_sequence
    from efficientcellseg.methods.scale import plan_scale
    from efficientcellseg.provenance import mask_record

    method = METHODS[args.method]
    recipe = method.adapt(recipe_of(args))
    frames, folder = frames_of(args), args.dataset_dir / args.sequence
    model = model_of(args, recipe)
    recipe = with_backend(args, recipe, model)
    where = {"device": args.device, "backend": recipe.backend}
    recipe = plan_scale(recipe, method, model, folder, **where, check=args.scale_check == "on")
    output = args.output or args.dataset_dir / f"{args.sequence}_RES"
    there = [path.stem.removeprefix("mask") for path in output.glob("mask*.tif")]
    segment_sequence(
        frames,
        output,
        partial(method, recipe, model, **where),
        recipe,
        mask_record(
            args.method,
            recipe,
            model,
            folder,
            recipe.backend,
            title=method.title,
            run={*frames, *(int(number) for number in there if number.isdecimal())},
        ),
        overwrite=args.overwrite,
        progress=partial(tqdm, desc="segment", unit="frame"),
    )
    return 0
