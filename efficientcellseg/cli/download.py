"""Download a data set."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Download a data set in challenge layout: DATA_DIR/NAME/SEQ/tTTT.tif, test data in "
        "DATA_DIR/test/NAME/SEQ. Data that are already there are not downloaded again, and "
        "interrupted downloads are resumed. Zips are kept beside the data, with their SHA-256 "
        "in NAME.zip.sha256; a zip that you put there by hand is used. The environment variable "
        "EFFICIENTCELLSEG_MIRROR names a mirror that replaces https://HOST in addresses. Exit "
        "code 1 means that the network, an archive or a folder is at fault; one line on stderr "
        "says how."
    )
    parser.add_argument(
        "recipe", help=("name of a recipe, such as Fluo-N3DH-CHO, or a file (.yaml)")
    )
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
        help=(
            "sequences that must be present for the download to be skipped (default: all of "
            "the recipe's)"
        ),
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
