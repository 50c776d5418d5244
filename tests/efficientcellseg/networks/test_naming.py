"""What tables say of networks, by their cards."""

import pytest

from efficientcellseg.networks.folders import Card
from efficientcellseg.networks.naming import name_networks, tell_training


def card(*data, **further) -> Card:
    """Make the card of a network that was trained on some data."""
    architecture = further.pop("architecture", {"encoder": "tf_efficientnet_b5"})
    return Card(
        architecture=architecture,
        sha256="0" * 64,
        configuration={"data": list(data)} if data else {},
        **further,
    )


def told(*cards, here=True) -> str:
    return tell_training(cards, "Real", "Real", ("01", "02")).text(here)


OWN, SIMULATED = {"dataset": "Real", "sequences": ["01"]}, {"dataset": "Simulated"}
ALIKE = {"dataset": "Real", "folder": "Real-101"}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ([OWN], "trained here on 01"),
        ([{"dataset": "Real"}], "trained here on 01 and 02"),
        ([{**OWN, "frames": "0:12"}, SIMULATED], "trained here on 01 (frames 0:12) and other data"),
        ([SIMULATED], "trained here on other data"),
        ([ALIKE], "trained here on other data of its kind"),
        ([ALIKE, SIMULATED], "trained here on other data"),
        ([SIMULATED, {**OWN, "held_out": True}], "trained here on other data"),
        ([{"dataset": "Simulated", "folder": "Real"}], "trained here on 01 and 02"),
        ([], "training unknown"),
    ],
)
def test_what_networks_were_trained_on(data, text):
    assert told(card(*data)) == text


def test_sequences_that_a_cross_validation_left_out_were_not_learnt_from():
    whole = card({"dataset": "Real"})
    parted = whole.model_copy(
        update={"configuration": {**whole.configuration, "leave_out": ["Real/02", "Other/01"]}}
    )
    assert told(parted) == "trained here on 01"


def test_all_networks_and_those_before_them_count():
    assert told(card(OWN), card({**OWN, "sequences": ["02"]})) == "trained here on 01 and 02"
    assert told(card(OWN, started_from=card(SIMULATED))) == "trained here on 01 and other data"
    assert told(card(SIMULATED), here=False) == "trained on other data"


def test_imported_networks_are_those_of_a_file():
    imported = card(imported_from={"file": "ecs_a549.onnx"})
    assert told(imported) == "weights of ecs_a549.onnx"
    assert told(imported, card(OWN)) == "weights of ecs_a549.onnx, trained here on 01"


def test_names_say_kind_and_size_of_the_input():
    unet = card(architecture={"kind": "unet", "input_size": 128})
    assert name_networks([card(), card()]) == "EfficientCellSeg-B5 384"
    assert name_networks([card(), unet]) == "EfficientCellSeg-B5 384 + U-Net 128"
    assert name_networks([]) == ""
