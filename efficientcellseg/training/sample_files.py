"""Reads and writes files of training samples, and checks that they are a configuration's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np

from ctc_eval.format import InputError, atomic
from efficientcellseg.training.samples import Samples

if TYPE_CHECKING:
    from efficientcellseg.parameters.training import TrainingConfiguration


def write_samples(path: Path, samples: Samples) -> None:
    """Write samples to one .npz, atomically.

    Parameters
    ----------
    path : Path
    samples : Samples
    """
    values = {name: np.asarray(value) for name, value in vars(samples).items()}
    del values["targets"]
    values |= {f"target_{name}": target for name, target in samples.targets.items()}
    with atomic(path) as temporary:
        # numpy's stub takes the names for options.
        np.savez(temporary, **values)  # type: ignore[arg-type]


def read_samples(path: Path) -> Samples:
    """Read what :func:`write_samples` wrote.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Samples

    Raises
    ------
    InputError
        No such file, or other contents.
    """
    try:
        # Opened here, since numpy leaves files open that turn out to be damaged.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            targets = {
                name.removeprefix("target_"): arrays[name]
                for name in arrays.files
                if name.startswith("target_")
            }
            others = Samples.__dataclass_fields__.keys() - {"targets"}
            values = {name: arrays[name] for name in others}
    except (OSError, EOFError, KeyError, TypeError, ValueError, BadZipFile) as error:
        raise InputError(
            f"{path}: no training samples ({error}); expected a file made by "
            "`python -m efficientcellseg samples`: make it first",
            code="samples-damaged",
        ) from None
    texts = {name: tuple(map(str, values[name])) for name in ("names", "fingerprints")}
    return Samples(targets=targets, **{**values, **texts, "origin": str(values["origin"])})


def origin_of(configuration: TrainingConfiguration) -> str:
    """Write down what shapes the samples of a training configuration.

    Parameters
    ----------
    configuration : TrainingConfiguration

    Returns
    -------
    str
        JSON of ``data`` (without keys that only matter for drawing), ``leave_out`` and
        ``pseudocolor``, without defaults.
    """
    drawing = {"share", "held_out"}
    data = [
        entry.model_dump(mode="json", exclude=drawing, exclude_defaults=True)
        for entry in configuration.data
    ]
    # Each key takes the place of the recipe's, its default too.
    colors = configuration.pseudocolor.model_dump(mode="json", exclude_unset=True)
    left_out = {"leave_out": configuration.leave_out} if configuration.leave_out else {}
    return json.dumps({"data": data, "pseudocolor": colors, **left_out}, sort_keys=True)


def check_samples(samples: Samples, configuration: TrainingConfiguration, path: Path) -> None:
    """Check that samples are what a training configuration asks for.

    Parameters
    ----------
    samples : Samples
    configuration : TrainingConfiguration
    path : Path
        Where they were read from.

    Raises
    ------
    InputError
        Of other data sets, at another size, or made in another way.
    """
    names = tuple(entry.dataset for entry in configuration.data)
    size = configuration.model.input_size
    if (samples.names, samples.images.shape[-1]) != (names, size):
        raise InputError(
            f"{path}: of {', '.join(samples.names)} at {samples.images.shape[-1]} pixels; "
            f"expected {', '.join(names)} at {size} as in the configuration: make it again",
            code="samples-unfit",
        )
    if samples.origin != (wanted := origin_of(configuration)):
        raise InputError(
            f"{path}: made of {samples.origin}; expected {wanted} as in the configuration: make it "
            "again",
            code="samples-unfit",
        )
