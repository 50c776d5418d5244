"""Validation: what is held out of training, and how well it is segmented."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ctc_eval.format import InputError
from efficientcellseg.frozen import changed

if TYPE_CHECKING:
    from efficientcellseg.parameters.training import Optimization
    from efficientcellseg.training.samples import Samples


def choose_fold(parameters: Optimization, fold: int | None) -> Optimization:
    """Choose which of a training's folds is held out.

    Parameters
    ----------
    parameters : Optimization
    fold : int or None
        0 for the first; None if the training has no folds.

    Returns
    -------
    Optimization
        With that fold.

    Raises
    ------
    InputError
        A fold that the training does not have, or none where it has some.
    """
    if parameters.folds and (fold is None or not 0 <= fold < parameters.folds):
        raise InputError(
            f"fold {fold}; expected one of the configuration's: give --fold 0 to "
            f"{parameters.folds - 1}",
            code="fold-unknown",
        )
    if fold is not None and not parameters.folds:
        raise InputError(
            f"fold {fold} of a configuration without training.folds: leave it out",
            code="fold-unknown",
        )
    return changed(parameters, fold=fold or 0)


def hold_out(samples: Samples, datasets: Sequence[int], parameters: Optimization) -> np.ndarray:
    """Choose the samples for validation: those of some data sets, or of random frames.

    Frames are a share of all, or one of the folds, which are alike in size and have no frame
    in common.

    Parameters
    ----------
    samples : Samples
    datasets : sequence of int
        Data sets, as indices into the samples' names; if there are any, all of them and no other.
    parameters : Optimization
        Share or folds, and the seed.

    Returns
    -------
    ndarray of shape (N,), bool

    Raises
    ------
    InputError
        Samples of a single frame.
    """
    if datasets:
        return np.isin(samples.dataset, datasets)
    frames = np.unique(samples.frame)
    if len(frames) < 2:
        raise InputError(
            f"samples of {len(frames)} frame; expected two or more, since some are held out to "
            "measure the validation loss: add frames",
            code="frames-few",
        )
    chance = np.random.default_rng(parameters.seed)
    if parameters.folds:
        chosen = chance.permutation(frames)[parameters.fold :: parameters.folds]
    else:
        count = max(1, round(len(frames) * parameters.validation))
        chosen = chance.choice(frames, count, replace=False)
    return np.isin(samples.frame, chosen)


class Overlap:
    """Counts correctly classified pixels of cells and background, for MeanIoU over many batches."""

    def __init__(self) -> None:
        self.counts = torch.zeros(2, 2, dtype=torch.float64)

    def add(self, logits: Tensor, target: Tensor, known: Tensor) -> None:
        """Count a batch of the cell map.

        Parameters
        ----------
        logits, target, known : Tensor of shape (N, S, S)
        """
        found, wanted = logits.detach() > 0, target > 0.5
        for i, (a, b) in enumerate(((found, wanted), (~found, ~wanted))):
            both, either = ((a & b) * known).sum(), ((a | b) * known).sum()
            self.counts[i] += torch.stack([both, either]).double().cpu()

    def mean_iou(self) -> float:
        """Compute the intersection over union, averaged over cells and background.

        Returns
        -------
        float
            From 0 to 1.
        """
        return float((self.counts[:, 0] / self.counts[:, 1].clamp(min=1)).mean())
