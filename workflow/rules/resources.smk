# What jobs ask for; docs/scale.md says how the figures were measured. No rules in here.

from math import ceil

from efficientcellseg.parameters.disk import frames_at_once

RUN = RUN.model_copy(update={"gpus": RUN.gpus_of_a_job(local=workflow.local_exec)})


def memory(bytes_per_voxel, base=1000):
    """Compute the memory in MB that a job requests, for the largest frame; more at each attempt."""

    def mem_mb(wildcards, attempt):
        millions = DATASETS[wildcards.dataset].voxels / 1e6
        return attempt * round(base + bytes_per_voxel * millions)

    return mem_mb


def minutes(seconds_per_million):
    """Compute the time that a job requests: seconds per million voxels on one core, plus a start."""

    def runtime(wildcards, attempt):
        entry = DATASETS[wildcards.dataset]
        if hasattr(wildcards, "shard"):
            first, end = map(int, wildcards.shard.split("-"))
            frames = end - first
        else:
            frames = entry.sequences.get(getattr(wildcards, "sequence", None), 1)
        seconds = frames * seconds_per_million * entry.voxels / 1e6
        return attempt * (10 + ceil(seconds / 60))

    return runtime


# How many frames of a data set may lie between the steps at a time.
STAGED_HERE = sum(METHODS[method_of(folder)].staged for folder in ALL_FOLDERS)
AT_ONCE = told(frames_at_once, RUN.datasets, RUN.disk_gb / STAGED_HERE) if STAGED_HERE else {}


def shard_names(wildcards):
    """List the shards of a sequence."""
    name = wildcards.dataset
    return DATASETS[name].shards(wildcards.sequence, AT_ONCE.get(name))


def masks_before(wildcards):
    """Return the masks that must exist before a shard starts, so that the disk has room."""
    name = wildcards.dataset
    before = DATASETS[name].shard_before(wildcards.sequence, wildcards.shard, AT_ONCE.get(name))
    folder = f"{RUN.pathvars.results}/work/{wildcards.method}/{name}"
    return [f"{folder}/{'/'.join(before)}/masks"] if before else []
