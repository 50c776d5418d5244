"""The scenes: cells and microscopes that stand in for data sets too large to ship.

``a549``: one cell with thin protrusions (Fluo-C3DH-A549-SIM); ``mda231``: irregular touching
cells that fade towards their upper and lower ends (Fluo-C3DL-MDA231); ``tric``: many nuclei on
a flat stack (Fluo-N3DL-TRIC).
"""

from __future__ import annotations

from dataclasses import dataclass

from efficientcellseg.datasets.simulation.microscope import Microscope
from efficientcellseg.datasets.simulation.shape import CellShape


@dataclass(frozen=True)
class Scene:
    """A kind of specimen and the microscope that looks at it."""

    cell_shape: CellShape
    microscope: Microscope


SCENES = {
    "a549": Scene(
        CellShape(
            width=(14.0, 14.0),
            aspect=(1.0, 1.0),
            flatness=1.0,
            taper=0.3,
            tilt=0.0,
            bend=0.0,
            arms=0,
            roughness=0.12,
            texture=0.5,
            texture_size=4.0,
            rim_fade=0.3,
            end_fade=0.3,
            brightness_spread=0.0,
            spacing=1.0,
            strand=1,
            sheet=False,
            flow=0.0,
            jitter=0.0,
            growth=0.01,
            divisions=0.0,
        ),
        Microscope(
            blur=(0.9, 0.28),
            signal=900.0,
            background=90.0,
            unevenness=0.25,
            haze=0.1,
            depth_loss=0.35,
            counts_per_photon=7.0,
            read_noise=12.0,
            offset=100.0,
            bits=12,
        ),
    ),
    "mda231": Scene(
        CellShape(
            width=(15.0, 22.0),
            aspect=(1.8, 4.2),
            flatness=0.95,
            taper=0.7,
            tilt=0.3,
            bend=0.16,
            arms=2,
            roughness=0.18,
            texture=0.3,
            texture_size=8.0,
            rim_fade=0.35,
            end_fade=0.8,
            brightness_spread=0.4,
            spacing=0.8,
            strand=3,
            sheet=False,
            flow=3.0,
            jitter=1.5,
            growth=0.02,
            divisions=0.08,
        ),
        Microscope(
            blur=(3.0, 1.5),
            signal=1100.0,
            background=110.0,
            unevenness=0.4,
            haze=0.2,
            depth_loss=0.5,
            counts_per_photon=14.0,
            read_noise=16.0,
            offset=60.0,
            bits=12,
        ),
    ),
    "tric": Scene(
        CellShape(
            width=(14.0, 20.0),
            aspect=(1.05, 1.5),
            flatness=0.42,
            taper=0.35,
            tilt=0.04,
            bend=0.0,
            arms=0,
            roughness=0.06,
            texture=0.35,
            texture_size=3.5,
            rim_fade=0.25,
            end_fade=0.25,
            brightness_spread=0.3,
            spacing=0.97,
            strand=1,
            sheet=True,
            flow=1.5,
            jitter=0.7,
            growth=0.01,
            divisions=0.05,
        ),
        Microscope(
            blur=(1.6, 1.5),
            signal=4200.0,
            background=900.0,
            unevenness=0.5,
            haze=0.3,
            depth_loss=0.5,
            counts_per_photon=45.0,
            read_noise=70.0,
            offset=300.0,
            bits=14,
        ),
    ),
}
