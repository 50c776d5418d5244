"""Masks without a cell, or next to none: told by `validate`, in score files and in the table."""

import json

import numpy as np
import pytest

from ctc_eval.format import is_all_but_empty, read_volume, write_labels
from ctc_eval.scoring import score_sequence
from ctc_eval.table import build_table, read_scores

NOTE = "1 of 2 masks hold no cell or next to none (under 1 voxel in 10,000)"


@pytest.mark.parametrize(
    ("foreground", "voxels", "expected"),
    [(0, 1, True), (1, 100, False), (9, 100_000, True), (10, 100_000, False), (0, 10**9, True)],
)
def test_the_rule(foreground, voxels, expected):
    assert is_all_but_empty(foreground, voxels) == expected


def blank(dataset, *frames):
    """Empty masks of the toy sequence."""
    for frame in frames:
        path = dataset / "01_RES" / f"mask00{frame}.tif"
        write_labels(path, np.zeros_like(read_volume(path)))


def test_validate_notes_them_and_finds_no_fault(dataset, judge):
    (dataset / "01_RES" / "res_track.txt").unlink()
    status, before, _ = judge("validate", dataset, "01")
    assert (status, before) == (0, f"{dataset / '01_RES'}: no fault\n")
    blank(dataset, 1)
    status, out, _ = judge("validate", dataset, "01")
    assert (status, out) == (0, f"{dataset / '01_RES'}: note: {NOTE}\n{before}")
    # Beside faults, too.
    (dataset / "01_RES" / "mask7.tif").touch()
    status, out, _ = judge("validate", dataset, "01")
    assert status == 1
    assert NOTE in out


def test_a_score_file_has_the_key_only_where_there_are_some(dataset, judge, tmp_path):
    plain, emptied = tmp_path / "plain.json", tmp_path / "emptied.json"
    assert judge("score", dataset, "01", "--output", plain)[0] == 0
    blank(dataset, 0)
    assert judge("score", dataset, "01", "--output", emptied)[0] == 0
    before, after = (json.loads(path.read_text()) for path in (plain, emptied))
    assert after.keys() - before.keys() == {"masks", "empty_masks"}
    assert (after["masks"], after["empty_masks"]) == (2, 1)
    (row,) = build_table([read_scores(emptied)])
    assert row["reference"] == f"{before['reference']}; 1 of 2 masks empty"


def test_the_mean_is_taken_all_the_same_and_says_where(dataset, judge, tmp_path):
    path = tmp_path / "02.json"
    assert judge("score", dataset, "01", "--output", path)[0] == 0
    path.write_text(json.dumps({**json.loads(path.read_text()), "sequence": "02"}))
    blank(dataset, 0, 1)
    assert judge("score", dataset, "01", "--output", tmp_path / "01.json")[0] == 0
    rows = build_table([read_scores(tmp_path / "01.json"), read_scores(path)])
    told = [row["reference"].partition("; ")[2] for row in rows]
    assert told == ["2 of 2 masks empty", "", "01: 2 of 2 masks empty"]
    assert rows[2]["SEG"] == pytest.approx((rows[0]["SEG"] + rows[1]["SEG"]) / 2)


def test_a_cell_in_planes_that_are_not_annotated_counts(tmp_path):
    """A reference of slices shows a part of a mask: the rest is looked at where it seems empty."""
    reference, mask = np.zeros((3, 8, 8), np.uint16), np.zeros((3, 8, 8), np.uint16)
    reference[0, :4, :4] = 1
    write_labels(tmp_path / "01_GT" / "SEG" / "man_seg_000_000.tif", reference[0])
    write_labels(tmp_path / "01_RES" / "mask000.tif", mask)
    folders = tmp_path / "01_GT", tmp_path / "01_RES"
    found = score_sequence(*folders, wanted=("SEG",))
    assert (found.masks, found.empty) == (1, 1)
    mask[2, 1, 1] = 5
    write_labels(tmp_path / "01_RES" / "mask000.tif", mask)
    assert score_sequence(*folders, wanted=("SEG",)).empty == 0


def test_cells_beside_the_annotated_slices_count(tmp_path):
    reference, mask = np.zeros((1, 200, 200), np.uint16), np.zeros((3, 200, 200), np.uint16)
    reference[0, 0, 0] = mask[2] = 1
    write_labels(tmp_path / "01_GT/SEG/man_seg_000_000.tif", reference)
    write_labels(tmp_path / "01_RES/mask000.tif", mask)
    assert score_sequence(tmp_path / "01_GT", tmp_path / "01_RES", wanted=["SEG"]).empty == 0
