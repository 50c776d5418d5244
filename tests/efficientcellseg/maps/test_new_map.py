"""A new map is a file and a line: samples are made of it and a network learns it."""

import os
import shutil
import subprocess
import sys

import numpy as np
import yaml
from conftest import ROOT, TINY

FILE = '''
"""Thickness: how many planes of its cell lie above and below a voxel, as a share of all planes."""

import numpy as np

from efficientcellseg.maps.map import Map


def thickness(labels: np.ndarray, anisotropy: float) -> np.ndarray:
    """Count the planes that have the voxel's cell in the same row and column; 0 in background."""
    same = (labels[:, None] == labels[None]).mean(axis=1)
    return np.where(labels > 0, same, 0).astype(np.float32)


def squared_error(logits, target, known):
    """Average what is known."""
    return ((logits.sigmoid() - target) ** 2 * known).sum() / known.sum().clamp(min=1)


THICKNESS = Map("thickness", thickness, squared_error, needs_volume=True)
'''
LINE = '    "thickness",\n'


def test_a_file_and_a_line(tiny_dataset, recipe_file, tmp_path):
    copy = tmp_path / "copy"
    package = copy / "efficientcellseg"
    shutil.copytree(
        ROOT / "efficientcellseg", package, ignore=shutil.ignore_patterns("__pycache__")
    )
    (package / "maps" / "thickness.py").write_text(FILE.lstrip())
    registry = package / "maps" / "__init__.py"
    before, after = registry.read_text().split("MODULES = (\n")
    registry.write_text(f"{before}MODULES = (\n{LINE}{after}")

    def run(*arguments: object) -> None:
        paths = os.pathsep.join([str(copy), str(ROOT)])
        command = [sys.executable, "-m", "efficientcellseg", *map(str, arguments)]
        variables = {**os.environ, "PYTHONPATH": paths}
        done = subprocess.run(command, cwd=copy, env=variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    values = {
        "model": {**TINY, "decoder_filters": [8] * 4, "maps": ["cells", "thickness"]},
        "targets": ["cells", "thickness"],
        "data": [{"dataset": "Tiny", "recipe": str(recipe_file), "sequences": ["01"]}],
        "training": {"batch": 2, "epochs": 1, "steps": 1, "validation": 0.3},
    }
    config, samples, model = tmp_path / "t.yaml", tmp_path / "s.npz", tmp_path / "model"
    config.write_text(yaml.safe_dump(values))
    run("samples", config, "--data", tiny_dataset.parent, "--output", samples)
    with np.load(samples) as arrays:
        assert len(np.unique(arrays["target_thickness"])) > 3
    run("train", config, "--samples", samples, "--output", model, "--device", "cpu")
    card = yaml.safe_load((model / "model.yaml").read_text())
    assert card["architecture"]["maps"] == ["cells", "thickness"]
