"""A simulated sequence as a whole: its tracks, its cells, its light."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal import refused
from scipy import ndimage
from simulated import CELLS, SCENES, SHAPES, alive, present, small, touching

from efficientcellseg.datasets.simulation.sequence import sequence_seed, simulate_sequence
from efficientcellseg.datasets.simulation.streams import stream


def test_a_sequence_can_be_walked_twice():
    sequence = small("tric", frames=2)
    assert len(sequence) == 2
    for once, again in zip(sequence, sequence, strict=True):
        np.testing.assert_array_equal(once, again)


@pytest.mark.parametrize(
    ("scene", "expected"),
    [("a549", "822b4266f8172f42"), ("mda231", "65ef070de8922b93"), ("tric", "8b508858c83e9ada")],
)
def test_pixels_are_those_that_networks_were_trained_on(scene, expected):
    digest = hashlib.sha256()
    for raw, labels in small(scene, frames=2):
        digest.update(raw.tobytes() + labels.tobytes())
    assert digest.hexdigest()[:16] == expected


def test_every_sequence_has_a_seed_of_its_own():
    seeds = {sequence_seed(seed, name) for seed in range(50) for name in ("01", "02", "03")}
    assert len(seeds) == 150


@settings(max_examples=15, deadline=None)
@given(
    scene=st.sampled_from(sorted(SCENES)),
    seed=st.integers(0, 2**32 - 1),
    planes=st.integers(1, 9),
    side=st.integers(64, 100),
)
def test_labels_are_tracks_in_one_piece(scene, seed, planes, side):
    cells = 1 if scene == "a549" else 6
    sequence = small(scene, seed=seed, shape=(planes, side, 90), cells=cells, frames=3)
    for frame, (raw, labels) in enumerate(sequence):
        assert raw.shape == labels.shape == (planes, side, 90)
        assert raw.dtype == labels.dtype == np.uint16
        assert raw.max() < 2 ** SCENES[scene].microscope.bits
        assert present(labels) == alive(sequence.tracks, frame)
        for label in present(labels):
            # Face to face, so that any notion of neighbors finds one piece.
            assert ndimage.label(labels == label)[1] == 1


@pytest.mark.parametrize("scene", ["mda231", "tric"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_parent_ends_before_its_two_children_start(scene, seed):
    sequence = small(scene, seed=seed)
    tracks = {label: row for label, *row in sequence.tracks.tolist()}
    assert sorted(tracks) == list(range(1, len(tracks) + 1))
    assert all(0 <= first <= last < 4 for first, last, _ in tracks.values())
    parents = [parent for _, _, parent in tracks.values() if parent]
    assert parents
    for parent in set(parents):
        assert parents.count(parent) == 2
        starts = {first for first, _, mother in tracks.values() if mother == parent}
        assert starts == {tracks[parent][1] + 1}
    # Who has no parent was there from the start; who has no children lives to the end.
    assert all(first == 0 for first, _, parent in tracks.values() if not parent)
    assert all(last == 3 for label, (_, last, _) in tracks.items() if label not in parents)


def test_children_take_their_mothers_place_and_others_stay_near():
    sequence = small("tric", frames=4)
    frames = [labels for _, labels in sequence]
    widest = SCENES["tric"].cell_shape.width[1]
    checked = 0
    for label, first, last, parent in sequence.tracks.tolist():
        centers = [
            ndimage.center_of_mass(frames[frame] == label) for frame in range(first, last + 1)
        ]
        if parent:
            centers.insert(0, ndimage.center_of_mass(frames[first - 1] == parent))
            checked += 1
        steps = np.linalg.norm(np.diff(centers, axis=0), axis=1)
        assert (steps < widest).all()
    assert checked >= 2


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_elongated_cells_touch(seed):
    (_, labels), *_ = small("mda231", seed=seed, frames=1)
    assert len(touching(labels)) >= 0.6 * CELLS["mda231"]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_protrusions_span_the_frame_without_filling_it(seed):
    (_, labels), *_ = small("a549", seed=seed, frames=1)
    outline = labels.max(axis=0)
    rows, columns = ndimage.find_objects(outline)[0]
    _, height, width = SHAPES["a549"]
    assert rows.stop - rows.start > 0.6 * height
    assert columns.stop - columns.start > 0.5 * width
    assert outline[rows, columns].mean() < 0.7
    # Much of the outline is thinner than a fifth of the body.
    depth = ndimage.distance_transform_edt(outline)
    thick = ndimage.binary_opening(outline, iterations=int(depth.max() / 5) + 1)
    assert thick.sum() < 0.97 * outline.sum()


@pytest.mark.parametrize("scene", SCENES)
def test_cells_stand_out_less_with_depth(scene):
    upper, lower = [], []
    for seed in range(3):
        for raw, labels in small(scene, seed=seed, frames=1):
            third = len(raw) // 3
            for part, contrasts in ((slice(third), upper), (slice(-third, None), lower)):
                cells, counts = labels[part] > 0, raw[part].astype(float)
                if cells.any():
                    contrasts.append(counts[cells].mean() - counts[~cells].mean())
    assert min(upper) > 0
    assert np.mean(lower) < np.mean(upper)


def test_random_streams_are_all_different():
    draws = {
        float(stream(seed, purpose, index).random())
        for seed in (1, 2)
        for purpose in range(4)
        for index in range(5)
    }
    assert len(draws) == 2 * 4 * 5


@pytest.mark.parametrize(
    ("scene", "changes", "code", "told"),
    [
        ("tric", {"shape": (0, 90, 90)}, "value-out-of-range", ["shape", "(0, 90, 90)"]),
        ("tric", {"shape": (5, 90, 23)}, "value-out-of-range", ["shape", "(5, 90, 23)", "24"]),
        ("tric", {"shape": (90, 90)}, "value-out-of-range", ["shape", "(90, 90)"]),
        ("tric", {"frames": 0}, "value-out-of-range", ["frames: found 0"]),
        ("tric", {"cells": 0}, "value-out-of-range", ["cells: found 0"]),
        ("tric", {"cells": 5000}, "cells-too-many", ["5000", "4 x 89 x 89"]),
        ("tric", {"seed": -1}, "value-out-of-range", ["seed: found -1"]),
        ("a549", {"cells": 2}, "value-out-of-range", ["cells: found 2", "protruding"]),
    ],
)
def test_bad_input_is_refused(scene, changes, code, told):
    arguments = {"shape": (5, 90, 90), "frames": 2, "cells": 1, "seed": 1, "voxel_size": (1, 1, 1)}
    with refused(code, *told):
        simulate_sequence(SCENES[scene], **(arguments | changes))
