"""The run's configuration: what follows from it for jobs and files, and what it refuses."""

import json

import pytest
from refusal import refused

from efficientcellseg.parameters.dataset_run import (
    DatasetRun,
    ScoredPart,
    method_of,
    shard_frames,
)
from efficientcellseg.parameters.reading import check_values
from efficientcellseg.parameters.recipe import open_recipe
from efficientcellseg.parameters.run import RunConfiguration
from efficientcellseg.parameters.submission import SubmissionPlan, plan_text

SIMULATED, OF_THE_CHALLENGE = "Sim-TRIC", "Fluo-C3DL-MDA231"
RECIPES = {name: open_recipe(name) for name in (SIMULATED, OF_THE_CHALLENGE)}


def entry(name: str = "A", **values) -> dict:
    return {"name": name, "sequences": {"01": 12}, **values}


def run(*datasets: dict, **values) -> RunConfiguration:
    values = {"pathvars": {}, "datasets": list(datasets), **values}
    return check_values(values, RunConfiguration, "configuration")


def dataset(**values) -> DatasetRun:
    return run(entry(**values)).datasets[0]


@pytest.mark.parametrize(
    ("values", "shards"),
    [
        ({"frames_per_shard": 5}, ["0000-0005", "0005-0010", "0010-0012"]),
        ({"frames_per_shard": 6}, ["0000-0006", "0006-0012"]),
        ({"frames_per_shard": 20}, ["0000-0012"]),
        ({"frames_per_shard": 5, "first": 4}, ["0004-0009", "0009-0012"]),
        ({"first": 11}, ["0011-0012"]),
    ],
)
def test_shards_hold_each_frame_once(values, shards):
    found = dataset(**values)
    assert found.shards("01") == shards
    frames = []
    for shard in shards:
        start, _, end = shard_frames(shard).partition(":")
        frames += range(int(start), int(end))
    start, _, end = found.frames("01").partition(":")
    assert frames == list(range(int(start), int(end)))


def test_a_data_set_of_a_run():
    found = dataset(sequences={"02": 3, "01": 4}, first=1, frame=[2, 30, 40])
    assert found.pictured == "02"
    assert found.frames("01") == "1:4"
    assert found.voxels == 2400


@pytest.mark.parametrize(
    ("part", "suffix", "options"),
    [
        ({"frames": ":"}, "", ["--frames", ":"]),
        ({"frames": "0:12", "seen": True}, "_0-12", ["--frames", "0:12", "--seen"]),
        (
            {"frames": "12:", "note": "not seen"},
            "_12-",
            ["--frames", "12:", "--note", "not seen"],
        ),
    ],
)
def test_parts_of_a_sequence(part, suffix, options):
    found = dataset(parts=[{"frames": "3:4"}, part]).part(suffix)
    assert found == ScoredPart(**part)
    assert found.options == options


def test_networks_are_trained_by_method_and_without_a_sequence():
    own = {"efficientcellseg": (), "unet": ("model={kind: unet}",), "dunet": ("a=1",)}
    both = {"sequences": {"01": 3, "02": 3}, "training": "some/A.yaml"}
    configuration = run(
        entry("A", cross_validation=True, **both),
        entry("B", **{**both, "training": "B.yaml"}, without=["unet"]),
        entry("C"),
        methods=["efficientcellseg", "unet", "classical"],
        training_changes={"unet": ["b=2"]},
    )
    found = configuration.trainings(own)
    unet = ("model={kind: unet}", "b=2")
    assert {name: (one.file, one.changes) for name, one in found.items()} == {
        "A": ("some/A.yaml", ()),
        "A-without-01": ("some/A.yaml", ("leave_out=[A/01]",)),
        "A-without-02": ("some/A.yaml", ("leave_out=[A/02]",)),
        "A-unet": ("some/A.yaml", unet),
        "A-unet-without-01": ("some/A.yaml", (*unet, "leave_out=[A/01]")),
        "A-unet-without-02": ("some/A.yaml", (*unet, "leave_out=[A/02]")),
        "B": ("B.yaml", ()),
    }
    first, second, third = (configuration.folders(one, own) for one in configuration.datasets)
    crossed = ["efficientcellseg-crossval", "unet-crossval"]
    assert first == ["efficientcellseg", "unet", "classical", *crossed]
    assert [method_of(folder) for folder in crossed] == ["efficientcellseg", "unet"]
    assert second == ["efficientcellseg", "classical"]
    assert third == ["efficientcellseg", "unet", "classical"]


def test_cross_validated_scores_are_of_frames_that_nobody_saw():
    parts = [{"frames": ":2", "seen": True}, {"frames": "2:", "note": "late"}]
    found = dataset(sequences={"01": 3, "02": 3}, parts=parts)
    assert found.score_options("unet", "_-2") == ["--frames", ":2", "--seen"]
    assert found.score_options("unet-crossval", "_-2") == ["--frames", ":2"]
    assert found.score_options("unet-crossval", "_2-") == ["--frames", "2:", "--note", "late"]


@pytest.mark.parametrize(
    "values",
    [{"sequences": {"01": 3, "02": 3}}, {"training": "A.yaml"}],
)
def test_cross_validation_needs_a_training_and_other_sequences(values):
    with refused("value-refused", "cross_validation with training and two sequences or more"):
        dataset(cross_validation=True, **values)


def test_names_stand_once():
    told = "datasets: found [{'name': 'A', ", "allowed: each name once (not so: A, C)"
    with refused("value-refused", *told) as caught:
        run(entry("A"), entry("B"), entry("C"), entry("A"), entry("C"))
    assert len(str(caught.value)) < 250  # what was found is cut off


def test_what_is_submitted_is_run():
    submission = {"configurations": [{"training": "GT", "datasets": ["A", "Big"]}]}
    told = "submission: found {", "names of the run's data sets: A, B (not so: Big)"
    with refused("value-refused", *told):
        run(entry("A"), entry("B"), submission=submission)
    # Where data sets are at fault, these are told alone.
    with refused("key-unknown", "datasets.0: unknown key color") as caught:
        run(entry("A", color=1), submission=submission)
    assert "submission" not in str(caught.value)


def submitted(**values) -> list[tuple]:
    configuration = run(entry(SIMULATED), entry(OF_THE_CHALLENGE), submission=values)
    found = configuration.submitted(RECIPES)
    return [(one.dataset, one.sequence, one.training, one.suffix, one.model) for one in found]


def test_test_sequences_are_those_of_the_challenge():
    assert submitted() == [
        (OF_THE_CHALLENGE, "01", "regular", "", None),
        (OF_THE_CHALLENGE, "02", "regular", "", None),
    ]
    assert run(entry(SIMULATED)).submitted(RECIPES) == []


def test_training_sequences_are_those_of_the_run():
    configurations = [
        {"training": "regular"},
        {"training": "GT+ST", "model": "other", "datasets": [SIMULATED]},
    ]
    assert submitted(part="training", configurations=configurations) == [
        (SIMULATED, "01", "regular", "", None),
        (OF_THE_CHALLENGE, "01", "regular", "", None),
        (SIMULATED, "01", "GT+ST", "-GT+ST", "other"),
    ]


def test_the_plan_of_a_submission():
    one = {"dataset": "data/A", "sequence": "01", "training": "GT", "csb": True}
    values = json.loads(plan_text([one], ["scores/01.json"]))
    assert values == {"sequences": [one], "scores": ["scores/01.json"]}
    assert check_values(values, SubmissionPlan, "plan").sequences[0].csb
    with refused("value-refused", "submission: sequences.0.method: found 'unet'"):
        plan_text([{**one, "method": "unet"}], [])
    with refused("sequence-missing", "no data set has test sequences"):
        plan_text([], [])


def test_of_a_trial_those_parts_are_scored_that_it_reaches():
    parts = [{"frames": "0:12"}, {"frames": "12:20"}, {"frames": "5:"}]
    entry = dataset(sequences={"01": 8, "02": 20, "03": 3}, parts=parts)
    found = {name: [part.frames for part in entry.scored_parts(name)] for name in entry.sequences}
    assert found == {"01": ["0:12", "5:"], "02": ["0:12", "12:20", "5:"], "03": ["0:12"]}


def test_parts_that_a_sequence_does_not_reach_are_refused():
    with refused("value-refused", "parts", "some of the frames 0:8 of sequence 02"):
        dataset(sequences={"01": 20, "02": 8}, parts=[{"frames": "12:20"}])
