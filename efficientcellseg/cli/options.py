"""Options that command lines share, and the recipe, networks and frames that they name."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from ctc_eval.format import (
    InputError,
    check_frames,
    frame_files,
    frames_beyond,
    is_inside,
    parse_frames,
)
from efficientcellseg.methods import METHODS
from efficientcellseg.parameters.reading import read_yaml
from efficientcellseg.parameters.recipe import Recipe, find_recipe, open_recipe
from efficientcellseg.parameters.training import TrainingConfiguration
from efficientcellseg.parameters.values import Backend, Precision

if TYPE_CHECKING:
    from efficientcellseg.datasets.reading.opening import Reading

log = logging.getLogger(__name__)


def add_dataset(parser: argparse.ArgumentParser) -> None:
    """Add the sequence to read."""
    parser.add_argument(
        "dataset_dir", type=Path, help=("data set folder that contains SEQ/tTTT.tif")
    )
    parser.add_argument("sequence", help="sequence, for example 01")


def add_frames(parser: argparse.ArgumentParser) -> None:
    """Add the frames of the sequence."""
    parser.add_argument(
        "--frames", default=":", metavar="A:B", help="frames A to B-1 (default: all)"
    )


def add_recipe(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """Add the recipe; by default the data set folder's name finds it."""
    parser.add_argument(
        "--recipe",
        type=Path,
        required=required,
        metavar="FILE",
        help=("recipe file, or the name of a recipe that comes with the program, such as nuclei-2d")
        + ("" if required else " (default: the recipe named like the data set's folder)"),
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the folder of networks."""
    parser.add_argument(
        "--model",
        type=Path,
        metavar="DIR",
        help="folder with one model folder per network (default: the recipe's)",
    )


def add_method(parser: argparse.ArgumentParser) -> None:
    """Add the method."""
    parser.add_argument(
        "--method",
        choices=METHODS,
        default="efficientcellseg",
        help=(
            "method; all except classical and efficientcellseg need networks of your own, see "
            "--model"
        ),
    )


def add_scale_check(parser: argparse.ArgumentParser) -> None:
    """Add the option to accept cells of another size than the networks have learned."""
    parser.add_argument(
        "--scale-check",
        choices=["on", "off"],
        default="on",
        help="refuse cells that would appear smaller or larger than those the networks were "
        "trained on (default: on)",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add device, backend and precision of the networks."""
    parser.add_argument(
        "--device", default="auto", help="auto (a GPU if there is one), cpu, cuda or cuda:N"
    )
    parser.add_argument(
        "--backend",
        choices=get_args(Backend),
        help="program that runs the networks; auto: the fastest one installed that agrees with "
        "torch to a thousandth (default: the recipe's, usually auto)",
    )
    parser.add_argument(
        "--precision",
        choices=get_args(Precision),
        help="precision of the networks; bf16 is faster on processors that support it (default: "
        "the recipe's, usually float32)",
    )


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add options for what files do not say themselves."""
    group = parser.add_argument_group("what files do not say, or say incorrectly")
    group.add_argument(
        "--axes",
        metavar="LETTERS",
        help=(
            "axes of each file, such as ZYX or TCZYX: T time, C channel, Z plane, Y row, X column"
        ),
    )
    group.add_argument(
        "--channel",
        metavar="C",
        help=("channel that shows the cells: its name, or its number from 0"),
    )
    group.add_argument(
        "--voxel-size",
        type=float,
        nargs="+",
        metavar="UM",
        help=(
            "voxel size in micrometers along plane, row and column, or one number for rows and "
            "columns"
        ),
    )
    group.add_argument(
        "--stack",
        choices=["z", "t", "none"],
        help="what the files of a folder are: planes of one volume (z), time points (t) or "
        "separate images (none) (default: as their names say, such as img_t003_z012.tif; "
        "otherwise separate images)",
    )


def reading_of(args: argparse.Namespace) -> Reading:
    """Collect what the options say about files."""
    from efficientcellseg.datasets.reading.opening import Reading

    size = tuple(args.voxel_size) if args.voxel_size else None
    return Reading(args.axes, size, args.stack)


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the run whose results are shown."""
    parser.add_argument("results", type=Path, metavar="RESULTS", help="folder of masks")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder of the data sets (default: RESULTS/data, beside it, or ./data)",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="METHOD/DATASET/SEQ",
        help="the sequences to show, in this order (default: all)",
    )
    parser.add_argument("--published", type=Path, metavar="FILE", help="CSV of published values")


def progress_of(args: argparse.Namespace, what: str, unit: str) -> Callable[[Any], Any]:
    """Make a progress bar for a loop, with its rate and the time left."""
    from tqdm import tqdm

    return partial(tqdm, desc=what, unit=unit, disable=getattr(args, "quiet", False))


def add_output(parser: argparse.ArgumentParser, content: str) -> None:
    """Add the folder that a step fills."""
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help=f"folder for {content}"
    )


def is_sequence(inputs: list[str]) -> bool:
    """Tell whether inputs are a data set's folder and the name of a sequence in it."""
    if len(inputs) != 2:
        return False
    dataset, sequence = inputs
    there = (Path(dataset) / sequence).is_dir()
    return there or (sequence.isdecimal() and not Path(sequence).exists())


def is_known(dataset: str) -> bool:
    """Tell whether there is a recipe of a data set's name."""
    try:
        find_recipe(dataset)
    except InputError:
        return False
    return True


def recipe_of(args: argparse.Namespace) -> Recipe:
    """Load the recipe that the options name."""
    return open_recipe(args.recipe or args.dataset_dir.resolve().name)


def model_of(args: argparse.Namespace, recipe: Recipe) -> Path:
    """Return the folder of networks that the options or the recipe name."""
    return args.model or recipe.model_dir


def where_of(args: argparse.Namespace) -> dict[str, Any]:
    """Collect device, backend and precision of the networks from the options."""
    return {"device": args.device, "backend": args.backend, "precision": args.precision}


def frames_of(args: argparse.Namespace) -> dict[int, Path]:
    """Find and check the raw frames that the options name.

    All frames of the sequence are checked, so that a fault shows before work begins.

    Raises
    ------
    InputError
        A frame missing or unlike the others; no frame in the range.
    """
    files = frame_files(args.dataset_dir / args.sequence)
    check_frames(files)
    wanted = parse_frames(args.frames)
    chosen = {number: files[number] for number in files if is_inside(number, wanted)}
    if not chosen:
        raise InputError(
            f"frames {args.frames}: none in {args.dataset_dir / args.sequence}; it has frames 0 "
            f"to {max(files)}: choose some of them",
            code="frames-absent",
        )
    if beyond := frames_beyond(wanted, max(files)):
        folder = args.dataset_dir / args.sequence
        log.warning("%s: no frame %s, the last one is %d", folder, beyond, max(files))
    return chosen


def add_training(parser: argparse.ArgumentParser) -> None:
    """Add the training configuration."""
    parser.add_argument(
        "configuration",
        type=Path,
        metavar="FILE",
        help="for example config/training/generalist.yaml",
    )
    parser.add_argument(
        "--set",
        nargs="*",
        default=[],
        metavar="KEY=VALUE",
        help="change keys of the configuration, for example training.seed=3",
    )


def training_of(args: argparse.Namespace) -> TrainingConfiguration:
    """Read the training configuration."""
    return read_yaml(args.configuration, TrainingConfiguration, args.set)
