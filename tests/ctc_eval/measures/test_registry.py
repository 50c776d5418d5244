"""A measure is one file and its name in the registry: all else follows from there."""

import csv
import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

from ctc_eval.measures import MEASURES, needs_of, with_parts

TOY = '''"""Found: the share of reference objects that are found."""

from ctc_eval.measures.measure import Measure


def found(evidence, values):
    matched = [label for _, one in evidence.objects for label in one.matched.tolist()]
    return sum(label > 0 for label in matched) / len(matched)


FOUND = Measure(
    "Found",
    "share of the reference objects that are found",
    needs=("objects",),
    value=found,
    column=".2f",
    log=lambda evidence: iter([f"{len(evidence.objects)} images"]),
)
'''


@pytest.fixture
def extended(tmp_path):
    """Give what runs a judge that has one more measure: arguments to what it prints."""
    package = tmp_path / "more" / "ctc_eval"
    shutil.copytree(ROOT / "ctc_eval", package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "measures" / "found.py").write_text(TOY)
    registry = package / "measures" / "__init__.py"
    text = registry.read_text()
    line = "from ctc_eval.measures.mean_iou import"
    text = text.replace(line, f"from ctc_eval.measures.found import FOUND\n{line}")
    registry.write_text(text.replace("        MEAN_IOU,\n", "        MEAN_IOU,\n        FOUND,\n"))

    def run(*arguments):
        command = [sys.executable, "-m", "ctc_eval", *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(package.parent)}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_a_new_measure_is_everywhere(dataset, extended, tmp_path):
    output = tmp_path / "score.json"
    score = ("score", dataset, "01", "--output", output, "--logs", "--measures")
    assert extended(*score, "Found") == "Found measure: 0.500000\n"
    assert json.loads(output.read_text())["Found"] == 0.5
    log = (dataset / "01_RES" / "Found_log.txt").read_text()
    assert log == "2 images\nFound measure: 0.500000\n"
    assert json.loads(extended(*score, "SEG,Found", "--json")) == {"SEG": 0.4, "Found": 0.5}
    assert list(json.loads(extended(*score, "benchmark", "--json"))) == [
        *("SEG", "DET", "Found", "OP_CSB")
    ]

    published = ROOT / "resources" / "published.csv"
    table = ("table", output, "--published", published, "--all-published", "--format")
    rows = list(csv.DictReader(extended(*table, "csv").splitlines()))
    assert rows[0]["Found"] == "0.500000"
    assert {row["Found"] for row in rows[1:]} == {""}
    assert "| 0.400 | 0.400 | 0.50 | 0.400 |" in extended(*table, "markdown")
    told = extended("score", "--help")
    assert "MeanIoU, Found, OP_CSB" in told
    assert "share of the" in told


def test_measures_stand_after_what_they_are_made_of():
    names = list(MEASURES)
    assert len(set(names)) == len(names)
    for name, measure in MEASURES.items():
        before = names[: names.index(name)]
        known = {"objects", "markers", "tracks", "parameters", *before}
        assert known.issuperset(measure.needs), name


def test_parts_and_needs_are_followed_down():
    assert with_parts(["PESEG", "OP_CTB"]) == ("SEG", "TRA", "OP_CTB", "PESEG")
    assert needs_of(["PESEG"]) == {"objects", "parameters"}
    assert needs_of(["OP_CTB"]) == {"objects", "markers", "tracks"}
    assert needs_of([]) == set()
