"""The fused way: frames to masks in one process, several frames under way at a time."""

from __future__ import annotations

import argparse
import logging
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from ctc_eval.sequence import (
    InputError,
    check_frames,
    frame_digits,
    frame_name,
    read_volume,
    volume_shape,
    write_labels,
)
from efficientcellseg.commands.common import (
    add_model,
    add_recipe,
    add_sequence,
    frames_of,
    model_of,
    recipe_of,
)
from efficientcellseg.commands.infer import add_device

log = logging.getLogger(__name__)

# Frames read ahead of the network, and masks behind it: memory stays flat in the frames.
AHEAD = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Segment a sequence: DATASET_DIR/SEQ/tTTT.tif, uint8 or uint16 (Z, Y, X), to "
        "maskTTT.tif, uint16, 0 = background. Complete masks are kept, so that a run that was "
        "stopped goes on. Exit code 1: the input is at fault, one line says how."
    )
    add_sequence(parser)
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="folder for masks (default: DATASET_DIR/SEQ_RES)"
    )
    add_recipe(parser)
    add_model(parser)
    add_device(parser)
    parser.add_argument(
        "--backend", choices=["torch"], default="torch", help="what runs the networks"
    )
    parser.add_argument("--overwrite", action="store_true", help="make masks anew that exist")


def run(args: argparse.Namespace) -> int:
    """Segment the sequence."""
    from tqdm import tqdm

    from efficientcellseg.inference import load_networks, predict, tile_volume, untile_volume
    from efficientcellseg.labeling import label_volume
    from efficientcellseg.pseudocolor import pseudocolor

    recipe = recipe_of(args)
    files = frames_of(args)
    output = args.output or args.dataset_dir / f"{args.sequence}_RES"
    if output.resolve() == (args.dataset_dir / args.sequence).resolve():
        raise InputError(f"{output}: holds the raw frames; expected another folder for the masks")
    masks = {
        number: output / frame_name("mask", number, frame_digits(path))
        for number, path in files.items()
    }
    shape = check_frames(files)
    todo = [n for n, mask in masks.items() if args.overwrite or not _complete(mask, shape)]
    if len(todo) < len(files):
        log.info("%d of %d masks are there already", len(files) - len(todo), len(files))
    if not todo:
        return 0
    networks = load_networks(model_of(args, recipe), recipe.networks, args.device)
    size = next(iter(networks.values())).input_size

    def prepare(number: int) -> tuple:
        colored = pseudocolor(read_volume(files[number]), recipe.pseudocolor)
        return colored.shape[:3], tile_volume(colored, recipe.tiling, size)

    def finish(number: int, maps: dict) -> None:
        labels = label_volume(maps, recipe.labeling, recipe.anisotropy, recipe.field_of_interest)
        write_labels(masks[number], labels)

    with ThreadPoolExecutor(AHEAD) as before, ThreadPoolExecutor(AHEAD) as after:
        prepared = {n: before.submit(prepare, n) for n in todo[:AHEAD]}
        finished: list[Future] = []
        try:
            for i, number in enumerate(tqdm(todo, desc="segment", unit="frame")):
                shape, tiles = prepared.pop(number).result()
                for following in todo[i + AHEAD : i + AHEAD + 1]:
                    prepared[following] = before.submit(prepare, following)
                maps = {
                    name: untile_volume(predict(network, tiles), recipe.tiling, shape)
                    for name, network in networks.items()
                }
                finished.append(after.submit(finish, number, maps))
                if len(finished) > AHEAD:
                    finished.pop(0).result()
            for future in finished:
                future.result()
        finally:
            before.shutdown(wait=False, cancel_futures=True)
    return 0


def _complete(mask: Path, shape: tuple[int, int, int]) -> bool:
    """Tell whether a mask is there, undamaged, of the frames' shape."""
    try:
        return mask.is_file() and volume_shape(mask)[0] == shape
    except InputError:
        return False
