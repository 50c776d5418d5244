"""`score` reads beside the masks what its options do not say."""

import json

import pytest
from toy_sequence import write_toy

from ctc_eval.cli.main import main
from ctc_eval.format import RECORD

SCORE = {
    "networks": "2 x EfficientCellSeg tf_efficientnet_lite0",
    "parameters": 2_000_000,
    "training": "123 slices",
    "penalize_extra_detections": False,
    "reference": "GT",
    "reference_note": "simulated, exact",
}
# What the score's file holds for those masks, as the benchmark has it.
TOLD = {
    "dataset": "Toy",
    "sequence": "01",
    "method": "efficientcellseg",
    "networks": "2 x EfficientCellSeg tf_efficientnet_lite0",
    "parameters": 2_000_000,
    "training": "123 slices",
    "SEG": 0.4,
    "DET": 0.5,
    "OP_CSB": 0.45,
    "PESEG": 0.2,
    "frames": "all",
    "penalize_extra_detections": 0,
    "reference_folder": "01_GT",
    "reference": "simulated, exact",
    "origin": "measured",
}


def record(dataset, sequence="01", **changes):
    """Write a record beside the masks: changes of its score."""
    content = {"method": "efficientcellseg", "seen": [], "score": {**SCORE, **changes}}
    (dataset / f"{sequence}_RES" / RECORD).write_text(json.dumps(content))


@pytest.fixture
def scored(dataset, judge, tmp_path):
    """Give what scores the tiny sequence: options to the file that `--output` wrote, its text."""

    def run(*options):
        output = tmp_path / "score.json"
        status, _, err = judge("score", dataset, "01", "--output", output, *options)
        assert status == 0, err
        return output.read_text()

    return run


def test_all_that_the_record_says_stands_in_the_file_in_its_order(dataset, scored):
    record(dataset)
    assert scored("--measures", "benchmark") == json.dumps(TOLD, indent=2) + "\n"


def test_without_a_record_nothing_is_filled_in(scored):
    assert json.loads(scored("--seen")) == {
        **{name: value for name, value in TOLD.items() if name != "PESEG"},
        **{"method": "", "networks": "", "parameters": None, "training": ""},
        **{"DET": 0.4, "OP_CSB": 0.4, "penalize_extra_detections": 1},
        "reference": "gold truth, training sequence",
    }


def test_a_record_of_before_says_the_method_alone(dataset, scored):
    (dataset / "01_RES" / RECORD).write_text('{"method": "unet", "seen": []}')
    found = json.loads(scored("--seen"))
    assert (found["method"], found["networks"], found["parameters"]) == ("unet", "", None)
    assert found["reference"] == "gold truth, training sequence"


def test_options_win_over_the_record(dataset, scored):
    record(dataset)
    found = scored(
        *("--method", "mine", "--networks", "none", "--parameters", 4_000_000, "--training", ""),
        *("--penalize-extra-detections", 1, "--reference-note", "drawn by hand"),
        *("--measures", "SEG,DET,PESEG"),
    )
    changes = {"method": "mine", "networks": "none", "parameters": 4_000_000, "training": ""}
    changes |= {"DET": 0.4, "OP_CSB": 0.4, "PESEG": 0.1, "penalize_extra_detections": 1}
    assert json.loads(found) == TOLD | changes | {"reference": "drawn by hand"}


def test_the_reference_is_the_recordeds_unless_an_option_names_one(dataset, scored):
    record(dataset, reference="ERR_SEG", reference_note="computer-made")
    (dataset / "01_ERR_SEG").mkdir()
    for path in (dataset / "01_GT" / "SEG").iterdir():
        name = path.name.replace("man_seg", "mask")
        (dataset / "01_ERR_SEG" / name).write_bytes(path.read_bytes())
    found = json.loads(scored("--measures", "benchmark"))
    assert (found["reference_folder"], found["reference"]) == ("01_ERR_SEG", "computer-made")
    found = json.loads(scored("--reference", dataset / "01_GT"))
    assert (found["reference_folder"], found["reference"]) == ("01_GT", "computer-made")


@pytest.mark.parametrize(
    ("recorded", "options", "reference"),
    [
        ("simulated, exact", ["--note", "not seen"], "simulated, exact; not seen"),
        ("simulated, exact", ["--seen"], "simulated, exact"),
        ("", [], "gold truth, training sequence"),
        ("gold", ["--reference-note", "mine", "--note", "early"], "mine; early"),
        (None, ["--note", "not seen"], "gold truth, training sequence; not seen"),
        (None, ["--note", "early", "--reference-note", "mine"], "mine; early"),
    ],
)
def test_notes_are_joined(dataset, scored, recorded, options, reference):
    if recorded is not None:
        record(dataset, reference_note=recorded)
    assert json.loads(scored(*options))["reference"] == reference


@pytest.mark.parametrize(
    ("seen", "told"),
    [([], ""), ([0, 1, 7], "; seen in training"), ([1], "; 1 of 2 seen in training")],
)
def test_of_scored_frames_the_file_says_which_were_learnt_from(dataset, scored, seen, told):
    record(dataset)
    path = dataset / "01_RES" / RECORD
    path.write_text(json.dumps({**json.loads(path.read_text()), "seen": seen}))
    assert json.loads(scored("--seen", "--note", "early"))["reference"] == (
        f"simulated, exact; early{told}"
    )


def test_a_method_is_called_by_its_networks_and_their_training(dataset, scored):
    names = {"name": "U-Net 384", "trained": "trained here on 02"}
    record(dataset, **names)
    found = json.loads(scored())
    assert found["method"] == "U-Net 384, trained here on 02"
    assert "cross_validated" not in found
    record(dataset, **names, crossed="trained on 02, scored on 01")
    found = json.loads(scored())
    assert (found["name"], found["cross_validated"]) == (
        "U-Net 384",
        "trained on 02, scored on 01",
    )
    assert json.loads(scored("--method", "mine"))["method"] == "mine"


def test_a_run_of_some_frames_is_scored_on_those(dataset, scored, refusal, caplog):
    """Annotated frames that were not segmented are not missed, and never silently so."""
    (dataset / "01_RES" / "mask001.tif").unlink()
    record(dataset)
    assert "mask001.tif" in refusal("mask-missing", "score", dataset, "01")
    record(dataset, frames="0:1")
    assert json.loads(scored())["frames"] == "0:1"
    assert json.loads(scored("--frames", "0:9"))["frames"] == "0:1"
    assert "only frames 0:1 were segmented" in caplog.text
    caplog.clear()
    assert json.loads(scored("--frames", "0:1"))["frames"] == "0:1"
    assert not caplog.text
    told = refusal("frames-not-run", "score", dataset, "01", "--frames", "1:2")
    assert "frames 1:2 were requested" in told


def test_a_run_of_frames_without_annotation(dataset, scored, caplog):
    """As in a trial on a data set with sparse gold truth."""
    for frame, folder in ((0, "SEG/man_seg"), (0, "TRA/man_track"), (1, "TRA/man_track")):
        (dataset / "01_GT" / f"{folder}00{frame}.tif").unlink()
    record(dataset, frames="0:1")
    found = json.loads(scored("--measures", "benchmark"))
    assert found["unannotated"] == ["SEG", "DET"]
    assert not {"SEG", "DET", "OP_CSB", "PESEG"} & found.keys()
    assert "no annotations for SEG, DET" in caplog.text
    record(dataset, frames="1:2")
    found = json.loads(scored("--measures", "benchmark"))
    assert (found["unannotated"], found["SEG"]) == (["DET"], 0.4)


def test_the_benchmarks_measures_are_those_that_the_data_allow(dataset, judge):
    benchmark = ("score", dataset, "01", "--measures", "benchmark", "--json")
    assert list(json.loads(judge(*benchmark)[1])) == ["SEG", "DET", "OP_CSB"]
    more = ("score", dataset, "01", "--measures", "benchmark,MeanIoU", "--json")
    assert list(json.loads(judge(*more)[1])) == ["SEG", "DET", "MeanIoU", "OP_CSB"]
    record(dataset)
    assert list(json.loads(judge(*benchmark)[1])) == ["SEG", "DET", "OP_CSB", "PESEG"]
    for path in (dataset / "01_GT" / "TRA").iterdir():
        path.unlink()  # as in a silver truth
    assert list(json.loads(judge(*benchmark)[1])) == ["SEG", "PESEG"]
    record(dataset, networks="none", parameters=None)
    assert list(json.loads(judge(*benchmark)[1])) == ["SEG"]


def test_each_sequence_has_a_record_of_its_own(dataset, judge, tmp_path):
    write_toy(tmp_path / "More").joinpath("01_GT").rename(dataset / "02_GT")
    (tmp_path / "More" / "01_RES").rename(dataset / "02_RES")
    record(dataset)
    record(dataset, "02", penalize_extra_detections=True, parameters=None, networks="none")
    _, out, _ = judge("score", dataset, "01", "02", "--measures", "benchmark", "--json")
    assert json.loads(out) == {
        "01": {"SEG": 0.4, "DET": 0.5, "OP_CSB": 0.45, "PESEG": 0.2},
        "02": {"SEG": 0.4, "DET": 0.4, "OP_CSB": 0.4},
        "mean": {"SEG": 0.4, "DET": 0.45, "OP_CSB": 0.425},
    }


def test_frames_that_the_networks_have_learnt_from(dataset, judge, refusal):
    (dataset / "01_RES" / RECORD).write_text('{"seen": [1]}')
    assert "1 of the frames" in refusal("frames-seen", "score", dataset, "01")
    assert judge("score", dataset, "01", "--frames", ":1")[0] == 0
    assert judge("score", dataset, "01", "--seen")[0] == 0


def test_a_damaged_record_is_refused(dataset, refusal):
    record(dataset, parameters="many")
    refusal("record-damaged", "score", dataset, "01")


def test_parameters_that_neither_option_nor_record_knows(dataset, capsys):
    record(dataset, parameters=None)
    with pytest.raises(SystemExit) as stop:
        main(["score", str(dataset), "01", "--measures", "PESEG"])
    assert stop.value.code == 2
    assert "--parameters" in capsys.readouterr().err
