"""A labeling is one file and its entry: recipes, schema, command lines and checks know it then."""

import json

import numpy as np
from conftest import tiny_recipe
from extension import copy_project, run_there

from ctc_eval.format import read_volume

FILE = '''"""Brightest share: the likeliest voxels are cells, whatever their probability."""

from __future__ import annotations

from typing import Literal

import numpy as np

from efficientcellseg.frozen import Share
from efficientcellseg.labelings.labeling import Labeling, LabelingParameters
from efficientcellseg.labelings.morphology import connected
from efficientcellseg.maps import Maps


class BrightestShareParameters(LabelingParameters):
    """What a recipe says of ``brightest_share``."""

    method: Literal["brightest_share"]
    """A share of all voxels is cells, in connected pieces."""

    share: Share = 0.5
    """Share of the voxels that are cells."""


def brightest_share(
    maps: Maps, parameters: BrightestShareParameters, anisotropy: float
) -> np.ndarray:
    """Take the likeliest voxels."""
    return connected(maps["cells"] > np.quantile(maps["cells"], 1 - parameters.share))


BRIGHTEST_SHARE = Labeling(BrightestShareParameters, ("cells",), brightest_share)
'''
IMPORT = "from efficientcellseg.labelings.brightest_share import BRIGHTEST_SHARE\n"


def test_a_new_labeling_is_one_file_and_its_entry(tmp_path):
    project = copy_project(tmp_path / "project")
    folder = project / "efficientcellseg" / "labelings"
    (folder / "brightest_share.py").write_text(FILE)
    registry = folder / "__init__.py"
    listed = registry.read_text().replace(
        "        MASK,\n", "        MASK,\n        BRIGHTEST_SHARE,\n"
    )
    registry.write_text(listed.replace("from typing", f"{IMPORT}from typing", 1))
    labeling = {"method": "brightest_share", "share": 0.25}
    recipe = tiny_recipe(tmp_path / "r.yaml", labeling=labeling, maps=["cells"])
    cells = np.linspace(0, 1, 40, dtype=np.float32).reshape(1, 4, 10)
    (tmp_path / "maps").mkdir()
    np.savez(tmp_path / "maps" / "t000.npz", cells=cells)
    options = ("--output", tmp_path / "out", "--recipe", recipe)
    run_there(project, "efficientcellseg", "label", tmp_path / "maps", *options)
    np.testing.assert_array_equal(read_volume(tmp_path / "out" / "mask000.tif"), cells > 0.75)
    run_there(project, "efficientcellseg", "schemas", "--output", tmp_path)
    known = json.loads((tmp_path / "recipe.schema.json").read_text())["$defs"]
    assert known["BrightestShareParameters"]["properties"]["share"]["default"] == 0.5
