"""`validate`: every fault of a result at once."""

import time

import numpy as np
import pytest
import tifffile

from ctc_eval.cli.main import main
from ctc_eval.format import write_labels, write_volume
from ctc_eval.validation import examine

SHAPE = (2, 6, 8)


def _labels(*labels):
    """Give a volume with one block for each label."""
    volume = np.zeros(SHAPE, np.uint16)
    for i, label in enumerate(labels):
        volume[:, :, 2 * i : 2 * i + 1] = label
    return volume


@pytest.fixture
def dataset(tmp_path):
    """Make a faultless result of four frames, raw frames and tracks included."""
    root = tmp_path / "Toy"
    present = [(1, 2), (1, 2), (2, 3), (3,)]
    for frame, labels in enumerate(present):
        write_volume(root / "01" / f"t00{frame}.tif", np.ones(SHAPE, np.uint8))
        write_labels(root / "01_RES" / f"mask00{frame}.tif", _labels(*labels))
    (root / "01_RES" / "res_track.txt").write_text("1 0 1 0\n2 0 2 0\n3 2 3 1\n")
    return root


def _faults(capsys, *arguments):
    """Give the faults as {file name: reasons}, and the exit status."""
    status = main(["validate", *map(str, arguments)])
    found = {}
    for line in capsys.readouterr().out.splitlines():
        path, _, reason = line.partition(": ")
        found.setdefault(path.rpartition("/")[2], []).append(reason)
    return status, found


def test_a_good_result_has_no_fault(dataset, capsys):
    assert _faults(capsys, dataset, "01") == (0, {"01_RES": ["no fault"]})


def test_a_segmentation_needs_no_tracks(dataset, capsys):
    (dataset / "01_RES" / "res_track.txt").unlink()
    assert _faults(capsys, dataset, "01")[0] == 0


def test_other_files_do_no_harm(dataset, capsys):
    (dataset / "01_RES" / "SEG_log.txt").write_text("old")
    (dataset / "01_RES" / "overlay.png").write_bytes(b"")
    assert _faults(capsys, dataset, "01")[0] == 0


def test_all_faults_at_once(dataset, capsys):
    result = dataset / "01_RES"
    (result / "mask000.tif").rename(result / "mask0000.tif")
    tifffile.imwrite(
        result / "mask001.tif", _labels(1, 2), compression="zstd", photometric="miniswhite"
    )
    write_labels(result / "mask002.tif", _labels(2, 3)[:1])
    (result / "mask003.tif").write_bytes((result / "mask003.tif").read_bytes()[:-9])
    write_labels(result / "mask004.tif", _labels(4))
    (result / "res_track.txt").write_text("1 0 1 0\n\n1 2 2 0\n3 1 3 9\n")
    status, found = _faults(capsys, dataset, "01")
    assert status == 1
    assert list(map(len, found.values())) == [1, 1, 1, 2, 1, 1, 3]
    expected = {
        "mask0000.tif": ["is no mask's name"],
        "mask000.tif": ["is missing"],
        "mask004.tif": ["has no raw frame"],
        "mask001.tif": ["photometric miniswhite", "compression zstd"],
        "mask003.tif": ["truncated"],
        "mask002.tif": ["shape (1, 6, 8)"],
        "res_track.txt": ["line 2 is ''", "label 1 again", "parent 9, which is no track"],
    }
    assert found.keys() == expected.keys()
    for name, reasons in expected.items():
        for reason, line in zip(reasons, found[name], strict=True):
            assert reason in line


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ({"compression": "zstd"}, "compression zstd, expected none, LZW, deflate or packbits"),
        ({"compression": "jpeg2000"}, "compression jpeg2000"),
        ({"photometric": "rgb", "planarconfig": "contig"}, "RGB"),
        ({"tile": (16, 16)}, "tiled"),
        ({"dtype": np.uint8}, "pixel type uint8"),
        ({"dtype": np.float32}, "pixel type float32"),
        ({"dtype": np.int32}, "pixel type int32"),
    ],
)
def test_what_the_official_tool_reads_as_empty(dataset, capsys, spoil, reason):
    options = {"photometric": "minisblack", "metadata": None, **spoil}
    volume = _labels(1, 2).astype(options.pop("dtype", np.uint16))
    if options["photometric"] == "rgb":
        volume = np.stack([volume] * 3, axis=-1)
    tifffile.imwrite(dataset / "01_RES" / "mask001.tif", volume, **options)
    status, found = _faults(capsys, dataset, "01")
    assert status == 1
    assert list(found) == ["mask001.tif"]
    assert any(reason in line for line in found["mask001.tif"])


def test_four_planes_that_became_rgb(dataset, capsys):
    # What tifffile makes of three or four uint8 planes without photometric="minisblack".
    path = dataset / "01_RES" / "mask000.tif"
    tifffile.imwrite(path, np.zeros((6, 8, 3), np.uint16), photometric="rgb")
    assert "RGB" in _faults(capsys, dataset, "01")[1]["mask000.tif"][0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 0 1 0\n2 0 2 0\n3 2 2 1\n", "label 3 is in frame 3, which no track"),
        ("1 0 1 0\n2 0 3 0\n3 2 3 1\n", "track 2 is not consistent with the images, it covers"),
        ("1 0 1 0\n2 0 2 0\n", "label 3 is in frame 2"),
        ("1 0 1 0\n2 0 2 0\n3 2 3 2\n", "its parent 2 ends in frame 2"),
        ("1 0 1 0\n2 0 2 0\n3 2 3 1\n70000 0 0 0\n", "label 70000"),
        ("1 0 1 0\n2 2 0 0\n3 2 3 1\n", "begin <= end"),
        ("1 0 1 0\n2 0 2 0\n3 2 4000000000 1\n", "line 3 is '3 2 4000000000 1'"),
        ("1 0 1 0\n2 0 2 0\n3 2 10000 1\n", "ends in frame 10000, expected frames up to 9999"),
        ("1 0 1 0\n2 0 2 0\n3 2 " + "9" * 5000 + " 1\n", "line 3 is '3 2 999"),
        ("1 0 1 0\n2 0 2 0\n3 2 \u0663 1\n", "line 3 is "),
        ("\ufeff1 0 1 0\n2 0 2 0\n3 2 3 1\n", "line 1 is "),
        ("1 0 1 0\r2 0 2 0\n3 2 3 1\n", "line 1 is '1 0 1 0\\r2 0 2 0'"),
        ("1 0 1 0\n2 0 2 0 \n3 2 3 1\n", "line 2 is '2 0 2 0 '"),
        ("1 0 1 0\n2 0 2 0\n3 2 3 1\n\n", "line 4 is ''"),
        ("1 0 1 0\x0b2 0 2 0\n3 2 3 1\n", "line 1 is "),
        ("1 0 1 0\u20282 0 2 0\n3 2 3 1\n", "line 1 is "),
    ],
)
def test_tracks_that_do_not_fit(dataset, capsys, text, reason):
    (dataset / "01_RES" / "res_track.txt").write_bytes(text.encode())
    status, found = _faults(capsys, dataset, "01")
    assert status == 1
    assert list(found) == ["res_track.txt"]
    assert reason in found["res_track.txt"][0]


def test_line_ends_of_windows_are_one_fault(dataset, capsys):
    """Beside those that the rows have."""
    path = dataset / "01_RES" / "res_track.txt"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    status, found = _faults(capsys, dataset, "01")
    assert status == 1
    assert found == {path.name: ["lines end with CR LF, expected LF: save it with Unix line "
        "ends"]}  # fmt: skip
    path.write_bytes(b"1 0 1 0\r\n2 0 2 0 \r\n3 2 3 1\r\n")
    assert [line.split(",")[0] for line in _faults(capsys, dataset, "01")[1][path.name]] == [
        "lines end with CR LF",
        "line 2 is '2 0 2 0 '",
    ]


def test_many_long_tracks_take_no_time(dataset, capsys):
    """65535 tracks of 10,000 frames each; a look at every pair would take minutes."""
    rows = [f"{label} 0 9999 0\n" for label in range(1, 65536)]
    (dataset / "01_RES" / "res_track.txt").write_text("".join(rows))
    begin = time.process_time()
    _, found = _faults(capsys, dataset, "01", "--frames", "0:4")
    assert time.process_time() - begin < 20
    assert "covers frame" in found["res_track.txt"][0]


def test_masks_numbered_in_other_digits_are_told(dataset, capsys):
    mask = dataset / "01_RES" / "mask001.tif"
    mask.rename(mask.with_name("mask\u0660\u0660\u0661.tif"))
    _, found = _faults(capsys, dataset, "01")
    assert "is no mask's name" in found["mask\u0660\u0660\u0661.tif"][0]
    assert "is missing" in found["mask001.tif"][0]


def test_temporary_files_of_a_killed_write_are_told(dataset, capsys):
    (dataset / "01_RES" / f".mask001-{'0a' * 16}.tif").write_bytes(b"half")
    (dataset / "01_RES" / ".hidden.tif").write_bytes(b"of the user")
    status, found = _faults(capsys, dataset, "01")
    assert status == 0
    assert any("1 hidden temporary files" in line for line in found["01_RES"])


def test_only_the_frames_asked_for(dataset, capsys):
    (dataset / "01_RES" / "mask003.tif").unlink()
    assert _faults(capsys, dataset, "01")[0] == 1
    assert _faults(capsys, dataset, "01", "--frames", ":3")[0] == 0
    assert _faults(capsys, dataset, "01", "--frames", "1:3")[0] == 0


def test_digits_are_those_of_the_raw_frames(dataset, capsys):
    for path in sorted((dataset / "01_RES").glob("mask*.tif")):
        path.rename(path.with_name(path.name.replace("mask", "mask0")))
    _, found = _faults(capsys, dataset, "01")
    assert sum("is no mask's name, expected as in mask000.tif" in r[0] for r in found.values()) == 4
    assert sum("is missing" in reasons[0] for reasons in found.values()) == 4


def test_without_raw_frames_the_masks_are_held_against_each_other(dataset, capsys):
    for path in (dataset / "01").iterdir():
        path.unlink()
    (dataset / "01").rmdir()
    assert _faults(capsys, dataset, "01")[0] == 0
    (dataset / "01_RES" / "mask001.tif").unlink()
    write_labels(dataset / "01_RES" / "mask002.tif", _labels(2, 3)[:, :3])
    _, found = _faults(capsys, dataset, "01")
    assert found.keys() == {"mask001.tif", "mask002.tif", "res_track.txt"}
    assert "expected (2, 6, 8) as mask000.tif" in found["mask002.tif"][0]


def test_no_result_at_all(dataset, capsys):
    status, found = _faults(capsys, dataset, "01", "--result", dataset / "none")
    assert (status, list(found)) == (1, ["none"])
    (dataset / "none").mkdir()
    status, found = _faults(capsys, dataset, "01", "--result", dataset / "none")
    assert status == 1
    assert len(found) == 4


def test_the_number_of_faults_is_told(dataset, capsys):
    (dataset / "01_RES" / "mask01.tif").write_bytes(b"")
    assert main(["validate", str(dataset), "01"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error[result-faulty]: ")
    assert "01_RES: 1 fault; fix it and validate again" in error
    (dataset / "01_RES" / "mask02.tif").write_bytes(b"")
    assert main(["validate", str(dataset), "01"]) == 1
    assert "01_RES: 2 faults; fix them and validate again" in capsys.readouterr().err


def test_damaged_pixels_are_found(dataset, capsys):
    path = dataset / "01_RES" / "mask001.tif"
    with tifffile.TiffFile(path) as tif:
        last = tif.pages[0].dataoffsets[0] + tif.pages[0].databytecounts[0] - 1
    damaged = bytearray(path.read_bytes())
    damaged[last] ^= 1
    path.write_bytes(damaged)
    status, found = _faults(capsys, dataset, "01")
    assert status == 1
    assert found["mask001.tif"][0].startswith("plane 0 is damaged")


def test_faults_carry_codes(dataset):
    result = dataset / "01_RES"
    (result / "mask000.tif").rename(result / "mask0000.tif")
    labels = _labels(1, 2)
    tifffile.imwrite(result / "mask001.tif", labels, compression="zstd", photometric="miniswhite")
    write_labels(result / "mask002.tif", _labels(2, 3)[:1])
    write_labels(result / "mask004.tif", _labels(4))
    (result / "res_track.txt").write_text("1 0 1 0\n\n3 1 3 9\n")
    assert [(fault.path.name, fault.code) for fault in examine(dataset / "01", result).faults] == [
        ("mask0000.tif", "mask-name"),
        ("mask000.tif", "mask-missing"),
        ("mask004.tif", "mask-extra"),
        ("mask001.tif", "tiff-photometric"),
        ("mask001.tif", "tiff-compression"),
        ("mask002.tif", "shape-mismatch"),
        ("res_track.txt", "track-row"),
        ("res_track.txt", "parent-unknown"),
    ]


def test_a_folder_that_is_not_there(dataset, capsys):
    reason = "no such folder, expected masks there: segment the sequence first"
    assert _faults(capsys, dataset, "02") == (1, {"02_RES": [reason]})


@pytest.mark.parametrize(
    ("names", "misnamed"),
    [
        (["mask000", "mask001", "mask0002"], {"mask0002": "mask000", "mask002": None}),
        (["mask0000", "mask0001", "mask002"], {"mask002": "mask0000", "mask0002": None}),
        (["mask0"], {"mask0": "mask000", "mask000": None}),
    ],
)
def test_without_raw_frames_most_masks_say_how_many_digits(tmp_path, names, misnamed):
    for name in names:
        write_labels(tmp_path / "01_RES" / f"{name}.tif", _labels(1))
    faults = examine(tmp_path / "01", tmp_path / "01_RES").faults
    wrong = {fault.path.stem: fault.reason for fault in faults}
    for name, expected in misnamed.items():
        assert f"expected as in {expected}.tif" in wrong.pop(name, "") or expected is None
    assert wrong == {}


def test_a_mask_whose_last_planes_are_empty_is_not(dataset):
    volume = _labels(1)
    volume[1] = 0
    write_labels(dataset / "01_RES" / "mask000.tif", volume)
    assert examine(dataset / "01", dataset / "01_RES").empty == 0


def test_a_damaged_mask_may_have_another_shape_too(dataset, capsys):
    path = dataset / "01_RES" / "mask001.tif"
    tifffile.imwrite(
        path, _labels(1)[:1], compression="zlib", photometric="minisblack", metadata=None
    )
    with tifffile.TiffFile(path) as tif:
        place = tif.pages[0].dataoffsets[0]
    data = bytearray(path.read_bytes())
    data[place : place + 4] = b"\xff" * 4
    path.write_bytes(data)
    reasons = _faults(capsys, dataset, "01")[1]["mask001.tif"]
    assert [reason[:16] for reason in reasons] == ["plane 0 is damag", "shape (1, 6, 8) "]


def test_of_many_faults_of_one_track_the_first_is_told(dataset, capsys):
    (dataset / "01_RES" / "res_track.txt").write_text("1 0 1 0\n2 0 0 0\n3 2 3 1\n9 0 2 0\n")
    reasons = _faults(capsys, dataset, "01")[1]["res_track.txt"]
    assert [reason.partition("images, ")[2] for reason in reasons] == [
        "it covers frame 0, but is not there (and 2 more)",
        "label 2 is in frame 1, which no track of that label covers (and 1 more)",
    ]


def test_raw_frames_with_a_gap_are_a_fault_beside_the_masks_own(dataset):
    (dataset / "01" / "t001.tif").unlink()
    write_labels(dataset / "01_RES" / "mask7.tif", _labels(1))
    faults = examine(dataset / "01", dataset / "01_RES").faults
    assert [(fault.path.name, fault.code) for fault in faults] == [
        *(("01", "frame-missing"), ("mask7.tif", "mask-name")),
    ]


@pytest.mark.parametrize(("there", "missing"), [((0, 3), (1, 2)), ((), (0,))])
def test_without_raw_frames_masks_up_to_the_last_are_asked_for(tmp_path, there, missing):
    (tmp_path / "01_RES").mkdir()
    for frame in there:
        write_labels(tmp_path / "01_RES" / f"mask00{frame}.tif", _labels(1))
    faults = examine(tmp_path / "01", tmp_path / "01_RES").faults
    assert [fault.path.name for fault in faults] == [f"mask00{frame}.tif" for frame in missing]
    assert {fault.code for fault in faults} == {"mask-missing"}


def test_a_track_through_a_frame_without_mask(dataset, capsys):
    (dataset / "01_RES" / "mask001.tif").unlink()
    reasons = _faults(capsys, dataset, "01")[1]["res_track.txt"]
    assert [reason.partition("images, ")[2] for reason in reasons] == [
        "it covers frame 1, of which there is no image",
        "it covers frame 1, of which there is no image",
    ]


def test_a_damaged_raw_frame_does_not_hide_the_next(dataset, capsys):
    (dataset / "01" / "t001.tif").write_bytes(b"no TIFF")
    write_labels(dataset / "01_RES" / "mask002.tif", _labels(2, 3)[:1])
    found = _faults(capsys, dataset, "01")[1]
    assert found["t001.tif"][0].startswith("cannot be read as a TIFF")
    assert found["mask002.tif"][0].startswith("shape (1, 6, 8)")
