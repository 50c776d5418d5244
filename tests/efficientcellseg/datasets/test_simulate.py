"""The simulator: reproducible, consistent with its own reference, lit as it says."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from ctc_eval.format import InputError, frame_files, read_volume
from efficientcellseg.__main__ import main
from efficientcellseg.datasets.simulation.sequence import (
    SCENES,
    expose,
    sequence_seed,
    simulate_sequence,
    uneven_field,
    write_sequence,
)
from efficientcellseg.datasets.simulation.specimen import Skeleton, paint, populate, stream
from efficientcellseg.parameters.recipe import RECIPES, load_recipe

ROOT = Path(__file__).resolve().parents[3]
VOXELS = {"a549": (1.0, 0.5, 0.5), "mda231": (6.0, 1.242, 1.242), "tric": (1.0, 1.0, 1.0)}
SHAPES = {"a549": (9, 80, 96), "mda231": (8, 96, 80), "tric": (9, 96, 96)}
CELLS = {"a549": 1, "mda231": 8, "tric": 20}


def small(scene, seed=7, frames=4, **changes):
    arguments = {"shape": SHAPES[scene], "cells": CELLS[scene], "voxel_size": VOXELS[scene]}
    return simulate_sequence(scene, frames=frames, seed=seed, **(arguments | changes))


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


# ---------------------------------------------------------------- the sequence as a whole


@pytest.mark.parametrize("scene", SCENES)
def test_same_seed_same_bytes(scene, tmp_path):
    for run in ("a", "b"):
        write_sequence(tmp_path / run, "01", small(scene, frames=2))
    write_sequence(tmp_path / "c", "01", small(scene, frames=2, seed=8))
    first, second, third = (hashes(tmp_path / run) for run in "abc")
    assert len(first) == 3 * 2 + 1
    assert first == second
    assert {name for name in first if first[name] == third[name]} <= {"01_GT/TRA/man_track.txt"}


def test_bytes_do_not_depend_on_threads(tmp_path):
    command = [sys.executable, "-m", "efficientcellseg", "simulate", "Sim-MDA231"]
    for threads in ("1", "4"):
        variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        subprocess.run(
            [*command, str(tmp_path / threads), "--sequences", "02", "--frames", "2"],
            cwd=ROOT,
            env=os.environ | dict.fromkeys(variables, threads),
            check=True,
            capture_output=True,
        )
    assert hashes(tmp_path / "1") == hashes(tmp_path / "4")


def test_a_sequence_can_be_walked_twice():
    sequence = small("tric", frames=2)
    assert len(sequence) == 2
    for once, again in zip(sequence, sequence, strict=True):
        np.testing.assert_array_equal(once, again)


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
    widest = SCENES["tric"].habit.width[1]
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


# ---------------------------------------------------------------- the specimen

PLAIN = replace(
    SCENES["tric"].habit, flatness=1.0, roughness=0.0, texture=0.0, rim_fade=0.0, end_fade=0.0
)


def ball(label, center, radius):
    points = np.array([center, center], dtype=float)
    return Skeleton(label, points, np.array([radius, radius]), np.array([[0, 1]]), 1.0)


def test_a_ball_fills_the_voxels_within_its_radius():
    voxel = (2.0, 1.0, 1.0)
    labels, light = paint([ball(3, (8, 10, 12), 6.5)], PLAIN, (9, 24, 24), voxel, seed=0)
    z, y, x = np.indices(labels.shape)
    within = (2.0 * z - 8) ** 2 + (y - 10) ** 2 + (x - 12) ** 2 < 6.5**2
    np.testing.assert_array_equal(labels, np.where(within, 3, 0))
    np.testing.assert_array_equal(light, within.astype(np.float32))


def test_overlapping_balls_meet_halfway():
    cells = [ball(1, (5, 10, 8), 6.2), ball(2, (5, 10, 15), 6.2)]
    labels, _ = paint(cells, PLAIN, (11, 21, 24), (1.0, 1.0, 1.0), seed=0)
    # 11.5 is halfway, so columns up to 11 are nearer to the first.
    assert present(labels[:, :, :12]) == {1}
    assert present(labels[:, :, 12:]) == {2}
    np.testing.assert_array_equal(labels[:, :, 11] == 1, labels[:, :, 12] == 2)
    assert touching(labels) == {1, 2}


def test_only_the_largest_piece_of_a_cut_cell_stays():
    # The rod's axis runs between voxels, so that the ball wins every voxel near its center.
    ends = np.array([[5.5, 8.5, 3], [5.5, 8.5, 36]])
    rod = Skeleton(1, ends, np.array([1.2, 1.2]), np.array([[0, 1]]), 1.0)
    alone, _ = paint([rod], PLAIN, (12, 18, 40), (1, 1, 1), seed=0)
    labels, light = paint([rod, ball(2, (5, 8, 12), 7)], PLAIN, (12, 18, 40), (1, 1, 1), seed=0)
    columns = np.flatnonzero((labels == 1).any(axis=(0, 1)))
    assert np.flatnonzero((alone == 1).any(axis=(0, 1)))[0] == 3
    assert columns[0] > 12
    assert columns[-1] == 36
    assert ndimage.label(labels == 1)[1] == 1
    np.testing.assert_array_equal(light > 0, labels > 0)


def test_dense_nuclei_make_room_for_each_other():
    extent = np.array([8.0, 99.0, 99.0])
    habit = SCENES["tric"].habit
    skeletons, _ = populate(habit, extent, 3, 34, np.random.default_rng(6))
    squeeze = [1 / habit.flatness, 1, 1]
    for cells in skeletons:
        for index, one in enumerate(cells):
            for other in cells[index + 1 :]:
                apart = (one.points.mean(axis=0) - other.points.mean(axis=0)) * squeeze
                # Neither nucleus may hold the other's center.
                nearer = max(one.radii.max(), other.radii.max())
                assert np.sqrt((apart**2).sum()) > nearer


def test_random_streams_are_all_different():
    draws = {
        float(stream(seed, purpose, index).random())
        for seed in (1, 2)
        for purpose in range(4)
        for index in range(5)
    }
    assert len(draws) == 2 * 4 * 5


def test_a_hidden_cell_is_refused():
    cells = [ball(1, (5, 8, 8), 5.0), ball(2, (50, 8, 8), 5.0)]
    with pytest.raises(InputError, match="cell 2 of 2 is hidden"):
        paint(cells, PLAIN, (11, 17, 17), (1, 1, 1), seed=0)


@settings(max_examples=50, deadline=None)
@given(
    ends=st.lists(st.floats(1, 18), min_size=6, max_size=6),
    voxel=st.sampled_from([(1.0, 1.0, 1.0), (3.0, 0.5, 0.5), (0.6, 1.0, 1.0)]),
    roughness=st.sampled_from([0.0, 0.2]),
)
def test_the_thinnest_protrusion_is_in_one_piece(ends, voxel, roughness):
    points = np.array(ends).reshape(2, 3)
    thread = Skeleton(1, points, np.array([1e-3, 1e-3]), np.array([[0, 1]]), 1.0)
    shape = tuple(int(20 / size) + 1 for size in voxel)
    # Drawn alone and complete, before any piece could be dropped: both ends are there.
    labels, _ = paint([thread], replace(PLAIN, roughness=roughness), shape, voxel, seed=3)
    assert ndimage.label(labels)[1] == 1
    for point in points:
        assert labels[tuple(np.rint(point / voxel).astype(int))] == 1


def test_texture_moves_along_with_the_cell():
    habit = replace(PLAIN, texture=0.5, roughness=0.1)
    shape, voxel = (16, 40, 40), (1.0, 1.0, 1.0)
    labels, light = paint([ball(1, (6, 12, 12), 5.0)], habit, shape, voxel, seed=4)
    moved_labels, moved_light = paint([ball(1, (8, 17, 15), 5.0)], habit, shape, voxel, seed=4)
    assert light[labels > 0].std() > 0.05
    np.testing.assert_array_equal(np.roll(labels, (2, 5, 3), (0, 1, 2)), moved_labels)
    np.testing.assert_allclose(np.roll(light, (2, 5, 3), (0, 1, 2)), moved_light, atol=1e-5)


def test_cells_fade_towards_their_upper_and_lower_ends():
    habit = replace(PLAIN, end_fade=0.8)
    _, light = paint([ball(1, (8, 12, 12), 7.5)], habit, (17, 25, 25), (1, 1, 1), seed=0)
    axis = light[:, 12, 12]
    # 1 - 0.8 * share ** 1.5 at mid-height, a third of 7.5 off rounded to 3, and at the ends.
    assert axis[8] == pytest.approx(1.0)
    assert axis[5] == axis[11] == pytest.approx(1 - 0.8 * (3 / 7.5) ** 1.5)
    assert axis[1] == axis[15] == pytest.approx(1 - 0.8 * (7 / 7.5) ** 1.5)


# ---------------------------------------------------------------- the microscope

CLEAR = replace(
    SCENES["tric"].microscope,
    blur=(0.0, 0.0),
    signal=10000.0,
    background=0.0,
    haze=0.0,
    depth_loss=0.0,
    counts_per_photon=1e-4,
    read_noise=0.0,
    offset=0.0,
)


def picture(light, microscope, voxel=(1.0, 1.0, 1.0), backdrop=None):
    field = np.zeros(light.shape, dtype=np.float32) if backdrop is None else backdrop
    return expose(light, microscope, voxel, field, np.random.default_rng(5))


def test_light_is_lost_along_the_way_down():
    light = np.ones((3, 30, 30), dtype=np.float32)
    planes = picture(light, replace(CLEAR, depth_loss=0.36)).mean(axis=(1, 2))
    # Beer and Lambert: half-way the square root of what is left at the end, 0.64.
    np.testing.assert_allclose(planes, [10000, 8000, 6400], rtol=1e-3)


def test_a_point_spreads_more_along_the_depth():
    light = np.zeros((41, 41, 41), dtype=np.float32)
    light[20, 20, 20] = 100
    spread = picture(light, replace(CLEAR, blur=(6.0, 1.0)), voxel=(2.0, 0.5, 0.5)).astype(float)
    for axis, (sigma, size) in enumerate(((6.0, 2.0), (1.0, 0.5), (1.0, 0.5))):
        profile = spread.sum(axis=tuple({0, 1, 2} - {axis}))
        places = (np.arange(41) - 20) * size
        deviation = np.sqrt((profile * places**2).sum() / profile.sum())
        assert deviation == pytest.approx(sigma, rel=0.05)


def test_photon_and_camera_noise_add_up():
    light = np.full((4, 100, 100), 0.2, dtype=np.float32)
    noisy = picture(light, replace(CLEAR, counts_per_photon=20.0, read_noise=100.0, offset=500.0))
    assert noisy.mean() == pytest.approx(2000 + 500, rel=0.01)
    # Variances: 20 counts a photon times 2000 counts, and 100 squared.
    assert noisy.var() == pytest.approx(20 * 2000 + 100**2, rel=0.05)


@pytest.mark.parametrize("bits", [12, 14])
def test_a_camera_saturates_at_its_bits(bits):
    light = np.full((2, 30, 30), 10, dtype=np.float32)
    assert (picture(light, replace(CLEAR, bits=bits)) == 2**bits - 1).all()
    assert (picture(light * 0, replace(CLEAR, offset=-50.0)) == 0).all()


def test_the_background_is_uneven_and_smooth():
    field = uneven_field((5, 60, 70), np.random.default_rng(2))
    assert field.dtype == np.float32
    assert np.abs(field).max() <= 1
    assert np.ptp(field) > 0.3
    assert max(np.abs(np.diff(field, axis=axis)).max() for axis in (1, 2)) < 0.1
    dark = np.zeros(field.shape, dtype=np.float32)
    counts = picture(dark, replace(CLEAR, background=1000.0, unevenness=0.5), backdrop=field)
    np.testing.assert_allclose(counts, 1000 * (1 + 0.5 * field), atol=3)


def test_bits_of_the_data_sets():
    bits = {name: scene.microscope.bits for name, scene in SCENES.items()}
    assert bits == {"a549": 12, "mda231": 12, "tric": 14}


# ---------------------------------------------------------------- files and commands


def test_files_are_in_challenge_layout(tmp_path):
    sequence = small("tric", frames=3)
    assert write_sequence(tmp_path, "02", sequence) == tmp_path / "02"
    numbers = ("000", "001", "002")
    assert sorted(hashes(tmp_path)) == sorted(
        [f"02/t{n}.tif" for n in numbers]
        + [f"02_GT/SEG/man_seg{n}.tif" for n in numbers]
        + [f"02_GT/TRA/man_track{n}.tif" for n in numbers]
        + ["02_GT/TRA/man_track.txt"]
    )
    for number, (raw, labels) in zip(numbers, sequence, strict=True):
        np.testing.assert_array_equal(read_volume(tmp_path / f"02/t{number}.tif"), raw)
        for kind in ("SEG/man_seg", "TRA/man_track"):
            written = read_volume(tmp_path / f"02_GT/{kind}{number}.tif")
            np.testing.assert_array_equal(written, labels)
    lines = (tmp_path / "02_GT/TRA/man_track.txt").read_text().splitlines()
    assert [[int(word) for word in line.split(" ")] for line in lines] == sequence.tracks.tolist()


def test_frames_of_an_earlier_longer_run_are_refused(tmp_path):
    write_sequence(tmp_path, "01", small("a549", frames=3))
    before = hashes(tmp_path)
    with pytest.raises(InputError, match=r"t002\.tif.*run of 2 frames.*remove it"):
        write_sequence(tmp_path, "01", small("a549", frames=2))
    assert hashes(tmp_path) == before


def test_too_many_frames_for_the_digits(tmp_path):
    one = small("a549", frames=1)
    long = replace(one, skeletons=one.skeletons * 1001)
    with pytest.raises(InputError, match="1001 frames; expected at most 1000"):
        write_sequence(tmp_path, "01", long)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("scene", "changes", "message"),
    [
        ("worm", {}, "found 'worm', expected one of a549, mda231, tric"),
        ("tric", {"shape": (0, 90, 90)}, "at least 1 plane"),
        ("tric", {"shape": (5, 90, 23)}, "24 rows and columns"),
        ("tric", {"shape": (90, 90)}, "expected planes, rows, columns"),
        ("tric", {"frames": 0}, "frames: found 0, expected at least 1"),
        ("tric", {"cells": 0}, "cells: found 0, expected at least 1"),
        ("tric", {"cells": 5000}, "cells: 5000; expected at most [0-9]+ in a volume"),
        ("tric", {"seed": -1}, "seed: found -1, expected 0 or more"),
        ("a549", {"cells": 2}, "cells: found 2, expected 1 in the scene a549"),
    ],
)
def test_bad_input_is_refused_in_one_line(scene, changes, message):
    arguments = {"shape": (5, 90, 90), "frames": 2, "cells": 1, "seed": 1, "voxel_size": (1, 1, 1)}
    with pytest.raises(InputError, match=message) as caught:
        simulate_sequence(scene, **(arguments | changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["Sim-A549", "Sim-MDA231", "Sim-TRIC"])
def test_demo_recipes_are_small_and_simulated(name):
    recipe = load_recipe(RECIPES / f"{name}.yaml")
    assert recipe.name == name
    assert recipe.source["kind"] == "simulation"
    assert recipe.source["seed"] == 1
    assert 4 <= recipe.source["frames"] <= 6


def test_the_command_writes_what_it_was_asked_for(tmp_path):
    asked = ["--sequences", "03", "--frames", "1", "--seed", "9"]
    assert main(["simulate", "Sim-A549", str(tmp_path), *asked]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["03", "03_GT"]
    recipe = load_recipe(RECIPES / "Sim-A549.yaml")
    ((raw, _),) = simulate_sequence(
        "a549", recipe.source["shape"], 1, 1, sequence_seed(9, "03"), recipe.voxel_size
    )
    np.testing.assert_array_equal(read_volume(frame_files(tmp_path / "03")[0]), raw)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Sim-Nothing"], "no recipe of that name"),
        (["nowhere.yaml"], "no such file"),
        (["BBBC050"], "of the kind local; expected simulation"),
        (["Sim-A549", "--sequences", "1"], "expected two digits"),
        (["Sim-A549", "--frames", "0"], "frames: found 0"),
        (["Sim-A549", "--seed", "-1"], "seed: found -1"),
    ],
)
def test_the_command_fails_with_one_line(arguments, message, tmp_path, capsys):
    assert main(["simulate", *arguments[:1], str(tmp_path / "data"), *arguments[1:]]) == 1
    written = capsys.readouterr()
    assert message in written.err
    assert written.err.count("\n") == 1
    assert written.out == ""
    assert not (tmp_path / "data").exists()


def test_another_seed_replaces_nothing_unless_told_to(tmp_path, capsys):
    asked = ["simulate", "Sim-A549", str(tmp_path), "--sequences", "01", "--frames", "1", "--seed"]
    assert main([*asked, "1"]) == 0
    before = hashes(tmp_path)
    capsys.readouterr()
    assert main([*asked, "2"]) == 1
    line = capsys.readouterr().err
    assert "t000.tif: is of another simulation" in line
    assert "--overwrite" in line
    assert hashes(tmp_path) == before
    assert main([*asked, "1"]) == 0  # the same again, as after a stop
    assert hashes(tmp_path) == before
    assert main([*asked, "2", "--overwrite"]) == 0
    assert hashes(tmp_path)["01/t000.tif"] != before["01/t000.tif"]


def test_a_place_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    place = str(tmp_path / "file" / "data")
    assert main(["simulate", "Sim-A549", place, "--sequences", "01", "--frames", "1"]) == 1
    line = capsys.readouterr().err
    assert "man_track.txt: cannot be written (Not a directory)" in line
    assert line.count("\n") == 1
