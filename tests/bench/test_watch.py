"""What is watched of a run, and what of it is told."""

import os
import signal
import subprocess
import sys
import time

import pytest

from bench.rehearsal.report import costs
from bench.rehearsal.watch import PASSING, Watch, disk_by_rule, memory_by_rule, rule_of


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("work/efficientcellseg/A/01/0000-0002/maps/t000.npz", "infer"),
        ("work/efficientcellseg-crossval/A/01/0000-0002/masks/mask000.tif", "label"),
        ("work/classical/A/01/0000-0002/masks/mask000.tif", "classical"),
        ("efficientcellseg/A/01_RES/mask000.tif", "gather"),
        ("submitted/A/01_RES/mask000.tif", "segment"),
        ("models/A/cells/model.yaml", "train"),
        ("logs/tile/x.log", ""),
    ],
)
def test_who_made_a_file(path, rule):
    assert rule_of(tuple(path.split("/"))) == rule


def test_disk_by_rule(tmp_path):
    data, results = tmp_path / "data", tmp_path / "results"
    for path, megabytes in {
        data / "A.zip": 2,
        data / "test" / "A" / "01" / "t000.tif": 3,
        results / "work/efficientcellseg/A/01/0000-0002/tiles/t000.npz": 4,
        results / "samples" / "A.npz": 1,
        results / "tables" / "benchmark.csv": 0,
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * megabytes * 1_000_000)
    found = disk_by_rule(data, results)
    wanted = {"download": 2, "download_test": 3, "tile": 4, "samples": 1, PASSING: 5}
    assert {rule: found[rule] for rule in wanted} == wanted


def test_a_jobs_memory_is_that_of_what_its_shell_runs(tmp_path):
    hungry = "x = bytearray(150_000_000); del x; import time; time.sleep(20)"
    script = f"{sys.executable} -c {hungry!r} > {tmp_path}/logs/infer/a.log; true"
    (tmp_path / "logs" / "infer").mkdir(parents=True)
    with subprocess.Popen(["bash", "-c", script], start_new_session=True) as shell:
        most = 0
        for _ in range(100):
            most = max(most, memory_by_rule()["infer"])
            if most > 150:
                break
            time.sleep(0.1)
        os.killpg(shell.pid, signal.SIGTERM)
    assert 150 < most < 250


def test_costs_of_a_run(tmp_path):
    header = "s\th:m:s\tmax_rss\tcpu_time\n"
    for name, seconds, memory in (
        ("infer/m/A/01_0-2.tsv", 3, "120.5"),
        ("infer/m/A/02_0-2.tsv", 5, "NA"),
        ("download/A.tsv", 1, "-"),
        ("download/test/A.tsv", 2, "7"),
        ("table.tsv", 1.5, "20"),
    ):
        path = tmp_path / "benchmarks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{header}{seconds}\t0:00:0{seconds}\t{memory}\t1\n")
    watched = Watch(tmp_path, tmp_path)
    watched.memory_mb["infer"] = 300
    found = {one.rule: one for one in costs("config", tmp_path, watched)}
    infer = found["infer"]
    assert (infer.jobs, infer.seconds, infer.longest, infer.memory_mb) == (2, 8.0, 5.0, 300)
    assert {rule: one.memory_mb for rule, one in found.items()} == {
        "infer": 300,
        "download": 0,
        "download_test": 7,
        "table": 20,
    }
