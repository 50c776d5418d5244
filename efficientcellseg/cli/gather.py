"""The last staged step but for labels: masks of shards, together in one folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from efficientcellseg.cli.options import (
    add_dataset,
    add_method,
    add_model,
    add_output,
    add_recipe,
    model_of,
    recipe_of,
)
from efficientcellseg.methods import METHODS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Copy the masks of a sequence's shards into one folder, and write beside them, as "
        "`segment` does, DIR/.segmentation.json: method, recipe, hashes of the networks, and the "
        "frames that they have learnt from, which `ctc-eval score` then refuses. DIR appears when "
        "it is whole."
    )
    add_dataset(parser)
    parser.add_argument(
        "shards", type=Path, nargs="+", metavar="SHARD", help="folder with maskTTT.tif"
    )
    add_output(parser, "the masks; new, or empty")
    add_recipe(parser)
    add_method(parser)
    add_model(parser)


def run(args: argparse.Namespace) -> int:
    """Gather the masks."""
    from ctc_eval.format import frame_files
    from efficientcellseg.chain.shards import gather_masks
    from efficientcellseg.provenance import mask_record

    recipe = recipe_of(args)
    method = METHODS[args.method]
    record = mask_record(
        args.method,
        method.adapt(recipe),
        model_of(args, recipe),
        args.dataset_dir / args.sequence,
        # A recipe that `plan` has made names it; others are of methods without networks.
        "torch" if recipe.backend == "auto" else recipe.backend,
        title=method.title,
        run=[n for shard in args.shards for n in frame_files(shard, "mask", complete=False)],
    )
    gather_masks(args.shards, args.output, record)
    return 0
