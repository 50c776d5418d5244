"""Cells in motion keep apart."""

import numpy as np
from simulated import SCENES

from efficientcellseg.datasets.simulation.population import populate


def test_dense_nuclei_make_room_for_each_other():
    extent = np.array([8.0, 99.0, 99.0])
    cell_shape = SCENES["tric"].cell_shape
    skeletons, _ = populate(cell_shape, extent, 3, 34, np.random.default_rng(6))
    squeeze = [1 / cell_shape.flatness, 1, 1]
    for cells in skeletons:
        for index, one in enumerate(cells):
            for other in cells[index + 1 :]:
                apart = (one.points.mean(axis=0) - other.points.mean(axis=0)) * squeeze
                # Neither nucleus may hold the other's center.
                nearer = max(one.radii.max(), other.radii.max())
                assert np.sqrt((apart**2).sum()) > nearer
