"""Samples of a frame: tiles as inference sees them, targets, and what is unknown."""

import numpy as np

from ctc_eval.format import read_volume
from efficientcellseg.chain.pseudocolor import pseudocolor
from efficientcellseg.frozen import changed
from efficientcellseg.maps.centers import center_heatmap
from efficientcellseg.maps.offsets import OFFSETS, center_offset
from efficientcellseg.parameters.recipe import Tiling, load_recipe
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
    empty, sparse = frame_samples(volume, labels, recipe, 64, ["cells"], partial=True)
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
