"""The second staged step: pseudocolored volumes to tiles."""

from __future__ import annotations

import argparse
from pathlib import Path

from efficientcellseg.cli.intermediates import arrays_of, write_arrays
from efficientcellseg.cli.options import (
    add_model,
    add_output,
    add_recipe,
    model_of,
    recipe_of,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Cut pseudocolored volumes into the network's input: writes DIR/tTTT.npz with `tiles`, "
        "float32 (Z * N, 3, S, S), and the volume's `shape`."
    )
    parser.add_argument("pseudocolor", type=Path, metavar="DIR", help="folder with tTTT.npy")
    add_output(parser, "tTTT.npz")
    add_recipe(parser, required=True)
    add_model(parser)


def run(args: argparse.Namespace) -> int:
    """Run the step."""
    import numpy as np

    from efficientcellseg.chain.inference import tile_volume
    from efficientcellseg.networks.loading import input_size

    recipe = recipe_of(args)
    size = input_size(model_of(args, recipe), recipe.maps)
    for stem, arrays in arrays_of(args.pseudocolor, ".npy"):
        colored = arrays["array"]
        shape = colored.shape[:3]
        tiles = tile_volume(colored, shape, recipe.tiling, size)
        write_arrays(args.output / f"{stem}.npz", {"tiles": tiles, "shape": np.array(shape)})
    return 0
