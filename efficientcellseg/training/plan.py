"""Which networks a training makes for the maps that a recipe asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from efficientcellseg.maps import MAPS, check_maps

if TYPE_CHECKING:
    from efficientcellseg.parameters.training import TrainingConfiguration


def plan_networks(
    configuration: TrainingConfiguration, maps: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Plan the networks that a training configuration yields for some maps.

    Where the configuration's ``model.maps`` are all of these maps, one network predicts them.
    Otherwise each map has a network of its own, as in the paper, but for those of a direction,
    which only one network can learn.

    Parameters
    ----------
    configuration : TrainingConfiguration
    maps : sequence of str
        What is needed, such as a recipe's maps.

    Returns
    -------
    dict of str to tuple of str
        For each network its name, the maps joined by ``+``, and its fold if there are any
        (``cells-0``), and what it predicts: what ``train --maps`` takes, joined by commas.

    Raises
    ------
    InputError
        What :func:`efficientcellseg.maps.check_maps` refuses.
    """
    check_maps(maps)
    whole = configuration.model.maps
    if set(maps) <= set(whole):
        parts = [whole]
    else:
        parts = list(dict.fromkeys(MAPS[name].direction or (name,) for name in maps))
    folds = configuration.training.folds
    ends = [f"-{fold}" for fold in range(folds)] if folds else [""]
    return {"+".join(part) + end: part for part in parts for end in ends}
