"""Training samples: centers, tiles and targets, frames chosen."""

import numpy as np
import pytest
import yaml
from conftest import tiny_recipe
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ctc_eval.format import InputError, read_volume, write_labels
from efficientcellseg.chain.pseudocolor import pseudocolor
from efficientcellseg.frozen import changed
from efficientcellseg.maps.centers import center_heatmap
from efficientcellseg.parameters.recipe import Tiling, load_recipe
from efficientcellseg.training.samples import Samples, frame_samples, gather


def slow_heatmap(labels: np.ndarray, anisotropy: float) -> np.ndarray:
    """Paint every voxel for every cell."""
    heatmap = np.zeros(labels.shape)
    scale = np.array([anisotropy, 1, 1])
    for label in np.unique(labels[labels > 0]):
        voxels = np.argwhere(labels == label)
        if len(labels) > 1:
            radius = np.cbrt(len(voxels) * anisotropy / (4 / 3 * np.pi))
        else:
            radius = np.sqrt(len(voxels) / np.pi)
        sigma = max(0.3 * radius, 1)
        centroid = voxels.mean(axis=0)
        center = min(voxels.tolist(), key=lambda v: round((((v - centroid) * scale) ** 2).sum(), 9))
        for place in np.ndindex(labels.shape):
            square = (((np.array(place) - center) * scale) ** 2).sum()
            if (np.abs(np.array(place) - center) <= np.ceil(4 * sigma / scale)).all():
                heatmap[place] = max(heatmap[place], np.exp(-square / (2 * sigma**2)))
    return heatmap


@settings(max_examples=25)
@given(
    arrays(
        np.uint16,
        st.tuples(st.integers(1, 4), st.integers(3, 12), st.integers(3, 12)),
        elements=st.sampled_from([0, 0, 0, 1, 1, 2, 9]),
    ),
    st.sampled_from([1.0, 3.0]),
)
def test_heatmap_restated(labels, anisotropy):
    # Where voxels are equally near to the centroid, either is right: the restatement takes the
    # first of them, as numpy's argmin does; rounding decides between the two, so skip ties.
    for label in np.unique(labels[labels > 0]):
        voxels = np.argwhere(labels == label)
        offsets = (voxels - voxels.mean(axis=0)) * [anisotropy, 1, 1]
        square = np.sort((offsets**2).sum(axis=1))
        if len(square) > 1 and square[1] - square[0] < 1e-9:
            return
    found = center_heatmap(labels, anisotropy)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, slow_heatmap(labels, anisotropy), atol=1e-6)


def test_a_disk_worked_by_hand():
    labels = np.zeros((1, 21, 21), np.uint16)
    y, x = np.indices((21, 21)) - 10
    labels[0, y**2 + x**2 <= 49] = 4
    area = (labels > 0).sum()
    sigma = 0.3 * np.sqrt(area / np.pi)
    found = center_heatmap(labels, 5.0)  # a plane has no thickness
    assert found[0, 10, 10] == 1
    np.testing.assert_allclose(found[0, 10, 13], np.exp(-9 / (2 * sigma**2)), rtol=1e-5)


def test_a_center_lies_inside_a_concave_cell():
    labels = np.zeros((1, 30, 30), np.uint16)
    y, x = np.indices((30, 30)) - 14.5
    radius = np.hypot(y, x)
    labels[0, (radius > 9) & (radius < 13) & (x < 6)] = 1  # a C
    found = center_heatmap(labels, 1.0)
    assert found[labels == 0].max() < 1
    assert found[labels == 1].max() == 1
    assert (found == 1).sum() == 1


def test_close_cells_keep_two_peaks():
    labels = np.zeros((1, 9, 18), np.uint16)
    labels[0, :, :9], labels[0, :, 9:] = 1, 2
    found = center_heatmap(labels, 1.0)
    assert found[0, 4, 4] == 1
    assert found[0, 4, 13] == 1
    assert found[0, 4, 8:10].max() < 0.5


def test_no_cell_gives_no_center():
    assert not center_heatmap(np.zeros((2, 5, 5), np.uint16), 2.0).any()


def test_samples_of_a_frame_are_what_inference_sees(tiny_dataset, recipe_file):
    recipe = changed(load_recipe(recipe_file), tiling=Tiling(rows=1, columns=1))
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


@pytest.fixture
def recipes(recipe_file, monkeypatch):
    monkeypatch.setattr("efficientcellseg.parameters.recipe.RECIPES", recipe_file.parent)
    return recipe_file.parent


def test_gathering_counts_frames_and_names_data_sets(tiny_dataset, recipes):
    entries = [{"dataset": "Tiny", "sequences": ["02"]}, {"dataset": "Tiny", "frames": "1:3"}]
    found = gather(entries, tiny_dataset.parent, 64)
    # 02: three frames of one plane; then frames 1 and 2 of both sequences; six tiles a plane.
    assert len(found.images) == 6 * (3 + 2 * 3 + 2)
    assert found.names == ("Tiny", "Tiny")
    assert np.bincount(found.dataset).tolist() == [18, 48]
    assert np.bincount(found.frame).tolist() == [6, 6, 6, 18, 18, 6, 6]
    assert found.images.shape[1:] == (3, 64, 64)
    assert found.targets.keys() == {"cells", "centers"}
    assert {target.shape for target in found.targets.values()} == {(len(found.images), 64, 64)}
    assert found.tile.tolist()[:8] == [0, 1, 2, 3, 4, 5, 0, 1]
    assert len(found.fingerprints) == found.frame.max() + 1
    assert len(set(found.fingerprints)) == 5  # two frames of 02 stand twice


def test_an_entry_may_name_a_recipe_file(tiny_dataset, recipes, tmp_path, monkeypatch):
    other = recipes / "other.yaml"
    values = yaml.safe_load((recipes / "Tiny.yaml").read_text())
    other.write_text(yaml.safe_dump(values | {"tiling": {"rows": 1, "columns": 1}}))
    entry = {"dataset": "Tiny", "sequences": ["02"]}
    monkeypatch.chdir(tmp_path)
    assert len(gather([entry], tiny_dataset.parent, 64).images) == 6 * 3
    assert len(gather([{**entry, "recipe": str(other)}], tiny_dataset.parent, 64).images) == 3
    # The project's own are found from anywhere.
    named = {**entry, "recipe": "config/datasets/markers/Sim-MDA231.yaml"}
    assert len(gather([named], tiny_dataset.parent, 64).images) == 3


def test_frames_go_by_number_where_the_reference_leaves_some_out(tiny_dataset, recipes):
    (tiny_dataset / "02_GT" / "SEG" / "man_seg000.tif").unlink()
    entry = {"dataset": "Tiny", "sequences": ["02"]}
    last = gather([{**entry, "frames": "2:3"}], tiny_dataset.parent, 64)
    both = gather([{**entry, "frames": "1:3"}], tiny_dataset.parent, 64)
    assert (len(last.images), len(both.images)) == (6, 12)
    np.testing.assert_array_equal(last.targets["cells"], both.targets["cells"][6:])
    with pytest.raises(InputError, match="no reference mask within the frames"):
        gather([{**entry, "frames": "0:1"}], tiny_dataset.parent, 64)


def test_only_annotated_slices_are_learnt_from(tiny_dataset, recipes):
    folder = tiny_dataset / "01_GT" / "SEG"
    whole = {z: read_volume(folder / "man_seg001.tif")[z : z + 1] for z in (0, 2)}
    for path in folder.iterdir():
        path.unlink()
    for z, plane in whole.items():
        write_labels(folder / f"man_seg_001_00{z}.tif", plane)
    found = gather([{"dataset": "Tiny", "sequences": ["01"]}], tiny_dataset.parent, 64)
    assert found.plane.tolist() == [0] * 6 + [2] * 6
    # The neighbors are seen, annotated or not.
    recipe = load_recipe(recipes / "Tiny.yaml")
    volume = read_volume(tiny_dataset / "01" / "t001.tif")
    parts = list(frame_samples(volume, {z: p[0] for z, p in whole.items()}, recipe, 64))
    colored = pseudocolor(volume, recipe.pseudocolor)
    plain = list(frame_samples(volume, np.zeros_like(volume), recipe, 64))
    np.testing.assert_array_equal(parts[1].images, plain[2].images)
    assert colored[2].max() > 0
    np.testing.assert_array_equal(found.images[6:], parts[1].images)
    # A center is that of the section: one peak for each of the slice's cells.
    heatmap = center_heatmap(whole[2], 1.0)
    assert (heatmap == 1).sum() == len(np.unique(whole[2])) - 1


def test_background_far_from_annotated_cells_is_unknown_where_cells_were_left_out(recipe_file):
    recipe = changed(load_recipe(recipe_file), tiling=Tiling(rows=1, columns=1))
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


def test_gold_truth_goes_before_silver(tiny_dataset, recipes):
    gold, silver = (tiny_dataset / f"02_{kind}" / "SEG" for kind in ("GT", "ST"))
    for frame in range(3):
        write_labels(silver / f"man_seg00{frame}.tif", np.full((1, 61, 47), 7, np.uint16))
    (gold / "man_seg001.tif").unlink()
    entry = {"dataset": "Tiny", "sequences": ["02"], "reference": "GT+ST"}
    found = gather([entry], tiny_dataset.parent, 64, ["cells"])
    full = [(found.targets["cells"][found.frame == frame] == 254).all() for frame in range(3)]
    assert full == [False, True, False]
    with pytest.raises(InputError, match="no such folder"):
        gather([{**entry, "reference": "ERR_SEG"}], tiny_dataset.parent, 64)


def test_a_slice_that_the_frame_does_not_have_is_refused(tiny_dataset, recipes):
    folder = tiny_dataset / "01_GT" / "SEG"
    (folder / "man_seg001.tif").unlink()
    write_labels(folder / "man_seg_001_003.tif", np.ones((1, 70, 90), np.uint16))
    with pytest.raises(InputError, match=r"man_seg_001_003.tif: slice 3; expected 0 to 2"):
        gather([{"dataset": "Tiny", "sequences": ["01"]}], tiny_dataset.parent, 64)


def test_parameters_of_a_training_take_the_place_of_the_recipes(tiny_dataset, recipes):
    entry = {"dataset": "Tiny", "sequences": ["01"]}
    found = gather([entry], tiny_dataset.parent, 64, pseudocolor={"context": "none"})
    np.testing.assert_array_equal(found.images[:, 0], found.images[:, 1])
    assert (gather([entry], tiny_dataset.parent, 64).images[:, 0] != found.images[:, 0]).any()


def test_a_data_set_may_lie_in_another_folder(tiny_dataset, recipes):
    tiny_dataset.rename(tiny_dataset.with_name("elsewhere"))
    entry = {"dataset": "Tiny", "sequences": ["02"], "folder": "elsewhere"}
    assert len(gather([entry], tiny_dataset.parent, 64).images) == 18


def test_a_mask_without_its_frame_is_refused(tiny_dataset, recipes):
    labels = read_volume(tiny_dataset / "02_GT" / "SEG" / "man_seg000.tif")
    write_labels(tiny_dataset / "02_GT" / "SEG" / "man_seg003.tif", labels)
    with pytest.raises(InputError, match=r"man_seg003.tif: no frame t003.tif beside it"):
        gather([{"dataset": "Tiny", "sequences": ["02"]}], tiny_dataset.parent, 64)


def test_a_mask_of_another_shape_is_refused(tiny_dataset, recipes):
    write_labels(tiny_dataset / "02_GT" / "SEG" / "man_seg001.tif", np.ones((1, 4, 4), np.uint16))
    with pytest.raises(
        InputError, match=r"man_seg001.tif: shape \(1, 4, 4\); expected \(1, 61, 47\)"
    ):
        gather([{"dataset": "Tiny", "sequences": ["02"]}], tiny_dataset.parent, 64)


def test_a_missing_data_set_or_recipe_is_refused(tiny_dataset, recipes, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        gather([{"dataset": "Tiny"}], tmp_path / "nowhere", 64)
    with pytest.raises(InputError, match="Teeny: no recipe"):
        gather([{"dataset": "Teeny"}], tiny_dataset.parent, 64)


def test_the_computer_made_reference_is_found(tiny_dataset, recipes):
    tiny_recipe(recipes / "Tiny.yaml", reference="ERR_SEG")
    labels = read_volume(tiny_dataset / "02_GT" / "SEG" / "man_seg001.tif")
    write_labels(tiny_dataset / "02_ERR_SEG" / "mask001.tif", labels)
    found = gather([{"dataset": "Tiny", "sequences": ["02"]}], tiny_dataset.parent, 64)
    assert len(found.images) == 6


def some_samples() -> Samples:
    random = np.random.default_rng(0)
    return Samples(
        random.integers(0, 256, (5, 3, 8, 8)).astype(np.uint8),
        {
            "cells": random.integers(0, 256, (5, 8, 8)).astype(np.uint8),
            "centers": random.integers(0, 256, (5, 8, 8)).astype(np.uint8),
        },
        np.array([0, 3, 1, 400, 2], np.uint16),
        np.array([0, 0, 1, 1, 1], np.uint8),
        np.array([0, 1, 2, 2, 3]),
        np.array([0, 0, 0, 1, 0]),
        np.array([4, 0, 0, 0, 2]),
        ("A", "B"),
        ("ab", "cd", "ef", "01"),
    )


def test_samples_are_saved_and_loaded(tmp_path):
    samples = some_samples()
    samples.save(tmp_path / "a" / "samples.npz")
    found = Samples.load(tmp_path / "a" / "samples.npz")
    assert found.names == ("A", "B")
    assert found.fingerprints == samples.fingerprints
    assert found.targets.keys() == samples.targets.keys()
    for name, target in found.targets.items():
        np.testing.assert_array_equal(target, samples.targets[name])
    for name in ("images", "objects", "dataset", "frame", "tile", "plane"):
        np.testing.assert_array_equal(getattr(found, name), getattr(samples, name))
        assert getattr(found, name).dtype == getattr(samples, name).dtype


@pytest.mark.parametrize("fault", ["missing", "empty", "truncated", "other", "text", "array"])
def test_files_of_another_content_are_refused(tmp_path, fault):
    path = tmp_path / "samples.npz"
    if fault in ("truncated", "text", "empty"):
        some_samples().save(path)
        whole = path.read_bytes()
        path.write_bytes({"truncated": whole[:2000], "text": b"hello", "empty": b""}[fault])
    elif fault == "other":
        np.savez(path, images=np.zeros(3))
    elif fault == "array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    with pytest.raises(InputError, match=r"no training samples .*; expected a file made by"):
        Samples.load(path)
