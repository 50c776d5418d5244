"""`score`: the measures of a sequence by hand, and what it leaves behind."""

import json

import numpy as np
import pytest
from toy_sequence import REFERENCE, RESULT

from ctc_eval.cli.main import main
from ctc_eval.format import write_labels
from ctc_eval.scoring import score_sequence


def test_official_lines_by_hand(dataset, judge):
    # SEG: (4/5 + 0) / 2. DET: a frame costs 10 (reference 2) + 2 (results 8 and 9) of 20.
    status, out, _ = judge("score", dataset, "01")
    assert status == 0
    assert out == "SEG measure: 0.400000\nDET measure: 0.400000\nOP_CSB measure: 0.400000\n"


def test_all_measures_as_json(dataset, judge):
    names = "SEG,DET,TRA,MeanIoU,OP_CSB,OP_CTB,PESEG"
    status, out, _ = judge(
        "score", dataset, "01", "--measures", names, "--parameters", 2_000_000, "--json"
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


def test_mean_of_two_sequences(dataset, judge):
    for frame in (0, 1):
        for folder, name in (("GT/SEG", "man_seg"), ("GT/TRA", "man_track"), ("RES", "mask")):
            write_labels(dataset / f"02_{folder}" / f"{name}00{frame}.tif", REFERENCE)
    arguments = ("score", dataset, "01", "02")
    assert judge(*arguments)[1].splitlines() == [
        *("01 SEG measure: 0.400000", "01 DET measure: 0.400000", "01 OP_CSB measure: 0.400000"),
        *("02 SEG measure: 1.000000", "02 DET measure: 1.000000", "02 OP_CSB measure: 1.000000"),
        *("mean SEG measure: 0.700000", "mean DET measure: 0.700000"),
        "mean OP_CSB measure: 0.700000",
    ]
    out = judge(*arguments, "--measures", "SEG", "--json")[1]
    assert json.loads(out) == {"01": {"SEG": 0.4}, "02": {"SEG": 1.0}, "mean": {"SEG": 0.7}}
    with pytest.raises(SystemExit) as stop:
        main([*map(str, arguments), "--output", "score.json"])
    assert stop.value.code == 2


def test_extra_detections_may_go_unpunished(dataset, judge):
    arguments = ("score", dataset, "01", "--measures", "DET", "--penalize-extra-detections", "0")
    assert judge(*arguments)[1] == "DET measure: 0.500000\n"


def test_frames_are_taken_by_number(dataset, judge, refusal):
    write_labels(dataset / "01_RES" / "mask001.tif", np.stack([REFERENCE] * 2))
    score = ("score", dataset, "01", "--measures", "SEG")
    assert judge(*score, "--frames", "1:2")[1] == "SEG measure: 1.000000\n"
    assert judge(*score, "--frames", ":1")[1] == "SEG measure: 0.400000\n"
    assert judge(*score, "--frames", "0:")[1] == "SEG measure: 0.700000\n"
    refusal("frames-unannotated", *score, "--frames", "5:9")


def test_tra_of_some_frames_cuts_the_tracks(dataset, judge):
    arguments = ("score", dataset, "01", "--measures", "TRA", "--frames", "1:2")
    # One frame has no links: the nodes alone, as DET.
    assert judge(*arguments)[1] == "TRA measure: 0.400000\n"


def test_tra_cuts_the_links_to_parents_before_the_frames(dataset, judge):
    # In frame 1 the objects have labels of their own, children of those in frame 0.
    shifted = np.where(RESULT > 0, RESULT + 10, 0).astype(np.uint16)
    write_labels(dataset / "01_RES" / "mask001.tif", np.stack([shifted] * 2))
    rows = "7 0 0 0\n8 0 0 0\n9 0 0 0\n17 1 1 7\n18 1 1 8\n19 1 1 9\n"
    (dataset / "01_RES" / "res_track.txt").write_text(rows)
    arguments = ("score", dataset, "01", "--measures", "TRA")
    # Reference 1 stays one track, so its link should be none of parent and child: 1 more.
    assert judge(*arguments)[1] == f"TRA measure: {1 - 26.5 / 43:.6f}\n"
    assert judge(*arguments, "--frames", "1:")[1] == "TRA measure: 0.400000\n"


def test_tra_wants_images_of_all_frames_from_the_first_track_on(dataset, judge, refusal):
    # As the official tool counts them: an empty image before the first track is refused.
    for folder, prefix in (("01_GT/TRA", "man_track"), ("01_RES", "mask")):
        write_labels(dataset / folder / f"{prefix}000.tif", np.zeros((2, 2, 6), np.uint16))
    (dataset / "01_GT" / "TRA" / "man_track.txt").write_text("1 1 1 0\n2 1 1 0\n")
    (dataset / "01_RES" / "res_track.txt").write_text("7 1 1 0\n8 1 1 0\n9 1 1 0\n")
    arguments = ("score", dataset, "01", "--measures")
    refusal("tracks-offset", *arguments, "TRA")
    assert judge(*arguments, "DET")[1] == "DET measure: 0.400000\n"


def test_masks_as_reference(dataset, judge, refusal):
    folder = dataset / "01_ERR_SEG"
    write_labels(folder / "mask001.tif", np.stack([REFERENCE] * 2))
    arguments = ("score", dataset, "01", "--reference", folder)
    assert judge(*arguments)[1].startswith("SEG measure: 0.400000\nDET measure: 0.400000\n")
    refusal("tracks-missing", *arguments, "--measures", "TRA")


def test_silver_truth_has_no_det(dataset, judge, refusal):
    (dataset / "01_GT" / "SEG").rename(dataset / "SEG")
    (dataset / "01_ST").mkdir()
    (dataset / "SEG").rename(dataset / "01_ST" / "SEG")
    arguments = ("score", dataset, "01", "--reference", dataset / "01_ST")
    refusal("markers-missing", *arguments, "--measures", "SEG,DET")
    assert judge(*arguments, "--measures", "SEG")[1] == "SEG measure: 0.400000\n"
    assert judge(*arguments)[:2] == (0, "SEG measure: 0.400000\n")  # what there is, unasked


def test_output_carries_what_the_table_needs(dataset, tmp_path, judge):
    output = tmp_path / "scores" / "01.json"
    status, _, _ = judge(
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


def test_seg_log_and_object_table(dataset, tmp_path, judge):
    write_labels(dataset / "01_GT" / "SEG" / "man_seg_001_001.tif", REFERENCE)
    objects = tmp_path / "objects.tsv"
    assert judge("score", dataset, "01", "--logs", "--objects", objects)[0] == 0
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


def test_extra_masks_and_files_do_not_matter(dataset, judge):
    write_labels(dataset / "01_RES" / "mask002.tif", np.zeros((9, 9), np.uint16))
    (dataset / "01_RES" / "notes.txt").write_text("mine")
    assert judge("score", dataset, "01")[1].startswith("SEG measure: 0.400000\n")


def test_single_frame_and_empty_result(dataset, judge):
    arguments = ("score", dataset, "01", "--measures", "SEG,DET,TRA", "--frames", "0:1")
    assert "TRA measure: 0.400000\n" in judge(*arguments)[1]
    write_labels(dataset / "01_RES" / "mask000.tif", np.zeros((2, 2, 6), np.uint16))
    out = judge("score", dataset, "01", "--frames", "0:1")[1]
    assert out.startswith("SEG measure: 0.000000\nDET measure: 0.000000\n")


def test_tracks_of_later_extra_masks_are_cut(dataset, judge):
    write_labels(dataset / "01_RES" / "mask002.tif", np.stack([RESULT] * 2))
    (dataset / "01_RES" / "res_track.txt").write_text("7 0 2 0\n8 0 1 0\n9 0 1 0\n3 2 2 8\n")
    out = judge("score", dataset, "01", "--measures", "TRA")[1]
    assert out == f"TRA measure: {1 - 25.5 / 43:.6f}\n"


def test_frames_after_the_last_mask_are_told(dataset, caplog, judge):
    assert judge("score", dataset, "01", "--frames", "1:5", "--measures", "SEG")[0] == 0
    assert [record.getMessage() for record in caplog.records] == [
        f"{dataset / '01_RES'}: no frame 2 to 4, the last mask is of frame 1"
    ]
    caplog.clear()
    assert judge("score", dataset, "01", "--frames", "0:2", "--measures", "SEG")[0] == 0
    assert caplog.records == []


def test_the_last_mask_is_told_by_its_whole_number(dataset, judge, caplog):
    folder = dataset / "01_RES"
    (folder / "mask150.tif").touch()
    (folder / "mask_199.tif").touch()
    assert judge("score", dataset, "01", "--measures", "SEG", "--frames", "0:153")[0] == 0
    assert f"{folder}: no frame 151 to 152, the last mask is of frame 150" in caplog.text


def test_the_call_in_python_counts_extra_objects_and_knows_no_parameters(dataset):
    score = score_sequence(dataset / "01_GT", dataset / "01_RES")
    assert score.values == pytest.approx({"SEG": 0.4, "DET": 0.4, "OP_CSB": 0.4})
