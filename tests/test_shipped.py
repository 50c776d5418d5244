"""The shipped networks: their cards, and what they reach on real data that they never saw."""

import json
from pathlib import Path

import pytest
import yaml

from ctc_eval.__main__ import main as judge
from efficientcellseg.__main__ import main as method
from efficientcellseg.recipe import ROOT
from efficientcellseg.weights import load_model

SHIPPED = ROOT / "resources" / "weights" / "generalist"
HELD_OUT = {"BBBC050": {"09", "10"}}


def files_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", ["cells", "centers"])
def test_the_cards_say_what_was_learnt_and_the_weights_load(name):
    load_model(SHIPPED / name)
    card = yaml.safe_load((SHIPPED / name / "model.yaml").read_text())
    assert card["architecture"]["maps"] == [name]
    while card:
        for entry in card["configuration"]["data"]:
            assert not HELD_OUT.get(entry["dataset"], set()) & set(entry.get("sequences", []))
            if entry["dataset"] == "Fluo-N3DH-CHO":
                assert entry["frames"] == "0:12"
        card = card.get("started_from")


def test_the_weights_are_small():
    assert files_below(SHIPPED) < 60e6


@pytest.mark.parametrize("sequence", ["09", "10"])
def test_embryos_that_were_held_out(data_root, tmp_path, sequence):
    dataset, result, score = data_root / "BBBC050", tmp_path / "RES", tmp_path / "score.json"
    if not dataset.is_dir():
        pytest.skip(f"{dataset}: not there; place it by hand")
    assert method(["segment", str(dataset), sequence, "--output", str(result)]) == 0
    assert judge(["validate", str(dataset), sequence, "--result", str(result)]) == 0
    options = ["--result", str(result), "--output", str(score)]
    assert judge(["score", str(dataset), sequence, *options]) == 0
    assert json.loads(score.read_text())["SEG"] >= 0.68
