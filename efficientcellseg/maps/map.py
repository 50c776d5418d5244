"""What makes a map: what is to be predicted, how a prediction is judged, how it mirrors."""

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
        that is unknown.
    loss : callable
        Logits, target and what of it is known (1 or 0), all of one shape, to a scalar.
    axis : int or None
        Of a map that is a direction, the axis (plane, row, column) along which it points: where
        the image is mirrored along it, 0 and 1 change places.
    together : tuple of str
        Maps that a network must predict along with this one.
    """

    name: str
    target: Callable[[np.ndarray, float], np.ndarray]
    loss: Callable[[Tensor, Tensor, Tensor], Tensor]
    axis: int | None = None
    together: tuple[str, ...] = ()
