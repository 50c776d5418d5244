"""Simulate a data set in challenge layout."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Simulate 3D sequences, uint16 TIFFs (planes, rows, columns), with SEG and TRA "
        "references in challenge layout. The same seed gives the same bytes. Exit code 1 means "
        "that the recipe or a folder is at fault; one line on stderr says how."
    )
    parser.add_argument(
        "recipe", help="name of a recipe (Sim-A549, Sim-MDA231, Sim-TRIC), or a file (.yaml)"
    )
    parser.add_argument("dataset_dir", type=Path, help="folder to write SEQ and SEQ_GT into")
    parser.add_argument(
        "--sequences", nargs="+", metavar="SEQ", help="two digits each (default: the recipe's)"
    )
    parser.add_argument("--frames", type=int, help="frames per sequence (default: the recipe's)")
    parser.add_argument(
        "--seed", type=int, help="seed of the data set, 0 or more (default: the recipe's)"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace frames of another simulation"
    )


def run(args: argparse.Namespace) -> int:
    """Simulate the sequences."""
    from efficientcellseg.datasets.simulation.writing import simulate_recipe
    from efficientcellseg.parameters.recipe import open_recipe

    simulate_recipe(
        open_recipe(args.recipe),
        args.dataset_dir,
        args.sequences,
        args.frames,
        args.seed,
        overwrite=args.overwrite,
    )
    return 0
