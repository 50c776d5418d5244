"""What a network can predict: a file a map, each with its target, loss and symmetry.

A new map is a file in here and its line in `MAPS`; docs/extending.md shows how.
"""

from efficientcellseg.maps.cells import CELLS
from efficientcellseg.maps.centers import CENTERS
from efficientcellseg.maps.distances import CELL_DISTANCE, NEIGHBOR_DISTANCE
from efficientcellseg.maps.map import Map, Maps
from efficientcellseg.maps.offsets import OFFSET_MAPS

__all__ = ["MAPS", "Map", "Maps"]

MAPS: dict[str, Map] = {
    entry.name: entry for entry in (CELLS, CENTERS, CELL_DISTANCE, NEIGHBOR_DISTANCE, *OFFSET_MAPS)
}
