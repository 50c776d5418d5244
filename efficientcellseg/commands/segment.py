"""The fused way: frames to masks in one process, several frames under way at a time."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctc_eval.sequence import (
    InputError,
    atomic,
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
from efficientcellseg.methods import METHODS, find_method

if TYPE_CHECKING:
    from efficientcellseg.labeling import Maps
    from efficientcellseg.recipe import Recipe

log = logging.getLogger(__name__)

# What the masks beside it were made with, so that a run goes on only where it left off.
MAKING = ".segmentation.json"
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
    parser.add_argument(
        "--method",
        choices=METHODS,
        default="efficientcellseg",
        help="all but classical need networks of their own, see --model",
    )
    add_model(parser)
    add_device(parser)
    parser.add_argument(
        "--backend", choices=["torch"], default="torch", help="what runs the networks"
    )
    parser.add_argument("--overwrite", action="store_true", help="make masks anew that exist")


def run(args: argparse.Namespace) -> int:
    """Segment the sequence."""
    from tqdm import tqdm

    from efficientcellseg.labeling import label_volume

    kind = find_method(args.method)
    recipe = kind.adapt(recipe_of(args))
    files = frames_of(args)
    output = args.output or args.dataset_dir / f"{args.sequence}_RES"
    if output.resolve() == (args.dataset_dir / args.sequence).resolve():
        raise InputError(f"{output}: holds the raw frames; expected another folder for the masks")
    masks = {
        number: output / frame_name("mask", number, frame_digits(path))
        for number, path in files.items()
    }
    shape, _ = volume_shape(next(iter(files.values())))  # all are alike, see frames_of
    model = model_of(args, recipe)
    making = _making(args.method, recipe, model)
    _refuse_mixture(output, making, masks.values(), args.overwrite)
    todo = [n for n, mask in masks.items() if args.overwrite or not _complete(mask, shape)]
    if len(todo) < len(files):
        log.info("%d of %d masks are there already", len(files) - len(todo), len(files))
    if not todo:
        return 0
    method = kind(recipe, model, args.device)
    _claim(output, making, [masks[number] for number in todo])

    def prepare(number: int) -> Any:
        return method.prepare(read_volume(files[number]))

    def finish(number: int, maps: Maps) -> None:
        labels = label_volume(maps, recipe.labeling, recipe.anisotropy, recipe.field_of_interest)
        write_labels(masks[number], labels)

    with ThreadPoolExecutor(AHEAD) as before, ThreadPoolExecutor(AHEAD) as after:
        prepared = {n: before.submit(prepare, n) for n in todo[:AHEAD]}
        finished: list[Future] = []
        try:
            for i, number in enumerate(tqdm(todo, desc="segment", unit="frame")):
                ready = prepared.pop(number).result()
                for following in todo[i + AHEAD : i + AHEAD + 1]:
                    prepared[following] = before.submit(prepare, following)
                finished.append(after.submit(finish, number, method.maps(ready)))
                if len(finished) > AHEAD:
                    finished.pop(0).result()
            for future in finished:
                future.result()
        finally:
            before.shutdown(wait=False, cancel_futures=True)
    return 0


def _making(method: str, recipe: Recipe, model: Path) -> dict[str, Any]:
    """Say what masks are made with: method, parameters, and hashes of the weights."""
    from efficientcellseg.weights import network_folders, read_card

    folders = network_folders(model, recipe.networks) if recipe.networks else []
    parameters = asdict(recipe)
    for name in ("description", "sequences", "source", "model", "reference", "reference_note"):
        del parameters[name]
    hashes = {folder.name: read_card(folder)["sha256"] for folder in folders}
    # Through JSON and back, as it will be compared with what a file says.
    return json.loads(json.dumps({"method": method, "recipe": parameters, "weights": hashes}))


def _refuse_mixture(
    output: Path, making: dict[str, Any], masks: Collection[Path], overwrite: bool
) -> None:
    """Refuse a folder that would keep masks which were made in another way.

    Raises
    ------
    InputError
        There are such masks, or what they were made with is not known.
    """
    record = output / MAKING
    kept = set(output.glob("mask*.tif")) - (set(masks) if overwrite else set())
    try:
        same = record.is_file() and json.loads(record.read_text()) == making
    except json.JSONDecodeError:
        same = False
    if kept and not same:
        raise InputError(
            f"{output}: holds {len(kept)} masks made with another recipe, method or model; "
            "expected none, or such of this run: give --overwrite for all frames, or another "
            "--output"
        )


def _claim(output: Path, making: dict[str, Any], masks: Collection[Path]) -> None:
    """Make the folder, remove the masks to be made anew, and record what they are made with.

    Raises
    ------
    InputError
        The folder cannot be written.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        for mask in masks:
            mask.unlink(missing_ok=True)
        with atomic(output / MAKING) as temporary:
            temporary.write_text(json.dumps(making, indent=1))
    except OSError as error:
        raise InputError(
            f"{output}: cannot be written ({error.strerror}); expected a folder for masks: give "
            "another --output DIR"
        ) from None


def _complete(mask: Path, shape: tuple[int, int, int]) -> bool:
    """Tell whether a mask is there, undamaged, of the frames' shape and a label image's type."""
    try:
        return mask.is_file() and volume_shape(mask) == (shape, "uint16")
    except InputError:
        return False
