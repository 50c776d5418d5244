"""How long a training takes on this machine, told after its first steps."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from efficientcellseg.parameters.training import Optimization

log = logging.getLogger(__name__)

# The first steps are slower: memory is asked for, and a GPU chooses its algorithms.
WARM_UP, TIMED = 2, 10


class Pace:
    """Counts steps, and reports once how long all of them will take.

    Parameters
    ----------
    parameters : Optimization
    planes : int
        Slices of a slab; 0 where samples are tiles.
    """

    def __init__(self, parameters: Optimization, planes: int) -> None:
        self.parameters = parameters
        many = parameters.batch * parameters.accumulate
        self.each = f"{many} slabs of {planes} tiles" if planes else f"{many} tiles"
        self.count, self.started, self.steps = 0, 0.0, 0

    def step(self, epoch: int) -> None:
        """Count a finished step.

        Parameters
        ----------
        epoch : int
            Its epoch; earlier ones may belong to an earlier run.
        """
        self.count += 1
        if self.count == 1:
            self.steps = (self.parameters.epochs - epoch) * self.parameters.steps
        if self.count == WARM_UP:
            self.started = time.monotonic()
        if self.count == WARM_UP + TIMED:
            seconds = (time.monotonic() - self.started) / TIMED
            log.info(
                "%d steps of %s, about %s here, at %.2g s a step; measuring what is held out comes "
                "on top",
                *(self.steps, self.each, duration(self.steps * seconds), seconds),
            )


def duration(seconds: float) -> str:
    """Write a time in minutes, hours or days, whichever reads best.

    Parameters
    ----------
    seconds : float

    Returns
    -------
    str
    """
    for unit, length in (("days", 86400), ("hours", 3600)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds / 60:.1f} minutes"
