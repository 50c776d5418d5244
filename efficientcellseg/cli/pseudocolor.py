"""The first staged step: frames to pseudocolored volumes."""

from __future__ import annotations

import argparse

from efficientcellseg.cli.intermediates import write_arrays
from efficientcellseg.cli.options import (
    add_dataset,
    add_frames,
    add_output,
    add_recipe,
    frames_of,
    recipe_of,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Pseudocolor the frames of a sequence: writes DIR/tTTT.npy, (Z, Y, X, 3), float32 in 0..1."
    )
    add_dataset(parser)
    add_frames(parser)
    add_output(parser, "tTTT.npy")
    add_recipe(parser)


def run(args: argparse.Namespace) -> int:
    """Run the step."""
    from tqdm import tqdm

    from ctc_eval.format import read_volume
    from efficientcellseg.chain.pseudocolor import pseudocolor

    recipe = recipe_of(args)
    for path in tqdm(frames_of(args).values(), desc="pseudocolor", unit="frame"):
        colored = pseudocolor(read_volume(path), recipe.pseudocolor)
        write_arrays(args.output / f"{path.stem}.npy", {"array": colored})
    return 0
