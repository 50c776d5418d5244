"""Many cells in motion: they settle in a volume, drift, grow, divide and keep apart."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ctc_eval.format import MAX_LABEL, InputError
from efficientcellseg.datasets.simulation.settling import bilinear, inside, settle
from efficientcellseg.datasets.simulation.skeleton import (
    SPINE_BONES,
    SPINE_JOINTS,
    Skeleton,
)
from efficientcellseg.parameters.scene import PopulationShape


@dataclass(frozen=True)
class Population:
    """Cells of one frame, an entry of each array per cell; units as in :class:`PopulationShape`."""

    label: np.ndarray
    last: np.ndarray  # the last frame of the cell's track
    center: np.ndarray  # (N, 3)
    angle: np.ndarray  # heading within the plane, radians
    tilt: np.ndarray  # rise of the long axis over its run
    width: np.ndarray
    aspect: np.ndarray
    bend: np.ndarray
    arm_angle: np.ndarray  # (N, arms), radians from the heading
    arm_length: np.ndarray  # (N, arms), over the width
    brightness: np.ndarray

    def __len__(self) -> int:
        """Count the cells."""
        return len(self.label)

    def take(self, which: np.ndarray) -> Population:
        """Pick cells.

        Parameters
        ----------
        which : ndarray of shape (N,), integer or bool
            Indices, or a mask.

        Returns
        -------
        Population
        """
        return Population(**{name: values[which] for name, values in vars(self).items()})

    def join(self, other: Population) -> Population:
        """Combine the cells of two populations.

        Parameters
        ----------
        other : Population

        Returns
        -------
        Population
        """
        return Population(
            **{
                name: np.concatenate([values, getattr(other, name)])
                for name, values in vars(self).items()
            }
        )


def populate(
    cell_shape: PopulationShape,
    extent: np.ndarray,
    frames: int,
    cells: int,
    rng: np.random.Generator,
) -> tuple[list[list[Skeleton]], np.ndarray]:
    """Settle cells in a volume and let them drift, grow and divide.

    Parameters
    ----------
    cell_shape : PopulationShape
    extent : ndarray of shape (3,)
        Size of the volume in micrometers, from the first voxel's center to the last one's.
    frames : int
    cells : int
        Cells in the first frame.
    rng : numpy.random.Generator

    Returns
    -------
    skeletons : list of list of Skeleton
        For each frame, its cells.
    tracks : ndarray of shape (N, 4), integer
        Rows (label, first frame, last frame, parent or 0).

    Raises
    ------
    InputError
        The cells do not fit into the volume.
    """
    divisions = 0
    if frames > 1 and cell_shape.divisions > 0 and cells > 1:
        divisions = max(1, round(cell_shape.divisions * cells))
    _check_room(cell_shape, extent, cells, divisions)
    current = _first_cells(cell_shape, extent, cells, rng)
    last = np.full(cells, frames - 1)
    mothers = rng.permutation(cells)[:divisions]
    last[mothers] = rng.integers(0, max(frames - 1, 1), size=divisions)
    current = _relax(replace(current, last=last), cell_shape, extent, rounds=60)
    flow = rng.normal(0, cell_shape.flow, size=(4, 4, 2))

    born = dict.fromkeys(range(1, cells + 1), (0, 0))
    ends = dict(zip(current.label.tolist(), current.last.tolist(), strict=True))
    skeletons = [_skeletons(current, cell_shape, 0, frames)]
    for frame in range(1, frames):
        current = _drift(current, cell_shape, extent, flow, rng)
        dividing = current.last == frame - 1
        mothers_now = current.take(dividing)
        children = _divide(mothers_now, len(born) + 1, frames - 1, cell_shape, rng)
        for index, label in enumerate(children.label.tolist()):
            born[label] = (frame, int(mothers_now.label[index // 2]))
            ends[label] = frames - 1
        current = _relax(current.take(~dividing).join(children), cell_shape, extent, rounds=12)
        skeletons.append(_skeletons(current, cell_shape, frame, frames))
    tracks = [(label, first, ends[label], parent) for label, (first, parent) in born.items()]
    return skeletons, np.array(tracks, dtype=np.int64)


def _check_room(
    cell_shape: PopulationShape, extent: np.ndarray, cells: int, divisions: int
) -> None:
    """Refuse more cells than can lie beside each other."""
    width, aspect = float(np.mean(cell_shape.width)), float(np.mean(cell_shape.aspect))
    area = np.pi / 4 * width**2 * aspect
    room = float((extent[1] + width) * (extent[2] + width))
    layers = 1.0 if cell_shape.sheet else max(1.0, float(extent[0]) / (cell_shape.flatness * width))
    most = int(0.8 * room * layers / area)
    if cells > most:
        raise InputError(
            f"cells: {cells}; expected at most {most} in a volume of "
            f"{' x '.join(f'{size:.0f}' for size in extent)} micrometers: "
            "ask for fewer cells or a larger shape",
            code="cells-too-many",
        )
    if cells + 2 * divisions > MAX_LABEL:
        raise InputError(
            f"cells: {cells} and their children; expected at most {MAX_LABEL} labels: "
            "ask for fewer cells",
            code="cells-too-many",
        )


def _first_cells(
    cell_shape: PopulationShape, extent: np.ndarray, cells: int, rng: np.random.Generator
) -> Population:
    """Choose each cell's form and place."""
    width = rng.uniform(*cell_shape.width, size=cells)
    center, angle = settle(cell_shape, extent, width, rng)
    return Population(
        label=np.arange(1, cells + 1),
        last=np.zeros(cells, dtype=np.int64),
        center=center,
        angle=angle,
        tilt=rng.normal(0, cell_shape.tilt, cells),
        width=width,
        aspect=rng.uniform(*cell_shape.aspect, size=cells),
        bend=rng.normal(0, cell_shape.bend, cells),
        # Arms leave in turn from the front and the rear, as protrusions of moving cells do.
        arm_angle=rng.normal(0, 0.8, (cells, cell_shape.arms))
        + np.pi * (np.arange(cell_shape.arms) % 2),
        arm_length=rng.uniform(0.1, 1.0, (cells, cell_shape.arms)),
        brightness=np.exp(rng.normal(0, cell_shape.brightness_spread, cells)),
    )


def _drift(
    cells: Population,
    cell_shape: PopulationShape,
    extent: np.ndarray,
    flow: np.ndarray,
    rng: np.random.Generator,
) -> Population:
    """Let cells move with a smooth common flow and by themselves, turn and grow a little."""
    places = cells.center[:, 1:] / np.maximum(extent[1:], 1)
    common = np.stack([bilinear(flow[..., axis], places) for axis in (0, 1)], axis=1)
    own = rng.normal(0, cell_shape.jitter, size=(len(cells), 3)) * [cell_shape.flatness / 2, 1, 1]
    return replace(
        cells,
        center=cells.center + own + np.pad(common, ((0, 0), (1, 0))),
        angle=cells.angle + rng.normal(0, 0.05, len(cells)),
        bend=cells.bend + rng.normal(0, 0.1 * cell_shape.bend, len(cells)),
        width=cells.width * (1 + cell_shape.growth * rng.uniform(0, 1, len(cells))),
        arm_length=np.clip(
            cells.arm_length + rng.normal(0, 0.08, cells.arm_length.shape), 0.1, 1.2
        ),
    )


def _divide(
    mothers: Population,
    first_label: int,
    last: int,
    cell_shape: PopulationShape,
    rng: np.random.Generator,
) -> Population:
    """Put two smaller children in each mother's place, side by side along her long axis."""
    children = mothers.take(np.repeat(np.arange(len(mothers)), 2))
    count = len(children)
    sign = np.tile([-1.0, 1.0], len(mothers))
    width = children.width * rng.uniform(0.72, 0.8, count)
    aspect = np.maximum(1.0, 0.75 * children.aspect)
    step = 0.5 * sign * np.maximum(width, 0.5 * children.width * children.aspect)
    heading = np.stack([children.tilt, np.sin(children.angle), np.cos(children.angle)], axis=1)
    return replace(
        children,
        label=np.arange(first_label, first_label + count),
        last=np.full(count, last),
        center=children.center + step[:, None] * heading,
        # Nuclei flatten across the axis of division.
        angle=children.angle + (np.pi / 2 if cell_shape.sheet else 0.2 * sign),
        width=width,
        aspect=aspect,
        bend=children.bend / 2,
        brightness=children.brightness * rng.uniform(0.9, 1.25, count),
    )


def _joints(
    cells: Population, cell_shape: PopulationShape
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lay out the skeletons: a bent spine, and arms.

    Returns
    -------
    points : ndarray of shape (N, J, 3)
    radii : ndarray of shape (N, J)
    bones : ndarray of shape (J - 1, 2)
    """
    along = np.linspace(-1, 1, SPINE_JOINTS)
    profile = 1 - cell_shape.taper * np.abs(along) ** 1.5
    # The round caps of the outer joints belong to the length.
    half = 0.5 * cells.width * np.maximum(cells.aspect - profile[0], 0.05)
    run = half[:, None] * along
    sag = (2 * cells.bend * half)[:, None] * (along**2 - 0.4)
    sine, cosine = np.sin(cells.angle)[:, None], np.cos(cells.angle)[:, None]
    spine = np.stack(
        [cells.tilt[:, None] * run, run * sine + sag * cosine, run * cosine - sag * sine], axis=2
    )
    points = cells.center[:, None] + spine
    radii = 0.5 * cells.width[:, None] * profile
    roots = 3 - 2 * (np.arange(cell_shape.arms) % 2)
    turn = cells.angle[:, None] + cells.arm_angle
    reach = cells.width[:, None] * (0.3 + cells.arm_length)
    tips = points[:, roots] + reach[..., None] * np.stack(
        [0.4 * np.sin(3 * turn) * cell_shape.flatness, np.sin(turn), np.cos(turn)], axis=2
    )
    tip_radii = np.broadcast_to(0.09 * cells.width[:, None], reach.shape)
    arms = np.stack([roots, SPINE_JOINTS + np.arange(cell_shape.arms)], axis=1)
    bones = np.concatenate([SPINE_BONES, arms])
    return (
        np.concatenate([points, tips], axis=1),
        np.concatenate([radii, tip_radii], axis=1),
        bones,
    )


def _relax(
    cells: Population, cell_shape: PopulationShape, extent: np.ndarray, rounds: int
) -> Population:
    """Push cells apart whose spines come closer than their radii allow."""
    scale = np.array([1 / cell_shape.flatness, 1.0, 1.0])
    center, owner = cells.center, np.repeat(np.arange(len(cells)), SPINE_JOINTS)
    joints, radii, _ = _joints(replace(cells, center=np.zeros_like(center)), cell_shape)
    spines, radii = joints[:, :SPINE_JOINTS], radii[:, :SPINE_JOINTS].reshape(-1)
    reach = 2 * cell_shape.spacing * float(radii.max())
    searched = None
    for _ in range(rounds):
        points = (center[:, None] + spines).reshape(-1, 3) * scale
        # Pairs serve as long as no joint has moved half as far as they were searched beyond reach.
        if searched is None or np.abs(points - searched).max() > 0.02 * reach:
            searched = points
            one, other = _pairs(points, owner, 1.1 * reach)
            least = cell_shape.spacing * (radii[one] + radii[other])
        away = points[one] - points[other]
        gap = np.maximum(np.sqrt((away**2).sum(axis=1)), 1e-6)
        overlap = least - gap
        close = overlap > 0
        if not close.any():
            break
        push = (0.5 * overlap / gap)[close, None] * away[close] / scale
        moved = np.zeros((len(cells), 3))
        count = np.zeros(len(cells))
        for side, sign in ((one, 1.0), (other, -1.0)):
            np.add.at(moved, owner[side[close]], sign * push)
            np.add.at(count, owner[side[close]], 1.0)
        step = moved / np.maximum(count, 1)[:, None]
        center = inside(center + step, cells.width, cell_shape, extent)
    return replace(cells, center=center)


def _pairs(points: np.ndarray, owner: np.ndarray, distance: float) -> tuple[np.ndarray, np.ndarray]:
    """Find the pairs of points (N, 3) within a distance of each other that two cells own."""
    from scipy.spatial import KDTree

    pairs = KDTree(points).query_pairs(distance, output_type="ndarray")
    pairs = pairs[owner[pairs[:, 0]] != owner[pairs[:, 1]]]
    # The tree's order is its own affair; sums must not depend on it.
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    return pairs[:, 0], pairs[:, 1]


def _skeletons(
    cells: Population, cell_shape: PopulationShape, frame: int, frames: int
) -> list[Skeleton]:
    """Make the skeletons of one frame; a cell about to divide is drawn out, and brighter."""
    dividing = (cells.last == frame) & (frame < frames - 1)
    shown = replace(
        cells,
        aspect=np.where(dividing, 1.2 * cells.aspect, cells.aspect),
        brightness=np.where(dividing, 1.4 * cells.brightness, cells.brightness),
    )
    points, radii, bones = _joints(shown, cell_shape)
    return [
        Skeleton(int(label), points[i], radii[i], bones, float(shown.brightness[i]))
        for i, label in enumerate(shown.label)
    ]
