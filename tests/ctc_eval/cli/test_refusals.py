"""`score`: what it refuses, as the official tool does or should."""

import numpy as np
import pytest
import tifffile
from toy_sequence import REFERENCE, RESULT

from ctc_eval.format import write_labels


def _stack(**changes):
    """Write a result mask in another way than the official tool reads."""

    def write(path):
        options = {"photometric": "minisblack", "metadata": None, "compression": "zlib"}
        tifffile.imwrite(path, np.stack([RESULT] * 2), **{**options, **changes})

    return write


def _image(dtype=np.uint16, planes=2, **options):
    """Write an image that is no label image."""
    return lambda path: tifffile.imwrite(path, np.stack([RESULT] * planes).astype(dtype), **options)


TRAPS = {
    "zstd": (_stack(compression="zstd"), "tiff-compression", "zstd"),
    "lzma": (_stack(compression="lzma"), "tiff-compression", "lzma"),
    "miniswhite": (_stack(photometric="miniswhite"), "tiff-photometric", "miniswhite"),
    "tiled": (_stack(tile=(16, 16)), "tiff-tiled", ""),
    "uint8": (_image(np.uint8, photometric="minisblack"), "pixel-type", "uint8, expected uint16"),
    "int16": (_image(np.int16, photometric="minisblack"), "pixel-type", "int16"),
    "rgb": (_image(planes=3, photometric="rgb"), "tiff-rgb", ""),
    "shape": (lambda path: write_labels(path, RESULT), "shape-mismatch", "shape (1, 2, 6); exp"),
    "png": (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99)), "tiff-unreadable", ""),
    "nothing": (lambda path: path.write_bytes(b""), "tiff-unreadable", ""),
    "missing": (lambda path: path.unlink(), "mask-missing", "1 of 2 annotated frames"),
    "digits": (
        lambda path: path.rename(path.with_name("mask0001.tif")),
        "mask-missing",
        "though there is mask0001.tif",
    ),
    "truncated": (
        lambda path: path.write_bytes(path.read_bytes()[:-20]),
        "tiff-truncated",
        "",
    ),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_what_the_official_tool_refuses_or_misreads_is_refused(dataset, refusal, trap):
    spoil, code, told = TRAPS[trap]
    mask = dataset / "01_RES" / "mask001.tif"
    spoil(mask)
    message = refusal(code, "score", dataset, "01", "--output", dataset / "score.json")
    assert str(mask) in message
    assert told in message
    assert not (dataset / "score.json").exists()


@pytest.mark.parametrize(
    "options",
    [
        {"compression": None},
        {"compression": "lzw"},
        {"compression": "packbits"},
        {"compression": "zlib", "predictor": True},
        {"bigtiff": True},
        {"byteorder": ">"},
    ],
)
def test_what_the_official_tool_reads_is_read(dataset, options, judge):
    for frame in (0, 1):
        _stack(**options)(dataset / "01_RES" / f"mask00{frame}.tif")
    status, out, _ = judge("score", dataset, "01")
    assert status == 0
    assert out.startswith("SEG measure: 0.400000\nDET measure: 0.400000\n")


def test_damaged_data_are_refused(dataset, refusal):
    path = dataset / "01_RES" / "mask000.tif"
    with tifffile.TiffFile(path) as tif:
        offset, count = tif.pages[1].dataoffsets[0], tif.pages[1].databytecounts[0]
    data = bytearray(path.read_bytes())
    data[offset : offset + count] = b"\xff" * count
    path.write_bytes(bytes(data))
    message = refusal("tiff-damaged", "score", dataset, "01")
    assert f"{path}: plane 1 is damaged" in message


def test_slice_beyond_the_volume(dataset, refusal):
    write_labels(dataset / "01_GT" / "SEG" / "man_seg_000_002.tif", REFERENCE)
    assert "2 planes; expected more than 2" in refusal("slice-outside", "score", dataset, "01")


def test_reference_without_objects(dataset, refusal):
    for frame in (0, 1):
        path = dataset / "01_GT" / "SEG" / f"man_seg00{frame}.tif"
        write_labels(path, np.zeros((2, 2, 6), np.uint16))
    refusal("reference-empty", "score", dataset, "01")


def test_missing_folders(dataset, refusal):
    refusal("folder-missing", "score", dataset, "02")
    nowhere = dataset / "nowhere"
    assert str(nowhere) in refusal("folder-missing", "score", dataset, "01", "--result", nowhere)
    (dataset / "empty").mkdir()
    arguments = ("score", dataset, "01", "--reference", dataset / "empty")
    assert "mask000.tif" in refusal("frames-absent", *arguments)


@pytest.mark.parametrize(
    ("name", "text", "code", "told"),
    [
        ("res", "7 0 1 0\n\n8 0 1 0\n9 0 1 0\n", "track-row", "line 2 is ''"),
        ("res", "7 0 1 0 \n8 0 1 0\n9 0 1 0\n", "track-row", "line 1 is '7 0 1 0 '"),
        ("res", "L B E P\n7 0 1 0\n", "track-row", "line 1 is 'L B E P'"),
        ("res", "7 0 1\n8 0 1 0\n9 0 1 0\n", "track-row", "line 1"),
        ("res", "7 0 1 0\n8 0 1 0\n9 0 1 0\n7 0 1 0\n", "track-twice", "line 4: label 7"),
        ("res", "7 0 1 0\n8 0 1 0\n9 1 0 0\n", "track-backwards", "line 3: track 9"),
        ("res", "7 0 1 0\n8 0 1 0\n9 0 1 6\n", "parent-unknown", "parent 6"),
        ("res", "7 0 1 0\n8 0 1 7\n9 0 1 0\n", "parent-late", "parent 7 ends in frame 1"),
        ("res", "7 0 0 0\n8 0 1 7\n9 0 1 0\n", "parent-late", "parent 7 ends in frame 0"),
        ("res", "7 0 1 0\n8 0 1 0\n", "object-without-track", "track 9"),
        ("res", "7 0 0 0\n8 0 1 0\n9 0 1 0\n", "object-without-track", "track 7"),
        ("res", "5 0 1 0\n7 0 1 0\n8 0 1 0\n9 0 1 0\n", "track-without-object", "track 5"),
        ("man", "1 0 2 0\n2 0 1 0\n", "track-without-object", "track 1"),
        ("man", "1 0 1 0\n", "object-without-track", "track 2"),
    ],
)
def test_track_files_that_the_official_tool_refuses(
    dataset, judge, refusal, name, text, code, told
):
    folder = dataset / ("01_RES" if name == "res" else "01_GT/TRA")
    (folder / f"{name}_track.txt").write_text(text)
    message = refusal(code, "score", dataset, "01", "--measures", "TRA")
    assert f"{name}_track.txt: " in message
    assert told in message
    # SEG and DET never read it.
    assert judge("score", dataset, "01")[0] == 0


def test_tra_needs_a_track_file(dataset, refusal):
    track_file = dataset / "01_RES" / "res_track.txt"
    track_file.unlink()
    message = refusal("file-missing", "score", dataset, "01", "--measures", "TRA")
    assert str(track_file) in message


@pytest.mark.parametrize("option", ["--output", "--objects"])
def test_an_output_that_cannot_be_written_shows_before_scoring(dataset, option, refusal):
    arguments = ("score", dataset / "nowhere", "01", option, "/proc/x.json")
    assert "/proc/x.json" in refusal("path-unwritable", *arguments)


@pytest.mark.parametrize(
    ("folder", "name", "text", "code", "end"),
    [
        ("01_RES", "res", "7\n\n", "track-row", "blank line or trailing space (and 1 more)\n"),
        ("01_RES", "res", "7 0 1 5\n8 0 1 5\n9 0 1 0\n", "parent-unknown",
         "expected a label of the file or 0 (and 1 more): fix the tracks\n"),
        ("01_GT/TRA", "man", "1 0 1 5\n2 0 1 0\n", "parent-unknown",
         "expected a label of the file or 0: fix the tracks\n"),
    ],
)  # fmt: skip
def test_how_many_faults_tracks_have_and_where(dataset, refusal, folder, name, text, code, end):
    path = dataset / folder / f"{name}_track.txt"
    path.write_text(text)
    message = refusal(code, "score", dataset, "01", "--measures", "TRA")
    assert message.startswith(f"error[{code}]: {path}: ")
    assert message.endswith(end)


def test_tracks_are_cut_to_the_frames_asked_for_not_to_those_there(dataset, judge, refusal):
    (dataset / "01_GT" / "TRA" / "man_track.txt").write_text("1 0 3 0\n2 0 1 0\n")
    arguments = ("score", dataset, "01", "--measures", "TRA", "--frames")
    assert judge(*arguments, "0:2")[0] == 0
    message = refusal("track-without-object", *arguments, "0:3")
    assert "it covers frame 2, of which there is no image:" in message


def test_a_slice_below_the_last_plane_though_there_are_as_many_rows(tmp_path, refusal):
    write_labels(tmp_path / "01_GT/SEG/man_seg_000_003.tif", np.ones((1, 6, 8), np.uint16))
    write_labels(tmp_path / "01_RES/mask000.tif", np.ones((2, 6, 8), np.uint16))
    refusal("slice-outside", "score", tmp_path, "01", "--measures", "SEG")


@pytest.mark.parametrize("measure", ["SEG", "DET"])
def test_frames_without_annotation_are_told_with_the_reference(dataset, refusal, measure):
    arguments = ("score", dataset, "01", "--measures", measure, "--frames", "5:")
    message = refusal("frames-unannotated", *arguments)
    assert message.startswith(f"error[frames-unannotated]: {dataset / '01_GT'}: ")
