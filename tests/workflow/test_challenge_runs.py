"""The workflow on data sets that only the challenge's table knows; 2D ones."""

import csv
from pathlib import Path

import pytest
import yaml
from commands import masks, run
from matplotlib.image import imread
from runs import configure, jobs, planned_commands, snakemake, told

from efficientcellseg.parameters.recipe import load_recipe, open_recipe

HELA, PSC = "Fluo-N2DL-HeLa", "PhC-C2DL-PSC"


def configure_2d(folder, networks, name, frames_per_shard=2, **changes):
    """Write the configuration of a run on a data set's sequence 02, by its name alone."""
    config = configure(folder, folder, networks, **changes)
    values = yaml.safe_load(config.read_text())
    entry = {"name": name, "sequences": {"02": 3}, "frames_per_shard": frames_per_shard}
    values["datasets"] = [entry]
    config.write_text(yaml.safe_dump(values))
    return config


def test_a_data_set_is_planned_by_its_name_alone(tmp_path, models):
    config = configure_2d(tmp_path, models, HELA)
    done = snakemake(tmp_path, config, "all", "submission", "--dry-run", "--printshellcmds")
    planned = jobs(done)
    counts = {"recipe": 1, "download": 1, "download_test": 1, "pseudocolor": 2, "segment": 2}
    assert {name: planned[name] for name in counts} == counts
    commands, recipe = planned_commands(done), Path(f"results/recipes/{HELA}.yaml")
    assert [options.output for options in commands["recipe"]] == [recipe]
    for name in ("plan", "segment"):
        assert {options.recipe for options in commands[name]} == {recipe}, name
    plans = {options.output for options in commands["plan"]}
    for name in ("pseudocolor", "tile", "infer", "label", "gather"):
        assert {options.recipe for options in commands[name]} == plans, name


def test_images_that_no_shipped_network_knows_are_told_before_any_job_runs(tmp_path, models):
    config = configure_2d(tmp_path, models, PSC, model=None)
    done = snakemake(tmp_path, config, "--dry-run")
    assert done.returncode == 1
    assert f"{PSC}: no shipped network knows such images" in done.stdout + done.stderr
    config = configure_2d(tmp_path, models, PSC, model=None, methods=["classical"])
    assert snakemake(tmp_path, config, "--dry-run").returncode == 0


@pytest.mark.slow
def test_two_dimensions_from_frames_to_the_submission(tmp_path, tiny_dataset, models):
    dataset = tiny_dataset.rename(tiny_dataset.with_name(HELA))
    config = configure_2d(tmp_path, models, HELA, 3, submission={"part": "training"})
    told(snakemake(tmp_path, config, "all", "submission"))
    results = tmp_path / "results"
    made = masks(results / "efficientcellseg" / HELA / "02_RES")
    assert list(made) == ["mask000.tif", "mask001.tif", "mask002.tif"]
    assert masks(results / "submission" / HELA / "02_RES") == made
    assert not list((results / "submission").rglob(".snakemake*"))
    packed = results / "submission" / "SW" / "config" / "datasets" / f"{HELA}.yaml"
    assert load_recipe(packed) == open_recipe(HELA)
    with (results / "tables" / "benchmark.csv").open() as file:
        (row,) = [row for row in csv.DictReader(file) if row["origin"] == "measured"]
    assert (row["dataset"], row["sequence"], row["DET"]) == (HELA, "02", "")
    assert 0 <= float(row["SEG"]) <= 1
    height, width, _ = imread(results / "figures" / f"{HELA}.png").shape
    assert height < 0.6 * width  # one row of three panels
    assert "Nothing to be done" in told(snakemake(tmp_path, config, "all", "--dry-run"))
    # By the folder's name, in one job: the same.
    options = ("--model", models, "--device", "cpu")
    assert run("segment", dataset, "02", *options) == 0
    assert masks(dataset / "02_RES") == made
