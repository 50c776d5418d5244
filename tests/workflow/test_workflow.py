"""The workflow: its configuration, its environments, and a run from frames to the table."""

import argparse
import csv
import importlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import offline, tiny_recipe
from refusal import refused

from ctc_eval.format import frame_files, read_volume
from efficientcellseg.cli.main import COMMANDS
from efficientcellseg.parameters.reading import read_yaml
from efficientcellseg.parameters.recipe import find_recipe, load_recipe
from efficientcellseg.parameters.run import RunConfiguration, RunFolders

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ["config", "demo", "compare", "paper"]


# Configuration


@pytest.mark.parametrize("name", CONFIGS)
def test_shipped_configuration(name):
    config = read_yaml(ROOT / "config" / f"{name}.yaml", RunConfiguration)
    for entry in config.datasets:
        recipe = load_recipe(ROOT / (entry.recipe or find_recipe(entry.name)))
        assert set(entry.sequences) <= set(recipe.sequences)
        if recipe.source.kind == "simulation":
            # The comparison takes some frames, the others all.
            frames = set(entry.sequences.values())
            assert frames == {recipe.source.frames} or name == "compare"
            assert max(frames) <= recipe.source.frames


def test_shipped_configuration_shows_every_key():
    """config.yaml reads as a manual, and says no other default than the model does."""
    fields = RunConfiguration.model_fields
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    assert set(config) == set(fields)
    for key in ("model", "device", "gpus", "threads", "published"):
        assert config[key] == fields[key].default, key
    assert config["pathvars"] == RunFolders().model_dump()


@pytest.mark.parametrize("name", ["config", "demo"])
def test_training_frames_are_scored_apart(name):
    config = yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text())
    (cho,) = [entry for entry in config["datasets"] if entry["name"] == "Fluo-N3DH-CHO"]
    parts = {part["frames"]: part.get("seen", False) for part in cho["parts"]}
    assert parts == {"0:12": True, "12:20": False}
    assert cho["sequences"] == {"02": 20}


def test_wrong_configuration_names_the_key(tmp_path):
    path = tmp_path / "config.yaml"
    entry = {"name": "A", "sequences": {"01": 0}, "color": 1}
    path.write_text(
        yaml.safe_dump({"pathvars": {"data": "a", "results": "b"}, "datasets": [entry]})
    )
    told = "datasets.0: unknown key color", "datasets.0.sequences.01: found 0, allowed: 1 or more"
    with refused("value-refused", *told):
        read_yaml(path, RunConfiguration)


def test_a_mistyped_key_is_told_in_a_line_with_the_one_meant(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text((ROOT / "config" / "config.yaml").read_text().replace("gpus:", "gpu:"))
    with refused("key-unknown", "unknown key gpu (meant: gpus?), allowed: "):
        read_yaml(path, RunConfiguration)
    config = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
    config["datasets"][0]["sequences"] = {"1": 3}
    path.write_text(yaml.safe_dump(config | {"threeds": 1}))
    done = snakemake(tmp_path, path, "--dry-run")
    told = [line for line in (done.stdout + done.stderr).splitlines() if "unknown key" in line]
    assert len(told) == 1
    assert "top level: unknown key threeds (meant: threads?)" in told[0]
    assert "datasets.0.sequences: unknown key 1, allowed: keys like ^[0-9]{2}$" in told[0]
    assert "additionalProperties" not in done.stdout + done.stderr  # the schema is not printed
    assert done.returncode == 1


# A run


def configure(folder: Path, recipe: Path, networks: Path, **changes) -> Path:
    """Write the configuration of a run on the tiny data set: three frames in two shards."""
    entry = {
        "name": "Tiny",
        "recipe": str(recipe),
        "sequences": {"01": 3},
        "frames_per_shard": 2,
        "parts": [{"frames": "0:2", "note": "seen"}, {"frames": "2:3", "note": "new"}],
    }
    config = {
        "pathvars": {"data": "data", "results": "results"},
        "model": str(networks),
        "device": "cpu",
        "threads": 1,
        "published": str(ROOT / "resources" / "published.csv"),
        "datasets": [entry],
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config | changes))
    return path


def snakemake(
    folder: Path,
    config: Path,
    *options: str,
    before: tuple[str, ...] = (),
    profile: str = "default",
    timeout: int = 300,
    **variables: str,
) -> subprocess.CompletedProcess:
    command = [*before, sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    options = ("--workflow-profile", str(ROOT / "workflow" / "profiles" / profile), *options)
    where = ["--directory", str(folder), "--configfile", str(config), "--cores", "2"]
    return subprocess.run(
        [*command, *where, *options],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(folder),
            **variables,
        },
        check=False,
    )


def add_markers(dataset: Path) -> None:
    """Give the tiny data set reference markers, its masks."""
    for path in (dataset / "01_GT" / "SEG").iterdir():
        track = dataset / "01_GT" / "TRA" / path.name.replace("man_seg", "man_track")
        track.parent.mkdir(exist_ok=True)
        shutil.copy(path, track)


@pytest.mark.slow
def test_from_frames_to_the_table(tmp_path, tiny_dataset, recipe_file, models):
    add_markers(tiny_dataset)
    config = configure(tmp_path, recipe_file, models, submission={"part": "training"})
    done = snakemake(tmp_path, config, "all", "submission")
    assert done.returncode == 0, done.stderr
    results = tmp_path / "results"

    masks = frame_files(results / "efficientcellseg" / "Tiny" / "01_RES", "mask")
    assert list(masks) == [0, 1, 2]
    assert not list((results / "work").rglob("*.np?"))  # what lay between is gone

    with (results / "tables" / "benchmark.csv").open() as file:
        rows = list(csv.DictReader(file))
    measured = [row for row in rows if row["origin"] == "measured"]
    assert [row["reference"] for row in measured] == [
        "gold truth; seen, frames 0:2",
        "gold truth; new, frames 2:3",
    ]
    for row in measured:
        assert (row["dataset"], row["sequence"], row["parameters"]) == ("Tiny", "01", "1000000")
        assert row["networks"] == "2 x EfficientCellSeg tf_efficientnet_lite0"
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
    told = [row["SEG"] for row in manifest["scores"]]
    assert told == pytest.approx([float(row["SEG"]) for row in measured], abs=1e-6)

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
    assert "Nothing to be done" in again.stdout + again.stderr


def jobs(done: subprocess.CompletedProcess) -> dict[str, str]:
    """Read how many jobs of each rule are planned."""
    return dict(re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, re.MULTILINE))


def planned_commands(done: subprocess.CompletedProcess) -> list[list[str]]:
    """Read the command lines of a dry run with --printshellcmds."""
    found = re.findall(r"python -m efficientcellseg (.+?) *(?:>|\);|;)", done.stdout + done.stderr)
    return [shlex.split(line) for line in found]


def plan_of(tmp_path: Path, name: str, *options: str) -> subprocess.CompletedProcess:
    """Plan a shipped configuration in an empty folder, without a network."""
    for folder in ("config", "resources"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    before, variables = offline(tmp_path)
    config = ROOT / "config" / f"{name}.yaml"
    options = ("all", "submission", "--dry-run", "--printshellcmds", *options)
    done = snakemake(tmp_path, config, *options, before=tuple(before), **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_the_full_benchmark_is_planned_without_a_network(tmp_path):
    planned = jobs(plan_of(tmp_path, "config"))
    # Shards: 2 x 3 of A549-SIM, 2 x 1 of MDA231, 13 + 42 of TRIC, 2 of CHO.
    steps = ("pseudocolor", "tile", "infer", "label", "classical")
    assert {step: planned[step] for step in steps} == dict.fromkeys(steps, "65")
    # Seven sequences by two methods; CHO is scored in two parts.
    assert (planned["gather"], planned["validate"], planned["score"]) == ("14", "14", "16")
    assert (planned["download"], planned["download_test"]) == ("4", "3")
    assert (planned["segment"], planned["submission"], planned["table"]) == ("6", "1", "1")
    assert "train" not in planned


def test_training_comes_before_what_it_is_for(tmp_path):
    done = plan_of(tmp_path, "paper")
    planned = jobs(done)
    # A network of cells for each data set, and MDA231's centers.
    assert (planned["samples"], planned["train"], planned["segment"]) == ("3", "4", "6")
    # Every command line is one that the command takes.
    commands = planned_commands(done)
    assert {"samples", "train", "segment", "package", "provenance"} <= {one[0] for one in commands}
    for name, *arguments in commands:
        parser = argparse.ArgumentParser(exit_on_error=False)
        importlib.import_module(COMMANDS[name][0]).add_arguments(parser)
        options = parser.parse_args(arguments)
        if name == "infer":
            assert str(options.model).startswith("results/paper/models/Fluo-")


def test_what_is_submitted(tmp_path, recipe_file, models):
    """Networks of a training configuration of its own, with the suffix in the folder's name."""
    other = tmp_path / "other"
    shutil.copytree(models, other)
    submission = {
        "part": "training",
        "csb": ["Tiny"],
        "scores": False,
        "configurations": [{"training": "regular"}, {"training": "GT+ST", "model": str(other)}],
    }
    config = configure(tmp_path, recipe_file, models, submission=submission)
    done = snakemake(tmp_path, config, "submission", "--dry-run", "--printshellcmds")
    assert done.returncode == 0, done.stderr
    assert jobs(done) == {"download": "1", "segment": "2", "submission": "1", "total": "4"}
    used = {
        line[line.index("--output") + 1]: line[line.index("--model") + 1]
        for line in planned_commands(done)
        if line[0] == "segment"
    }
    assert used == {
        "results/submitted/Tiny/01_RES.part": str(models),
        "results/submitted/Tiny/01_RES-GT+ST.part": str(other),
    }


def test_nothing_to_submit(tmp_path, recipe_file, models):
    done = snakemake(tmp_path, configure(tmp_path, recipe_file, models), "submission", "--dry-run")
    assert done.returncode == 1
    assert "no data set has test sequences" in done.stdout + done.stderr


def test_the_authors_networks_are_imported_first(tmp_path, tiny_dataset, recipe_file, models):
    tiny_recipe(recipe_file, maps=["cells"], labeling={"method": "mask"})
    config = configure(tmp_path, recipe_file, models)
    chosen = yaml.safe_load(config.read_text())
    chosen["datasets"][0]["weights"] = "ecs_a549"
    config.write_text(yaml.safe_dump(chosen))
    done = snakemake(tmp_path, config, "--dry-run", "--printshellcmds")
    assert done.returncode == 0, done.stderr
    assert jobs(done)["import_onnx"] == "1"
    assert "import-onnx ecs_a549 --output results/models/ecs_a549/cells" in done.stdout


def test_plan_of_two_methods(tmp_path, tiny_dataset, recipe_file, models):
    config = configure(tmp_path, recipe_file, models, methods=["efficientcellseg", "classical"])
    done = snakemake(tmp_path, config, "--dry-run")
    assert done.returncode == 0, done.stderr
    planned = jobs(done)
    steps = {name: int(planned[name]) for name in ("pseudocolor", "tile", "infer", "label")}
    assert steps == dict.fromkeys(steps, 2)
    assert planned["classical"] == "2"
    assert planned["gather"] == planned["validate"] == "2"
    assert planned["score"] == "4"


def test_plan_of_the_compared_methods(tmp_path, tiny_dataset, recipe_file, models):
    """Each with its own networks, in one job a shard; from the frames that are asked for."""
    config = configure(tmp_path, recipe_file, models, methods=["unet", "classical"])
    values = yaml.safe_load(config.read_text())
    values["models"] = {"unet": str(models / "cells")}
    values["datasets"][0] |= {"first": 1, "frames_per_shard": 1, "parts": [{"frames": "1:3"}]}
    config.write_text(yaml.safe_dump(values))
    done = snakemake(tmp_path, config, "--dry-run", "--printshellcmds", "tables")
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    planned = dict(re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE))
    counts = {name: planned[name] for name in ("fused", "classical", "gather", "score", "tables")}
    assert counts == {"fused": "2", "classical": "2", "gather": "2", "score": "2", "tables": "1"}
    assert re.search(r"segment .*--method unet .*--model \S*models/cells .*--frames 2:3", said)
    assert re.search(r"ctc_eval validate .* --frames 1:3", said)
    assert "infer" not in planned
    assert "1 x EfficientCellSeg" in said  # what the folder holds; `segment` refuses it


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ({"color": 1}, "color"),
        ({"methods": ["otsu"]}, "methods: otsu: no such method; expected some of"),
        ({"models": {"otsu": "x"}}, "methods: otsu: no such method"),
        ({"model": "nowhere"}, "nowhere: no model there"),
        ({"submission": {"color": 1}}, "color"),
        (
            {"submission": {"configurations": [{"training": "GT", "datasets": ["Big"]}]}},
            "Big: not one of the datasets",
        ),
    ],
)
def test_faults_show_before_any_job_runs(tmp_path, recipe_file, models, fault, found):
    done = snakemake(tmp_path, configure(tmp_path, recipe_file, models, **fault), "--dry-run")
    assert done.returncode == 1
    assert found in done.stdout + done.stderr
    assert not (tmp_path / "results").exists()


def test_a_faulty_recipe_is_told_in_its_own_words(tmp_path, recipe_file, models):
    recipe_file.write_text(recipe_file.read_text() + "sheen: 1\n")
    done = snakemake(tmp_path, configure(tmp_path, recipe_file, models), "--dry-run")
    assert done.returncode == 1
    assert "unknown key sheen, allowed: description" in done.stdout + done.stderr
