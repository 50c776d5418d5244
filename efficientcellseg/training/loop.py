"""Training of one network: samples in, a model folder out."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ctc_eval.format import InputError
from efficientcellseg.maps import MAPS
from efficientcellseg.maps.cells import CELL_LOSSES
from efficientcellseg.networks.base import Network
from efficientcellseg.training.augmentation import Augmentation
from efficientcellseg.training.batches import Batches, drawable_samples
from efficientcellseg.training.checkpoint import CHECKPOINT, identity_of, resume, save_checkpoint
from efficientcellseg.training.curve import write_curve
from efficientcellseg.training.pace import duration
from efficientcellseg.training.progress import Progress
from efficientcellseg.training.samples import Samples
from efficientcellseg.training.validation import Overlap, hold_out

if TYPE_CHECKING:
    from efficientcellseg.parameters.training import Optimization

log = logging.getLogger(__name__)


def train(
    model: Network,
    samples: Samples,
    shares: list[float],
    parameters: Optimization,
    folder: Path,
    device: torch.device,
    held_out: Sequence[int] = (),
) -> None:
    """Train a network in place, resuming where a checkpoint lies in the folder.

    It ends with the averaged weights of the epoch with the lowest validation loss.

    Parameters
    ----------
    model : Network
    samples : Samples
    shares : list of float
        How often each data set is drawn.
    parameters : Optimization
    folder : Path
        Gets checkpoint.pt, curve.csv and curve.png.
    device : torch.device
    held_out : sequence of int
        Data sets, as indices into the samples' names, that are only for validation; without
        any, a share of the frames is held out.

    Raises
    ------
    InputError
        The checkpoint in the folder is of a run with other parameters, other samples or another
        network; samples without a map's target; too few frames to hold any out; no epoch with
        a finite loss.
    """
    _check_targets(samples, model.maps)
    torch.manual_seed(parameters.seed + parameters.fold)
    held = hold_out(samples, held_out, parameters)
    validated = _choose_validated(samples, held, model.planes, parameters)
    batches = Batches(samples, ~held, model.maps, shares, model.planes)
    augment = Augmentation(model.maps, **dict(parameters.variation))
    model.to(device).to(memory_format=_layout(model))  # type: ignore[call-overload]
    progress = Progress(model, parameters)
    identity = identity_of(model.maps, samples, parameters)
    resume(folder / CHECKPOINT, progress, identity, device)
    for epoch in range(len(progress.curve), parameters.epochs):
        if parameters.early_stop and epoch - progress.best["epoch"] >= parameters.early_stop:
            log.info("no lower validation loss for %d epochs: done", parameters.early_stop)
            break
        learnt = _learn(progress, batches, augment, parameters)
        progress.end_epoch(learnt | _validate(progress, batches, validated, parameters))
        _tell_epoch(progress, parameters)
        save_checkpoint(folder / CHECKPOINT, progress, identity)
        write_curve(folder, progress.curve)
    _finish(progress, folder)


def _finish(progress: Progress, folder: Path) -> None:
    """Load the best weights into the network, and report the end."""
    if progress.best["weights"] is None:
        raise InputError(
            f"{folder}: no epoch of the training has a finite loss; lower the learning rate",
            code="training-diverged",
        )
    progress.model.load_state_dict(progress.best["weights"])
    progress.model.eval()
    log.info(
        "done: %d epochs; the weights are those of epoch %d, the best on held-out frames",
        *(len(progress.curve), progress.best["epoch"]),
    )


def _tell_epoch(progress: Progress, parameters: Optimization) -> None:
    """Say in a line what an epoch came to."""
    row = progress.curve[-1]
    best = "the lowest so far" if progress.best["epoch"] == row["epoch"] else "not lower"
    log.info(
        "epoch %d of %d: loss %.4f; on held-out frames %.4f, %s, mean IoU %.3f; %s",
        *(row["epoch"], parameters.epochs, row["training_loss"], row["validation_loss"], best),
        *(row["validation_iou"], duration(row["seconds"])),
    )


def _choose_validated(
    samples: Samples, held: np.ndarray, planes: int, parameters: Optimization
) -> np.ndarray:
    """Choose which of the samples that are held out, (N,) bool, are measured: indices or slabs.

    In random order, so that each batch of them has its share of cells.
    """
    places = drawable_samples(samples, held, planes)
    chosen = np.random.default_rng(parameters.seed).permutation(places)
    return chosen[: parameters.validation_samples or None]


def _check_targets(samples: Samples, maps: Sequence[str]) -> None:
    """Check that samples have a target for each map."""
    if missing := ", ".join(sorted(set(maps) - samples.targets.keys())):
        raise InputError(
            f"samples with targets {', '.join(samples.targets)}; expected {missing}, too, which "
            "the network is to predict: name it under targets, and make the samples again",
            code="target-missing",
        )


def _layout(model: Network) -> torch.memory_format:
    """Return the order of a network's tensors in memory that is fastest."""
    return torch.channels_last_3d if model.planes else torch.channels_last


def _learn(
    progress: Progress, batches: Batches, augment: Augmentation, parameters: Optimization
) -> dict[str, float]:
    """Take the steps of an epoch; give what the curve says of them."""
    from tqdm import tqdm

    model, epoch = progress.model, len(progress.curve)
    started, total, overlap = time.monotonic(), 0.0, Overlap()
    model.train()
    bar = tqdm(range(parameters.steps), desc=f"epoch {epoch + 1}/{parameters.epochs}")
    for step in bar:
        for _ in range(parameters.accumulate):
            batch = [part.to(progress.device) for part in batches.draw(parameters.batch)]
            loss = _measure(model, augment(*batch), overlap, parameters) / parameters.accumulate
            loss.backward()
            total += loss.item()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        progress.optimizer.step()
        progress.optimizer.zero_grad()
        progress.update_average(parameters.average, epoch * parameters.steps + step)
        progress.pace.step(epoch)
        bar.set_postfix(loss=f"{total / (step + 1):.4f}")
    return {
        "epoch": epoch + 1,
        "training_loss": total / parameters.steps,
        "training_iou": overlap.mean_iou(),
        "learning_rate": progress.optimizer.param_groups[0]["lr"],
        "seconds": time.monotonic() - started,
    }


@torch.inference_mode()
def _validate(
    progress: Progress, batches: Batches, validated: np.ndarray, parameters: Optimization
) -> dict[str, float]:
    """Measure the averaged weights on what is held out; give what the curve says of it."""
    losses, overlap = [], Overlap()
    for indices in np.array_split(validated, max(1, len(validated) // parameters.batch)):
        taken = [part.to(progress.device) for part in batches.take(indices)]
        losses.append(_measure(progress.averaged, taken, overlap, parameters).item())
    return {"validation_loss": float(np.mean(losses)), "validation_iou": overlap.mean_iou()}


def _measure(
    network: Network, batch: Sequence[Tensor], overlap: Overlap, parameters: Optimization
) -> Tensor:
    """Return the loss of a batch, summed over the maps, and count the overlap of its cells."""
    images, target, known = batch
    with torch.autocast(images.device.type, torch.bfloat16):
        logits = network(images.contiguous(memory_format=_layout(network)))
    if "cells" in network.maps:
        cells = network.maps.index("cells")
        overlap.add(logits[:, cells], target[:, cells], known[:, cells])
    chosen = {name: MAPS[name].loss for name in network.maps}
    if "cells" in chosen:
        chosen["cells"] = CELL_LOSSES[parameters.cells_loss]
    losses = [
        chosen[name](logits[:, i].float(), target[:, i], known[:, i])
        for i, name in enumerate(network.maps)
    ]
    return torch.stack(losses).sum()
