"""The benchmark as a stranger runs it, on stand-ins of the challenge's zips, reduced in size."""

import csv
from collections import defaultdict

import pytest

from bench.rehearsal.__main__ import main

pytestmark = pytest.mark.slow

STEPS = {"pseudocolor", "plan", "tile", "infer", "label", "gather", "classical"}
AFTER = {"validate", "score", "table", "tables", "overlay", "provenance"}
SENT = {"download_test", "segment", "submission"}


def test_from_the_zips_to_the_submissions_scripts(tmp_path, capsys):
    words = ["--size", "small", "--frames", "2", "--cores", "2", "--output", str(tmp_path)]
    assert main(words) == 0
    report = (tmp_path / "report.md").read_text()
    assert capsys.readouterr().out == report

    with (tmp_path / "report.csv").open() as file:
        rows = list(csv.DictReader(file))
    rules = defaultdict(set)
    for row in rows:
        rules[row["run"]].add(row["rule"])
        assert float(row["seconds"]) > 0
    assert rules["config"] == {"download", *STEPS, *AFTER, *SENT}
    assert rules["paper"] >= {"samples", "train", *STEPS, *AFTER, *SENT}
    # Jobs with networks and what they leave are seen.
    infer = [row for row in rows if row["rule"] == "infer"]
    assert all(int(row["memory_mb"]) > 200 for row in infer)
    assert not (tmp_path / "project").exists()
