"""Training of one network: samples in, a model folder out."""

from __future__ import annotations

import copy
import csv
import hashlib
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ctc_eval.format import InputError, atomic
from efficientcellseg.maps import MAPS
from efficientcellseg.maps.offsets import OFFSETS
from efficientcellseg.networks.base import Network
from efficientcellseg.training.samples import FULL, UNKNOWN, Samples

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Training:
    """How a network is trained; the schema of config/training says what each means."""

    batch: int = 16
    accumulate: int = 1
    epochs: int = 10
    steps: int = 125
    learning_rate: float = 0.001
    schedule: str = "plateau"
    patience: int = 2
    factor: float = 0.3
    early_stop: int = 0
    validation: float = 0.05
    validation_samples: int = 0
    folds: int = 0
    fold: int = 0
    average: float = 0.99
    seed: int = 0


class Augmentation(nn.Module):
    """Vary samples: turned, scaled, bent; blurred, noisy, brighter; a neighbor slice lost.

    Draws from torch's global generators.

    Parameters
    ----------
    maps : sequence of str
        What the target's channels are: offsets turn with the image. Bending leaves them as they
        are, and tiles are taken for square.

    Raises
    ------
    InputError
        Some of the offsets, but not all.
    """

    def __init__(self, maps: Sequence[str] = ()) -> None:
        super().__init__()
        self.maps = tuple(maps)
        found = sorted(set(OFFSETS) & set(maps))
        if found and len(found) < len(OFFSETS):
            raise InputError(
                f"a network for {', '.join(found)}; expected {', '.join(OFFSETS)} together, since "
                "they turn into each other with the image: name all of them under model.maps"
            )
        import kornia.augmentation as augmentation

        reflect: Any = {"padding_mode": "reflection"}
        self.geometry = nn.Sequential(
            augmentation.RandomHorizontalFlip(),
            augmentation.RandomAffine(180.0, scale=(0.8, 1.25), p=1.0, **reflect),
            augmentation.RandomElasticTransform((31, 31), (6.0, 6.0), p=0.1, **reflect),
        )
        self.intensity = nn.Sequential(
            augmentation.RandomGaussianBlur((5, 5), (0.3, 1.0), p=0.15),
            augmentation.RandomGamma((0.7, 1.4), (0.75, 1.3), p=1.0),
            augmentation.RandomBrightness((0.95, 1.05), p=0.5),
            augmentation.RandomGaussianNoise(std=0.02, p=0.4),
        )

    @torch.no_grad()
    def forward(self, images: Tensor, target: Tensor, known: Tensor) -> tuple[Tensor, ...]:
        """Vary a batch.

        Parameters
        ----------
        images : Tensor of shape (N, 3, S, S), float32
            In 0..1; or slabs, (N, 1, P, S, S), all planes of which are moved alike.
        target, known : Tensor of shape (N, C, S, S) or (N, C, P, S, S), float32

        Returns
        -------
        images, target, known : Tensor
            Of the same shapes.
        """
        # Slices may be turned over: then what was above lies below.
        turned = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
        if images.ndim == 5:
            slabs = (images, target, known)
            images, target, known = (torch.where(turned[..., None], x.flip(2), x) for x in slabs)
        else:
            images = torch.where(turned, images.flip(1), images)
        shapes = [x.shape[1:-2] for x in (images, target, known)]
        folded = torch.cat([x.flatten(1, -3) for x in (images, target, known)], 1)
        parts = self.geometry(folded).split([math.prod(shape) for shape in shapes], 1)
        parts = self.intensity(parts[0].clamp(0, 1)).clamp(0, 1), *parts[1:]
        images, target, known = (
            part.unflatten(1, shape) for part, shape in zip(parts, shapes, strict=True)
        )
        if images.ndim == 4:
            lost = torch.rand(len(images), 3, 1, 1, device=images.device) < 0.03
            lost[:, 1] = False
            images = images.masked_fill(lost, 0.0)
        known = (known > 0.999).float()
        if set(OFFSETS) <= set(self.maps):
            target, known = self._turn_offsets(target, known, turned.flatten())
        return images, target, known

    def _turn_offsets(self, target: Tensor, known: Tensor, over: Tensor) -> tuple[Tensor, Tensor]:
        """Turn offsets, which are directions, as the image was turned.

        What was mirrored in from outside the tile points the wrong way: there they are unknown.
        `target` and `known` are those of :meth:`forward`; `over`, (N,) bool, says which samples
        had their slices turned over.
        """
        planes, rows, columns = (self.maps.index(name) for name in OFFSETS)
        target, known = target.clone(), known.clone()
        target[over, planes] = 1 - target[over, planes]
        steps: list[Any] = list(self.geometry)
        flip, affine = (step.transform_matrix for step in steps[:2])
        # Kornia's matrices take (column, row, 1) of a pixel to where it went.
        moved = (affine @ flip).to(target)
        both = target[:, [columns, rows]] - 0.5
        both = torch.einsum("nij,nj...->ni...", moved[:, :2, :2], both) + 0.5
        target[:, [columns, rows]] = both.clamp(0, 1)
        side = target.shape[-1]
        place = torch.arange(side, dtype=target.dtype, device=target.device)
        row, column = torch.meshgrid(place, place, indexing="ij")
        pixels = torch.stack([column, row, torch.ones_like(row)])
        source = torch.einsum("nij,jyx->niyx", torch.linalg.inv(moved), pixels)[:, :2]
        inside = ((source >= 0) & (source <= side - 1)).all(dim=1)
        for channel in (planes, rows, columns):
            known[:, channel] *= inside if known.ndim == 4 else inside[:, None]
        return target, known


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
    tiles are seen, too): SEG counts objects, most of which lie in few crowded frames. With
    `planes`, slabs of so many slices are drawn, by the objects of their first one.
    """

    def __init__(
        self,
        samples: Samples,
        chosen: np.ndarray,
        maps: Sequence[str],
        shares: list[float],
        planes: int = 0,
    ) -> None:
        self.samples, self.maps = samples, maps
        self.chosen = places_of(samples, chosen, planes)
        first = self.chosen[:, 0] if planes else self.chosen
        dataset = samples.dataset[first]
        worth = samples.objects[first] + 1.0
        total = np.bincount(dataset, worth, minlength=len(shares))
        self.weights = torch.from_numpy((np.array(shares) / np.maximum(total, 1))[dataset] * worth)

    def draw(self, batch: int) -> tuple[Tensor, Tensor, Tensor]:
        """Draw images (N, 3, S, S), targets and what of them is known (N, C, S, S), in 0..1.

        Of slabs, images are (N, 1, P, S, S), the others (N, C, P, S, S).
        """
        # A batch holds no sample twice, unless there are fewer samples than it has places.
        drawn = torch.multinomial(self.weights, batch, batch > len(self.weights))
        return self.take(self.chosen[drawn.numpy()])

    def take(self, indices: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Give the samples of these indices (N,), or slabs of these (N, P)."""
        stored = self.samples.images
        stored = stored[indices, 1][:, None] if indices.ndim == 2 else stored[indices]
        images = torch.from_numpy(stored).float() / 255
        stored = np.stack([self.samples.targets[name][indices] for name in self.maps], axis=1)
        target = torch.from_numpy(stored).float() / FULL
        known = torch.from_numpy(stored != UNKNOWN).float()
        return images, target * known, known


def places_of(samples: Samples, chosen: np.ndarray, planes: int = 0) -> np.ndarray:
    """Say which samples can be drawn: indices, or those of the slices of each slab.

    Parameters
    ----------
    samples : Samples
    chosen : ndarray of shape (N,), bool
        Those to draw from.
    planes : int
        Slices of a slab; 0 for single slices.

    Returns
    -------
    ndarray of shape (M,) or (M, planes), int64
        Of a slab, successive slices of one tile of one frame; slabs overlap.

    Raises
    ------
    InputError
        No tile has so many successive slices.
    """
    if not planes:
        return np.flatnonzero(chosen)
    order = np.lexsort((samples.plane, samples.tile, samples.frame))
    order = order[chosen[order]]
    if len(order) >= planes:
        slabs = np.lib.stride_tricks.sliding_window_view(order, planes)
        first, last = slabs[:, 0], slabs[:, -1]
        whole = samples.plane[last] - samples.plane[first] == planes - 1
        for along in (samples.frame, samples.tile):
            whole &= along[first] == along[last]
        if whole.any():
            return slabs[whole]
    raise InputError(
        f"samples without {planes} successive slices of one tile; expected such slabs for a 3D "
        "network: lower the configuration's model.planes, or add frames with more slices"
    )


class Overlap:
    """Pixels of cell and background found right, for MeanIoU over many batches."""

    def __init__(self) -> None:
        self.counts = torch.zeros(2, 2, dtype=torch.float64)

    def add(self, logits: Tensor, target: Tensor, known: Tensor) -> None:
        """Count a batch of the cell map, all (N, S, S)."""
        found, wanted = logits.detach() > 0, target > 0.5
        for i, (a, b) in enumerate(((found, wanted), (~found, ~wanted))):
            both, either = ((a & b) * known).sum(), ((a | b) * known).sum()
            self.counts[i] += torch.stack([both, either]).double().cpu()

    def mean_iou(self) -> float:
        """Give the mean over cell and background of intersection over union."""
        return float((self.counts[:, 0] / self.counts[:, 1].clamp(min=1)).mean())


def train(
    model: Network,
    samples: Samples,
    shares: list[float],
    parameters: Training,
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
        With a target for each of the maps.
    shares : list of float
        How often each data set is drawn.
    parameters : Training
    folder : Path
        Gets checkpoint.pt, curve.csv and curve.png.
    device : torch.device
    held_out : sequence of int
        Data sets, as indices into the samples' names, that are for validation alone; without
        any, a share of the frames is held out.

    Raises
    ------
    InputError
        The checkpoint in the folder is of a run with other parameters, other samples or another
        network; samples without a map's target; too few frames to hold any out; no epoch with
        a finite loss.
    """
    from tqdm import tqdm

    maps = model.maps
    if missing := ", ".join(sorted(set(maps) - samples.targets.keys())):
        raise InputError(
            f"samples with targets {', '.join(samples.targets)}; expected {missing}, too, which "
            "the network is to predict: name it under targets, and make the samples anew"
        )
    torch.manual_seed(parameters.seed + parameters.fold)
    held = _held_out(samples, held_out, parameters)
    # In random order, so that each batch of them has its share of cells.
    places = places_of(samples, held, model.planes)
    validated = np.random.default_rng(parameters.seed).permutation(places)
    validated = validated[: parameters.validation_samples or None]
    batches = Batches(samples, ~held, maps, shares, model.planes)
    augment = Augmentation(maps)
    layout = torch.channels_last_3d if model.planes else torch.channels_last
    model.to(device).to(memory_format=layout)  # type: ignore[call-overload]
    averaged = copy.deepcopy(model).eval()
    optimizer = torch.optim.Adam(model.parameters(), parameters.learning_rate)
    parts: dict[str, Any] = {
        "model": model,
        "averaged": averaged,
        "optimizer": optimizer,
        "schedule": _schedule(optimizer, parameters),
    }
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint.pt"
    identity = _identity(maps, samples, parameters)
    curve: list[dict[str, float]] = []
    best: dict[str, Any] = {"loss": float("inf"), "epoch": 0, "weights": None}
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
        _set_chance([one.cpu() for one in state["chance"]])
        curve, best = state["curve"], state["best"]
        log.info("resuming after epoch %d", len(curve))

    def measure(net: nn.Module, batch: tuple[Tensor, Tensor, Tensor], overlap: Overlap) -> Tensor:
        images, target, known = (part.to(device) for part in batch)
        with torch.autocast(device.type, torch.bfloat16):
            logits = net(images.contiguous(memory_format=layout))
        if "cells" in maps:
            cells = maps.index("cells")
            overlap.add(logits[:, cells], target[:, cells], known[:, cells])
        losses = [
            MAPS[name].loss(logits[:, i].float(), target[:, i], known[:, i])
            for i, name in enumerate(maps)
        ]
        return torch.stack(losses).sum()

    for epoch in range(len(curve), parameters.epochs):
        if parameters.early_stop and epoch - best["epoch"] >= parameters.early_stop:
            log.info("no lower validation loss for %d epochs: done", parameters.early_stop)
            break
        started, total = time.monotonic(), 0.0
        seen, unseen = Overlap(), Overlap()
        model.train()
        bar = tqdm(range(parameters.steps), desc=f"epoch {epoch + 1}/{parameters.epochs}")
        for step in bar:
            for _ in range(parameters.accumulate):
                batch = [part.to(device) for part in batches.draw(parameters.batch)]
                loss = measure(model, augment(*batch), seen) / parameters.accumulate
                loss.backward()
                total += loss.item()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            optimizer.zero_grad()
            update_average(averaged, model, parameters.average, epoch * parameters.steps + step)
            bar.set_postfix(loss=f"{total / (step + 1):.4f}")
        seconds = time.monotonic() - started
        with torch.inference_mode():
            parts_of_held = np.array_split(validated, max(1, len(validated) // parameters.batch))
            validation = float(
                np.mean([measure(averaged, batches.take(p), unseen).item() for p in parts_of_held])
            )
        curve.append(
            {
                "epoch": epoch + 1,
                "training_loss": total / parameters.steps,
                "validation_loss": validation,
                "training_iou": seen.mean_iou(),
                "validation_iou": unseen.mean_iou(),
                "learning_rate": optimizer.param_groups[0]["lr"],
                "seconds": seconds,
            }
        )
        log.info("%s", curve[-1])
        plateau = parameters.schedule == "plateau"
        parts["schedule"].step(*([validation] if plateau else []))
        if validation < best["loss"]:
            weights = {k: v.clone() for k, v in averaged.state_dict().items()}
            best = {"loss": validation, "epoch": epoch + 1, "weights": weights}
        state = {name: part.state_dict() for name, part in parts.items()}
        state |= {"chance": _chance(), "identity": identity, "curve": curve, "best": best}
        with atomic(checkpoint) as temporary:
            torch.save(state, temporary)
        write_curve(folder, curve)
    if best["weights"] is None:
        raise InputError(
            f"{folder}: no epoch of the training has a finite loss; lower the learning rate"
        )
    model.load_state_dict(best["weights"])
    model.eval()


def _held_out(samples: Samples, datasets: Sequence[int], parameters: Training) -> np.ndarray:
    """Choose the samples for validation, (N,) bool: of some data sets, or of random frames.

    Frames are a share of all, or one of the folds, which are alike in size and have no frame
    in common.
    """
    if datasets:
        return np.isin(samples.dataset, datasets)
    frames = np.unique(samples.frame)
    if len(frames) < 2:
        raise InputError(
            f"samples of {len(frames)} frame; expected two or more, since some are held out to "
            "measure the validation loss: add frames"
        )
    chance = np.random.default_rng(parameters.seed)
    if parameters.folds:
        chosen = chance.permutation(frames)[parameters.fold :: parameters.folds]
    else:
        count = max(1, round(len(frames) * parameters.validation))
        chosen = chance.choice(frames, count, replace=False)
    return np.isin(samples.frame, chosen)


def _schedule(
    optimizer: torch.optim.Optimizer, parameters: Training
) -> torch.optim.lr_scheduler.LRScheduler:
    """Lower the learning rate on a plateau, or along a cosine to a hundredth."""
    if parameters.schedule == "plateau":
        return torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=parameters.factor, patience=parameters.patience
        )
    return torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, parameters.epochs, eta_min=parameters.learning_rate / 100
    )


def _identity(maps: tuple[str, ...], samples: Samples, parameters: Training) -> dict[str, Any]:
    """Say what must be the same for a run to go on to what it would have become."""
    digest = hashlib.sha256(samples.images.data)
    for name in maps:
        digest.update(np.ascontiguousarray(samples.targets[name]).data)
    # A longer run begins as a shorter one does, unless its length shapes the learning rate.
    free = {"early_stop"} | ({"epochs"} if parameters.schedule == "plateau" else set())
    # What is not asked for changes nothing.
    free |= {name for name in ("validation_samples", "folds") if not getattr(parameters, name)}
    free |= set() if parameters.folds else {"fold"}
    kept = {key: value for key, value in asdict(parameters).items() if key not in free}
    return {"maps": list(maps), "samples": digest.hexdigest(), **kept}


def _chance() -> list[Tensor]:
    """Give the states of torch's generators, the CPU's first."""
    return [torch.get_rng_state(), *torch.cuda.get_rng_state_all()]


def _set_chance(states: list[Tensor]) -> None:
    """Set the states of torch's generators."""
    torch.set_rng_state(states[0])
    if states[1:] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states[1:])


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
