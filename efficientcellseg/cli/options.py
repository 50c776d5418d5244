"""What the steps' command lines share: options, inputs, numbered intermediates."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from ctc_eval.format import (
    InputError,
    atomic,
    check_frames,
    frame_files,
    frames_beyond,
    is_inside,
    parse_frames,
)
from efficientcellseg.parameters.reading import read_yaml
from efficientcellseg.parameters.recipe import ROOT, Recipe, find_recipe, load_recipe
from efficientcellseg.parameters.training import TrainingConfiguration

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)


def add_sequence(parser: argparse.ArgumentParser) -> None:
    """Add the sequence to read and the frames of it."""
    parser.add_argument("dataset_dir", type=Path, help="data set folder, holding SEQ/tTTT.tif")
    parser.add_argument("sequence", help="sequence, for example 01")
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
        help="recipe, a file like config/datasets/BBBC050.yaml"
        + ("" if required else " (default: the one with the data set folder's name)"),
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the folder of networks."""
    parser.add_argument(
        "--model",
        type=Path,
        metavar="DIR",
        help="folder with a model folder for each network (default: the recipe's)",
    )


def add_output(parser: argparse.ArgumentParser, content: str) -> None:
    """Add the folder that a step fills."""
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help=f"folder for {content}"
    )


def recipe_of(args: argparse.Namespace) -> Recipe:
    """Load the recipe that the options name."""
    return load_recipe(args.recipe or find_recipe(args.dataset_dir.resolve().name))


def model_of(args: argparse.Namespace, recipe: Recipe) -> Path:
    """Give the folder of networks that the options or the recipe name."""
    return args.model or ROOT / recipe.model


def frames_of(args: argparse.Namespace) -> dict[int, Path]:
    """Find and check the raw frames that the options name.

    All frames of the sequence are looked at, so that a fault shows before work begins.

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
            f"to {max(files)}: choose some of them"
        )
    if beyond := frames_beyond(wanted, max(files)):
        folder = args.dataset_dir / args.sequence
        log.warning("%s: no frame %s, the last one is %d", folder, beyond, max(files))
    return chosen


def arrays_of(
    folder: Path, suffix: str, *names: str
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Read the arrays that the step before wrote, a file a frame.

    That there are files is checked at once, the files as they are read.

    Parameters
    ----------
    folder : Path
    suffix : str
        ``.npy`` or ``.npz``.
    *names : str
        Arrays that each .npz must have.

    Returns
    -------
    iterator of (str, dict of str to ndarray)
        The file's stem, for example ``t007``, and the named arrays of an .npz; of an .npy, one
        named ``array``, mapped from disk.

    Raises
    ------
    InputError
        No such file, or one that is damaged or of another step.
    """
    files = sorted(folder.glob(f"t*{suffix}"))
    if not files:
        raise InputError(f"{folder}: no t*{suffix}; expected the step before to have filled it")
    return _read_arrays(files, names)


def _read_arrays(
    files: list[Path], names: tuple[str, ...]
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    import numpy as np

    for path in files:
        try:
            if path.suffix == ".npy":
                yield path.stem, {"array": np.load(path, mmap_mode="r", allow_pickle=False)}
            else:
                # Opened here, since numpy leaves files open that turn out to be damaged.
                with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                    if missing := ", ".join(set(names) - set(arrays.files)):
                        raise InputError(
                            f"{path}: arrays {', '.join(arrays.files)}, no {missing}; expected the "
                            "folder that the step before filled"
                        )
                    yield path.stem, {name: arrays[name] for name in arrays.files}
        except InputError:
            raise
        except (OSError, EOFError, ValueError, BadZipFile) as error:
            raise InputError(f"{path}: damaged ({error}); run the step before again") from None


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write named arrays as .npz, or the one array as .npy, atomically."""
    import numpy as np

    with atomic(path) as temporary:
        if path.suffix == ".npy":
            np.save(temporary, arrays["array"])
        else:
            # numpy's stub takes the names for options.
            np.savez(temporary, **arrays)  # type: ignore[arg-type]


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
        help="changes of the configuration, for example training.seed=3",
    )


def training_of(args: argparse.Namespace) -> dict[str, Any]:
    """Read and check the training configuration."""
    found = read_yaml(args.configuration, TrainingConfiguration, args.set)
    # The network with its own defaults: samples are cut for the size that it is built for.
    return {
        **found.model_dump(mode="json", exclude_unset=True),
        "model": found.model.model_dump(mode="json"),
    }
