"""The benchmark as a stranger runs it, on stand-ins of the challenge's zips, reduced in size.

One of them with the networks that are shipped, another with networks that are trained: a job's
start takes seconds, and `make rehearsal` has all of them.
"""

import csv

import pytest
from runs import as_a_user, checkout, jobs

from bench.rehearsal.__main__ import main

pytestmark = pytest.mark.slow

STEPS = {"pseudocolor", "plan", "tile", "infer", "label", "gather", "classical"}
AFTER = {"validate", "score", "table", "tables", "overlay", "provenance", "page"}
SENT = {"download_test", "segment", "submission"}


def test_a_target_of_the_workflow_but_no_part_of_it(tmp_path):
    assert jobs(as_a_user(checkout(tmp_path), "rehearsal", "-n")) == {"rehearsal": 1, "total": 1}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "datasets", "more"),
    [
        ("config", ["Fluo-C3DL-MDA231"], set()),
        ("paper", ["Fluo-N3DL-TRIC"], {"samples", "train"}),
    ],
)
def test_from_the_zips_to_the_submissions_scripts(tmp_path, capsys, name, datasets, more):
    words = ["--size", "small", "--cores", "2", "--output", str(tmp_path)]
    assert main([*words, "--configurations", name, "--datasets", *datasets]) == 0
    report = (tmp_path / "report.md").read_text()
    assert capsys.readouterr().out == report
    assert all(dataset in report for dataset in datasets)

    with (tmp_path / "report.csv").open() as file:
        rows = {row["rule"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"download", *STEPS, *AFTER, *SENT, *more}
    assert all(float(row["seconds"]) > 0 and row["run"] == name for row in rows.values())
    # Jobs with networks are seen, and what they leave.
    assert all(int(rows[rule]["memory_mb"]) > 200 for rule in ("infer", "segment"))
    assert int(rows["download"]["disk_mb"]) > 0
    assert not (tmp_path / "project").exists()
