"""Registration: references that lie beside their images are found out, and moved back."""

import numpy as np
import pytest
import yaml
from scipy import ndimage

from ctc_eval.format import write_labels, write_volume
from efficientcellseg.cli.main import main
from efficientcellseg.parameters.training import TrainingData
from efficientcellseg.training.registration import move_labels, reference_shifts

SHAPE = (40, 64, 64)
RADIUS = 6.0


def balls(centers, shape=SHAPE, shift=(0, 0, 0)):
    """Label balls by the formula, at any fraction of a voxel."""
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    labels = np.zeros(shape, np.uint16)
    for label, center in enumerate(centers, start=1):
        labels[((grid - center - shift) ** 2).sum(-1) < RADIUS**2] = label
    return labels


def picture(centers, rng):
    """Draw balls four times as fine, blur and bin them: edges lie between voxels."""
    fine = np.kron(np.zeros(SHAPE, np.float32), np.ones((2, 2, 2), np.float32))
    grid = np.stack(np.meshgrid(*map(np.arange, fine.shape), indexing="ij"), -1) / 2 - 0.25
    for center in centers:
        fine[((grid - center) ** 2).sum(-1) < RADIUS**2] = 1
    image = fine.reshape(SHAPE[0], 2, SHAPE[1], 2, SHAPE[2], 2).mean((1, 3, 5))
    image = 100 + 400 * ndimage.gaussian_filter(image, 1) + rng.normal(0, 10, SHAPE)
    return image.astype(np.uint16)


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(3)
    spots = np.array([[13, 14, 14], [13, 14, 48], [13, 48, 14], [26, 40, 48], [26, 22, 32]])
    centers = spots + rng.uniform(-0.5, 0.5, spots.shape)
    return centers, picture(centers, rng)


@pytest.mark.parametrize("shift", [(0, 0, 0), (-0.4, 0.3, 0.4), (0.5, -0.6, 0.0)])
def test_a_shift_of_fractions_of_a_voxel_is_found(scene, shift):
    centers, volume = scene
    found = reference_shifts(volume, balls(centers, shift=shift))
    assert len(found) == len(centers)
    # The reference is to be moved back.
    np.testing.assert_allclose(np.median(found, axis=0), -np.array(shift), atol=0.08)


def test_objects_that_do_not_stand_out_say_nothing(scene):
    centers, volume = scene
    labels = balls(centers)
    assert len(reference_shifts(np.full_like(volume, 100), labels)) == 0
    # One that the border cuts.
    assert len(reference_shifts(volume[:13], labels[:13])) == 0
    # One that is walled in by others.
    crowded = np.where(labels == 5, 5, 7).astype(np.uint16)
    crowded[labels == 0] = 7
    assert len(reference_shifts(volume, crowded)) == 0


def test_whole_voxels_move_as_they_are(scene):
    labels = balls(scene[0])
    moved = move_labels(labels, (1, -2, 3))
    np.testing.assert_array_equal(moved, np.roll(labels, (1, -2, 3), (0, 1, 2)))
    np.testing.assert_array_equal(move_labels(labels, (0, 0, 0)), labels)


def test_half_a_voxel_by_hand():
    labels = np.array([[[0, 0, 1, 1, 1, 2, 2, 2, 0, 0]]], np.uint16)
    # Voxel 5 is half 1's and half 2's: the first one keeps it.
    expected = [0, 0, 1, 1, 1, 1, 2, 2, 2, 0]
    assert move_labels(labels, (0, 0, 0.5))[0, 0].tolist() == expected
    # A fifth is too little for a voxel to change.
    np.testing.assert_array_equal(move_labels(labels, (0, 0, 0.2)), labels)


def test_moving_back_what_was_shifted(scene):
    true = balls(scene[0]) > 0

    def missed(labels):
        return 1 - np.count_nonzero(true & (labels > 0)) / np.count_nonzero(true | (labels > 0))

    shifted = balls(scene[0], shift=(-0.4, 0.3, 0.4))
    # What is left is from being cut into voxels twice.
    assert missed(move_labels(shifted, (0.4, -0.3, -0.4))) < 0.55 * missed(shifted)
    assert missed(shifted) > 0.1


def test_the_command_prints_what_a_configuration_takes(scene, tmp_path, capsys):
    centers, volume = scene
    for frame in range(2):
        write_volume(tmp_path / "01" / f"t{frame:03d}.tif", volume)
        write_labels(
            tmp_path / "01_GT" / "SEG" / f"man_seg{frame:03d}.tif",
            balls(centers, shift=(-0.4, 0.3, 0.4)),
        )
    assert main(["register", str(tmp_path), "01"]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    entry = TrainingData(dataset="BBBC050", **printed)
    np.testing.assert_allclose(entry.reference_shift["01"], (0.4, -0.3, -0.4), atol=0.1)


def test_nothing_that_stands_out_is_told(tmp_path, capsys):
    write_volume(tmp_path / "01" / "t000.tif", np.full(SHAPE, 7, np.uint16))
    write_labels(tmp_path / "01_GT" / "SEG" / "man_seg000.tif", np.ones(SHAPE, np.uint16))
    assert main(["register", str(tmp_path), "01"]) == 1
    assert "error[objects-missing]" in capsys.readouterr().err
