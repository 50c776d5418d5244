"""One cell whose tapering, branching protrusions stretch and shrink."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from efficientcellseg.datasets.simulation.skeleton import (
    SPINE_BONES,
    SPINE_JOINTS,
    Skeleton,
)
from efficientcellseg.parameters.scene import ProtrudingShape


@dataclass(frozen=True)
class Protrusion:
    """A protrusion, stretched out.

    Attributes
    ----------
    root : int
        The body's joint that it starts from.
    offsets : ndarray of shape (J, 3)
        Its joints relative to that one.
    radii : ndarray of shape (J,)
    bones : ndarray of shape (J - 1, 2), integer
    """

    root: int
    offsets: np.ndarray
    radii: np.ndarray
    bones: np.ndarray


def protrude(
    cell_shape: ProtrudingShape, extent: np.ndarray, frames: int, rng: np.random.Generator
) -> tuple[list[list[Skeleton]], np.ndarray]:
    """Make one cell whose tapering, branching protrusions stretch and shrink.

    Parameters
    ----------
    cell_shape : ProtrudingShape
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
    radius = cell_shape.body * size
    body, body_radii = _body(cell_shape, extent, radius, rng)
    protrusions = _sprout(cell_shape, body, size, float(extent[0]), rng)
    phases = rng.uniform(0, 2 * np.pi, len(protrusions))
    wander = rng.normal(0, 0.006 * size, (frames, 3)).cumsum(axis=0) * [0.2, 1, 1]
    sway = rng.uniform(0, 2 * np.pi, body.shape)
    edge = np.array([0.08 * extent[0], 0.03 * size, 0.03 * size])
    skeletons = []
    for frame in range(frames):
        swell = 1 + cell_shape.growth * frame
        moved = body * swell + 0.06 * radius * np.sin(0.7 * frame + sway) * [0.2, 1, 1]
        moved = np.clip(moved + extent / 2 + wander[frame], edge, extent - edge)
        points, radii, bones = [moved], [body_radii * swell], [SPINE_BONES]
        count = SPINE_JOINTS
        for one, phase in zip(protrusions, phases, strict=True):
            root, reach = moved[one.root], (0.8 + 0.2 * np.sin(0.6 * frame + phase)) * one.offsets
            points.append(root + reach * _fit(root, reach, edge, extent - edge))
            radii.append(one.radii)
            bones += [one.bones + count, np.array([[one.root, count]])]
            count += len(one.offsets)
        skeletons.append(
            [Skeleton(1, np.concatenate(points), np.concatenate(radii), np.concatenate(bones), 1.0)]
        )
    return skeletons, np.array([[1, 0, frames - 1, 0]], dtype=np.int64)


def _body(
    cell_shape: ProtrudingShape, extent: np.ndarray, radius: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Lay out the body around the origin: joints (5, 3) and their radii (5,)."""
    heading = rng.uniform(0, np.pi)
    along = np.linspace(-1, 1, SPINE_JOINTS)[:, None]
    body = along * 0.2 * extent * [0.0, np.sin(heading), np.cos(heading)]
    spread = [0.3 * cell_shape.flatness * radius, radius, radius]
    body += rng.normal(0, 0.15, (SPINE_JOINTS, 3)) * spread
    return body, radius * rng.uniform(0.75, 1.1, SPINE_JOINTS) * (1 - 0.3 * along[:, 0] ** 2)


def _sprout(
    cell_shape: ProtrudingShape,
    body: np.ndarray,
    size: float,
    rise: float,
    rng: np.random.Generator,
) -> list[Protrusion]:
    """Let protrusions grow all around, each from a joint on its own side of the body."""
    count, radius = cell_shape.protrusions, cell_shape.body * size
    angles = 2 * np.pi * (np.arange(count) + rng.uniform(-0.35, 0.35, count)) / count
    ahead = np.outer(np.sin(angles), body[:, 1]) + np.outer(np.cos(angles), body[:, 2])
    roots = np.argmax(ahead + rng.normal(0, 0.7 * radius, ahead.shape), axis=1)
    return [
        _grow(
            root=int(root),
            angle=float(angle),
            length=cell_shape.reach * size * rng.uniform(0.6, 1.2),
            radius=cell_shape.thickness * size * rng.uniform(0.7, 1.3),
            rise=rise,
            rng=rng,
        )
        for root, angle in zip(roots, angles, strict=True)
    ]


def _fit(root: np.ndarray, reach: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Find the factor, at most 1 along each axis, that keeps a protrusion within a box."""
    room = np.where(reach > 0, upper - root, root - lower)
    return np.minimum(1, (room / np.maximum(np.abs(reach), 1e-9)).min(axis=0))


def _grow(
    root: int,
    angle: float,
    length: float,
    radius: float,
    rise: float,
    rng: np.random.Generator,
) -> Protrusion:
    """Let one protrusion grow as a tapering random walk, with up to two branches."""
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
    return Protrusion(root, np.array(offsets), np.array(radii), np.array(bones))
