"""A map is one file and its line: recipes, samples, training and model cards know it then."""

import yaml
from conftest import tiny_recipe
from extension import copy_project, run_there

FILE = '''"""Borders: where cells end."""

from __future__ import annotations

import numpy as np

from efficientcellseg.maps.cells import dice_loss
from efficientcellseg.maps.map import Map


def border(labels: np.ndarray, anisotropy: float) -> np.ndarray:
    """Give 1 where the next row is another cell's or nobody's."""
    found = np.zeros(labels.shape, np.float32)
    found[:, :-1] = labels[:, :-1] != labels[:, 1:]
    return found


BORDERS = Map("borders", border, dice_loss)
'''
IMPORT = "from efficientcellseg.maps.borders import BORDERS\n"
LINE = "        BORDERS,\n"


def test_a_new_map_is_one_file_and_its_line(tmp_path, tiny_dataset):
    project = copy_project(tmp_path / "project")
    folder = project / "efficientcellseg" / "maps"
    (folder / "borders.py").write_text(FILE)
    registry = folder / "__init__.py"
    listed = registry.read_text().replace("        CELLS,\n", f"{LINE}        CELLS,\n", 1)
    registry.write_text(listed.replace("from eff", f"{IMPORT}from eff", 1))
    tiny_recipe(project / "config" / "datasets" / "Tiny.yaml", maps=["cells", "centers", "borders"])
    training = {
        "model": {"kind": "unet", "maps": ["borders"], "filters": [2, 2], "input_size": 64},
        "targets": ["cells", "borders"],
        "data": [{"dataset": "Tiny", "sequences": ["01"]}],
        "training": {"batch": 2, "epochs": 1, "steps": 1, "validation": 0.3},
    }
    config, samples = tmp_path / "t.yaml", tmp_path / "samples.npz"
    config.write_text(yaml.safe_dump(training))
    options = ("--data", tiny_dataset.parent, "--output", samples)
    run_there(project, "efficientcellseg", "samples", config, *options)
    options = ("--samples", samples, "--output", tmp_path / "model", "--device", "cpu")
    run_there(project, "efficientcellseg", "train", config, *options)
    card = yaml.safe_load((tmp_path / "model" / "model.yaml").read_text())
    assert card["architecture"]["maps"] == ["borders"]
