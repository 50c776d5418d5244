"""Training of one network: samples in, a model folder out."""

from __future__ import annotations

import copy
import csv
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ctc_eval.sequence import InputError, atomic
from efficientcellseg.samples import Samples

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Training:
    """How a network is trained; the schema of config/training says what each means."""

    batch: int = 16
    epochs: int = 10
    steps: int = 125
    learning_rate: float = 0.001
    patience: int = 2
    factor: float = 0.3
    validation: float = 0.05
    average: float = 0.99
    seed: int = 0


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Soft Dice loss over a batch, as in the paper.

    Parameters
    ----------
    logits, target : Tensor of shape (N, S, S)
        The target in 0..1.

    Returns
    -------
    Tensor, scalar
        0 where the prediction is the target, towards 1 where they have nothing in common.
    """
    probability = logits.sigmoid()
    overlap = (probability * target).sum()
    return 1 - (2 * overlap + 1) / (probability.sum() + target.sum() + 1)


def focal_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Focal loss for a heatmap: cross entropy weighted with the squared distance.

    The quality focal loss of Li et al. 2020, which extends the focal loss of Lin et al. 2017
    (exponent 2) to targets between 0 and 1; summed over pixels and divided by the mass of the
    target, so that a batch with many centers weighs no more than one with few.

    Parameters
    ----------
    logits, target : Tensor of shape (N, S, S)
        The target in 0..1.

    Returns
    -------
    Tensor, scalar
    """
    entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    weight = (logits.sigmoid() - target) ** 2
    return (weight * entropy).sum() / (target.sum() + 1)


LOSSES = {"cells": dice_loss, "centers": focal_loss}


def augment(images: Tensor, target: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Vary samples: flips, a rotation and scaling, neighbours swapped, intensities.

    Parameters
    ----------
    images : Tensor of shape (N, 3, S, S), float32
        In 0..1.
    target : Tensor of shape (N, S, S), float32
    generator : torch.Generator
        The one source of chance.

    Returns
    -------
    images, target : Tensor
        Of the same shapes.
    """
    count = len(images)

    def draw(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=generator)

    # Slices may be turned over: then what was above lies below.
    swap = torch.rand(count, generator=generator) < 0.5
    images = torch.where(swap[:, None, None, None], images.flip(1), images)
    angle, scale = draw(-torch.pi, torch.pi, count), torch.exp(draw(-0.2, 0.2, count))
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5, 1.0, -1.0)
    cosine, sine, zero = angle.cos() * scale, angle.sin() * scale, torch.zeros(count)
    matrix = torch.stack([cosine * mirror, -sine, zero, sine * mirror, cosine, zero], 1)
    grid = functional.affine_grid(matrix.view(-1, 2, 3), list(images.shape), align_corners=False)
    both = torch.cat([images, target[:, None]], 1)
    both = functional.grid_sample(both, grid, padding_mode="reflection", align_corners=False)
    images, target = both[:, :3], both[:, 3]
    gamma = torch.exp(draw(-0.35, 0.35, count, 1, 1, 1))
    gain, offset = draw(0.7, 1.3, count, 1, 1, 1), draw(-0.05, 0.05, count, 1, 1, 1)
    noise = torch.randn(images.shape, generator=generator) * draw(0, 0.03, count, 1, 1, 1)
    images = (images.clamp(0, 1) ** gamma * gain + offset + noise).clamp(0, 1)
    return images, target


@torch.no_grad()
def update_average(averaged: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Move averaged weights a little towards the model's, in place.

    The decay starts low, so that the average soon forgets the weights it started from.
    """
    share = 1 - min(decay, (1 + step) / (10 + step))
    current = model.state_dict()
    for name, value in averaged.state_dict().items():
        if value.is_floating_point():
            value.lerp_(current[name], share)
        else:
            value.copy_(current[name])


class Batches:
    """Endless random batches of samples; data sets are drawn in given shares.

    Within a data set, a tile is drawn in proportion to its objects (and one more, so that empty
    tiles are seen, too): SEG counts objects, most of which lie in few crowded frames.
    """

    def __init__(
        self, samples: Samples, chosen: np.ndarray, target: str, shares: list[float], batch: int
    ) -> None:
        self.samples, self.target, self.batch = samples, getattr(samples, target), batch
        self.chosen = torch.from_numpy(np.flatnonzero(chosen))
        dataset = samples.dataset[chosen]
        worth = samples.objects[chosen] + 1.0
        total = np.bincount(dataset, worth, minlength=len(shares))
        self.weights = torch.from_numpy((np.array(shares) / np.maximum(total, 1))[dataset] * worth)
        # A batch holds no sample twice, unless there are fewer samples than it has places.
        self.repeats = batch > len(self.weights)

    def draw(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw images (N, 3, S, S) and targets (N, S, S), float32 in 0..1."""
        drawn = torch.multinomial(self.weights, self.batch, self.repeats, generator=generator)
        return self.take(self.chosen[drawn].numpy())

    def take(self, indices: np.ndarray) -> tuple[Tensor, Tensor]:
        """Give the samples of these indices."""
        images = torch.from_numpy(self.samples.images[indices]).float() / 255
        return images, torch.from_numpy(self.target[indices]).float() / 255


def train(
    model: nn.Module,
    samples: Samples,
    target: str,
    shares: list[float],
    parameters: Training,
    folder: Path,
    device: torch.device,
) -> None:
    """Train a network in place, resuming where a checkpoint lies in the folder.

    It ends with the averaged weights of the epoch with the lowest validation loss.

    Parameters
    ----------
    model : nn.Module
        Maps (N, 3, S, S) to logits (N, 1, S, S).
    samples : Samples
    target : str
        ``cells`` (Dice loss) or ``centers`` (focal loss).
    shares : list of float
        How often each data set is drawn.
    parameters : Training
    folder : Path
        Gets checkpoint.pt, curve.csv and curve.png.
    device : torch.device

    Raises
    ------
    InputError
        The checkpoint in the folder is of a run with other parameters or another network;
        too few frames to hold any out; no epoch with a finite loss.
    """
    from tqdm import tqdm

    torch.manual_seed(parameters.seed)
    generator = torch.Generator().manual_seed(parameters.seed)
    frames = np.unique(samples.frame)
    if len(frames) < 2:
        raise InputError(
            f"samples of {len(frames)} frame; expected two or more, since some are held out to "
            "measure the validation loss: add frames"
        )
    held = np.random.default_rng(parameters.seed).choice(
        frames, max(1, round(len(frames) * parameters.validation)), replace=False
    )
    held_out = np.isin(samples.frame, held)
    # In random order, so that each batch of them has its share of cells.
    validated = np.random.default_rng(parameters.seed).permutation(np.flatnonzero(held_out))
    batches = Batches(samples, ~held_out, target, shares, parameters.batch)
    model = model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = copy.deepcopy(model).eval()
    optimizer = torch.optim.Adam(model.parameters(), parameters.learning_rate)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=parameters.factor, patience=parameters.patience
    )
    parts: dict[str, Any] = {
        "model": model,
        "averaged": averaged,
        "optimizer": optimizer,
        "plateau": plateau,
    }
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint.pt"
    identity = {"target": target, **{k: v for k, v in asdict(parameters).items() if k != "epochs"}}
    curve: list[dict[str, float]] = []
    best: dict[str, Any] = {"loss": float("inf"), "weights": None}
    if checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True, map_location=device)
        if state["identity"] != identity:
            raise InputError(
                f"{checkpoint}: of a run with {state['identity']}; expected {identity}: "
                "choose another output folder or remove the checkpoint"
            )
        try:
            for name, part in parts.items():
                part.load_state_dict(state[name])
        except (RuntimeError, ValueError):
            raise InputError(
                f"{checkpoint}: of another network than the configuration's; choose another output "
                "folder or remove the checkpoint"
            ) from None
        generator.set_state(state["generator"].cpu())
        curve, best = state["curve"], state["best"]
        log.info("resuming after epoch %d", len(curve))
    loss_of = LOSSES[target]

    def step_loss(net: nn.Module, images: Tensor, wanted: Tensor) -> Tensor:
        images = images.to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            logits = net(images)
        return loss_of(logits[:, 0].float(), wanted.to(device))

    for epoch in range(len(curve), parameters.epochs):
        started, total = time.monotonic(), 0.0
        model.train()
        bar = tqdm(range(parameters.steps), desc=f"epoch {epoch + 1}/{parameters.epochs}")
        for step in bar:
            images, wanted = augment(*batches.draw(generator), generator)
            loss = step_loss(model, images, wanted)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            update_average(averaged, model, parameters.average, epoch * parameters.steps + step)
            total += loss.item()
            bar.set_postfix(loss=f"{total / (step + 1):.4f}")
        with torch.inference_mode():
            parts_of_held = np.array_split(validated, max(1, len(validated) // parameters.batch))
            validation = float(
                np.mean([step_loss(averaged, *batches.take(part)).item() for part in parts_of_held])
            )
        curve.append(
            {
                "epoch": epoch + 1,
                "training_loss": total / parameters.steps,
                "validation_loss": validation,
                "learning_rate": optimizer.param_groups[0]["lr"],
                "seconds": time.monotonic() - started,
            }
        )
        log.info("%s", curve[-1])
        plateau.step(validation)
        if validation < best["loss"]:
            weights = {k: v.clone() for k, v in averaged.state_dict().items()}
            best = {"loss": validation, "weights": weights}
        state = {name: part.state_dict() for name, part in parts.items()}
        state |= {"generator": generator.get_state()}
        state |= {"identity": identity, "curve": curve, "best": best}
        with atomic(checkpoint) as temporary:
            torch.save(state, temporary)
        write_curve(folder, curve)
    if best["weights"] is None:
        raise InputError(
            f"{folder}: no epoch of the training has a finite loss; lower the learning rate"
        )
    model.load_state_dict(best["weights"])
    model.eval()


def write_curve(folder: Path, curve: list[dict[str, float]]) -> None:
    """Write the learning curve as curve.csv and curve.png."""
    with atomic(folder / "curve.csv") as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, curve[0].keys())
        writer.writeheader()
        writer.writerows(curve)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    epochs = [row["epoch"] for row in curve]
    for name in ("training_loss", "validation_loss"):
        axes.plot(epochs, [row[name] for row in curve], marker=".", label=name.replace("_", " "))
    axes.set(xlabel="epoch", ylabel="loss")
    axes.legend()
    with atomic(folder / "curve.png") as temporary:
        figure.savefig(temporary, dpi=120)
