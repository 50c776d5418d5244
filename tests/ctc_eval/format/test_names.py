"""Names of frames, and ranges of them."""

from pathlib import Path

import pytest
from refusal import refused

from ctc_eval.format import (
    frame_digits,
    frame_files,
    frame_name,
    frames_beyond,
    frames_shared,
    frames_text,
    parse_frames,
)


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).touch()
    return folder


def test_frames_come_in_order_and_strangers_are_left_out(tmp_path):
    touch(tmp_path, "t001.tif", "t000.tif", "t002.tif", "t003.tiff", "T004.tif", "mask000.tif")
    touch(tmp_path, "xt005.tif", "t006.tif.part", ".t007-ab.tif")
    files = frame_files(tmp_path)
    assert list(files) == [0, 1, 2]
    assert files[1] == tmp_path / "t001.tif"
    assert list(frame_files(tmp_path, "mask")) == [0]


def test_a_thousand_frames_have_four_digits(tmp_path):
    touch(tmp_path, *(f"t{frame:04d}.tif" for frame in range(1001)))
    assert len(frame_files(tmp_path)) == 1001


def test_sparse_reference(tmp_path):
    touch(tmp_path, "man_seg003.tif", "man_seg011.tif", "man_seg_004_002.tif")
    assert list(frame_files(tmp_path, "man_seg", complete=False)) == [3, 11]


@pytest.mark.parametrize(
    ("names", "code", "told"),
    [
        ([], "frames-absent", "t000.tif"),
        (["t000.tiff"], "frames-absent", "t000.tif"),
        (["t000.tif", "t0001.tif"], "frame-digits", "3 and 4 digits"),
        (["t00.tif"], "frame-digits", "2 digits"),
        (["t00000.tif"], "frame-digits", "5 digits"),
        (["t000.tif", "t002.tif"], "frame-missing", "t001.tif"),
        (["t001.tif"], "frame-missing", "t000.tif"),
    ],
)
def test_faulty_names(tmp_path, names, code, told):
    touch(tmp_path, *names)
    with refused(code, str(tmp_path), told):
        frame_files(tmp_path)


def test_missing_folder(tmp_path):
    with refused("folder-missing", str(tmp_path / "01")):
        frame_files(tmp_path / "01")


def test_frame_names():
    assert frame_name("mask", 7, 3) == "mask007.tif"
    assert frame_name("t", 1234, 4) == "t1234.tif"
    assert frame_digits(Path("02/t0007.tif")) == 4
    assert frame_digits(Path("man_seg_012_003.tif")) == 3
    assert frame_digits(Path("notes.txt")) == 0


@pytest.mark.parametrize(
    ("text", "code"),
    [("3", "range-malformed"), ("-3:", "range-malformed"), ("4:2", "range-empty")],
)
def test_ranges_that_are_none(text, code):
    with refused(code, text):
        parse_frames(text)


@pytest.mark.parametrize(
    ("frames", "last", "beyond"),
    [
        (slice(0, 5), 2, "3 to 4"),
        (slice(0, 4), 2, "3"),
        (slice(7, 9), 2, "7 to 8"),
        (slice(0, 3), 2, ""),
        (slice(None, 2), 2, ""),
        (slice(1, None), 2, ""),
        (slice(None), 2, ""),
    ],
)
def test_frames_beyond_the_last(frames, last, beyond):
    assert frames_beyond(frames, last) == beyond


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (":", ":", "all"),
        ("0:3", ":", "0:3"),
        (":8", "5:", "5:8"),
        ("0:12", "0:8", "0:8"),
        ("3:", "1:", "3:"),
        ("0:3", "3:5", None),
    ],
)
def test_frames_that_two_ranges_share(one, other, shared):
    for pair in ((one, other), (other, one)):
        found = frames_shared(*map(parse_frames, pair))
        assert (found and frames_text(found)) == shared


def test_digits_are_0_to_9(tmp_path):
    """Arabic digits are digits to Python; a frame must neither count nor vanish by them."""
    touch(tmp_path, "t000.tif", "t\u0660\u0660\u0661.tif")
    with refused("frame-digits", "t\u0660\u0660\u0661.tif"):
        frame_files(tmp_path)
    assert frame_digits(Path("t\u0660\u0660\u0661.tif")) == 0


@pytest.mark.parametrize("text", ["\u0660:2", "1:\u0662", "0:" + "9" * 5000, "\u00b2:3"])
def test_ranges_of_other_digits_or_far_too_many(text):
    with refused("range-malformed"):
        parse_frames(text)
