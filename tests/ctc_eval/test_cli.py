"""The judge's command line: `score`, what it refuses, and what it leaves behind."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tifffile

from ctc_eval.__main__ import main
from ctc_eval.format import write_labels

# One plane by hand: reference 1 is 4 pixels, all found in a result object of 5 (J = 4/5);
# reference 2 is 4 pixels, exactly half found (J = 0); result 9 matches nothing.
REFERENCE = np.array([[1, 1, 0, 2, 2, 0], [1, 1, 0, 2, 2, 0]], np.uint16)
RESULT = np.array([[7, 7, 7, 0, 8, 9], [7, 7, 0, 0, 8, 9]], np.uint16)


@pytest.fixture
def dataset(tmp_path):
    """Make two frames of two planes: the reference's planes are alike, so are the result's."""
    root = tmp_path / "Toy"
    for frame in (0, 1):
        write_labels(root / "01_GT" / "SEG" / f"man_seg00{frame}.tif", np.stack([REFERENCE] * 2))
        write_labels(root / "01_GT" / "TRA" / f"man_track00{frame}.tif", np.stack([REFERENCE] * 2))
        write_labels(root / "01_RES" / f"mask00{frame}.tif", np.stack([RESULT] * 2))
    (root / "01_GT" / "TRA" / "man_track.txt").write_text("1 0 1 0\n2 0 1 0\n")
    (root / "01_RES" / "res_track.txt").write_text("7 0 1 0\n8 0 1 0\n9 0 1 0\n")
    return root


def _run(capsys, *arguments):
    """Run a command; give its exit status, stdout and stderr."""
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def _refused(capsys, *arguments):
    """Give the one line of a refusal."""
    status, out, err = _run(capsys, *arguments)
    assert (status, out) == (1, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


def test_official_lines_by_hand(dataset, capsys):
    # SEG: (4/5 + 0) / 2. DET: a frame costs 10 (reference 2) + 2 (results 8 and 9) of 20.
    status, out, _ = _run(capsys, "score", dataset, "01")
    assert status == 0
    assert out == "SEG measure: 0.400000\nDET measure: 0.400000\nOP_CSB measure: 0.400000\n"


def test_all_measures_as_json(dataset, capsys):
    names = "SEG,DET,TRA,MeanIoU,OP_CSB,OP_CTB,PESEG"
    status, out, _ = _run(
        capsys, "score", dataset, "01", "--measures", names, "--parameters", 2_000_000, "--json"
    )
    # TRA: nodes cost 24, the link of 1 is right, that of 2 is missing (1.5); of 40 + 2 x 1.5.
    # MeanIoU: foreground 6 of 11 pixels, background 1 of 6; each plane alike.
    assert status == 0
    assert json.loads(out) == {
        "SEG": 0.4,
        "DET": 0.4,
        "TRA": round(1 - 25.5 / 43, 6),
        "MeanIoU": round((6 / 11 + 1 / 6) / 2, 6),
        "OP_CSB": 0.4,
        "OP_CTB": round(0.5 * (0.4 + 1 - 25.5 / 43), 6),
        "PESEG": 0.2,
    }


def test_mean_of_two_sequences(dataset, capsys):
    for frame in (0, 1):
        for folder, name in (("GT/SEG", "man_seg"), ("GT/TRA", "man_track"), ("RES", "mask")):
            write_labels(dataset / f"02_{folder}" / f"{name}00{frame}.tif", REFERENCE)
    arguments = ("score", dataset, "01", "02")
    assert _run(capsys, *arguments)[1].splitlines() == [
        *("01 SEG measure: 0.400000", "01 DET measure: 0.400000", "01 OP_CSB measure: 0.400000"),
        *("02 SEG measure: 1.000000", "02 DET measure: 1.000000", "02 OP_CSB measure: 1.000000"),
        *("mean SEG measure: 0.700000", "mean DET measure: 0.700000"),
        "mean OP_CSB measure: 0.700000",
    ]
    out = _run(capsys, *arguments, "--measures", "SEG", "--json")[1]
    assert json.loads(out) == {"01": {"SEG": 0.4}, "02": {"SEG": 1.0}, "mean": {"SEG": 0.7}}
    with pytest.raises(SystemExit) as stop:
        main([*map(str, arguments), "--output", "score.json"])
    assert stop.value.code == 2


def test_extra_detections_may_go_unpunished(dataset, capsys):
    arguments = ("score", dataset, "01", "--measures", "DET", "--penalize-extra-detections", "0")
    assert _run(capsys, *arguments)[1] == "DET measure: 0.500000\n"


def test_frames_are_taken_by_number(dataset, capsys):
    write_labels(dataset / "01_RES" / "mask001.tif", np.stack([REFERENCE] * 2))
    score = ("score", dataset, "01", "--measures", "SEG")
    assert _run(capsys, *score, "--frames", "1:2")[1] == "SEG measure: 1.000000\n"
    assert _run(capsys, *score, "--frames", ":1")[1] == "SEG measure: 0.400000\n"
    assert _run(capsys, *score, "--frames", "0:")[1] == "SEG measure: 0.700000\n"
    assert "choose other --frames" in _refused(capsys, *score, "--frames", "5:9")


def test_tra_of_some_frames_cuts_the_tracks(dataset, capsys):
    arguments = ("score", dataset, "01", "--measures", "TRA", "--frames", "1:2")
    # One frame has no links: the nodes alone, as DET.
    assert _run(capsys, *arguments)[1] == "TRA measure: 0.400000\n"


def test_tra_cuts_the_links_to_parents_before_the_frames(dataset, capsys):
    # In frame 1 the objects have labels of their own, children of those in frame 0.
    shifted = np.where(RESULT > 0, RESULT + 10, 0).astype(np.uint16)
    write_labels(dataset / "01_RES" / "mask001.tif", np.stack([shifted] * 2))
    rows = "7 0 0 0\n8 0 0 0\n9 0 0 0\n17 1 1 7\n18 1 1 8\n19 1 1 9\n"
    (dataset / "01_RES" / "res_track.txt").write_text(rows)
    arguments = ("score", dataset, "01", "--measures", "TRA")
    # Reference 1 stays one track, so its link should be none of parent and child: 1 more.
    assert _run(capsys, *arguments)[1] == f"TRA measure: {1 - 26.5 / 43:.6f}\n"
    assert _run(capsys, *arguments, "--frames", "1:")[1] == "TRA measure: 0.400000\n"


def test_tra_wants_images_of_all_frames_from_the_first_track_on(dataset, capsys):
    # As the official tool counts them: an empty image before the first track is refused.
    for folder, prefix in (("01_GT/TRA", "man_track"), ("01_RES", "mask")):
        write_labels(dataset / folder / f"{prefix}000.tif", np.zeros((2, 2, 6), np.uint16))
    (dataset / "01_GT" / "TRA" / "man_track.txt").write_text("1 1 1 0\n2 1 1 0\n")
    (dataset / "01_RES" / "res_track.txt").write_text("7 1 1 0\n8 1 1 0\n9 1 1 0\n")
    arguments = ("score", dataset, "01", "--measures")
    assert "not consistent with the images" in _refused(capsys, *arguments, "TRA")
    assert _run(capsys, *arguments, "DET")[1] == "DET measure: 0.400000\n"


def test_masks_as_reference(dataset, capsys):
    folder = dataset / "01_ERR_SEG"
    write_labels(folder / "mask001.tif", np.stack([REFERENCE] * 2))
    arguments = ("score", dataset, "01", "--reference", folder)
    assert _run(capsys, *arguments)[1].startswith("SEG measure: 0.400000\nDET measure: 0.400000\n")
    assert "leave TRA out" in _refused(capsys, *arguments, "--measures", "TRA")


def test_silver_truth_has_no_det(dataset, capsys):
    (dataset / "01_GT" / "SEG").rename(dataset / "SEG")
    (dataset / "01_ST").mkdir()
    (dataset / "SEG").rename(dataset / "01_ST" / "SEG")
    arguments = ("score", dataset, "01", "--reference", dataset / "01_ST")
    assert "silver truth has none" in _refused(capsys, *arguments)
    assert _run(capsys, *arguments, "--measures", "SEG")[1] == "SEG measure: 0.400000\n"


def test_output_carries_what_the_table_needs(dataset, capsys, tmp_path):
    output = tmp_path / "scores" / "01.json"
    status, _, _ = _run(
        capsys,
        *("score", dataset, "01", "--output", output, "--method", "otsu", "--networks", "none"),
        *("--frames", "1:", "--reference-note", "simulated"),
    )
    record = json.loads(output.read_text())
    assert status == 0
    assert record == {
        "dataset": "Toy",
        "sequence": "01",
        "method": "otsu",
        "networks": "none",
        "training": "",
        "parameters": None,
        "SEG": 0.4,
        "DET": 0.4,
        "OP_CSB": 0.4,
        "frames": "1:",
        "penalize_extra_detections": 1,
        "reference_folder": "01_GT",
        "reference": "simulated",
        "origin": "measured",
    }
    assert list(output.parent.iterdir()) == [output]


def test_seg_log_and_object_table(dataset, capsys, tmp_path):
    write_labels(dataset / "01_GT" / "SEG" / "man_seg_001_001.tif", REFERENCE)
    objects = tmp_path / "objects.tsv"
    assert _run(capsys, "score", dataset, "01", "--logs", "--objects", objects)[0] == 0
    assert (dataset / "01_RES" / "SEG_log.txt").read_text().splitlines() == [
        "----------T=0 Z=0----------",
        "GT_label=1 J=0.8",
        "GT_label=2 J=0",
        "----------T=1 Z=0----------",
        "GT_label=1 J=0.8",
        "GT_label=2 J=0",
        "----------T=1 Z=1----------",
        "GT_label=1 J=0.8",
        "GT_label=2 J=0",
        "=" * 56,
        "SEG measure: 0.400000",
    ]
    assert objects.read_text().splitlines() == [
        "frame\tslice\tlabel\tsize\tmatched_label\toverlap\tjaccard",
        "0\tall\t1\t8\t7\t8\t0.800000",
        "0\tall\t2\t8\t0\t4\t0.000000",
        "1\tall\t1\t8\t7\t8\t0.800000",
        "1\tall\t2\t8\t0\t4\t0.000000",
        "1\t1\t1\t4\t7\t4\t0.800000",
        "1\t1\t2\t4\t0\t2\t0.000000",
    ]


def test_extra_masks_and_files_do_not_matter(dataset, capsys):
    write_labels(dataset / "01_RES" / "mask002.tif", np.zeros((9, 9), np.uint16))
    (dataset / "01_RES" / "notes.txt").write_text("mine")
    assert _run(capsys, "score", dataset, "01")[1].startswith("SEG measure: 0.400000\n")


def test_single_frame_and_empty_result(dataset, capsys):
    arguments = ("score", dataset, "01", "--measures", "SEG,DET,TRA", "--frames", "0:1")
    assert "TRA measure: 0.400000\n" in _run(capsys, *arguments)[1]
    write_labels(dataset / "01_RES" / "mask000.tif", np.zeros((2, 2, 6), np.uint16))
    out = _run(capsys, "score", dataset, "01", "--frames", "0:1")[1]
    assert out.startswith("SEG measure: 0.000000\nDET measure: 0.000000\n")


def _stack(**changes):
    """Write a result mask in another way than the official tool reads."""

    def write(path):
        options = {"photometric": "minisblack", "metadata": None, "compression": "zlib"}
        tifffile.imwrite(path, np.stack([RESULT] * 2), **{**options, **changes})

    return write


TRAPS = {
    "zstd": (_stack(compression="zstd"), "compression zstd"),
    "lzma": (_stack(compression="lzma"), "compression lzma"),
    "miniswhite": (_stack(photometric="miniswhite"), "photometric miniswhite"),
    "tiled": (_stack(tile=(16, 16)), "tiled"),
    "uint8": (
        lambda path: tifffile.imwrite(
            path, np.stack([RESULT] * 2).astype(np.uint8), photometric="minisblack"
        ),
        "pixel type uint8, expected uint16",
    ),
    "int16": (
        lambda path: tifffile.imwrite(
            path, np.stack([RESULT] * 2).astype(np.int16), photometric="minisblack"
        ),
        "pixel type int16",
    ),
    "rgb": (
        lambda path: tifffile.imwrite(path, np.stack([RESULT] * 3), photometric="rgb"),
        "RGB",
    ),
    "shape": (lambda path: write_labels(path, RESULT), "shape (1, 2, 6); expected"),
    "png": (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99)), "cannot be read"),
    "nothing": (lambda path: path.write_bytes(b""), "cannot be read"),
    "missing": (lambda path: path.unlink(), "no such file (1 of 2 annotated frames"),
    "digits": (
        lambda path: path.rename(path.with_name("mask0001.tif")),
        "though there is mask0001.tif",
    ),
    "truncated": (
        lambda path: path.write_bytes(path.read_bytes()[:-20]),
        "truncated",
    ),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_what_the_official_tool_refuses_or_misreads_is_refused(dataset, capsys, trap):
    spoil, reason = TRAPS[trap]
    mask = dataset / "01_RES" / "mask001.tif"
    spoil(mask)
    message = _refused(capsys, "score", dataset, "01", "--output", dataset / "score.json")
    assert str(mask) in message
    assert reason in message
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
def test_what_the_official_tool_reads_is_read(dataset, capsys, options):
    for frame in (0, 1):
        _stack(**options)(dataset / "01_RES" / f"mask00{frame}.tif")
    status, out, _ = _run(capsys, "score", dataset, "01")
    assert status == 0
    assert out.startswith("SEG measure: 0.400000\nDET measure: 0.400000\n")


def test_damaged_data_are_refused(dataset, capsys):
    path = dataset / "01_RES" / "mask000.tif"
    with tifffile.TiffFile(path) as tif:
        offset, count = tif.pages[1].dataoffsets[0], tif.pages[1].databytecounts[0]
    data = bytearray(path.read_bytes())
    data[offset : offset + count] = b"\xff" * count
    path.write_bytes(bytes(data))
    message = _refused(capsys, "score", dataset, "01")
    assert f"{path}: plane 1 is damaged" in message


def test_slice_beyond_the_volume(dataset, capsys):
    write_labels(dataset / "01_GT" / "SEG" / "man_seg_000_002.tif", REFERENCE)
    assert "2 planes; expected more than 2" in _refused(capsys, "score", dataset, "01")


def test_reference_without_objects(dataset, capsys):
    for frame in (0, 1):
        path = dataset / "01_GT" / "SEG" / f"man_seg00{frame}.tif"
        write_labels(path, np.zeros((2, 2, 6), np.uint16))
    assert "No ground truth object found!" in _refused(capsys, "score", dataset, "01")


def test_missing_folders(dataset, capsys):
    assert "no such folder" in _refused(capsys, "score", dataset, "02")
    message = _refused(capsys, "score", dataset, "01", "--result", dataset / "nowhere")
    assert "nowhere: no such folder" in message
    (dataset / "empty").mkdir()
    message = _refused(capsys, "score", dataset, "01", "--reference", dataset / "empty")
    assert "no file named mask000.tif" in message


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("res", "7 0 1 0\n\n8 0 1 0\n9 0 1 0\n", "line 2 is ''"),
        ("res", "7 0 1 0 \n8 0 1 0\n9 0 1 0\n", "line 1 is '7 0 1 0 '"),
        ("res", "L B E P\n7 0 1 0\n", "expected four integers"),
        ("res", "7 0 1\n8 0 1 0\n9 0 1 0\n", "line 1"),
        ("res", "7 0 1 0\n8 0 1 0\n9 0 1 0\n7 0 1 0\n", "label 7 again"),
        ("res", "7 0 1 0\n8 0 1 0\n9 1 0 0\n", "expected begin <= end"),
        ("res", "7 0 1 0\n8 0 1 0\n9 0 1 6\n", "parent 6, which is no track"),
        ("res", "7 0 1 0\n8 0 1 7\n9 0 1 0\n", "expected the parent to end before"),
        ("res", "7 0 0 0\n8 0 1 7\n9 0 1 0\n", "expected the parent to end before"),
        ("res", "7 0 1 0\n8 0 1 0\n", "track 9 is not consistent with the images"),
        ("res", "7 0 0 0\n8 0 1 0\n9 0 1 0\n", "track 7 is not consistent with the images"),
        ("res", "5 0 1 0\n7 0 1 0\n8 0 1 0\n9 0 1 0\n", "track 5 is not consistent"),
        ("man", "1 0 2 0\n2 0 1 0\n", "track 1 is not consistent with the images"),
        ("man", "1 0 1 0\n", "track 2 is not consistent with the images"),
    ],
)
def test_track_files_that_the_official_tool_refuses(dataset, capsys, name, text, reason):
    folder = dataset / ("01_RES" if name == "res" else "01_GT/TRA")
    (folder / f"{name}_track.txt").write_text(text)
    message = _refused(capsys, "score", dataset, "01", "--measures", "TRA")
    assert f"{name}_track.txt: " in message
    assert reason in message
    # SEG and DET never read it.
    assert _run(capsys, "score", dataset, "01")[0] == 0


def test_tracks_of_later_extra_masks_are_cut(dataset, capsys):
    write_labels(dataset / "01_RES" / "mask002.tif", np.stack([RESULT] * 2))
    (dataset / "01_RES" / "res_track.txt").write_text("7 0 2 0\n8 0 1 0\n9 0 1 0\n3 2 2 8\n")
    out = _run(capsys, "score", dataset, "01", "--measures", "TRA")[1]
    assert out == f"TRA measure: {1 - 25.5 / 43:.6f}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--frames", "3"],
        ["--frames", "4:2"],
        ["--frames", "-3:"],
        ["--measures", "SEG,BLUE"],
        ["--measures", "PESEG"],
        ["--parameters", "0"],
        ["--parameters", "6.6M"],
        ["--penalize-extra-detections", "2"],
    ],
)
def test_wrong_usage_exits_with_2(dataset, capsys, arguments):
    with pytest.raises(SystemExit) as stop:
        main(["score", str(dataset), "01", *arguments])
    assert stop.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom ctc_eval.__main__ import main\n"
        "try:\n    main(['score', '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'torch', 'tifffile', 'imagecodecs', 'scipy'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--penalize-extra-detections" in done.stdout


def test_scoring_loads_no_torch(dataset):
    code = (
        f"import sys\nfrom ctc_eval.__main__ import main\nmain(['score', {str(dataset)!r}, '01'])\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("option", ["--output", "--objects"])
def test_an_output_that_cannot_be_written_shows_before_scoring(dataset, capsys, option):
    arguments = ("score", dataset / "nowhere", "01", option, "/proc/x.json")
    assert _refused(capsys, *arguments).startswith("error: /proc/x.json: cannot be written")


def test_frames_after_the_last_mask_are_told(dataset, capsys, caplog):
    assert _run(capsys, "score", dataset, "01", "--frames", "1:5", "--measures", "SEG")[0] == 0
    assert [record.getMessage() for record in caplog.records] == [
        f"{dataset / '01_RES'}: no frame 2 to 4, the last mask is of frame 1"
    ]
    caplog.clear()
    assert _run(capsys, "score", dataset, "01", "--frames", "0:2", "--measures", "SEG")[0] == 0
    assert caplog.records == []
