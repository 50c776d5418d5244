"""A simulated sequence: frames with a perfect reference, and tracks.

Same seed, same bytes; nothing depends on threads or global state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ctc_eval.format import InputError
from efficientcellseg.datasets.simulation.microscope import UnevenField, expose
from efficientcellseg.datasets.simulation.painting import paint
from efficientcellseg.datasets.simulation.population import populate
from efficientcellseg.datasets.simulation.protrusions import protrude
from efficientcellseg.datasets.simulation.skeleton import Skeleton
from efficientcellseg.datasets.simulation.streams import BACKDROP, LAYOUT, NOISE, stream
from efficientcellseg.parameters.scene import ProtrudingShape, Scene


@dataclass(frozen=True)
class Simulation:
    """A simulated sequence; iterating makes its frames, one at a time, as often as wanted.

    Attributes
    ----------
    tracks : ndarray of shape (N, 4), integer
        Rows (label, first frame, last frame, parent or 0), as in ``man_track.txt``.
    """

    scene: Scene
    shape: tuple[int, int, int]
    voxel_size: tuple[float, float, float]
    seed: int
    skeletons: list[list[Skeleton]]
    tracks: np.ndarray

    def __len__(self) -> int:
        """Count the frames."""
        return len(self.skeletons)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Make (raw, labels), both (Z, Y, X) uint16, for each frame."""
        scene = self.scene
        backdrop = UnevenField.draw(self.shape, stream(self.seed, BACKDROP))
        for frame, skeletons in enumerate(self.skeletons):
            labels, light = paint(
                skeletons, scene.cell_shape, self.shape, self.voxel_size, self.seed
            )
            noise = stream(self.seed, NOISE, frame)
            raw = expose(light, scene.microscope, self.voxel_size, backdrop, noise)
            yield raw, labels


def simulate_sequence(
    scene: Scene,
    shape: tuple[int, int, int],
    frames: int,
    cells: int,
    seed: int,
    voxel_size: tuple[float, float, float],
) -> Simulation:
    """Simulate a sequence of 3D microscopy.

    Parameters
    ----------
    scene : Scene
    shape : tuple of int
        Planes, rows, columns; one plane makes 2D frames.
    frames : int
    cells : int
        Cells in the first frame; a protruding one is alone.
    seed : int
        Fixes every voxel (on one machine; another processor may round differently).
    voxel_size : tuple of float
        Micrometers along (plane, row, column).

    Returns
    -------
    Simulation
        An iterable of (raw, labels), both (Z, Y, X) uint16, with the attribute ``tracks``.
        A label is the same cell in all frames, in one piece, and present in each frame of
        its track; a cell that divides ends in the frame before its two children start.

    Raises
    ------
    InputError
        Impossible sizes, or more cells than the volume has room for.
    """
    _check_sizes(shape, frames, cells)
    _check_seed(seed)
    cell_shape = scene.cell_shape
    extent = (np.array(shape) - 1.0) * voxel_size
    rng = stream(seed, LAYOUT)
    if isinstance(cell_shape, ProtrudingShape):
        _check_alone(cells)
        skeletons, tracks = protrude(cell_shape, extent, frames, rng)
    else:
        skeletons, tracks = populate(cell_shape, extent, frames, cells, rng)
    depth, rows, columns = shape
    return Simulation(scene, (depth, rows, columns), voxel_size, seed, skeletons, tracks)


def _check_sizes(shape: tuple[int, int, int], frames: int, cells: int) -> None:
    """Refuse what no sequence can be made of."""
    if len(shape) != 3 or min(shape) < 1 or min(shape[1:]) < 24:
        raise InputError(
            f"shape: found {tuple(shape)}, expected planes, rows, columns with at least 1 plane "
            "and 24 rows and columns; enlarge it",
            code="value-out-of-range",
        )
    for name, value in (("frames", frames), ("cells", cells)):
        if value < 1:
            raise InputError(
                f"{name}: found {value}, expected at least 1; raise it", code="value-out-of-range"
            )


def _check_alone(cells: int) -> None:
    """Refuse more than one protruding cell."""
    if cells != 1:
        raise InputError(
            f"cells: found {cells}, expected 1 in a scene with a protruding cell; set it to 1",
            code="value-out-of-range",
        )


def _check_seed(seed: int) -> None:
    """Refuse a negative seed."""
    if seed < 0:
        raise InputError(
            f"seed: found {seed}, expected 0 or more; choose another one", code="value-out-of-range"
        )


def sequence_seed(seed: int, sequence: str) -> int:
    """Derive the seed of a sequence from that of its data set, so that 01 and 02 differ.

    Parameters
    ----------
    seed : int
        Of the data set, 0 or more.
    sequence : str
        Two digits.

    Returns
    -------
    int

    Raises
    ------
    InputError
        A seed below 0.
    """
    _check_seed(seed)
    return int(np.random.SeedSequence([seed, int(sequence)]).generate_state(1)[0])
