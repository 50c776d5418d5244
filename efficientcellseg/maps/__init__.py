"""What a network can predict: one file per map, with its target, loss and symmetry.

A new map is a file here and a line in `MAPS`; docs/extending.md shows how.
"""

from __future__ import annotations

from collections.abc import Sequence

from ctc_eval.format import InputError
from efficientcellseg.maps.cells import CELLS
from efficientcellseg.maps.centers import CENTERS
from efficientcellseg.maps.distances import CELL_DISTANCE, NEIGHBOR_DISTANCE
from efficientcellseg.maps.map import Map, Maps
from efficientcellseg.maps.offsets import OFFSET_COLUMNS, OFFSET_PLANES, OFFSET_ROWS

__all__ = ["MAPS", "Map", "Maps", "check_maps", "find_directions"]

MAPS: dict[str, Map] = {
    entry.name: entry
    for entry in (
        CELLS,
        CENTERS,
        CELL_DISTANCE,
        NEIGHBOR_DISTANCE,
        OFFSET_PLANES,
        OFFSET_ROWS,
        OFFSET_COLUMNS,
    )
}


def check_maps(names: Sequence[str]) -> None:
    """Check that one network can learn some maps.

    Parameters
    ----------
    names : sequence of str
        All that the network is to predict.

    Raises
    ------
    InputError
        A map that is none of `MAPS` or appears twice, or a direction without all of its maps.
    """
    if unknown := ", ".join(name for name in names if name not in MAPS):
        raise InputError(
            f"maps {unknown}; expected some of {', '.join(MAPS)}: correct the names",
            code="map-unknown",
        )
    if twice := ", ".join(sorted({name for name in names if names.count(name) > 1})):
        raise InputError(
            f"maps {', '.join(names)}; expected each once: name {twice} once", code="map-twice"
        )
    for direction in dict.fromkeys(MAPS[name].direction for name in names):
        if missing := ", ".join(name for name in direction if name not in names):
            raise InputError(
                f"a network for {', '.join(names)}; expected {', '.join(direction)} together, "
                f"because they turn into each other when the image is turned: add {missing}",
                code="maps-incomplete",
            )


def find_directions(names: Sequence[str]) -> list[tuple[int, int, int]]:
    """Find the directions among a network's maps.

    Parameters
    ----------
    names : sequence of str
        Maps that :func:`check_maps` lets pass.

    Returns
    -------
    list of tuple of int
        For each direction, the positions of its plane, row and column maps in `names`.
    """
    found = []
    for name in names:
        if MAPS[name].axis == 0:
            planes, rows, columns = (names.index(one) for one in MAPS[name].direction)
            found.append((planes, rows, columns))
    return found
