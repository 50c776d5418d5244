"""The shipped network: its card, and what it reaches on real data that it never saw."""

import json
from pathlib import Path

import pytest

from ctc_eval.__main__ import main as judge
from ctc_eval.sequence import fingerprint
from efficientcellseg.__main__ import main as method
from efficientcellseg.model import count_parameters
from efficientcellseg.recipe import ROOT
from efficientcellseg.weights import load_model, read_card

SHIPPED = ROOT / "resources" / "weights" / "generalist"
HELD_OUT = {"BBBC050": {"09", "10"}}


def files_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_the_card_says_what_was_learnt_and_the_weights_load():
    card = read_card(SHIPPED)
    assert count_parameters(load_model(SHIPPED)) == card["parameters"]
    assert card["architecture"]["maps"] == ["cells", "centers"]
    assert len(card["seen"]) > 88 + 12  # frames of BBBC050 and CHO, and simulated ones
    while card:
        for entry in card["configuration"]["data"]:
            assert not HELD_OUT.get(entry["dataset"], set()) & set(entry.get("sequences", []))
            if entry["dataset"] == "Fluo-N3DH-CHO":
                assert entry["frames"] == "0:12"
        card = card.get("started_from")


def test_the_weights_are_small():
    assert files_below(SHIPPED) < 60e6


def test_the_card_knows_the_frames_that_were_learnt_from(data_root):
    seen = read_card(SHIPPED)["seen"]
    dataset = data_root / "BBBC050"
    if not dataset.is_dir():
        pytest.skip(f"{dataset}: not there; place it by hand")
    for sequence, known in (("01", True), ("08", True), ("09", False), ("10", False)):
        for path in (dataset / sequence).glob("t*.tif"):
            assert (fingerprint(path) in seen) == known, path


@pytest.mark.parametrize("sequence", ["09", "10"])
def test_embryos_that_were_held_out(data_root, tmp_path, sequence):
    dataset, result, score = data_root / "BBBC050", tmp_path / "RES", tmp_path / "score.json"
    if not dataset.is_dir():
        pytest.skip(f"{dataset}: not there; place it by hand")
    assert method(["segment", str(dataset), sequence, "--output", str(result)]) == 0
    assert judge(["validate", str(dataset), sequence, "--result", str(result)]) == 0
    options = ["--result", str(result), "--output", str(score)]
    assert judge(["score", str(dataset), sequence, *options]) == 0
    found = json.loads(score.read_text())
    # What the README says, less what other processors' rounding may cost.
    assert found["SEG"] >= 0.70
    assert found["DET"] >= 0.85
