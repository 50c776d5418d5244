"""The last staged step: collects the masks of shards in one folder."""

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
    """Add the command's options."""
    parser.description = (
        "Copy the masks of a sequence's shards into one folder and write DIR/.segmentation.json "
        "beside them, as `segment` does: method, recipe, hashes of the networks, and the frames "
        "they were trained on, which `ctc-eval score` then refuses. DIR appears only when it is "
        "complete."
    )
    add_dataset(parser)
    parser.add_argument(
        "shards", type=Path, nargs="+", metavar="SHARD", help="folder with maskTTT.tif"
    )
    add_output(parser, "folder for the masks; new or empty")
    add_recipe(parser)
    add_method(parser)
    add_model(parser)


def run(args: argparse.Namespace) -> int:
    """Gather the masks."""
    from ctc_eval.format import frame_files
    from efficientcellseg.chain.shards import gather_masks
    from efficientcellseg.networks.loading import with_backend
    from efficientcellseg.provenance import mask_record

    method = METHODS[args.method]
    recipe = method.adapt(recipe_of(args))
    model = model_of(args, recipe)
    # A recipe that `plan` has made names what ran the networks; else it is what `segment` takes.
    recipe = with_backend(recipe, model)
    record = mask_record(
        args.method,
        recipe,
        model,
        args.dataset_dir / args.sequence,
        recipe.backend,
        title=method.title,
        run=[n for shard in args.shards for n in frame_files(shard, "mask", complete=False)],
    )
    gather_masks(args.shards, args.output, record)
    return 0
