"""Samples of a frame: tiles as inference sees them, targets, and what is unknown."""

from types import SimpleNamespace

import numpy as np

from ctc_eval.format import read_volume
from efficientcellseg.chain.pseudocolor import pseudocolor
from efficientcellseg.frozen import changed
from efficientcellseg.maps.centers import center_heatmap
from efficientcellseg.maps.offsets import OFFSETS, center_offset
from efficientcellseg.parameters.reading import check_values
from efficientcellseg.parameters.recipe import Tiling, load_recipe
from efficientcellseg.parameters.training import TrainingConfiguration
from efficientcellseg.training.cell_sizes import learnt_sizes, measure_cells_shown
from efficientcellseg.training.samples import frame_samples


def test_samples_of_a_frame_are_what_inference_sees(tiny_dataset, recipe_file):
    recipe = changed(load_recipe(recipe_file), tiling=Tiling())
    volume = read_volume(tiny_dataset / "01" / "t000.tif")[:, :64, :64]
    labels = read_volume(tiny_dataset / "01_GT" / "SEG" / "man_seg000.tif")[:, :64, :64]
    parts = list(frame_samples(volume, labels, recipe, 64))
    assert len(parts) == len(volume)
    assert [part.plane.tolist() for part in parts] == [[z] for z in range(len(volume))]
    images = np.concatenate([part.images for part in parts])
    cells, centers = (
        np.concatenate([part.targets[name] for part in parts]) for name in ("cells", "centers")
    )
    objects = np.concatenate([part.objects for part in parts])
    assert objects.tolist() == [len(set(plane.ravel()) - {0}) for plane in labels]
    assert {part.dtype for part in (images, cells, centers)} == {np.dtype(np.uint8)}
    colored = np.moveaxis(pseudocolor(volume, recipe.pseudocolor), -1, 1)
    np.testing.assert_allclose(images / 255, colored, atol=0.5 / 255 + 1e-6)
    np.testing.assert_array_equal(cells, 254 * (labels > 0))
    heatmap = center_heatmap(labels, recipe.anisotropy)
    np.testing.assert_allclose(centers / 254, heatmap, atol=0.5 / 254 + 1e-6)


def test_background_far_from_annotated_cells_is_unknown_where_cells_were_left_out(recipe_file):
    recipe = changed(load_recipe(recipe_file), tiling=Tiling())
    labels = np.zeros((2, 64, 64), np.uint16)
    labels[1, 20:30, 20:30] = 5
    volume = np.random.default_rng(0).integers(0, 99, labels.shape).astype(np.uint8)
    empty, sparse = frame_samples(volume, labels, recipe, 64, ["cells"], partial={0, 1})
    assert (empty.targets["cells"] == 255).all()
    target = sparse.targets["cells"][0]
    assert (target[20:30, 20:30] == 254).all()
    assert target[25, 16:20].tolist() == [255, 0, 0, 0]  # three pixels around are background
    assert target[25, 30:34].tolist() == [0, 0, 0, 255]
    assert (target == 255).sum() == 64 * 64 - 10 * 10 - 4 * 3 * 10 - 4 * 4  # corners are round


def test_targets_are_unknown_in_the_background(recipe_file):
    recipe = changed(load_recipe(recipe_file), tiling=Tiling())
    labels = np.zeros((2, 64, 64), np.uint16)
    labels[:, 20:30, 20:40] = 7
    volume = np.random.default_rng(0).integers(0, 99, labels.shape).astype(np.uint8)
    for z, part in enumerate(frame_samples(volume, labels, recipe, 64, OFFSETS)):
        for axis, name in enumerate(OFFSETS):
            target = part.targets[name][0]
            wanted = center_offset(labels, recipe.anisotropy, axis)[z]
            np.testing.assert_array_equal(target == 255, labels[z] == 0)
            inside = labels[z] > 0
            np.testing.assert_allclose(target[inside] / 254, wanted[inside], atol=0.51 / 254)


def test_offsets_are_in_pixels_of_the_input(recipe_file):
    recipe = changed(load_recipe(recipe_file), tiling=Tiling())
    labels = np.zeros((2, 64, 64), np.uint16)
    labels[:, 8:24, 16:48] = 7
    volume = np.random.default_rng(0).integers(0, 99, labels.shape).astype(np.uint8)
    small, large = (
        next(frame_samples(volume, labels, recipe, size, OFFSETS)) for size in (64, 128)
    )
    for name in OFFSETS:
        # Where the input is twice as large, so is what lies between a pixel and its center.
        inner = small.targets[name][0, 10:22, 18:46].astype(float)
        twice = large.targets[name][0, 20:44, 36:92].reshape(12, 2, 28, 2).mean(axis=(1, 3))
        np.testing.assert_allclose(twice - 127, 2 * (inner - 127), atol=1.6)


def test_the_card_tells_sizes_as_they_were_shown(recipe_file):
    labels = np.zeros((3, 64, 64), np.uint16)
    labels[0, 10:14, 10:14] = 1
    labels[1, 10:20, 10:20] = 1  # its largest section: 100 pixels
    labels[1, 40:42, 40:42] = 9
    found = measure_cells_shown(labels, Tiling(), 128, 3)
    np.testing.assert_allclose(
        found[:, 0], [4 * np.sqrt(100 / np.pi), 4 * np.sqrt(4 / np.pi)], 1e-6
    )
    assert found[:, 1].tolist() == [3, 3]


def test_zoomed_sizes_are_weighed_by_the_shares_of_data_sets():
    cells = np.array([[10, 0]] * 30 + [[40, 1]], np.float32)
    samples = SimpleNamespace(cells=cells)

    def sizes(shares, zoom):
        values = {
            "model": {},
            "data": [{"dataset": "A", "share": share} for share in shares],
            "training": {"variation": {"zoom": zoom}},
        }
        configuration = check_values(values, TrainingConfiguration, "test")
        return learnt_sizes(samples, configuration)["cell_diameter"]

    assert sizes((3, 2), 1) == [10, 10, 40]
    assert sizes((1, 9), 1) == [10, 40, 40]
    # Zooms 1/2 to 2 by steps of 3/16.
    assert sizes((100, 1), 2) == [5, 12.5, 20]
    assert learnt_sizes(SimpleNamespace(cells=cells[:0]), None) == {}
