"""Methods: each trains, segments and is scored by the same commands; how one is added."""

import json
import re

import numpy as np
import pytest
import yaml
from conftest import ROOT, blobs, network_of, tiny_recipe
from refusal import refused

pytest.importorskip("torch")
pytest.importorskip("monai")

from ctc_eval.__main__ import main as judge
from ctc_eval.format import read_volume
from efficientcellseg.__main__ import main
from efficientcellseg.labelings import parameters_of
from efficientcellseg.methods import METHODS
from efficientcellseg.networks.folders import read_card, save_model
from efficientcellseg.networks.loading import load_networks
from efficientcellseg.parameters.reading import read_yaml
from efficientcellseg.parameters.recipe import load_recipe
from efficientcellseg.parameters.training import TrainingConfiguration

SMALL = {"filters": [4, 4, 8], "input_size": 64}
KINDS = {
    "efficientcellseg": {
        "encoder": "tf_efficientnet_lite0",
        "decoder_filters": [4, 4, 4, 4],
        "input_size": 64,
        "maps": ["cells", "centers"],
    },
    "unet": {"kind": "unet", **SMALL},
    "dunet": {"kind": "dunet", **SMALL},
    "unet3d_ensemble": {"kind": "unet3d", "planes": 2, **SMALL},
}
DISTANCES = ["cell_distance", "neighbor_distance"]


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def training(folder, model, **changes):
    """Write a training configuration of the tiny data set: a step of two samples."""
    values = {
        "model": model,
        "targets": ["cells", "centers", *DISTANCES],
        "data": [{"dataset": "Tiny", "sequences": ["01"]}],
        "training": {"batch": 2, "epochs": 1, "steps": 1, "validation": 0.3, **changes},
    }
    path = folder / "training.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.fixture
def samples(tiny_dataset, recipe_file, tmp_path, monkeypatch):
    """Make samples that all networks can learn from."""
    monkeypatch.setattr("efficientcellseg.parameters.recipe.RECIPES", recipe_file.parent)
    path = tmp_path / "samples.npz"
    config = training(tmp_path, KINDS["unet"])
    assert run("samples", config, "--data", tiny_dataset.parent, "--output", path) == 0
    return path


def segment(dataset, recipe, *options) -> int:
    return run("segment", dataset, "01", "--recipe", recipe, "--device", "cpu", *options)


@pytest.mark.parametrize("name", list(KINDS))
def test_trains_segments_and_is_scored_by_the_same_commands(
    samples, tiny_dataset, recipe_file, tmp_path, name, capsys
):
    folds = range(2) if name == "unet3d_ensemble" else [None]
    for fold in folds:
        config = training(tmp_path, KINDS[name], folds=0 if fold is None else 2)
        place = tmp_path / "models" / f"fold{fold or 0}"
        chosen = [] if fold is None else ["--fold", fold]
        options = ("--samples", samples, "--output", place, "--device", "cpu", *chosen)
        assert run("train", config, *options) == 0
        card = read_card(place)
        planes = KINDS[name].get("planes", 1)
        assert card.slices_seen == 2 * planes
        assert card.fold == fold
    model = ("--model", tmp_path / "models", "--method", name)
    assert segment(tiny_dataset, recipe_file, *model) == 0
    masks = sorted((tiny_dataset / "01_RES").glob("mask*.tif"))
    assert [read_volume(mask).shape for mask in masks] == [(3, 70, 90)] * 3
    capsys.readouterr()
    options = ["--measures", "SEG", "--json", "--seen"]
    assert judge(["score", str(tiny_dataset), "01", *options]) == 0
    assert 0 <= json.loads(capsys.readouterr().out)["SEG"] <= 1
    # With another method's networks it is refused, and so is another method with these.
    other = "unet" if name != "unet" else "dunet"
    wrong = ("--model", tmp_path / "models", "--method", other, "--output", tmp_path / "other")
    assert segment(tiny_dataset, recipe_file, *wrong) == 1
    assert re.search("expected unet:|no network for cell", capsys.readouterr().err)


@pytest.mark.parametrize("name", METHODS)
def test_what_every_method_leaves_of_a_recipe(name, tmp_path):
    recipe = load_recipe(tiny_recipe(tmp_path / "Tiny.yaml"))
    adapt = METHODS[name].adapt
    found = adapt(recipe)
    assert METHODS[name].name == name
    assert adapt(found) == found
    # What it does not do otherwise stays, and a single cell is a single cell for all.
    changed = ("maps", "labeling", "pseudocolor")
    assert found.model_copy(update={key: getattr(recipe, key) for key in changed}) == recipe
    update = {"labeling": parameters_of("mask"), "maps": ("cells",)}
    assert adapt(recipe.model_copy(update=update)).labeling.method == "mask"


@pytest.mark.parametrize(
    ("name", "maps", "labeling", "context"),
    [
        ("efficientcellseg", ("cells", "centers"), "marker_watershed", "highlight"),
        ("unet", ("cells",), "distance_watershed", "none"),
        ("dunet", tuple(DISTANCES), "dunet_watershed", "none"),
        ("unet3d_ensemble", ("cells",), "distance_watershed", "none"),
        ("classical", (), "distance_watershed", "highlight"),
    ],
)
def test_what_a_method_makes_of_a_recipe(tmp_path, name, maps, labeling, context):
    values = {"method": "marker_watershed", "min_size": 7, "smoothing": 2.0, "anisotropy": 3.0}
    recipe = load_recipe(tiny_recipe(tmp_path / "Tiny.yaml", labeling=values))
    found = METHODS[name].adapt(recipe)
    assert (found.maps, found.labeling.method) == (maps, labeling)
    assert found.pseudocolor.context == context
    # What labelings have in common goes with the recipe.
    assert (found.labeling.min_size, found.labeling.smoothing) == (7, 2.0)
    assert found.labeling.anisotropy == 3.0


def ensemble(folder, *biases):
    """Save networks that say the same of every voxel."""
    import torch

    for i, bias in enumerate(biases):
        network = network_of(KINDS["unet3d_ensemble"])
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.zero_()
            list(network.parameters())[-1].fill_(bias)
        save_model(folder / f"fold{i}", network, {"parameters": 1})
    return folder


def test_the_ensemble_averages_probabilities_over_tiles(tmp_path):
    recipe = load_recipe(tiny_recipe(tmp_path / "Tiny.yaml"))
    kind = METHODS["unet3d_ensemble"]
    method = kind(kind.adapt(recipe), ensemble(tmp_path / "models", 2.0, -1.0), "cpu")
    volume = blobs((5, 70, 90), seed=1)[0].astype(np.uint16)
    found = method.maps(method.prepare(volume))
    assert list(found) == ["cells"]
    assert found["cells"].shape == volume.shape
    mean = (1 / (1 + np.exp(-2.0)) + 1 / (1 + np.exp(1.0))) / 2
    np.testing.assert_allclose(found["cells"], mean, atol=1e-4)


def test_the_ensemble_puts_each_tile_back_in_its_place(tmp_path, monkeypatch):
    recipe = load_recipe(tiny_recipe(tmp_path / "Tiny.yaml"))
    kind = METHODS["unet3d_ensemble"]
    method = kind(kind.adapt(recipe), ensemble(tmp_path / "models", 0.0), "cpu")
    volume = blobs((4, 70, 90), seed=2)[0].astype(np.uint16)
    tiles, shape = method.prepare(volume)
    monkeypatch.setattr(
        "efficientcellseg.methods.unet3d_ensemble.predict_volume",
        lambda networks, stack: {"cells": stack},
    )
    found = method.maps((tiles, shape))["cells"]
    # Resized to the network and back, a volume is itself but for what is lost on the way.
    scaled = (volume - volume.min()) / (np.ptp(volume, axis=(1, 2), keepdims=True) + 1e-9)
    assert np.corrcoef(found.ravel(), scaled.ravel())[0, 1] > 0.9


def test_cells_of_a_dunet_are_where_the_cell_distance_is_high(tmp_path, monkeypatch):
    from efficientcellseg.methods import dunet

    recipe = load_recipe(tiny_recipe(tmp_path / "Tiny.yaml", labeling={"method": "mask"}))
    save_model(tmp_path / "models", network_of(KINDS["dunet"]), {"parameters": 1})
    adapted = dunet.DUNet.adapt(recipe)
    method = dunet.DUNet(adapted, tmp_path / "models", "cpu")
    distance = np.array([[[0.0, 0.06, 0.08, 1.0]]], np.float32)
    maps = {"cell_distance": distance, "neighbor_distance": distance}
    monkeypatch.setattr(dunet.EfficientCellSeg, "maps", lambda self, prepared: maps)
    assert method.maps((distance, (1, 1, 4)))["cells"].tolist() == [[[0, 0, 1, 1]]]


def test_networks_of_another_kind_are_refused(tiny_models):
    with refused("network-kind", "kind efficientcellseg", "expected unet"):
        load_networks(tiny_models, ("cells",), "cpu", kind="unet")


@pytest.mark.parametrize(
    ("folds", "fold", "message"),
    [
        (0, 1, "fold 1 of a configuration without training.folds"),
        (4, None, "fold None; expected one of the configuration's: give --fold 0 to 3"),
        (4, 4, "fold 4; expected one of the configuration's: give --fold 0 to 3"),
    ],
)
def test_folds_at_fault(samples, tmp_path, capsys, folds, fold, message):
    config = training(tmp_path, KINDS["unet"], folds=folds)
    chosen = [] if fold is None else ["--fold", fold]
    options = ("--samples", samples, "--output", tmp_path / "out", *chosen)
    assert run("train", config, *options) == 1
    assert message in capsys.readouterr().err


def test_encoder_weights_are_for_the_papers_network_alone(samples, tmp_path, capsys):
    config = training(tmp_path, KINDS["unet"])
    options = ("--samples", samples, "--output", tmp_path / "out")
    assert run("train", config, *options, "--encoder-weights", "x.pth") == 1
    assert "encoder weights for unet; expected them only for eff" in capsys.readouterr().err


COMPARED = sorted((ROOT / "config" / "training").glob("compare-*.yaml"))


def test_the_compared_networks_have_one_budget():
    configs = [read_yaml(path, TrainingConfiguration) for path in COMPARED]
    assert [path.stem for path in COMPARED] == [
        f"compare-{name}" for name in ("dunet", "efficientcellseg", "unet", "unet3d")
    ]
    budgets = set()
    for config in configs:
        chosen = config.training
        steps = max(1, chosen.folds) * chosen.epochs * chosen.steps
        budgets.add((steps, steps * chosen.batch * getattr(config.model, "planes", 1)))
        assert config.data == configs[0].data
        assert config.model.input_size == 128
        for key in ("schedule", "average", "epochs"):
            assert getattr(chosen, key) == getattr(configs[0].training, key)
    assert budgets == {(32, 256)}
    for entry in configs[0].data:
        assert not {"09", "10"} & set(entry.sequences or ())
