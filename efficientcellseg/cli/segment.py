"""The fused way: frames to masks in one process, several frames under way at a time."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctc_eval.format import (
    RECORD,
    InputError,
    atomic,
    fingerprint,
    frame_digits,
    frame_files,
    frame_name,
    read_volume,
    volume_shape,
    write_labels,
)
from efficientcellseg.cli.infer import add_device
from efficientcellseg.cli.options import (
    add_model,
    add_recipe,
    add_sequence,
    frames_of,
    model_of,
    recipe_of,
)
from efficientcellseg.methods import METHODS

if TYPE_CHECKING:
    from efficientcellseg.maps import Maps
    from efficientcellseg.parameters.recipe import Recipe

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
    parser.add_argument(
        "--method",
        choices=METHODS,
        default="efficientcellseg",
        help="all but classical need networks of their own, see --model",
    )
    add_model(parser)
    add_device(parser)
    parser.add_argument("--overwrite", action="store_true", help="make masks anew that exist")


def run(args: argparse.Namespace) -> int:
    """Segment the sequence."""
    from tqdm import tqdm

    from efficientcellseg.chain.labeling import label_volume, log_anisotropy

    kind = METHODS[args.method]
    recipe = kind.adapt(recipe_of(args))
    log_anisotropy(recipe)
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
    making = making_of(args.method, recipe, model, args.dataset_dir / args.sequence, args.backend)
    _refuse_mixture(output, making, masks.values(), args.overwrite)
    todo = [n for n, mask in masks.items() if args.overwrite or not _complete(mask, shape)]
    if len(todo) < len(files):
        log.info("%d of %d masks are there already", len(files) - len(todo), len(files))
    if not todo:
        return 0
    method = kind(recipe, model, args.device, args.backend)
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


def making_of(
    method: str, recipe: Recipe, model: Path, frames: Path, backend: str = "torch"
) -> dict[str, Any]:
    """Say what masks are made with: the record beside them.

    Parameters
    ----------
    method : str
    recipe : Recipe
    model : Path
        Folder of networks.
    frames : Path
        Folder of the raw frames.
    backend : str
        What runs the networks.

    Returns
    -------
    dict
        ``method``, ``backend``, ``recipe``, ``weights`` with their hashes, and ``seen``: the
        frames that the networks have learnt from.
    """
    from efficientcellseg.networks.folders import network_folders, read_card

    recipe = METHODS[method].adapt(recipe)
    folders = network_folders(model, recipe.maps) if recipe.maps else []
    cards = {folder.name: read_card(folder) for folder in folders}
    others = {"description", "sequences", "source", "model", "reference", "reference_note"}
    seen = {one for card in cards.values() for one in card.get("seen", [])}
    record = {
        "method": method,
        "backend": backend,
        "recipe": recipe.model_dump(mode="json", exclude=others),
        "weights": {name: card["sha256"] for name, card in cards.items()},
        "seen": [
            n for n, path in frame_files(frames).items() if seen and fingerprint(path) in seen
        ],
    }
    # Through JSON and back, as it will be compared with what a file says.
    return json.loads(json.dumps(record))


def recorded_making(output: Path) -> dict[str, Any] | None:
    """Read what the masks in a folder were made with; None where that is not known."""
    try:
        return json.loads((output / RECORD).read_text())
    except (FileNotFoundError, ValueError):
        return None


def _refuse_mixture(
    output: Path, making: dict[str, Any], masks: Collection[Path], overwrite: bool
) -> None:
    """Refuse a folder that would keep masks which were made in another way.

    Raises
    ------
    InputError
        There are such masks, or what they were made with is not known.
    """
    kept = set(output.glob("mask*.tif")) - (set(masks) if overwrite else set())
    if kept and recorded_making(output) != making:
        raise InputError(
            f"{output}: holds {len(kept)} masks made with another recipe, method, model or "
            "backend; expected none, or such of this run: give --overwrite for all frames, or "
            "another --output"
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
        with atomic(output / RECORD) as temporary:
            temporary.write_text(json.dumps(making, indent=1))
    except OSError as error:
        raise InputError(
            f"{output}: cannot be written ({error.strerror}); expected a folder for masks: give "
            "another --output DIR"
        ) from None


def _complete(mask: Path, shape: tuple[int, int, int]) -> bool:
    """Tell whether a mask is there, undamaged, of the frames' shape and a label image's type.

    All of it is read: that takes a thousandth of the time that making it anew would.
    """
    try:
        if not mask.is_file():
            return False
        labels = read_volume(mask)
        return labels.shape == shape and labels.dtype == "uint16"
    except InputError:
        return False
