"""Masks numbered anew by track, with the track file beside: whole at any moment."""

import json

import numpy as np
import pytest
from commands import masks
from refusal import refused
from simulated import hashes, small

from ctc_eval.cli.main import main as judge
from ctc_eval.format import read_tracks, read_volume, write_labels
from efficientcellseg.parameters.tracking import Tracking
from efficientcellseg.provenance import read_mask_record
from efficientcellseg.tracking import sequence
from efficientcellseg.tracking.sequence import track_sequence

VOXEL = (1.0, 1.0, 1.0)


@pytest.fixture(scope="module")
def reference():
    """Simulate nuclei that divide; their labels and tracks."""
    simulation = small("tric", frames=5)
    return [labels for _, labels in simulation], simulation.tracks


def shuffled(labels, seed):
    """Number the objects of a frame at random."""
    names = np.random.default_rng(seed).permutation(np.arange(1, 200)).astype(np.uint16)
    return np.concatenate([[0], names]).astype(np.uint16)[labels]


@pytest.fixture
def result(tmp_path, reference):
    """Write masks whose numbers say nothing."""
    folder = tmp_path / "01_RES"
    for frame, labels in enumerate(reference[0]):
        write_labels(folder / f"mask{frame:03d}.tif", shuffled(labels, seed=frame))
    return folder


def track(result, output=None, parameters=None, **options):
    return track_sequence(result, output or result, VOXEL, parameters or Tracking(), **options)


def test_a_label_is_a_track(result, reference):
    """Up to their numbers, masks and tracks are those that were simulated."""
    before = [read_volume(path) for path in sorted(result.glob("mask*"))]
    _, found = track(result)
    rows, faults = read_tracks(result / "res_track.txt")
    assert (faults, tuple(rows.values())) == ([], found.rows)
    names = {}
    for was, path, true in zip(before, sorted(result.glob("mask*")), reference[0], strict=True):
        now = read_volume(path)
        assert np.array_equal(now > 0, was > 0)
        names |= {int(n): int(t) for n, t in zip(now[now > 0], true[true > 0], strict=True)}
    assert len(set(names.values())) == len(names)
    told = {(names[r.label], r.begin, r.end, names.get(r.parent, 0)) for r in rows.values()}
    assert told == {tuple(row) for row in reference[1].tolist()}
    assert any(row[3] for row in told)


def test_the_judge_finds_no_fault(result, capsys):
    track(result)
    assert judge(["validate", str(result.parent), "01"]) == 0


def test_input_numbers_change_nothing(result, tmp_path, reference):
    other = tmp_path / "other"
    for frame, labels in enumerate(reference[0]):
        write_labels(other / f"mask{frame:03d}.tif", shuffled(labels, seed=90 + frame))
    before = hashes(result)
    track(result, tmp_path / "one")
    track(other, tmp_path / "two")
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")
    assert hashes(result) == before
    track(result)
    assert hashes(result) == hashes(tmp_path / "one")


def test_the_record_says_what_tracks_were_made_with(result):
    (result / ".segmentation.json").write_text(json.dumps({"method": "efficientcellseg"}))
    track(result, parameters=Tracking(max_distance=9.5, gap=3))
    record = read_mask_record(result)
    assert record["method"] == "efficientcellseg"
    made = record["tracking"]
    assert (made["max_distance"], made["gap"], made["overlap"]) == (9.5, 3, 0.5)
    assert made["laptrack"].startswith("0.")


def test_tracked_masks_stay(result):
    track(result)
    times = {path: path.stat().st_mtime_ns for path in result.iterdir()}
    objects, found = track(result)
    assert {path: path.stat().st_mtime_ns for path in result.iterdir()} == times
    assert np.array_equal(objects.label, found.label)
    assert found.rows == tuple(read_tracks(result / "res_track.txt")[0].values())


def test_tracks_made_in_another_way_are_replaced_only_when_told(result):
    track(result)
    before = hashes(result)
    with refused("tracks-mixed", "res_track.txt"):
        track(result, parameters=Tracking(gap=0))
    assert hashes(result) == before
    track(result, parameters=Tracking(gap=0), overwrite=True)
    assert read_mask_record(result)["tracking"]["gap"] == 0
    (result / ".segmentation.json").unlink()
    with refused("tracks-mixed"):
        track(result)


def test_stale_tracks_are_made_anew(result):
    track(result)
    whole = hashes(result)
    labels = read_volume(result / "mask002.tif")
    write_labels(result / "mask002.tif", shuffled(labels, seed=1))
    track(result)
    assert hashes(result) == whole


@pytest.mark.parametrize("moment", range(6))
def test_a_run_that_is_stopped_anywhere_is_done_again(result, tmp_path, monkeypatch, moment):
    track(result, tmp_path / "whole")
    track(result, parameters=Tracking(gap=0))  # older tracks must not outlive their masks
    left = iter(range(moment))

    def stopped(path, labels):
        if next(left, None) is None:
            raise KeyboardInterrupt
        write_labels(path, labels)

    with monkeypatch.context() as patch:
        patch.setattr(sequence, "write_labels", stopped)
        if moment == 5:  # all masks, not the record
            patch.setattr(sequence, "write_mask_record", lambda *_: stopped(*_))
        with pytest.raises(KeyboardInterrupt):
            track(result, overwrite=True)
    assert not (result / "res_track.txt").exists()
    assert len(masks(result)) == 5
    track(result)
    assert hashes(result) == hashes(tmp_path / "whole")


def test_folders_that_do_not_fit(result, tmp_path):
    write_labels(tmp_path / "out" / "mask009.tif", np.zeros((2, 3, 3), np.uint16))
    with refused("frame-leftover", "mask009.tif"):
        track(result, tmp_path / "out")
    with refused("folder-missing"):
        track(tmp_path / "none", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    mask = (result / "mask001.tif").read_bytes()
    (result / "mask001.tif").write_bytes(mask[:-30])
    with refused("tiff-truncated", "mask001.tif"):
        track(result)
    assert not (result / "res_track.txt").exists()


def test_without_cells_there_are_no_tracks(tmp_path, caplog):
    """The official tool refuses an empty track file."""
    write_labels(tmp_path / "01_RES" / "mask000.tif", np.zeros((2, 9, 9), np.uint16))
    track(tmp_path / "01_RES")
    assert not (tmp_path / "01_RES" / "res_track.txt").exists()
    assert "no cell" in caplog.text
