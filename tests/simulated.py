"""Small simulated sequences, and what tests ask of labels and files."""

import hashlib

import numpy as np

from efficientcellseg.datasets.simulation.sequence import simulate_sequence
from efficientcellseg.parameters.scene import open_scene

VOXELS = {"a549": (1.0, 0.5, 0.5), "mda231": (6.0, 1.242, 1.242), "tric": (1.0, 1.0, 1.0)}
SCENES = {name: open_scene(name) for name in VOXELS}
SHAPES = {"a549": (9, 80, 96), "mda231": (8, 96, 80), "tric": (9, 96, 96)}
CELLS = {"a549": 1, "mda231": 8, "tric": 20}


def small(scene, seed=7, frames=4, **changes):
    arguments = {"shape": SHAPES[scene], "cells": CELLS[scene], "voxel_size": VOXELS[scene]}
    return simulate_sequence(SCENES[scene], frames=frames, seed=seed, **(arguments | changes))


def hashes(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def present(labels):
    return set(np.unique(labels).tolist()) - {0}


def alive(tracks, frame):
    return {label for label, first, last, _ in tracks.tolist() if first <= frame <= last}


def touching(labels):
    """Labels that share a voxel face with another label."""
    found = set()
    for axis in range(3):
        rolled = np.moveaxis(labels, axis, 0)
        one, other = rolled[:-1], rolled[1:]
        border = (one != other) & (one > 0) & (other > 0)
        found |= present(one[border]) | present(other[border])
    return found
