"""Scenes: those that are shipped, one's own, and which are refused."""

import numpy as np
import pytest
import yaml
from refusal import refused
from scipy import ndimage

from efficientcellseg.datasets.simulation.sequence import simulate_sequence
from efficientcellseg.parameters.scene import SCENES, find_scene, open_scene, scene_names


def write(folder, name, **changes):
    values = yaml.safe_load((SCENES / f"{name}.yaml").read_text())
    for key, change in changes.items():
        values[key] |= change
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def test_there_is_a_scene_for_each_data_set_of_the_paper():
    assert {"a549", "mda231", "tric"} <= set(scene_names())
    bits = {name: open_scene(name).microscope.bits for name in scene_names()}
    assert bits == {"a549": 12, "dividing": 14, "mda231": 12, "tric": 14, "tric-calibrated": 14}


def test_a_file_of_ones_own(tmp_path):
    path = write(tmp_path, "tric", microscope={"blur": [2, 3], "bits": 8})
    scene, shipped = open_scene(str(path)), open_scene("tric")
    assert scene.microscope.blur == (2.0, 3.0)
    assert scene.cell_shape == shipped.cell_shape


@pytest.mark.parametrize("name", ["moon", "../schemas/scene.schema", "", "tric.yaml.txt"])
def test_an_unknown_scene_lists_the_known(name):
    with refused("scene-unknown", repr(name), "a549, dividing, mda231, tric"):
        find_scene(name)


def test_a_missing_file(tmp_path):
    with refused("file-missing", str(tmp_path / "none.yml")):
        open_scene(str(tmp_path / "none.yml"))


@pytest.mark.parametrize(
    ("code", "name", "changes", "told"),
    [
        ("key-unknown", "a549", {"cell_shape": {"width": [3, 4]}}, "unknown key width"),
        ("value-refused", "a549", {"cell_shape": {"kind": "worm"}}, "population, protruding"),
        ("value-refused", "tric", {"cell_shape": {"width": [20, 14]}}, "the lower limit first"),
        ("value-refused", "tric", {"cell_shape": {"roughness": 1}}, "less than 1"),
        ("value-refused", "tric", {"cell_shape": {"strand": 0}}, "1 or more"),
        ("value-refused", "tric", {"microscope": {"bits": 17}}, "16 or less"),
        ("value-refused", "tric", {"microscope": {"blur": [1]}}, "microscope.blur"),
    ],
)
def test_faults_of_a_scene(tmp_path, code, name, changes, told):
    path = write(tmp_path, name, **changes)
    with refused(code, str(path), told):
        open_scene(str(path))


def test_the_calibrated_nuclei_have_the_known_gray_values():
    scene = open_scene("tric-calibrated")
    assert scene.cell_shape == open_scene("tric").cell_shape
    ((raw, labels),) = simulate_sequence(scene, (13, 320, 256), 1, 80, 5, (1.0, 1.0, 1.0))
    centers = np.rint(ndimage.center_of_mass(labels > 0, labels, range(1, 81))).astype(int)
    low, high = np.percentile(raw[tuple(centers.T)], [5, 95])
    # Known: about 580 to 1130.
    assert low == pytest.approx(580, rel=0.1)
    assert high == pytest.approx(1130, rel=0.1)
