"""What makes a map: its target and loss, what it is when the image is turned, what it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

Maps = dict[str, "np.ndarray"]


@dataclass(frozen=True)
class Map:
    """A map (Z, Y, X), 0..1, that a network can predict.

    Attributes
    ----------
    name : str
        What recipes, model cards and samples call it.
    target : callable
        Label image (Z, Y, X) and anisotropy to what is to be predicted, float32 in 0..1, NaN where
        the reference does not tell: there the map is not learned.
    loss : callable
        Logits, target and what of it is known (1 or 0), all of one shape, to a scalar.
    direction : tuple of str
        Of a map that is one coordinate of a direction (0.5 for nowhere), the names of its maps
        along planes, rows and columns. Rotation turns them into each other, so that a network
        predicts all or none.
    needs_volume : bool
        Whether a slice that is annotated alone says nothing of it.
    """

    name: str
    target: Callable[[np.ndarray, float], np.ndarray]
    loss: Callable[[Tensor, Tensor, Tensor], Tensor]
    direction: tuple[str, ...] = ()
    needs_volume: bool = False

    @property
    def axis(self) -> int | None:
        """Axis (0 plane, 1 row, 2 column) along which the map points, if it is part of a direction.

        If the image is mirrored along it, 0 and 1 are swapped in the map.

        Returns
        -------
        int or None
        """
        return self.direction.index(self.name) if self.direction else None
