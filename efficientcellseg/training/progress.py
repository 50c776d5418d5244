"""What changes while a network is trained: weights, their average, the rate, the curve."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch

from efficientcellseg.training.pace import Pace

if TYPE_CHECKING:
    from efficientcellseg.networks.base import Network
    from efficientcellseg.parameters.training import Optimization


class Progress:
    """All that changes while a network is trained, but for chance.

    Parameters
    ----------
    model : Network
        Trained in place.
    parameters : Optimization

    Attributes
    ----------
    averaged : Network
        The running average of the model's weights.
    optimizer : Optimizer
    schedule : LRScheduler
        Lowers the optimizer's rate.
    pace : Pace
        Tells how long it will take.
    curve : list of dict of str to float
        A row for each epoch that is done.
    best : dict
        Lowest validation ``loss`` so far, its ``epoch``, from 1, and the averaged ``weights``.
    """

    def __init__(self, model: Network, parameters: Optimization) -> None:
        self.model, self.averaged = model, copy.deepcopy(model).eval()
        self.optimizer = torch.optim.Adam(model.parameters(), parameters.learning_rate)
        self.schedule = _make_schedule(self.optimizer, parameters)
        self.pace = Pace(parameters, model.planes)
        self.curve: list[dict[str, float]] = []
        self.best: dict[str, Any] = {"loss": float("inf"), "epoch": 0, "weights": None}

    @property
    def device(self) -> torch.device:
        """Where the network is.

        Returns
        -------
        torch.device
        """
        return next(self.model.parameters()).device

    @property
    def parts(self) -> dict[str, Any]:
        """Everything with a state of its own, by its name in a checkpoint.

        Returns
        -------
        dict of str to object
        """
        return {
            name: getattr(self, name) for name in ("model", "averaged", "optimizer", "schedule")
        }

    @torch.no_grad()
    def update_average(self, decay: float, step: int) -> None:
        """Move the averaged weights a little towards the model's.

        The decay starts low, so that the average soon forgets the weights it started from.

        Parameters
        ----------
        decay : float
            Share of the average that stays, from 0 to 1.
        step : int
            Number of the step, from 0.
        """
        share = 1 - min(decay, (1 + step) / (10 + step))
        current = self.model.state_dict()
        for name, value in self.averaged.state_dict().items():
            if value.is_floating_point():
                value.lerp_(current[name], share)
            else:
                value.copy_(current[name])

    def end_epoch(self, row: dict[str, float]) -> None:
        """Add a row to the curve, lower the rate if it is time, keep the weights if they are best.

        Parameters
        ----------
        row : dict of str to float
            With ``validation_loss``.
        """
        self.curve.append(row)
        loss = row["validation_loss"]
        if isinstance(self.schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
            self.schedule.step(loss)
        else:
            self.schedule.step()
        if loss < self.best["loss"]:
            weights = {name: value.clone() for name, value in self.averaged.state_dict().items()}
            self.best = {"loss": loss, "epoch": len(self.curve), "weights": weights}


def _make_schedule(
    optimizer: torch.optim.Optimizer, parameters: Optimization
) -> torch.optim.lr_scheduler.LRScheduler:
    """Lower the learning rate on a plateau, or along a cosine to a hundredth."""
    if parameters.schedule == "plateau":
        return torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=parameters.factor, patience=parameters.patience
        )
    return torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, parameters.epochs, eta_min=parameters.learning_rate / 100
    )
