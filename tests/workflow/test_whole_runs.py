"""Whole runs of the workflow, on tiny data: from frames to masks, scores and the table."""

import csv
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from conftest import ROOT, TINY, tiny_network, tiny_recipe
from runs import add_markers, as_a_user, checkout, configure, jobs, snakemake, told

from ctc_eval.format import frame_files, read_tracks, read_volume, write_labels

TRACKED = Path("tracks", "classical")
OFFSETS = ("offset_planes", "offset_rows", "offset_columns")

pytestmark = pytest.mark.slow


def measured(results: Path) -> list[dict[str, str]]:
    """Read the table's rows but for the published ones."""
    with (results / "tables" / "benchmark.csv").open() as file:
        return [row for row in csv.DictReader(file) if row["origin"] == "measured"]


def test_from_frames_to_the_table(tmp_path, tiny_dataset, recipe_file, models):
    add_markers(tiny_dataset)
    config = configure(tmp_path, recipe_file, models, submission={"part": "training"})
    assert jobs(snakemake(tmp_path, config, "all", "submission"))["infer"] == 2
    results = tmp_path / "results"

    masks = frame_files(results / "efficientcellseg" / "Tiny" / "01_RES", "mask")
    assert list(masks) == [0, 1, 2]
    assert not list((results / "work").rglob("*.np?"))  # what lay between is gone

    rows = measured(results)
    assert [row["reference"].partition(". ")[0] for row in rows] == [
        "gold truth; seen, frames 0:2",
        "gold truth; new, frames 2:3",
    ]
    for row in rows:
        assert (row["dataset"], row["sequence"], row["parameters"]) == ("Tiny", "01", "1000000")
        assert row["networks"] == "2 x EfficientCellSeg-Lite0"
        assert row["method"] == "EfficientCellSeg-Lite0 64, training unknown"
        assert float(row["PESEG"]) == pytest.approx(float(row["SEG"]), abs=1e-6)
        assert 0 <= float(row["DET"]) <= 1
    assert {path.name for path in (results / "figures").iterdir()} == {"Tiny.png"}
    models_told = set(json.loads((results / "run.json").read_text())["models"])
    assert models_told == {"models/cells", "models/centers"}

    # What is submitted are the same masks, and the scores.
    packed = frame_files(results / "submission" / "Tiny" / "01_RES", "mask")
    for frame, path in masks.items():
        assert packed[frame].read_bytes() == path.read_bytes()
    manifest = json.loads((results / "submission" / "SW" / "manifest.json").read_text())
    scores = [row["SEG"] for row in manifest["scores"]]
    assert scores == pytest.approx([float(row["SEG"]) for row in rows], abs=1e-6)

    # The fused way gives the same masks, bit by bit.
    options = ["--recipe", str(recipe_file), "--model", str(models), "--device", "cpu"]
    fused = subprocess.run(
        [str(ROOT / "run_seq.sh"), str(tiny_dataset), "01", "--output", "fused", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert fused.returncode == 0, fused.stderr
    for frame, path in frame_files(tmp_path / "fused", "mask").items():
        np.testing.assert_array_equal(read_volume(path), read_volume(masks[frame]))
        assert path.read_bytes() == masks[frame].read_bytes()
    assert any(read_volume(path).any() for path in masks.values())

    again = snakemake(tmp_path, config, "all", "submission", "--dry-run")
    assert "Nothing to be done" in told(again)


def test_tracks_take_the_place_of_masks_in_scores(tmp_path, tiny_dataset, recipe_file):
    """The same cells by other numbers; masks stay as they are without tracks."""
    add_markers(tiny_dataset)
    tracks = tiny_dataset / "01_GT" / "TRA"
    rows = []
    for frame, path in frame_files(tracks, "man_track").items():
        labels = read_volume(path)
        labels[labels > 0] += 10 * frame
        write_labels(path, labels)
        rows += [f"{label} {frame} {frame} 0" for label in np.unique(labels[labels > 0])]
    (tracks / "man_track.txt").write_text("\n".join(rows) + "\n")
    tracked = {"tracking": True}
    chosen = {"methods": ["classical"], "dataset": tracked}
    config = configure(tmp_path, recipe_file, tmp_path / "none", **chosen)
    assert jobs(snakemake(tmp_path, config, "all", "tracks"))["track"] == 1
    results = tmp_path / "results"
    masks, linked = (results / place / "Tiny" / "01_RES" for place in ("classical", TRACKED))
    assert not (masks / "res_track.txt").exists()
    rows, faults = read_tracks(linked / "res_track.txt")
    assert rows
    assert not faults
    for frame, path in frame_files(linked, "mask").items():
        before, after = read_volume(masks / path.name), read_volume(path)
        assert np.array_equal(before > 0, after > 0)
        alive = {row.label for row in rows.values() if row.begin <= frame <= row.end}
        assert set(np.unique(after)) - {0} == alive
    for part in ("_0-2", "_2-3"):
        path = results / "scores" / "classical" / "Tiny" / f"01{part}.json"
        score = json.loads(path.read_text())
        assert 0 <= score["TRA"] <= 1
        assert score["OP_CTB"] == pytest.approx((score["SEG"] + score["TRA"]) / 2)
    assert "Nothing to be done" in told(snakemake(tmp_path, config, "all", "tracks", "--dry-run"))


def test_without_networks_and_with_a_job_that_dies(tmp_path, tiny_dataset, recipe_file):
    """A job that is killed is told with its frames; the others go on, and the next run with it."""
    add_markers(tiny_dataset)
    folder = checkout(tmp_path)
    rules = folder / "workflow" / "rules" / "segmentation.smk"
    die = "[ {wildcards.shard} != 0000-0002 ] || test -e died || {{ touch died; kill -9 $$; }}; "
    start = '"python -m efficientcellseg segment {params.folder:q} {wildcards.sequence} "'
    parts = rules.read_text().partition("rule classical:")
    rules.write_text("".join(parts[:2]) + parts[2].replace(start, f'"{die}"\n        {start}', 1))
    config = configure(tmp_path, recipe_file, tmp_path / "none", methods=["classical"])
    died = as_a_user(folder, "--configfile", str(config), "--keep-going")
    results = folder / "results"
    assert died.returncode == 1
    assert "classical/Tiny/01_0000-0002.log" in died.stderr
    assert "shard=0000-0002" in died.stderr
    work = results / "work" / "classical" / "Tiny" / "01"
    assert list(frame_files(work / "0002-0003" / "masks", "mask", complete=False)) == [2]
    assert not (results / "classical").exists()

    assert jobs(as_a_user(folder, "--configfile", str(config)))["classical"] == 1
    masks = frame_files(results / "classical" / "Tiny" / "01_RES", "mask")
    assert list(masks) == [0, 1, 2]
    assert any(read_volume(path).any() for path in masks.values())
    assert [row["networks"] for row in measured(results)] == ["none", "none"]
    assert json.loads((results / "run.json").read_text())["models"] == {}


def test_networks_of_all_maps_are_trained_and_used(tmp_path, tiny_dataset, recipe_file):
    """A network with offsets, which the labeling of touching cells wants."""
    maps = ["cells", *OFFSETS]
    tiny_recipe(recipe_file, maps=maps, labeling={"method": "offset_voting", "min_size": 5})
    training = tmp_path / "WithOffsets.yaml"
    values = {
        "model": {**TINY, "decoder_filters": list(TINY["decoder_filters"]), "maps": maps},
        "targets": maps,
        "data": [{"dataset": "Tiny", "recipe": str(recipe_file), "sequences": ["01"]}],
        "training": {"batch": 2, "epochs": 1, "steps": 2, "validation": 0.4},
    }
    training.write_text(yaml.safe_dump(values))
    parts = [{"frames": ":", "seen": True}]
    entry = {"training": str(training), "frames_per_shard": 3, "parts": parts}
    config = configure(tmp_path, recipe_file, tmp_path / "none", dataset=entry)
    done = snakemake(tmp_path, config)
    assert (jobs(done)["samples"], jobs(done)["train"], jobs(done)["infer"]) == (1, 1, 1)

    results = tmp_path / "results"
    network = results / "models" / "WithOffsets" / "+".join(maps)
    assert yaml.safe_load((network / "model.yaml").read_text())["architecture"]["maps"] == maps
    (row,) = measured(results)
    assert row["networks"] == "1 x EfficientCellSeg-Lite0"
    assert row["method"] == "EfficientCellSeg-Lite0 64, trained here on 01"
    assert row["reference"].startswith("gold truth; seen in training. Measured here")
    models_told = json.loads((results / "run.json").read_text())["models"]
    assert set(models_told) == {f"WithOffsets/{network.name}"}
    masks = results / "efficientcellseg" / "Tiny" / "01_RES"
    assert list(frame_files(masks, "mask")) == [0, 1, 2]
    # The record beside the masks knows what the network has learned from.
    record = json.loads((masks / ".segmentation.json").read_text())
    assert record["seen"] == [0, 1, 2]


def test_a_trial_of_fewer_frames_is_scored_on_those(tmp_path, tiny_dataset, recipe_file):
    """Annotated frames that the run leaves out are not missed; the table says which were run."""
    add_markers(tiny_dataset)
    few = {"sequences": {"01": 2}, "parts": [{"frames": ":"}, {"frames": "2:3"}]}
    config = configure(tmp_path, recipe_file, tmp_path / "none", methods=["classical"], dataset=few)
    told(snakemake(tmp_path, config))
    (row,) = measured(tmp_path / "results")
    assert row["reference"].startswith("gold truth, frames 0:2. ")
    assert row["method"] == "Otsu + distance watershed"
    assert 0 <= float(row["SEG"]) <= 1


def test_each_sequence_by_networks_that_have_not_seen_it(tmp_path, tiny_dataset, recipe_file):
    """Cross-validated, from an encoder's file, with a silver truth that is not there."""
    tiny_recipe(recipe_file, maps=["cells"], labeling={"method": "distance_watershed"})
    torch.save(tiny_network(9).encoder.state_dict(), tmp_path / "encoder.pth")
    training = tmp_path / "Own.yaml"
    values = {
        "model": {**TINY, "decoder_filters": list(TINY["decoder_filters"])},
        "targets": ["cells"],
        "data": [{"dataset": "Tiny", "recipe": str(recipe_file), "reference": "GT+ST"}],
        "training": {"batch": 2, "epochs": 1, "steps": 1, "validation": 0.4},
    }
    training.write_text(yaml.safe_dump(values))
    change = "encoder_weights={kind: file, path: encoder.pth}"
    entry = {
        "sequences": {"01": 3, "02": 3},
        "frames_per_shard": 3,
        "training": str(training),
        "cross_validation": True,
        "parts": [{"frames": ":", "seen": True}],
    }
    changes = {"training_changes": {"efficientcellseg": [change]}, "dataset": entry}
    config = configure(tmp_path, recipe_file, tmp_path / "none", **changes)
    folder = "efficientcellseg-crossval"
    wanted = [f"results/scores/{folder}/Tiny/{sequence}.json" for sequence in ("01", "02")]
    done = snakemake(tmp_path, config, *wanted, timeout=900)
    assert (jobs(done)["samples"], jobs(done)["train"], jobs(done)["score"]) == (2, 2, 2)
    results = tmp_path / "results"
    for sequence, other in (("01", "02"), ("02", "01")):
        masks = results / folder / "Tiny" / f"{sequence}_RES"
        record = json.loads((masks / ".segmentation.json").read_text())
        assert (record["method"], record["seen"]) == ("efficientcellseg", [])
        card = results / "models" / f"Own-without-{sequence}" / "cells" / "model.yaml"
        told = yaml.safe_load(card.read_text())
        assert told["configuration"]["data"][0]["sequences"] == [other]
        assert told["encoder_weights"] == "encoder.pth"
        assert record["weights"] == {"cells": told["sha256"]}
