"""Disk between the steps: frames under way have room, whatever their number and size."""

import pytest
from refusal import refused

from efficientcellseg.parameters.dataset_run import DatasetRun
from efficientcellseg.parameters.disk import BETWEEN, frames_at_once

TRIC = {"name": "TRIC", "sequences": {"01": 65, "02": 210}, "frame": [13, 2454, 1693]}
SMALL = {"name": "Small", "sequences": {"01": 30}, "frame": [30, 300, 400]}


def entries(*values: dict) -> list[DatasetRun]:
    return [DatasetRun(**one) for one in values]


def most_under_way(entry: DatasetRun, at_once: int | None) -> int:
    """Count frames that are under way where each shard begins as early as it may, none ends."""
    under_way, done = 0, set()
    shards = [(name, one) for name in entry.sequences for one in entry.shards(name, at_once)]
    frames = {one: int(one[1][5:]) - int(one[1][:4]) for one in shards}
    before = {one: entry.shard_before(*one, at_once) for one in shards}
    for _ in shards:
        begun = [one for one in shards if before[one] is None or before[one] in done]
        under_way = max(under_way, sum(frames[one] for one in begun if one not in done))
        done.add(next(one for one in begun if one not in done))
    assert len(done) == len(shards)
    return under_way


@pytest.mark.parametrize("disk_gb", [2.2, 3, 6, 50])
@pytest.mark.parametrize("frames_per_shard", [1, 5, 10])
def test_frames_under_way_have_room_whatever_the_length(disk_gb, frames_per_shard):
    datasets = entries(TRIC | {"frames_per_shard": frames_per_shard}, SMALL)
    at_once = frames_at_once(datasets, disk_gb)
    used = sum(
        most_under_way(entry, at_once[entry.name]) * entry.voxels * BETWEEN for entry in datasets
    )
    assert used <= disk_gb * 1e9


def test_the_length_of_a_sequence_does_not_matter():
    longer = TRIC | {"sequences": {"01": 65, "02": 9999}}
    assert frames_at_once(entries(longer, SMALL), 6) == frames_at_once(entries(TRIC, SMALL), 6)


def test_what_fits_as_a_whole_waits_for_nothing():
    (small,) = datasets = entries(SMALL)
    at_once = frames_at_once(datasets, 6)
    assert at_once == {"Small": None}
    assert small.shards("01", None) == ["0000-0010", "0010-0020", "0020-0030"]
    assert {small.shard_before("01", one, None) for one in small.shards("01", None)} == {None}


def test_shards_begin_when_those_before_are_done():
    (entry,) = entries(SMALL)
    assert entry.shards("01", 4)[:2] == ["0000-0004", "0004-0008"]
    assert entry.shard_before("01", "0004-0008", 4) == ("01", "0000-0004")
    # Two shards of ten at a time.
    assert entry.shards("01", 25) == ["0000-0010", "0010-0020", "0020-0030"]
    before = [entry.shard_before("01", one, 25) for one in entry.shards("01", 25)]
    assert before == [None, None, ("01", "0000-0010")]


def test_a_sequence_waits_for_the_one_before():
    (entry,) = entries(SMALL | {"sequences": {"01": 4, "02": 4}})
    assert entry.shard_before("02", "0000-0002", 2) == ("01", "0002-0004")
    assert entry.shard_before("01", "0000-0002", 2) is None


def test_a_disk_too_small_for_a_frame_of_each_is_told():
    with refused("disk-small", "disk_gb: 1; expected at least 1.9, room for one frame of each"):
        frames_at_once(entries(TRIC), 1)
