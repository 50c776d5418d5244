"""Disk for what lies between the workflow's steps: how many frames may lie there at a time."""

from __future__ import annotations

from collections.abc import Iterable

from ctc_eval.format import InputError
from efficientcellseg.parameters.dataset_run import DatasetRun

# What lies between the steps of a frame, at most: its pseudocolored slices and its tiles. Bytes
# a voxel.
BETWEEN = 35


def frames_at_once(datasets: Iterable[DatasetRun], disk_gb: float) -> dict[str, int | None]:
    """Share the disk among the data sets of a run, each of which runs by itself.

    Parameters
    ----------
    datasets : iterable of DatasetRun
    disk_gb : float
        For all of them.

    Returns
    -------
    dict of str to int or None
        For each data set, how many of its frames may lie between the steps at a time: at least one;
        None for all. Those whose frames are small get more of them.

    Raises
    ------
    InputError
        Not one frame of each has room.
    """
    size, missing = {}, {}
    for entry in datasets:
        size[entry.name] = BETWEEN * entry.voxels / 1e9
        missing[entry.name] = sum(end - entry.first for end in entry.sequences.values()) - 1
    frames = dict.fromkeys(size, 1)
    left = disk_gb - sum(size.values())
    if left < 0:
        raise InputError(
            f"disk_gb: {disk_gb:g}; expected at least {sum(size.values()):.1f}, room for one frame "
            "of each data set between the steps: raise it where the disk has so much, or run fewer "
            "data sets at a time",
            code="disk-small",
        )
    waiting = [one for one in size if missing[one] > 0]
    while waiting:
        least = min(waiting, key=lambda one: frames[one] * size[one])
        if size[least] <= left:
            left -= size[least]
            frames[least] += 1
            missing[least] -= 1
        if missing[least] <= 0 or size[least] > left:
            waiting.remove(least)
    return {one: frames[one] if missing[one] > 0 else None for one in size}
