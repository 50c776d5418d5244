"""The last staged step: predicted maps to label images."""

from __future__ import annotations

import argparse
from pathlib import Path

from efficientcellseg.cli.intermediates import arrays_of
from efficientcellseg.cli.options import add_output, add_recipe, recipe_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Label predicted maps: writes DIR/maskTTT.tif, uint16 (Z, Y, X), 0 is background."
    )
    parser.add_argument("maps", type=Path, metavar="DIR", help="folder with tTTT.npz")
    add_output(parser, "maskTTT.tif")
    add_recipe(parser, required=True)


def run(args: argparse.Namespace) -> int:
    """Run the step."""
    from tqdm import tqdm

    from ctc_eval.format import remove_leftovers, write_labels
    from efficientcellseg.chain.labeling import (
        is_empty,
        label_volume,
        log_anisotropy,
        warn_of_empty,
    )
    from efficientcellseg.chain.telling import naming

    recipe = recipe_of(args)
    log_anisotropy(recipe)
    empty = []
    for stem, maps in tqdm(arrays_of(args.maps, ".npz"), desc="label", unit="frame"):
        with naming(args.maps / f"{stem}.npz"):
            labels = label_volume(
                maps, recipe.labeling, recipe.anisotropy, recipe.field_of_interest
            )
        mask = args.output / f"mask{stem.removeprefix('t')}.tif"
        remove_leftovers(mask)
        write_labels(mask, labels)
        empty.append(is_empty(labels))
    warn_of_empty(sum(empty), len(empty))
    return 0
