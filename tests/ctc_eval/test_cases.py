"""Every value that the official executables print for the evaluation cases."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from refusal import refused

from ctc_eval import scoring
from ctc_eval.cli.main import main
from ctc_eval.format import write_labels
from ctc_eval.scoring import score_sequence

HERE = Path(__file__).parent
CARRIED = HERE / "data" / "synthetic-cases.zip"
SHARED = ROOT.parent / "shared" / "evaluation-cases"
OFFICIAL = SHARED / "official-testing-dataset"

needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="../shared/evaluation-cases is not there"
)


@pytest.fixture(scope="session")
def carried(tmp_path_factory):
    """Unpack the synthetic cases that the project carries."""
    folder = tmp_path_factory.mktemp("synthetic")
    with zipfile.ZipFile(CARRIED) as archive:
        archive.extractall(folder)
    return folder


def _carried_names():
    with zipfile.ZipFile(CARRIED) as archive:
        return sorted(json.loads(archive.read("expected.json")))


def _check(folder, sequence, expected):
    """Compare all measures that a case has a value for, to six decimals."""
    checked = 0
    for key in ("SEG", "DET", "TRA", "DET_penalize_extra_0"):
        if key not in expected:
            continue
        measure = key[:3]

        def score(measure=measure, key=key):
            return score_sequence(
                folder / f"{sequence}_GT",
                folder / f"{sequence}_RES",
                wanted=[measure],
                penalize_extra=key != "DET_penalize_extra_0",
            ).values[measure]

        if isinstance(expected[key], dict):
            # "The reference track with label 3 is not consistent with the image data!"
            label = expected[key]["refused"].split("label ")[1].split()[0]
            with refused("track-without-object", f"man_track.txt: track {label} is not consistent"):
                score()
        else:
            assert round(score(), 6) == expected[key], (folder.name, sequence, key)
        checked += 1
    assert checked


@pytest.mark.parametrize("name", _carried_names())
def test_synthetic_case(carried, name):
    expected = json.loads((carried / "expected.json").read_text())[name]
    _check(carried / name, expected["sequence"], expected)


def test_all_synthetic_cases_are_carried():
    assert len(_carried_names()) == 30


@needs_shared
def test_carried_cases_have_the_values_of_the_shared_ones(carried):
    shared = json.loads((SHARED / "expected.json").read_text())
    given = {k.split("/")[1]: v for k, v in shared.items() if k.startswith("synthetic/")}
    assert json.loads((carried / "expected.json").read_text()) == given


@needs_shared
@pytest.mark.parametrize("sequence", ["01", "03"])
def test_testing_dataset_of_the_challenge(sequence):
    expected = json.loads((SHARED / "expected.json").read_text())["official-testing-dataset"]
    _check(OFFICIAL, sequence, expected[sequence])


@needs_shared
def test_shared_case_as_it_lies_there():
    expected = json.loads((SHARED / "expected.json").read_text())["synthetic/28-mix"]
    _check(SHARED / "synthetic" / "28-mix", "01", expected)


@needs_shared
def test_tra_log_is_the_official_one(tmp_path):
    # The log that the official TRAMeasure left beside a public copy of its testing data set.
    shutil.copytree(OFFICIAL / "03_RES", tmp_path / "03_RES", copy_function=shutil.copyfile)
    folder = str(tmp_path / "03_RES")
    arguments = ["score", str(OFFICIAL), "03", "--result", folder, "--measures", "SEG,DET,TRA"]
    assert main([*arguments, "--logs"]) == 0
    official = (HERE / "data" / "official-03-TRA_log.txt").read_text()
    assert (tmp_path / "03_RES" / "TRA_log.txt").read_text() == official

    # DET's log is TRA's without its links.
    lines = official.splitlines()
    nodes = lines[: next(i for i, line in enumerate(lines) if "Redundant" in line)]
    det = (tmp_path / "03_RES" / "DET_log.txt").read_text().splitlines()
    assert det == [*nodes, "=" * 81, "DET measure: 0.688000"]


def test_workers_and_threads_change_nothing(carried):
    case = carried / "28-mix"
    scores = [
        score_sequence(case / "01_GT", case / "01_RES", workers=workers).values
        for workers in (1, 2, 20)
    ]
    assert scores[0] == scores[1] == scores[2]


def test_threads_are_as_many_as_the_voxels_are_worth(tmp_path, monkeypatch):
    monkeypatch.setattr(scoring, "core_count", lambda: 5)
    monkeypatch.setattr(scoring, "VOXELS_A_THREAD", 100)
    paths = {frame: tmp_path / f"mask00{frame}.tif" for frame in range(3)}
    for path in paths.values():
        write_labels(path, np.zeros((2, 7, 10), np.uint16))
    assert scoring._worth_their_cost({0: paths[0]}) == 2  # 140 voxels
    assert scoring._worth_their_cost(paths) == 5  # as many cores
