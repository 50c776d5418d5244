"""Random streams: one for each purpose, and each frame or cell in it.

So frames can be made in any order, and one more random number in one place changes no other.
"""

from __future__ import annotations

import numpy as np

LAYOUT, BACKDROP, NOISE, TEXTURE = range(4)


def stream(seed: int, purpose: int, index: int = 0) -> np.random.Generator:
    """Open a random stream of its own for each purpose, and for each frame or cell in it.

    So frames can be made in any order, and one more random number in one place changes no other.

    Parameters
    ----------
    seed : int
        Of the sequence.
    purpose : int
        One of this module's constants.
    index : int
        Of the frame or cell.

    Returns
    -------
    Generator
    """
    return np.random.default_rng([seed, purpose, index])
