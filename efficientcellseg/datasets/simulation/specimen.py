"""Simulated specimens: the shapes of cells, how they move and divide, which voxels they fill.

A cell is a skeleton of joints and bones; it fills what lies within the radius of a bone, and
that radius runs linearly from joint to joint. One round form thus serves nuclei, elongated
cells and cells with branching protrusions. Coordinates are micrometers along
(plane, row, column), with voxel (0, 0, 0) centered on the origin.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ctc_eval.format import MAX_LABEL, InputError

# A tube that is nowhere thinner than half a voxel's diagonal is digitized in one piece: the
# voxels nearest to its center line lie within that distance of it, and follow each other
# face to face.
CONNECTED_RADIUS = 0.87

# Purposes of the random streams of a sequence, see `stream`.
LAYOUT, BACKDROP, NOISE, TEXTURE = range(4)


def stream(seed: int, purpose: int, index: int = 0) -> np.random.Generator:
    """Open a random stream of its own for each purpose, and each frame or cell in it.

    Frames can so be made in any order, and one more draw in one place shifts no other.
    """
    return np.random.default_rng([seed, purpose, index])


@dataclass(frozen=True)
class Habit:
    """How the cells of a scene look and behave. Lengths in micrometers, times in frames."""

    width: tuple[float, float]  # range of a cell's diameter, across its long axis
    aspect: tuple[float, float]  # range of length over width
    flatness: float  # height over width
    taper: float  # how much thinner a cell is at its ends, 0..1
    tilt: float  # standard deviation of the long axis' rise over its run
    bend: float  # standard deviation of the sagitta over the length
    arms: int  # short side branches
    roughness: float  # share by which the surface goes in and out, 0..1
    texture: float  # amplitude of the texture over the mean, 0..1
    texture_size: float  # distance of the texture's lumps
    rim_fade: float  # light lost from the center line to the surface, 0..1
    end_fade: float  # light lost from mid-height to the upper and lower end, 0..1
    brightness_spread: float  # standard deviation of the logarithm of brightness
    spacing: float  # distance of neighbors over the sum of their radii
    strand: int  # cells that settle side by side
    sheet: bool  # one curved layer of cells, instead of any depth
    flow: float  # speed of the common drift
    jitter: float  # standard deviation of a cell's own steps
    growth: float  # share by which the width grows in a frame
    divisions: float  # share of cells that divide in a sequence


@dataclass(frozen=True)
class Skeleton:
    """A cell in one frame.

    Attributes
    ----------
    label : int
        Identity of the cell, the same in all frames.
    points : ndarray of shape (J, 3)
        Joints.
    radii : ndarray of shape (J,)
        Radius at each joint, within the plane.
    bones : ndarray of shape (M, 2), integer
        The two joints of each bone.
    brightness : float
        Mean light of the cell.
    """

    label: int
    points: np.ndarray
    radii: np.ndarray
    bones: np.ndarray
    brightness: float


@dataclass(frozen=True)
class Population:
    """Cells of one frame, an entry of each array per cell; see :class:`Habit` for units."""

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
        """Pick cells by index or mask."""
        return Population(**{name: values[which] for name, values in vars(self).items()})

    def join(self, other: Population) -> Population:
        """Put the cells of two populations together."""
        return Population(
            **{
                name: np.concatenate([values, getattr(other, name)])
                for name, values in vars(self).items()
            }
        )


# ---------------------------------------------------------------- many cells in motion


def populate(
    habit: Habit,
    extent: np.ndarray,
    frames: int,
    cells: int,
    rng: np.random.Generator,
) -> tuple[list[list[Skeleton]], np.ndarray]:
    """Settle cells in a volume and let them drift, grow and divide.

    Parameters
    ----------
    habit : Habit
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
    if frames > 1 and habit.divisions > 0 and cells > 1:
        divisions = max(1, round(habit.divisions * cells))
    _check_room(habit, extent, cells, divisions)
    current = _settle(habit, extent, cells, rng)
    last = np.full(cells, frames - 1)
    mothers = rng.permutation(cells)[:divisions]
    last[mothers] = rng.integers(0, max(frames - 1, 1), size=divisions)
    current = _relax(replace(current, last=last), habit, extent, rounds=60)
    flow = rng.normal(0, habit.flow, size=(4, 4, 2))

    born = dict.fromkeys(range(1, cells + 1), (0, 0))
    ends = dict(zip(current.label.tolist(), current.last.tolist(), strict=True))
    skeletons = [_skeletons(current, habit, 0, frames)]
    for frame in range(1, frames):
        current = _drift(current, habit, extent, flow, rng)
        dividing = current.last == frame - 1
        mothers_now = current.take(dividing)
        children = _divide(mothers_now, len(born) + 1, frames - 1, habit, rng)
        for index, label in enumerate(children.label.tolist()):
            born[label] = (frame, int(mothers_now.label[index // 2]))
            ends[label] = frames - 1
        current = _relax(current.take(~dividing).join(children), habit, extent, rounds=12)
        skeletons.append(_skeletons(current, habit, frame, frames))
    tracks = [(label, first, ends[label], parent) for label, (first, parent) in born.items()]
    return skeletons, np.array(tracks, dtype=np.int64)


def _check_room(habit: Habit, extent: np.ndarray, cells: int, divisions: int) -> None:
    """Refuse more cells than can lie beside each other."""
    width, aspect = float(np.mean(habit.width)), float(np.mean(habit.aspect))
    area = np.pi / 4 * width**2 * aspect
    room = float((extent[1] + width) * (extent[2] + width))
    layers = 1.0 if habit.sheet else max(1.0, float(extent[0]) / (habit.flatness * width))
    most = int(0.8 * room * layers / area)
    if cells > most:
        raise InputError(
            f"cells: {cells}; expected at most {most} in a volume of "
            f"{' x '.join(f'{size:.0f}' for size in extent)} micrometers: "
            "ask for fewer cells or a larger shape"
        )
    if cells + 2 * divisions > MAX_LABEL:
        raise InputError(
            f"cells: {cells} and their children; expected at most {MAX_LABEL} labels: "
            "ask for fewer cells"
        )


def _settle(habit: Habit, extent: np.ndarray, cells: int, rng: np.random.Generator) -> Population:
    """Choose each cell's form, and its place: against another cell, or far from all."""
    width = rng.uniform(*habit.width, size=cells)
    center, angle = np.empty((cells, 3)), np.empty(cells)
    surface = rng.uniform(-1, 1, size=(3, 3))
    tries = 24
    for index in range(cells):
        headings = rng.uniform(0, np.pi, tries)
        if index % habit.strand:
            # Against one of the strand's earlier cells, nearly parallel.
            other = rng.integers(index - index % habit.strand, index, size=tries)
            headings = angle[other] + rng.normal(0, 0.35, tries)
            side = angle[other] + rng.choice([-1, 1], tries) * np.pi / 2
            side += rng.normal(0, 0.5, tries)
            step = 0.5 * (width[index] + width[other]) * habit.spacing
            rise = 0.3 * habit.flatness * rng.normal(size=tries)
            shift = np.stack([rise, np.sin(side), np.cos(side)], axis=1)
            candidates = center[other] + step[:, None] * shift
        else:
            candidates = rng.uniform(0, 1, size=(tries, 3)) * extent
            if habit.sheet:
                height = _bilinear(surface, candidates[:, 1:] / np.maximum(extent[1:], 1))
                lift = 0.5 + 0.15 * height + rng.normal(0, 0.05, size=tries)
                candidates[:, 0] = extent[0] * lift
        candidates = _inside(candidates, width[index] * np.ones(tries), habit, extent)
        gaps = np.linalg.norm(candidates[:, None] - center[None, :index], axis=2)
        nearest = gaps.min(axis=1) if index else np.ones(tries)
        border = np.minimum(candidates, extent - candidates) / width[index]
        shunned = border[:, 1:] if habit.sheet else border / [habit.flatness, 1, 1]
        # Far from others means the corners, unless the border is shunned too.
        best = int(np.argmax(nearest * np.clip(shunned.min(axis=1), 0.2, 1)))
        center[index], angle[index] = candidates[best], headings[best]
    return Population(
        label=np.arange(1, cells + 1),
        last=np.zeros(cells, dtype=np.int64),
        center=center,
        angle=angle,
        tilt=rng.normal(0, habit.tilt, cells),
        width=width,
        aspect=rng.uniform(*habit.aspect, size=cells),
        bend=rng.normal(0, habit.bend, cells),
        # Arms leave in turn from the front and the rear, as protrusions of moving cells do.
        arm_angle=rng.normal(0, 0.8, (cells, habit.arms)) + np.pi * (np.arange(habit.arms) % 2),
        arm_length=rng.uniform(0.1, 1.0, (cells, habit.arms)),
        brightness=np.exp(rng.normal(0, habit.brightness_spread, cells)),
    )


def _inside(
    center: np.ndarray, width: np.ndarray | float, habit: Habit, extent: np.ndarray
) -> np.ndarray:
    """Move centers into the volume: borders may cut a cell, but not hide it."""
    margin = 0.3 * np.multiply.outer(width, [habit.flatness, 1.0, 1.0])
    margin = np.minimum(margin, extent / 2)
    return np.clip(center, margin, extent - margin)


def _bilinear(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Read a coarse grid at places given as shares (0..1) of its two sides."""
    from scipy.ndimage import map_coordinates

    scale = np.array(values.shape[:2]) - 1
    return map_coordinates(values, (places * scale).T, order=1, mode="nearest")


def _drift(
    cells: Population,
    habit: Habit,
    extent: np.ndarray,
    flow: np.ndarray,
    rng: np.random.Generator,
) -> Population:
    """Let cells move with a smooth common flow and by themselves, turn and grow a little."""
    places = cells.center[:, 1:] / np.maximum(extent[1:], 1)
    common = np.stack([_bilinear(flow[..., axis], places) for axis in (0, 1)], axis=1)
    own = rng.normal(0, habit.jitter, size=(len(cells), 3)) * [habit.flatness / 2, 1, 1]
    return replace(
        cells,
        center=cells.center + own + np.pad(common, ((0, 0), (1, 0))),
        angle=cells.angle + rng.normal(0, 0.05, len(cells)),
        bend=cells.bend + rng.normal(0, 0.1 * habit.bend, len(cells)),
        width=cells.width * (1 + habit.growth * rng.uniform(0, 1, len(cells))),
        arm_length=np.clip(
            cells.arm_length + rng.normal(0, 0.08, cells.arm_length.shape), 0.1, 1.2
        ),
    )


def _divide(
    mothers: Population, first_label: int, last: int, habit: Habit, rng: np.random.Generator
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
        angle=children.angle + (np.pi / 2 if habit.sheet else 0.2 * sign),
        width=width,
        aspect=aspect,
        bend=children.bend / 2,
        brightness=children.brightness * rng.uniform(0.9, 1.25, count),
    )


def _joints(cells: Population, habit: Habit) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lay out the skeletons: a bent spine of five joints, and arms.

    Returns
    -------
    points : ndarray of shape (N, J, 3)
    radii : ndarray of shape (N, J)
    bones : ndarray of shape (J - 1, 2)
    """
    along = np.linspace(-1, 1, 5)
    profile = 1 - habit.taper * np.abs(along) ** 1.5
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
    roots = 3 - 2 * (np.arange(habit.arms) % 2)
    turn = cells.angle[:, None] + cells.arm_angle
    reach = cells.width[:, None] * (0.3 + cells.arm_length)
    tips = points[:, roots] + reach[..., None] * np.stack(
        [0.4 * np.sin(3 * turn) * habit.flatness, np.sin(turn), np.cos(turn)], axis=2
    )
    tip_radii = np.broadcast_to(0.09 * cells.width[:, None], reach.shape)
    bones = np.concatenate(
        [
            np.stack([np.arange(4), np.arange(1, 5)], axis=1),
            np.stack([roots, 5 + np.arange(habit.arms)], axis=1),
        ]
    )
    return (
        np.concatenate([points, tips], axis=1),
        np.concatenate([radii, tip_radii], axis=1),
        bones,
    )


def _relax(cells: Population, habit: Habit, extent: np.ndarray, rounds: int) -> Population:
    """Push cells apart whose spines come closer than their radii allow."""
    from scipy.spatial import KDTree

    scale = np.array([1 / habit.flatness, 1.0, 1.0])
    for _ in range(rounds):
        points, radii, _ = _joints(cells, habit)
        spine, radii = points[:, :5].reshape(-1, 3) * scale, radii[:, :5].reshape(-1)
        owner = np.repeat(np.arange(len(cells)), 5)
        pairs = KDTree(spine).query_pairs(
            2 * habit.spacing * float(radii.max()), output_type="ndarray"
        )
        pairs = pairs[owner[pairs[:, 0]] != owner[pairs[:, 1]]]
        # The tree's order is its own affair; sums must not depend on it.
        pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
        away = spine[pairs[:, 0]] - spine[pairs[:, 1]]
        gap = np.maximum(np.sqrt((away**2).sum(axis=1)), 1e-6)
        overlap = habit.spacing * radii[pairs].sum(axis=1) - gap
        close = overlap > 0
        if not close.any():
            break
        push = (0.5 * overlap / gap)[close, None] * away[close] / scale
        moved = np.zeros((len(cells), 3))
        count = np.zeros(len(cells))
        for side, sign in ((0, 1.0), (1, -1.0)):
            np.add.at(moved, owner[pairs[close, side]], sign * push)
            np.add.at(count, owner[pairs[close, side]], 1.0)
        step = moved / np.maximum(count, 1)[:, None]
        cells = replace(cells, center=_inside(cells.center + step, cells.width, habit, extent))
    return cells


def _skeletons(cells: Population, habit: Habit, frame: int, frames: int) -> list[Skeleton]:
    """Make the skeletons of one frame; a cell about to divide is drawn out, and brighter."""
    dividing = (cells.last == frame) & (frame < frames - 1)
    shown = replace(
        cells,
        aspect=np.where(dividing, 1.2 * cells.aspect, cells.aspect),
        brightness=np.where(dividing, 1.4 * cells.brightness, cells.brightness),
    )
    points, radii, bones = _joints(shown, habit)
    return [
        Skeleton(int(label), points[i], radii[i], bones, float(shown.brightness[i]))
        for i, label in enumerate(shown.label)
    ]


# ---------------------------------------------------------------- one cell with protrusions


def protrude(
    habit: Habit, extent: np.ndarray, frames: int, rng: np.random.Generator
) -> tuple[list[list[Skeleton]], np.ndarray]:
    """Make one cell whose tapering, branching protrusions stretch and shrink.

    Parameters
    ----------
    habit : Habit
        Its widths and lengths are not used: the cell takes its size from the volume.
    extent : ndarray of shape (3,)
        Size of the volume in micrometers.
    frames : int
    rng : numpy.random.Generator

    Returns
    -------
    skeletons : list of list of Skeleton
        For each frame, the one cell.
    tracks : ndarray of shape (1, 4), integer
        The row (1, 0, frames - 1, 0).
    """
    size = float(extent[1:].min())
    center, radius = extent / 2, 0.17 * size
    heading = rng.uniform(0, np.pi)
    along = np.linspace(-1, 1, 5)[:, None]
    body = along * 0.2 * extent * [0.0, np.sin(heading), np.cos(heading)]
    body += rng.normal(0, 0.15, (5, 3)) * [0.3 * habit.flatness * radius, radius, radius]
    body_radii = radius * rng.uniform(0.75, 1.1, 5) * (1 - 0.3 * along[:, 0] ** 2)
    angles = 2 * np.pi * (np.arange(9) + rng.uniform(-0.35, 0.35, 9)) / 9
    # Each starts from a joint on its own side of the body.
    ahead = np.outer(np.sin(angles), body[:, 1]) + np.outer(np.cos(angles), body[:, 2])
    roots = np.argmax(ahead + rng.normal(0, 0.7 * radius, ahead.shape), axis=1)
    filaments = [
        _filament(
            root=int(root),
            angle=float(angle),
            length=0.5 * size * rng.uniform(0.6, 1.2),
            radius=0.018 * size * rng.uniform(0.7, 1.3),
            rise=float(extent[0]),
            rng=rng,
        )
        for root, angle in zip(roots, angles, strict=True)
    ]
    phases = rng.uniform(0, 2 * np.pi, len(filaments))
    wander = rng.normal(0, 0.006 * size, (frames, 3)).cumsum(axis=0) * [0.2, 1, 1]
    sway = rng.uniform(0, 2 * np.pi, body.shape)
    skeletons = []
    edge = np.array([0.08 * extent[0], 0.03 * size, 0.03 * size])
    for frame in range(frames):
        swell = 1 + habit.growth * frame
        moved = body * swell + 0.06 * radius * np.sin(0.7 * frame + sway) * [0.2, 1, 1]
        moved = np.clip(moved + center + wander[frame], edge, extent - edge)
        points, radii = [moved], [body_radii * swell]
        bones = [np.stack([np.arange(4), np.arange(1, 5)], axis=1)]
        count = 5
        for (root, offsets, thickness, links), phase in zip(filaments, phases, strict=True):
            reach = (0.8 + 0.2 * np.sin(0.6 * frame + phase)) * offsets
            points.append(moved[root] + reach * _fit(moved[root], reach, edge, extent - edge))
            radii.append(thickness)
            bones += [links + count, np.array([[root, count]])]
            count += len(offsets)
        skeletons.append(
            [Skeleton(1, np.concatenate(points), np.concatenate(radii), np.concatenate(bones), 1.0)]
        )
    return skeletons, np.array([[1, 0, frames - 1, 0]], dtype=np.int64)


def _fit(root: np.ndarray, reach: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Find the factor, at most 1 along each axis, that keeps a filament within a box."""
    room = np.where(reach > 0, upper - root, root - lower)
    return np.minimum(1, (room / np.maximum(np.abs(reach), 1e-9)).min(axis=0))


def _filament(
    root: int,
    angle: float,
    length: float,
    radius: float,
    rise: float,
    rng: np.random.Generator,
) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """Let one protrusion grow as a tapering random walk, with up to two branches.

    Returns
    -------
    root : int
        The body's joint that it starts from.
    offsets : ndarray of shape (J, 3)
        Its joints relative to that one.
    radii : ndarray of shape (J,)
    bones : ndarray of shape (J - 1, 2)
    """
    steps = 10
    offsets, radii, bones = [np.zeros(3)], [2.2 * radius], []
    sprouts = [(0, angle, length, steps, rng.normal(0, 0.25))]
    branches = int(rng.integers(0, 3))
    for sprout in range(1 + branches):
        if sprout:
            start = int(rng.integers(steps // 3, steps - 1))
            turn = rng.choice([-1, 1]) * rng.uniform(0.4, 0.9)
            sprouts.append((start, angle + turn, 0.45 * length, 5, rng.normal(0, 0.25)))
        joint, heading, reach, count, slope = sprouts[sprout]
        thick = radii[joint] if sprout else 2.2 * radius
        for step in range(1, count + 1):
            heading += rng.normal(0, 0.16)
            move = np.array([slope * rise / length, np.sin(heading), np.cos(heading)])
            bones.append((joint, len(offsets)))
            offsets.append(offsets[joint] + reach / count * move)
            radii.append(thick + (0.35 * radius - thick) * (step / count) ** 0.7)
            joint = len(offsets) - 1
    return root, np.array(offsets), np.array(radii), np.array(bones)


# ---------------------------------------------------------------- voxels


def paint(
    skeletons: list[Skeleton],
    habit: Habit,
    shape: tuple[int, int, int],
    voxel_size: tuple[float, float, float],
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Fill the voxels of a frame's cells.

    Where cells would overlap, a voxel belongs to the cell whose center line is nearer, by
    that cell's radius; of a cell cut in pieces by others the largest piece stays.

    Parameters
    ----------
    skeletons : list of Skeleton
    habit : Habit
    shape : tuple of int
        Planes, rows, columns.
    voxel_size : tuple of float
        Micrometers along (plane, row, column).
    seed : int
        Fixes each cell's texture and roughness, which move along with it.

    Returns
    -------
    labels : ndarray of shape (Z, Y, X), uint16
    light : ndarray of shape (Z, Y, X), float32
        What each voxel emits, around 1 in cells and 0 elsewhere.

    Raises
    ------
    InputError
        A cell has no voxel left.
    """
    nearest = np.ones(shape, dtype=np.float32)
    labels = np.zeros(shape, dtype=np.uint16)
    light = np.zeros(shape, dtype=np.float32)
    voxel = np.array(voxel_size, dtype=np.float64)
    for cell in skeletons:
        noise = stream(seed, TEXTURE, cell.label).uniform(-1, 1, (2, 8, 8, 8))
        box, depth = _closeness(cell, habit, shape, voxel, noise[0])
        near = depth < nearest[box]
        glow = _emission(cell, habit, voxel, box, near, depth[near], noise[1])
        nearest[box][near] = depth[near]
        labels[box][near] = cell.label
        light[box][near] = glow
    for cell, box, piece in _largest_pieces(skeletons, labels):
        stray = (labels[box] == cell.label) & ~piece
        labels[box][stray] = 0
        light[box][stray] = 0
    return labels, light


def _closeness(
    cell: Skeleton,
    habit: Habit,
    shape: tuple[int, int, int],
    voxel: np.ndarray,
    noise: np.ndarray,
) -> tuple[tuple[slice, ...], np.ndarray]:
    """Measure how far voxels are from a cell's center line: 0 on it, 1 on the surface.

    Returns
    -------
    box : tuple of slice
        The part of the frame that holds the cell.
    depth : ndarray of the box's shape, float32
        2 where no bone is near.
    """
    slack = 1 + habit.roughness
    least = CONNECTED_RADIUS * slack * voxel
    radii = np.maximum(cell.radii, least[1:].max())
    heights = np.maximum(habit.flatness * radii, least[0])
    reach = np.stack([heights, radii, radii], axis=1) * slack
    box = _box((cell.points - reach).min(axis=0), (cell.points + reach).max(axis=0), shape, voxel)
    depth = np.full([part.stop - part.start for part in box], 2, dtype=np.float32)
    for bone in cell.bones:
        lower = (cell.points[bone] - reach[bone]).min(axis=0)
        upper = (cell.points[bone] + reach[bone]).max(axis=0)
        part = _box(lower, upper, shape, voxel)
        local = tuple(
            slice(a.start - b.start, a.stop - b.start) for a, b in zip(part, box, strict=True)
        )
        if depth[local].size:
            ratio = _bone_distance(part, voxel, cell.points[bone], radii[bone], heights[bone])
            depth[local] = np.minimum(depth[local], ratio)
    if habit.roughness:
        rough = depth < slack
        where = _places(box, voxel, rough)
        lumps = _noise(noise, where - cell.points[0], 2.5 * habit.texture_size, habit.flatness)
        depth[rough] *= 1 + habit.roughness * lumps
    return box, depth


def _box(
    lower: np.ndarray, upper: np.ndarray, shape: tuple[int, int, int], voxel: np.ndarray
) -> tuple[slice, ...]:
    """Find the voxels of a frame whose centers lie between two corners."""
    starts = np.clip(np.ceil(lower / voxel).astype(int), 0, shape)
    stops = np.clip(np.floor(upper / voxel).astype(int) + 1, starts, shape)
    return tuple(slice(int(a), int(b)) for a, b in zip(starts, stops, strict=True))


def _bone_distance(
    box: tuple[slice, ...],
    voxel: np.ndarray,
    ends: np.ndarray,
    radii: np.ndarray,
    heights: np.ndarray,
) -> np.ndarray:
    """Divide the distance from a bone by the bone's radius at the nearest point."""
    # The nearest point is looked for where the thinner end's section is round.
    squeeze = np.array([float(radii.min() / heights.min()), 1.0, 1.0])
    start, bone = ends[0] * squeeze, (ends[1] - ends[0]) * squeeze
    grids: list[Any] = [
        np.arange(part.start, part.stop, dtype=np.float32) * np.float32(size) - np.float32(origin)
        for part, size, origin in zip(box, voxel * squeeze, start, strict=True)
    ]
    z, y, x = grids[0][:, None, None], grids[1][:, None], grids[2]
    length = np.float32(max(float((bone**2).sum()), 1e-12))
    b = bone.astype(np.float32)
    share = np.clip((z * b[0] + y * b[1] + x * b[2]) / length, 0, 1)
    radius = np.float32(radii[0]) + share * np.float32(radii[1] - radii[0])
    height = np.float32(heights[0]) + share * np.float32(heights[1] - heights[0])
    within = ((y - share * b[1]) ** 2 + (x - share * b[2]) ** 2) / radius**2
    across = (z - share * b[0]) / (np.float32(squeeze[0]) * height)
    return np.sqrt(within + across**2)


def _places(box: tuple[slice, ...], voxel: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Give the coordinates of a mask's voxels: (N, 3), micrometers."""
    return (np.argwhere(mask) + [part.start for part in box]) * voxel


def _noise(lattice: np.ndarray, offsets: np.ndarray, size: float, flatness: float) -> np.ndarray:
    """Read smooth noise between -1 and 1 with lumps of a size: (N,) float32."""
    from scipy.ndimage import map_coordinates

    steps = offsets / (size * np.array([min(flatness, 1.0), 1.0, 1.0]))
    # Unfiltered splines stay within the lattice's range, so that roughness has a bound.
    return map_coordinates(
        lattice, steps.T, order=2, mode="grid-wrap", prefilter=False, output=np.float32
    )


def _emission(
    cell: Skeleton,
    habit: Habit,
    voxel: np.ndarray,
    box: tuple[slice, ...],
    mask: np.ndarray,
    depth: np.ndarray,
    noise: np.ndarray,
) -> np.ndarray:
    """Compute what the voxels of a cell emit: lumpy, dimmer at the rim and at both ends."""
    where = _places(box, voxel, mask)
    lumps = _noise(noise, where - cell.points[0], habit.texture_size, habit.flatness)
    fine = _noise(noise, where - cell.points[0], 0.45 * habit.texture_size, habit.flatness)
    heights = habit.flatness * cell.radii
    lower, upper = (cell.points[:, 0] - heights).min(), (cell.points[:, 0] + heights).max()
    middle, half = (lower + upper) / 2, max((upper - lower) / 2, voxel[0])
    off_middle = np.clip(np.abs(where[:, 0] - middle) / half, 0, 1)
    glow = (
        cell.brightness
        * (1 + habit.texture * (1.4 * lumps + 0.7 * fine))
        * (1 - habit.rim_fade * np.clip(depth, 0, 1) ** 2)
        * (1 - habit.end_fade * off_middle**1.5)
    )
    return np.maximum(glow, 0.02).astype(np.float32)


def _largest_pieces(
    skeletons: list[Skeleton], labels: np.ndarray
) -> Iterator[tuple[Skeleton, tuple[slice, ...], np.ndarray]]:
    """Find the largest face-connected piece of each cell, within the cell's bounding box."""
    from scipy import ndimage

    boxes = ndimage.find_objects(labels)
    for cell in skeletons:
        box = boxes[cell.label - 1] if cell.label <= len(boxes) else None
        if box is None:
            raise InputError(
                f"cells: cell {cell.label} of {len(skeletons)} is hidden by others; expected "
                "room for each: ask for fewer cells or a larger shape"
            )
        pieces, count = ndimage.label(labels[box] == cell.label)
        if count > 1:
            sizes = np.bincount(pieces.ravel())
            yield cell, box, pieces == int(sizes[1:].argmax()) + 1
