"""Bring a data set onto the disk."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Bring a data set onto the disk in challenge layout: DATA_DIR/NAME/SEQ/tTTT.tif, test "
        "data in DATA_DIR/test/NAME/SEQ. Skipped where it lies already; broken downloads are "
        "taken up again. Zips stay beside the data with their SHA-256 in NAME.zip.sha256; a zip "
        "placed there by hand is used. The variable EFFICIENTCELLSEG_MIRROR names a mirror, which "
        "takes the place of https://HOST before a file's path. Exit code 1 with one line on "
        "stderr where the network, an archive or a folder is at fault."
    )
    parser.add_argument("recipe", help="recipe's name, such as Fluo-N3DH-CHO, or file (.yaml)")
    parser.add_argument("data_dir", type=Path, help="folder of all data sets")
    parser.add_argument(
        "--kind",
        choices=["training", "test", "both"],
        default="training",
        help="which of the challenge's zips (default: training)",
    )
    parser.add_argument("--name", help="name of the data set's folder (default: the recipe's)")
    parser.add_argument(
        "--sequences",
        nargs="+",
        metavar="SEQ",
        help="what must lie there, for nothing to be done (default: all of the recipe's)",
    )


def run(args: argparse.Namespace) -> int:
    """Download the data set."""
    from efficientcellseg.datasets.download import download_recipe
    from efficientcellseg.parameters.recipe import open_recipe

    recipe = open_recipe(args.recipe)
    chosen = {
        "name": args.name or recipe.name,
        "sequences": tuple(args.sequences or recipe.sequences),
    }
    download_recipe(recipe.model_copy(update=chosen), args.data_dir, args.kind)
    return 0
