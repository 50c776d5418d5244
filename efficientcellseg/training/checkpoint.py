"""Reads and writes checkpoints, from which a training that was stopped goes on to the same bits."""

from __future__ import annotations

import hashlib
import io
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ctc_eval.format import InputError, atomic

if TYPE_CHECKING:
    from efficientcellseg.parameters.training import Optimization
    from efficientcellseg.training.progress import Progress
    from efficientcellseg.training.samples import Samples

log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"


def identity_of(
    maps: tuple[str, ...], samples: Samples, parameters: Optimization
) -> dict[str, Any]:
    """Compute what must be unchanged for a training to continue as if it had not been stopped.

    Parameters
    ----------
    maps : tuple of str
        What the network predicts.
    samples : Samples
    parameters : Optimization

    Returns
    -------
    dict of str to object
        A hash of the samples, and the parameters that matter.
    """
    digest = hashlib.sha256(samples.images.data)
    for name in maps:
        digest.update(np.ascontiguousarray(samples.targets[name]).data)
    # A longer run begins as a shorter one does, unless its length shapes the learning rate.
    free = {"early_stop"} | ({"epochs"} if parameters.schedule == "plateau" else set())
    # What is not asked for changes nothing.
    free |= {name for name in ("validation_samples", "folds") if not getattr(parameters, name)}
    free |= set() if parameters.folds else {"fold"}
    kept = {key: value for key, value in parameters.model_dump().items() if key not in free}
    return {"maps": list(maps), "samples": digest.hexdigest(), **kept}


def save_checkpoint(path: Path, progress: Progress, identity: dict[str, Any]) -> None:
    """Write progress, the states of torch's generators and the training's identity.

    Parameters
    ----------
    path : Path
    progress : Progress
    identity : dict of str to object
        From :func:`identity_of`.
    """
    chance = [torch.get_rng_state(), *torch.cuda.get_rng_state_all()]
    state = {name: part.state_dict() for name, part in progress.parts.items()}
    state |= {"chance": chance, "curve": progress.curve, "best": progress.best}
    with atomic(path) as temporary:
        # Through memory: torch raises no OSError, which tells the file, where the disk is full.
        contents = io.BytesIO()
        torch.save({**state, "identity": identity}, contents)
        temporary.write_bytes(contents.getbuffer())


def resume(path: Path, progress: Progress, identity: dict[str, Any], device: torch.device) -> None:
    """Go on from a checkpoint, if there is one: set progress and torch's generators.

    Parameters
    ----------
    path : Path
    progress : Progress
        Set in place.
    identity : dict
        From :func:`identity_of`.
    device : torch.device
        Where the network is.

    Raises
    ------
    InputError
        A checkpoint of other parameters, other samples or another network.
    """
    if not path.is_file():
        return
    state = torch.load(path, weights_only=True, map_location=device)
    if state["identity"] != identity:
        raise InputError(
            f"{path}: of a run with {state['identity']}; expected {identity}: "
            "choose another output folder or remove the checkpoint",
            code="checkpoint-unfit",
        )
    try:
        for name, part in progress.parts.items():
            part.load_state_dict(state[name])
    except (RuntimeError, ValueError):
        raise InputError(
            f"{path}: of another network than the configuration's; choose another output "
            "folder or remove the checkpoint",
            code="checkpoint-unfit",
        ) from None
    progress.curve, progress.best = state["curve"], state["best"]
    _set_chance([one.cpu() for one in state["chance"]])
    log.info("resuming after epoch %d", len(progress.curve))


def _set_chance(states: list[Tensor]) -> None:
    """Set the states of torch's generators, the CPU's first."""
    torch.set_rng_state(states[0])
    if states[1:] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states[1:])
