"""The judge by itself: with numpy, tifffile and imagecodecs alone, and as a distribution."""

import json
import re
import subprocess
import sys
import tomllib

import pytest
from conftest import ROOT

PACKAGE = ROOT / "ctc_eval"
PROJECT = tomllib.loads((PACKAGE / "pyproject.toml").read_text())

# Whatever else is installed is not found.
ALONE = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        known = {*sys.stdlib_module_names, "ctc_eval", "numpy", "tifffile", "imagecodecs"}
        if name.partition(".")[0] not in known:
            raise ModuleNotFoundError(f"{name}: blocked by the test", name=name)

sys.meta_path.insert(0, Blocked())
"""
MAIN = "from ctc_eval.cli.main import main\nsys.exit(main(sys.argv[1:]))\n"


def run(code, *arguments):
    command = [sys.executable, "-c", ALONE + code, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_score_validate_and_table_need_no_other_package(dataset, tmp_path):
    output, objects = tmp_path / "score.json", tmp_path / "objects.tsv"
    measures = ("--measures", "SEG,DET,TRA,MeanIoU,PESEG", "--parameters", "2000000")
    files = ("--output", output, "--objects", objects, "--logs")
    done = run(MAIN, "score", dataset, "01", *measures, *files)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("SEG measure: 0.400000\n")
    assert json.loads(output.read_text())["PESEG"] == pytest.approx(0.2)
    done = run(MAIN, "validate", dataset, "01")
    assert (done.returncode, done.stdout) == (0, f"{dataset / '01_RES'}: no fault\n")
    for style in ("text", "csv", "markdown", "latex"):
        done = run(MAIN, "table", output, "--format", style)
        assert done.returncode == 0, done.stderr
        assert "Toy" in done.stdout


@pytest.mark.parametrize("name", ["scipy", "skimage", "torch", "pydantic", "yaml"])
def test_the_block_blocks(name):
    assert "blocked by the test" in run(f"import {name}\n").stderr


def test_the_format_loads_no_image_library():
    code = (
        "import ctc_eval.format, ctc_eval.measures\n"
        "sys.exit(' '.join({'numpy', 'tifffile', 'imagecodecs'} & set(sys.modules)))\n"
    )
    assert run(code).stderr.strip() == ""


def test_the_distribution_has_all_packages():
    folders = sorted(path.parent for path in PACKAGE.rglob("__init__.py"))
    names = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == names


def test_the_distribution_asks_for_what_the_judge_needs():
    asked = {re.split(r"[<>=]", line)[0] for line in PROJECT["project"]["dependencies"]}
    assert asked == {"numpy", "tifffile", "imagecodecs"}
