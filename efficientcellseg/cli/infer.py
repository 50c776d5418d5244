"""The third staged step: tiles to predicted maps."""

from __future__ import annotations

import argparse
from pathlib import Path

from efficientcellseg.cli.intermediates import arrays_of, write_arrays
from efficientcellseg.cli.options import (
    add_device,
    add_model,
    add_output,
    add_recipe,
    model_of,
    recipe_of,
    where_of,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Run the recipe's networks: writes DIR/tTTT.npz with their maps, float32 (Z, Y, X) in 0..1."
    )
    parser.add_argument("tiles", type=Path, metavar="DIR", help="folder with tTTT.npz")
    add_output(parser, "tTTT.npz")
    add_recipe(parser, required=True)
    add_model(parser)
    add_device(parser)


def run(args: argparse.Namespace) -> int:
    """Run the step."""
    from tqdm import tqdm

    from efficientcellseg.chain.inference import check_tiles, predict_slices
    from efficientcellseg.chain.telling import naming
    from efficientcellseg.networks.loading import load_networks, with_backend

    recipe = recipe_of(args)
    model = model_of(args, recipe)
    recipe = with_backend(recipe, model, **where_of(args))
    networks = load_networks(
        model, recipe.maps, args.device, recipe.backend, precision=recipe.precision
    )
    for stem, arrays in tqdm(
        arrays_of(args.tiles, ".npz", "tiles", "shape"), desc="infer", unit="frame"
    ):
        tiles, shape = arrays["tiles"], tuple(arrays["shape"].tolist())
        with naming(args.tiles / f"{stem}.npz"):
            check_tiles(len(tiles), recipe.tiling, shape)
            maps = predict_slices(
                networks, [tiles], recipe.tiling, shape, recipe.test_time_flips, recipe.maps
            )
        write_arrays(args.output / f"{stem}.npz", dict(maps))
    return 0
