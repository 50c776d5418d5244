"""The workflow on a cluster: one node, where Slurm and its executor are installed."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT
from runs import configure, snakemake

from ctc_eval.format import frame_files, read_volume
from efficientcellseg.cli.main import main

START = ROOT.parent / "shared" / "tools" / "slurm_up.sh"

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(tmp_path):
    """Start a cluster of one node; stop it afterwards."""
    missing = [name for name in ("slurmctld", "slurmd", "munged") if not shutil.which(name)]
    if missing:
        pytest.skip(f"{', '.join(missing)}: not installed (Debian: slurm-wlm and munge)")
    if not importlib.util.find_spec("snakemake_executor_plugin_slurm"):
        pytest.skip("snakemake-executor-plugin-slurm is not installed")
    if os.geteuid() or not START.is_file() or Path("/etc/slurm/slurm.conf").exists():
        pytest.skip(f"starting a cluster needs root, {START}, and none there already")
    state = tmp_path / "slurm"
    running = subprocess.run(["pgrep", "-x", "munged"], capture_output=True, check=False)
    try:
        subprocess.run(["bash", START, state], check=True, timeout=90)
        yield state
    finally:
        files = [state / "run" / "slurmd.pid", state / "run" / "slurmctld.pid"]
        for file in files + [Path("/run/munge/munged.pid")] * running.returncode:
            if file.is_file():
                os.kill(int(file.read_text()), signal.SIGTERM)
        for name in ("slurm", "cgroup", "gres"):
            Path(f"/etc/slurm/{name}.conf").unlink(missing_ok=True)


def test_shards_spread_over_jobs_of_the_cluster(
    tmp_path, tiny_dataset, recipe_file, models, cluster
):
    config = configure(tmp_path, recipe_file, models, gpus=1)
    done = snakemake(
        tmp_path,
        config,
        *("segmentation", "--workflow-profile", str(ROOT / "profiles" / "slurm")),
        *("--slurm-status-command", "squeue", "--latency-wait", "5"),
        *("--slurm-init-seconds-before-status-checks", "3", "--seconds-between-status-checks", "3"),
        *("--default-resources", "slurm_partition=debug", "slurm_account=none"),
    )
    assert done.returncode == 0, done.stdout + done.stderr

    # A plan, and two shards of four steps; what takes no computing stays where Snakemake runs.
    listing = subprocess.run(
        ["scontrol", "show", "jobs"], capture_output=True, text=True, check=True
    )
    jobs = [dict(re.findall(r"(\w+)=(\S*)", job)) for job in listing.stdout.split("\n\n") if job]
    assert [job["JobState"] for job in jobs] == ["COMPLETED"] * 9
    # The frames are said to have 32 x 512 x 512 voxels, 8.4 million; a shard two of them
    # and one.
    # 10 minutes, and 20 s a million voxels for networks, 2 s for pseudocoloring.
    networks = [job for job in jobs if "gpu:1" in str(job)]
    assert sorted(job["TimeLimit"] for job in networks) == ["00:12:00", "00:13:00", "00:16:00"]
    # 300 MB and 30 bytes a voxel for pseudocoloring.
    assert [job["MinMemoryNode"] for job in jobs].count("552M") == 2

    fused = tmp_path / "fused"
    options = ["--recipe", str(recipe_file), "--model", str(models), "--device", "cpu"]
    assert main(["segment", str(tiny_dataset), "01", "--output", str(fused), *options]) == 0
    masks = frame_files(tmp_path / "results" / "efficientcellseg" / "Tiny" / "01_RES", "mask")
    assert len(masks) == 3
    for frame, path in frame_files(fused, "mask").items():
        assert masks[frame].read_bytes() == path.read_bytes()
        assert read_volume(path).any()
