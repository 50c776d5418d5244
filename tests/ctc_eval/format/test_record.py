"""The record beside masks: what the judge reads of it, and how frames are told apart."""

import json

import pytest
from refusal import refused

from ctc_eval.format import RECORD, MaskRecord, ScoreRecord, fingerprint, read_record

SCORE = {
    "networks": "1 x U-Net",
    "parameters": 5,
    "training": "12 slices",
    "penalize_extra_detections": False,
    "reference": "ST",
    "reference_note": "silver truth",
}


def write(folder, record):
    (folder / RECORD).write_text(record if isinstance(record, str) else json.dumps(record))
    return folder


def test_what_a_record_says(tmp_path):
    whole = {"method": "mine", "backend": "torch", "seen": [3, 4], "score": {**SCORE, "more": 1}}
    assert read_record(write(tmp_path, whole)) == MaskRecord(
        "mine",
        frozenset({3, 4}),
        ScoreRecord("1 x U-Net", 5, "12 slices", False, "ST", "silver truth"),
    )
    without = {"score": {**SCORE, "networks": "none", "parameters": None, "training": ""}}
    assert read_record(write(tmp_path, without)).score == ScoreRecord(
        "none", None, "", False, "ST", "silver truth"
    )


@pytest.mark.parametrize("record", [None, {}, {"recipe": {}}])
def test_no_record_or_an_earlier_one(tmp_path, record):
    folder = tmp_path if record is None else write(tmp_path, record)
    assert read_record(folder) == MaskRecord()
    assert read_record(tmp_path / "nowhere") == MaskRecord()


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ("{", "line 1"),
        ("[]", "not an object"),
        ({"method": 1}, "method 1"),
        ({"seen": "all"}, "seen 'all'"),
        ({"seen": [1, None]}, "seen [1, None]"),
        ({"score": "good"}, "score 'good'"),
        ({"score": {}}, "score.networks None"),
        ({"score": {**SCORE, "trained": 1}}, "score.trained 1"),
        ({"score": {**SCORE, "frames": "3"}}, "score.frames '3'"),
        ({"score": {**SCORE, "parameters": "5"}}, "score.parameters '5'"),
        ({"score": {**SCORE, "penalize_extra_detections": 0}}, "score.penalize_extra_detections 0"),
    ],
)
def test_a_damaged_record_is_no_record_at_all(tmp_path, record, told):
    with refused("record-damaged", str(tmp_path / RECORD), told):
        read_record(write(tmp_path, record))


@pytest.mark.parametrize("place", [0, 150_000, 299_999])
def test_a_fingerprint_tells_frames_apart_by_begin_middle_and_end(tmp_path, place):
    data = bytearray(300_000)
    (tmp_path / "a").write_bytes(data)
    (tmp_path / "moved").write_bytes(data)
    data[place] = 1
    (tmp_path / "b").write_bytes(data)
    (tmp_path / "longer").write_bytes(bytes(300_001))
    known = fingerprint(tmp_path / "a")
    assert fingerprint(tmp_path / "moved") == known
    assert len({known, fingerprint(tmp_path / "b"), fingerprint(tmp_path / "longer")}) == 3
    assert len(known) == 16
