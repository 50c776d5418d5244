"""The workflow: what is planned for a configuration, and with which commands."""

import re
import shutil
import sys
from pathlib import Path

import yaml
from conftest import ROOT, offline, tiny_recipe
from runs import as_a_user, checkout, configure, jobs, planned_commands, snakemake, told

from ctc_eval.format import parse_frames
from efficientcellseg.parameters.reading import read_yaml
from efficientcellseg.parameters.training import TrainingConfiguration

OFFSETS = ("offset_planes", "offset_rows", "offset_columns")
# Enough of conda for a plan.
CONDA = """#!/bin/sh
case $1 in
--version) echo conda 24.7.1 ;;
info) echo '{"conda_prefix": "/opt", "platform": "linux-64"}' ;;
config) echo '{"get": {"channel_priority": "strict"}}' ;;
esac
"""
DRY = ("--dry-run", "--printshellcmds")


def plan_of(folder: Path, *options: str):
    """Plan in a checkout without a network."""
    before, variables = offline(folder)
    return as_a_user(checkout(folder), *options, *DRY, before=tuple(before), **variables)


def test_the_full_benchmark_is_planned_without_a_network_and_flags(tmp_path):
    done = plan_of(tmp_path, "all", "submission")
    planned = jobs(done)
    # Shards that 6 GB have room for: A549-SIM 3 + 3 and CHO 2 of ten frames, MDA231 2 + 2 of six,
    # TRIC 65 + 210 of one.
    steps = ("pseudocolor", "tile", "infer", "label", "classical")
    assert {step: planned[step] for step in steps} == dict.fromkeys(steps, 287)
    # Seven sequences by two methods; CHO is scored in two parts.
    assert (planned["gather"], planned["validate"], planned["score"]) == (14, 14, 16)
    assert (planned["download"], planned["download_test"]) == (4, 3)
    assert (planned["segment"], planned["submission"], planned["table"]) == (6, 1, 1)
    assert "train" not in planned
    assert "profile profiles/default" in told(done)

    commands = planned_commands(done)
    for options in commands["gather"]:
        name, sequence = options.dataset_dir.name, options.sequence
        work = Path("results/benchmark/work", options.method, name, sequence)
        assert {shard.parents[1] for shard in options.shards} == {work}
        assert options.output == Path("results/benchmark", options.method, name, f"{sequence}_RES")
        plan = Path("results/benchmark/plans", options.method, name, f"{sequence}.yaml")
        own = ROOT / "config" / "datasets" / f"{name}.yaml"
        assert options.recipe == (own if options.method == "classical" else plan)
        assert options.model
    assert sum(len(options.shards) for options in commands["gather"]) == 2 * 287
    scored = {}
    for options in commands["score"]:
        assert options.measures == ("benchmark",)
        assert [options.result.name] == [f"{sequence}_RES" for sequence in options.sequence]
        scored[options.output.relative_to("results/benchmark/scores")] = options
    cho = Path("efficientcellseg/Fluo-N3DH-CHO")
    assert scored[cho / "02_0-12.json"].seen
    assert not scored[cho / "02_12-20.json"].seen
    assert scored[cho / "02_12-20.json"].note == "not seen in training"


def test_jobs_run_without_an_environment_active(tmp_path, tiny_dataset, recipe_file, models):
    """With the interpreter that Snakemake runs in, though no `python` of it is in PATH."""
    folder = checkout(tmp_path)
    shutil.move(configure(tmp_path, recipe_file, models), folder / "config" / "config.yaml")
    assert "profile profiles/default" in told(as_a_user(folder, "results/ready/Tiny.done"))
    assert (folder / "results" / "ready" / "Tiny.done").is_file()
    # With environments of their own, jobs take what these have.
    conda = tmp_path / "bin" / "conda"
    conda.parent.mkdir()
    conda.write_text(CONDA)
    conda.chmod(0o755)
    done = as_a_user(folder, "--use-conda", "--dry-run", PATH=f"{conda.parent}:/usr/bin:/bin")
    assert "profile profiles/default" in told(done)
    assert jobs(done)["infer"] == 2
    assert "envs/torch.yaml" in told(done)


def test_a_missing_package_is_told_in_a_line(tmp_path):
    folder = checkout(tmp_path)
    (folder / "envs" / "more.yaml").write_text(
        "dependencies:\n  - pip:\n      - no-such-package==1.0\n      - numpy==2.4.6\n"
    )
    done = as_a_user(folder)
    assert done.returncode == 1
    (line,) = [one for one in (done.stdout + done.stderr).splitlines() if "no-such" in one]
    python, _, rest = line.strip().partition(": ")
    assert Path(python).samefile(sys.executable)
    assert rest == (
        "lacks no-such-package; expected them there, or jobs with environments of their own: "
        "run `make install`, or give --use-conda"
    )
    assert not (folder / "results").exists()


MODELS = Path("results/paper/models")


def test_training_comes_before_what_it_is_for(tmp_path):
    done = plan_of(tmp_path, "all", "submission", "--configfile", "config/paper.yaml")
    planned = jobs(done)
    assert (planned["samples"], planned["train"], planned["segment"]) == (9, 12, 6)
    # A network for each map: of cells for each data set, and of MDA231's centers; each once on
    # both sequences and once without each of them.
    commands = planned_commands(done)
    trained = {(options.output, options.maps, *options.set) for options in commands["train"]}
    assert trained == {
        (MODELS / f"{name}{end}" / maps, maps, *changes)
        for name, maps in (
            ("Fluo-C3DH-A549-SIM", "cells"),
            ("Fluo-C3DL-MDA231", "cells"),
            ("Fluo-C3DL-MDA231", "centers"),
            ("Fluo-N3DL-TRIC", "cells"),
        )
        for end, *changes in (
            ("",),
            ("-without-01", f"leave_out=[{name}/01]"),
            ("-without-02", f"leave_out=[{name}/02]"),
        )
    }
    for options in commands["plan"]:
        left_out = f"-without-{options.sequence}" * ("crossval" in str(options.output))
        assert options.model == MODELS / f"{options.dataset_dir.name}{left_out}"
        assert options.method == "efficientcellseg"
    # What is submitted has learned from all there is.
    for options in commands["segment"]:
        if options.method == "efficientcellseg":
            assert options.model == MODELS / Path(options.inputs[0]).name
    # Scores of frames that were seen, and of frames that were not; a classical row.
    scored = {options.output.parts[3]: options for options in commands["score"]}
    assert scored.keys() == {"efficientcellseg", "efficientcellseg-crossval", "classical"}
    assert scored["efficientcellseg"].seen
    assert not scored["efficientcellseg-crossval"].seen
    assert {"samples", "package", "provenance", "score", "table"} <= commands.keys()


def test_more_methods_are_a_line_each(tmp_path):
    folder = checkout(tmp_path)
    paper = folder / "config" / "paper.yaml"
    text, count = re.subn(r"  # - (d?unet)", r"  - \1", paper.read_text())
    assert count == 3
    paper.write_text(text)
    done = as_a_user(folder, "tables", *DRY, "--configfile", "config/paper.yaml")
    commands = planned_commands(done)
    for options in commands["train"]:
        changes = [change for change in options.set if not change.startswith("leave_out")]
        training = read_yaml(folder / options.configuration, TrainingConfiguration, changes)
        method = next((n for n in ("unet3d", "dunet", "unet") if n in str(options.output)), None)
        assert training.model.kind == (method or "efficientcellseg")
        assert bool(training.encoder_weights) == (method is None)
        assert (options.fold is not None) == (method == "unet3d")
        if method:
            assert training.pseudocolor.context == "none"
    made = {options.output for options in commands["train"]}
    trained = {folder.relative_to(MODELS).parts for folder in made}
    fold = ("Fluo-C3DL-MDA231-unet3d_ensemble-without-02", "cells-3")
    distances = ("Fluo-N3DL-TRIC-dunet", "cell_distance+neighbor_distance")
    assert {fold, distances, ("Fluo-N3DL-TRIC-unet", "cells")} <= trained
    assert not [parts for parts in trained if "TRIC-unet3d" in parts[0]]
    used = {options.model for options in commands["segment"] if options.method != "classical"}
    assert used | {options.model for options in commands["infer"]} == {one.parent for one in made}


def test_published_networks_and_one_that_is_trained(tmp_path):
    done = plan_of(tmp_path, "all", "submission", "--configfile", "config/published.yaml")
    planned = jobs(done)
    assert (planned["import_onnx"], planned["samples"], planned["train"]) == (2, 3, 6)
    models = Path("results/published/models")
    used = {options.model for options in planned_commands(done)["infer"]}
    mda231 = [f"Fluo-C3DL-MDA231{end}" for end in ("", "-without-01", "-without-02")]
    assert used == {models / name for name in ("ecs_a549", "ecs_tric", *mda231)}


def test_a_smaller_plan_and_weights_from_a_file(tmp_path):
    folder = checkout(tmp_path)
    weights = folder / "weights.pth"
    small = folder / "config" / "paper-small.yaml"
    both = ("--configfile", "config/paper.yaml", str(small))
    commands = planned_commands(as_a_user(folder, *DRY, *both))
    for name in ("samples", "train"):
        for options in commands[name]:
            assert "model.encoder=tf_efficientnet_lite0" in options.set
    assert {options.output.parts[1] for options in commands["train"]} == {"paper-small"}
    # A file must be there before anything runs.
    change = f"encoder_weights={{kind: file, path: {weights}}}"
    small.write_text(yaml.safe_dump({"training_changes": {"efficientcellseg": [change]}}))
    done = as_a_user(folder, *DRY, *both)
    assert done.returncode == 1
    assert "weights.pth" in done.stdout + done.stderr
    weights.touch()
    (command, *_) = planned_commands(as_a_user(folder, *DRY, *both))["train"]
    assert command.set[0] == change


def test_one_network_is_trained_for_all_maps_that_a_configuration_joins(tmp_path):
    folder = checkout(tmp_path)
    entry = {
        "name": "Sim-MDA231",
        "sequences": {"01": 5},
        "training": "config/training/Sim-MDA231.yaml",
    }
    config = {"pathvars": {"data": "data", "results": "results"}, "datasets": [entry]}
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(config))
    done = as_a_user(folder, *DRY)
    assert (jobs(done)["samples"], jobs(done)["train"]) == (1, 1)
    commands = planned_commands(done)
    maps = ("cells", "centers", *OFFSETS)
    network = Path("results/models/Sim-MDA231", "+".join(maps))
    (train,) = commands["train"]
    assert (train.output, train.maps) == (network, ",".join(maps))
    assert {options.model for options in commands["infer"]} == {network.parent}


def test_what_is_submitted(tmp_path, recipe_file, models):
    """Networks of a training configuration of its own, with the suffix in the folder's name."""
    other = tmp_path / "other"
    shutil.copytree(models, other)
    submission = {
        "part": "training",
        "csb": ["Tiny"],
        "tracks": ["Tiny"],
        "scores": False,
        "configurations": [{"training": "regular"}, {"training": "GT+ST", "model": str(other)}],
    }
    config = configure(tmp_path, recipe_file, models, submission=submission)
    done = snakemake(tmp_path, config, "submission", *DRY)
    assert jobs(done) == {"download": 1, "segment": 2, "submission": 1, "total": 4}
    commands = planned_commands(done)["segment"]
    assert {str(options.output): options.model for options in commands} == {
        "results/submitted/Tiny/01_RES.part": models,
        "results/submitted/Tiny/01_RES-GT+ST.part": other,
    }
    assert all(options.track for options in commands)


def test_tracks_are_made_where_they_are_asked_for(tmp_path, tiny_dataset, recipe_file, models):
    config = configure(tmp_path, recipe_file, models, dataset={"tracking": True})
    done = snakemake(tmp_path, config, *DRY)
    assert jobs(done)["track"] == 1
    commands = planned_commands(done)
    (track,) = commands["track"]
    assert track.result == Path("results/efficientcellseg/Tiny/01_RES")
    assert track.output == Path("results/tracks/efficientcellseg/Tiny/01_RES")
    assert [options.result for options in commands["score"]] == [track.output] * 2
    assert {options.measures for options in commands["score"]} == {
        ("benchmark", "TRA", "LNK", "OP_CTB")
    }
    (validate,) = commands["validate"]
    assert validate.result == track.output
    plain = snakemake(tmp_path, configure(tmp_path, recipe_file, models), *DRY)
    assert "track" not in jobs(plain)


def test_nothing_to_submit(tmp_path, recipe_file, models):
    done = snakemake(tmp_path, configure(tmp_path, recipe_file, models), "submission", "--dry-run")
    assert done.returncode == 1
    assert "no data set has test sequences" in done.stdout + done.stderr


def test_the_authors_networks_are_imported_first(tmp_path, tiny_dataset, recipe_file, models):
    tiny_recipe(recipe_file, maps=["cells"], labeling={"method": "mask"})
    config = configure(tmp_path, recipe_file, models, dataset={"weights": "ecs_a549"})
    done = snakemake(tmp_path, config, *DRY)
    assert jobs(done)["import_onnx"] == 1
    assert "import-onnx ecs_a549 --output results/models/ecs_a549/cells" in told(done)


def test_plan_of_the_classical_method_alone(tmp_path, tiny_dataset, recipe_file, models):
    """There is no network whose folder `provenance --model` could name."""
    config = configure(tmp_path, recipe_file, models, methods=["classical"])
    commands = planned_commands(snakemake(tmp_path, config, "all", *DRY))
    (provenance,) = commands["provenance"]
    assert provenance.model == []
    assert {options.method for options in commands["segment"]} == {"classical"}


def test_plan_of_several_methods(tmp_path, tiny_dataset, recipe_file, models):
    """Each with its own networks; from the frames that are asked for."""
    config = configure(
        tmp_path,
        recipe_file,
        models,
        methods=["efficientcellseg", "unet", "classical"],
        models={"unet": str(models / "cells")},
        dataset={"first": 1, "frames_per_shard": 1, "parts": [{"frames": "1:3"}]},
    )
    done = snakemake(tmp_path, config, "all", "tables", *DRY)
    planned = jobs(done)
    # Two shards: step by step, or in a job each.
    steps = ("pseudocolor", "tile", "infer", "label", "fused", "classical")
    assert {step: planned[step] for step in steps} == dict.fromkeys(steps, 2)
    thrice = ("gather", "validate", "score")
    assert {step: planned[step] for step in thrice} == dict.fromkeys(thrice, 3)
    assert (planned["tables"], planned["provenance"]) == (1, 1)
    commands = planned_commands(done)
    unet = [options for options in commands["segment"] if options.method == "unet"]
    assert {(options.frames, options.model) for options in unet} == {
        ("1:2", models / "cells"),
        ("2:3", models / "cells"),
    }
    assert [options.frames for options in commands["validate"]] == [parse_frames("1:3")] * 3
    (provenance,) = commands["provenance"]
    assert provenance.model == [models, models / "cells"]
