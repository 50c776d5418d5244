"""What the workflow takes of disk, memory and GPUs, and how it says so."""

import json
import re

import psutil
from runs import as_a_user, checkout, configure, planned_commands, snakemake, told

from efficientcellseg.parameters.run import FIRST_GPU


def inputs_of(text: str, rule: str) -> dict[str, set[str]]:
    """Read the inputs of a rule's jobs from a dry run, by shard."""
    found = re.findall(
        rf"^rule {rule}:\n    input: (.*)\n(?:    .*\n)*?.*shard=([\d-]+)", text, re.M
    )
    return {shard: set(files.split(", ")) for files, shard in found}


def test_a_shard_waits_for_networks_and_for_masks_before_it(tmp_path, recipe_file, models):
    # Room for two frames, of 8.4 million voxels each unless told.
    config = configure(tmp_path, recipe_file, models, disk_gb=0.6)
    values = config.read_text().replace("'01': 3", "'01': 9").replace('"01": 3', '"01": 9')
    config.write_text(values)
    text = told(snakemake(tmp_path, config, "segmentation", "--dry-run"))
    jobs = inputs_of(text, "pseudocolor")
    shards = [f"{start:04d}-{min(start + 2, 9):04d}" for start in range(0, 9, 2)]
    assert sorted(jobs) == shards
    work = "results/work/efficientcellseg/Tiny/01"
    for number, shard in enumerate(shards):
        masks = {one for one in jobs[shard] if one.endswith("masks")}
        assert masks == ({f"{work}/{shards[number - 1]}/masks"} if number else set())
        assert f"{models}/cells/weights.safetensors" in jobs[shard]
        assert "results/plans/efficientcellseg/Tiny/01.yaml" in jobs[shard]


def test_a_disk_too_small_is_told_before_any_job_runs(tmp_path, recipe_file, models):
    done = snakemake(tmp_path, configure(tmp_path, recipe_file, models, disk_gb=0.1), "--dry-run")
    assert done.returncode == 1
    assert "disk_gb: 0.1; expected at least 0.3" in done.stdout + done.stderr
    # What leaves nothing between steps needs no room.
    config = configure(tmp_path, recipe_file, models, disk_gb=0.1, methods=["classical"])
    told(snakemake(tmp_path, config, "--dry-run"))


def test_never_more_memory_than_the_machine_has(tmp_path, tiny_dataset, recipe_file, models):
    done = snakemake(tmp_path, configure(tmp_path, recipe_file, models), "results/ready/Tiny.done")
    (found,) = re.findall(r'Provided resources:.*"mem_mb", (\d+)', told(done))
    assert 100 < int(found) <= psutil.virtual_memory().total / 1e6


def test_targets_after_configuration_files_are_told_in_a_line(tmp_path):
    folder = checkout(tmp_path)
    for profile in ("default", "slurm"):
        options = ("--workflow-profile", f"profiles/{profile}")
        done = as_a_user(folder, *options, "--configfile", "config/demo.yaml", "submission")
        assert done.returncode == 1
        using, line = (done.stdout + done.stderr).splitlines()
        assert using.startswith("Using workflow specific profile")
        assert line.startswith("--configfile: submission: no such file; expected ")
        assert line.endswith("`snakemake submission --configfile FILE`")


def test_networks_ask_for_a_gpu_where_there_is_one(tmp_path, recipe_file, models):
    def asked(**changes) -> bool:
        config = configure(tmp_path, recipe_file, models, **changes)
        text = told(snakemake(tmp_path, config, "segmentation", "--dry-run"))
        found = re.findall(r"^rule infer:\n(?:    .*\n)*?    resources: (.*)", text, re.M)
        (one,) = {"gpu=1" in resources for resources in found}
        return one

    assert asked(device="auto") == FIRST_GPU.exists()
    assert not asked(device="cpu")
    assert asked(device="cuda")
    assert asked(device="cpu", gpus=1)


def test_the_record_of_a_run_gets_its_configuration(tmp_path, recipe_file, models):
    config = configure(tmp_path, recipe_file, models)
    done = snakemake(tmp_path, config, "--dry-run", "--printshellcmds")
    (options,) = planned_commands(done)["provenance"]
    assert json.loads(options.configuration)["datasets"][0]["sequences"] == {"01": 3}
