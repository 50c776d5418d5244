"""Gathering: which frames and annotations a configuration names, and how they are read."""

import numpy as np
import pytest
import yaml
from conftest import tiny_recipe
from refusal import refused

from ctc_eval.format import read_volume, write_labels
from efficientcellseg.chain.pseudocolor import pseudocolor
from efficientcellseg.maps.centers import center_heatmap
from efficientcellseg.maps.offsets import OFFSETS
from efficientcellseg.parameters.reading import check_values
from efficientcellseg.parameters.recipe import load_recipe
from efficientcellseg.parameters.training import TrainingConfiguration
from efficientcellseg.training.gathering import gather
from efficientcellseg.training.samples import frame_samples


def gathered(entries, data, **changes):
    """Gather samples for an input of 64 pixels."""
    values = {"model": {"input_size": 64}, "data": entries, **changes}
    return gather(check_values(values, TrainingConfiguration, "test"), data)


@pytest.fixture
def recipes(recipe_file, monkeypatch):
    monkeypatch.setattr("efficientcellseg.parameters.recipe.RECIPES", recipe_file.parent)
    return recipe_file.parent


def test_gathering_counts_frames_and_names_data_sets(tiny_dataset, recipes):
    entries = [{"dataset": "Tiny", "sequences": ["02"]}, {"dataset": "Tiny", "frames": "1:3"}]
    found = gathered(entries, tiny_dataset.parent)
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
    assert len(gathered([entry], tiny_dataset.parent).images) == 6 * 3
    assert len(gathered([{**entry, "recipe": str(other)}], tiny_dataset.parent).images) == 3
    # The project's own are found from anywhere.
    named = {**entry, "recipe": "config/datasets/markers/Sim-MDA231.yaml"}
    assert len(gathered([named], tiny_dataset.parent).images) == 3


def test_a_reference_is_moved_before_it_is_learnt_from(tiny_dataset, recipes):
    entry = {"dataset": "Tiny", "sequences": ["01"], "frames": "1:2"}
    shift = {"01": [0, 3, -1], "02": [0, 9, 9]}
    plain = gathered([entry], tiny_dataset.parent)
    moved = gathered([{**entry, "reference_shift": shift}], tiny_dataset.parent)
    mask = tiny_dataset / "01_GT" / "SEG" / "man_seg001.tif"
    labels = read_volume(mask)
    by_hand = np.zeros_like(labels)
    by_hand[:, 3:, :-1] = labels[:, :-3, 1:]
    write_labels(mask, by_hand)
    expected = gathered([entry], tiny_dataset.parent)
    np.testing.assert_array_equal(moved.images, plain.images)
    for name in ("cells", "centers"):
        np.testing.assert_array_equal(moved.targets[name], expected.targets[name])
        assert (moved.targets[name] != plain.targets[name]).any()


def test_frames_go_by_number_where_the_reference_leaves_some_out(tiny_dataset, recipes):
    (tiny_dataset / "02_GT" / "SEG" / "man_seg000.tif").unlink()
    entry = {"dataset": "Tiny", "sequences": ["02"]}
    last = gathered([{**entry, "frames": "2:3"}], tiny_dataset.parent)
    both = gathered([{**entry, "frames": "1:3"}], tiny_dataset.parent)
    assert (len(last.images), len(both.images)) == (6, 12)
    np.testing.assert_array_equal(last.targets["cells"], both.targets["cells"][6:])
    with refused("frames-unannotated", str(tiny_dataset.parent)):
        gathered([{**entry, "frames": "0:1"}], tiny_dataset.parent)


def test_frames_may_be_kept_for_later(tiny_dataset, recipes):
    entry = {"dataset": "Tiny", "sequences": ["02"]}
    found = gathered([{**entry, "skip_every": 2}], tiny_dataset.parent)
    alone = gathered([{**entry, "frames": "1:2"}], tiny_dataset.parent)
    np.testing.assert_array_equal(found.images, alone.images)  # neither 0 nor 2


def test_a_sequence_may_be_left_out(tiny_dataset, recipes):
    entry = {"dataset": "Tiny"}
    found = gathered([entry], tiny_dataset.parent, leave_out=["Tiny/01"])
    alone = gathered([{**entry, "sequences": ["02"]}], tiny_dataset.parent)
    np.testing.assert_array_equal(found.images, alone.images)
    assert found.fingerprints == alone.fingerprints
    assert found.origin != gathered([entry], tiny_dataset.parent).origin
    with refused("frames-unannotated", str(tiny_dataset.parent)):
        gathered([entry], tiny_dataset.parent, leave_out=["Tiny/01", "Tiny/02"])


def test_only_annotated_slices_are_learnt_from(tiny_dataset, recipes):
    folder = tiny_dataset / "01_GT" / "SEG"
    whole = {z: read_volume(folder / "man_seg001.tif")[z : z + 1] for z in (0, 2)}
    for path in folder.iterdir():
        path.unlink()
    for z, plane in whole.items():
        write_labels(folder / f"man_seg_001_00{z}.tif", plane)
    found = gathered([{"dataset": "Tiny", "sequences": ["01"]}], tiny_dataset.parent)
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


def test_gold_truth_goes_before_silver(tiny_dataset, recipes):
    gold, silver = (tiny_dataset / f"02_{kind}" / "SEG" for kind in ("GT", "ST"))
    for frame in range(3):
        write_labels(silver / f"man_seg00{frame}.tif", np.full((1, 61, 47), 7, np.uint16))
    (gold / "man_seg001.tif").unlink()
    entry = {"dataset": "Tiny", "sequences": ["02"], "reference": "GT+ST"}
    found = gathered([entry], tiny_dataset.parent, targets=["cells"])
    full = [(found.targets["cells"][found.frame == frame] == 254).all() for frame in range(3)]
    assert full == [False, True, False]
    with refused("folder-missing", "02_ERR_SEG"):
        gathered([{**entry, "reference": "ERR_SEG"}], tiny_dataset.parent)


def test_a_reference_that_a_data_set_does_not_have_is_left_out(tiny_dataset, recipes, caplog):
    caplog.set_level("INFO")
    entry = {"dataset": "Tiny", "sequences": ["02"]}
    alone = gathered([entry], tiny_dataset.parent)
    assert not caplog.messages
    found = gathered([{**entry, "reference": "ST+GT+ERR_SEG"}], tiny_dataset.parent)
    np.testing.assert_array_equal(found.targets["cells"], alone.targets["cells"])
    folders = [tiny_dataset / f"02_{kind}" for kind in ("ST", "ERR_SEG")]
    wanted = [f"{folder}: no such folder; learning only from GT" for folder in folders]
    assert caplog.messages == wanted
    with refused("folder-missing", "02_ST"):
        gathered([{**entry, "reference": "ST+ERR_SEG"}], tiny_dataset.parent)


def test_gold_slices_leave_the_rest_of_a_frame_to_silver_truth(tiny_dataset, recipes):
    gold, silver = (tiny_dataset / f"01_{kind}" / "SEG" for kind in ("GT", "ST"))
    whole = read_volume(gold / "man_seg001.tif")
    for path in gold.iterdir():
        path.unlink()
    write_labels(silver / "man_seg001.tif", whole)
    write_labels(gold / "man_seg_001_001.tif", np.zeros((1, *whole.shape[1:]), np.uint16))
    entry = {"dataset": "Tiny", "sequences": ["01"], "reference": "GT+ST"}
    found = gathered([{**entry, "partial": ["GT"]}], tiny_dataset.parent)
    alone = gathered([{**entry, "reference": "ST"}], tiny_dataset.parent)
    assert len(found.images) == 6 * len(whole)
    for name, target in found.targets.items():
        np.testing.assert_array_equal(target, alone.targets[name])
    # Where gold truth leaves nothing out, its empty slice is empty.
    found = gathered([entry], tiny_dataset.parent, targets=["cells"])
    empty = found.targets["cells"][found.plane == 1]
    assert not empty.any()
    assert found.targets["cells"].max() == 254
    # Where there is no silver truth, little is known.
    (silver / "man_seg001.tif").unlink()
    write_labels(silver / "man_seg000.tif", whole)
    found = gathered([{**entry, "partial": ["GT"]}], tiny_dataset.parent, targets=["cells"])
    known = [(found.targets["cells"][found.frame == frame] != 255).any() for frame in (0, 1)]
    assert known == [True, False]


def test_a_slice_that_the_frame_does_not_have_is_refused(tiny_dataset, recipes):
    folder = tiny_dataset / "01_GT" / "SEG"
    (folder / "man_seg001.tif").unlink()
    write_labels(folder / "man_seg_001_003.tif", np.ones((1, 70, 90), np.uint16))
    with refused("slice-outside", "man_seg_001_003.tif", "3"):
        gathered([{"dataset": "Tiny", "sequences": ["01"]}], tiny_dataset.parent)


def test_it_is_said_where_nothing_of_a_map_is_known(tiny_dataset, recipes, caplog):
    entry = {"dataset": "Tiny", "sequences": ["01"]}
    gathered([entry], tiny_dataset.parent, targets=["cells", *OFFSETS])
    assert not caplog.messages
    # A single plane does not tell in which other plane a center is.
    found = gathered([{**entry, "sequences": ["02"]}], tiny_dataset.parent, targets=list(OFFSETS))
    (message,) = caplog.messages
    assert message.startswith("offset_planes, which needs whole annotated volumes: known in no")
    assert (found.targets["offset_planes"] == 255).all()
    assert not (found.targets["offset_rows"] == 255).all()


def test_parameters_of_a_training_take_the_place_of_the_recipes(tiny_dataset, recipes):
    entry = {"dataset": "Tiny", "sequences": ["01"]}
    found = gathered([entry], tiny_dataset.parent, pseudocolor={"context": "none"})
    np.testing.assert_array_equal(found.images[:, 0], found.images[:, 1])
    assert (gathered([entry], tiny_dataset.parent).images[:, 0] != found.images[:, 0]).any()


def test_a_data_set_may_lie_in_another_folder(tiny_dataset, recipes):
    tiny_dataset.rename(tiny_dataset.with_name("elsewhere"))
    entry = {"dataset": "Tiny", "sequences": ["02"], "folder": "elsewhere"}
    assert len(gathered([entry], tiny_dataset.parent).images) == 18


def test_a_mask_without_its_frame_is_refused(tiny_dataset, recipes):
    labels = read_volume(tiny_dataset / "02_GT" / "SEG" / "man_seg000.tif")
    write_labels(tiny_dataset / "02_GT" / "SEG" / "man_seg003.tif", labels)
    with refused("frame-missing", "man_seg003.tif", "t003.tif"):
        gathered([{"dataset": "Tiny", "sequences": ["02"]}], tiny_dataset.parent)


def test_a_mask_of_another_shape_is_refused(tiny_dataset, recipes):
    write_labels(tiny_dataset / "02_GT" / "SEG" / "man_seg001.tif", np.ones((1, 4, 4), np.uint16))
    with refused("shape-mismatch", "man_seg001.tif", "(1, 4, 4)", "(1, 61, 47)"):
        gathered([{"dataset": "Tiny", "sequences": ["02"]}], tiny_dataset.parent)


def test_a_missing_data_set_or_recipe_is_refused(tiny_dataset, recipes, tmp_path):
    with refused("folder-missing", "nowhere"):
        gathered([{"dataset": "Tiny"}], tmp_path / "nowhere")
    with refused("recipe-unknown", "Teeny"):
        gathered([{"dataset": "Teeny"}], tiny_dataset.parent)


def test_the_computer_made_reference_is_found(tiny_dataset, recipes):
    tiny_recipe(recipes / "Tiny.yaml", reference="ERR_SEG")
    labels = read_volume(tiny_dataset / "02_GT" / "SEG" / "man_seg001.tif")
    write_labels(tiny_dataset / "02_ERR_SEG" / "mask001.tif", labels)
    found = gathered([{"dataset": "Tiny", "sequences": ["02"]}], tiny_dataset.parent)
    assert len(found.images) == 6
