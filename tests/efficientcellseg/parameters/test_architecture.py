"""Architectures: what builds no network is refused before one is built."""

import pytest
from refusal import refused

from efficientcellseg.parameters.architecture import UNet3DArchitecture
from efficientcellseg.parameters.reading import check_values
from efficientcellseg.parameters.training import TrainingConfiguration


def architecture(**values: object):
    given = {"model": values, "data": [{"dataset": "Tiny"}]}
    return check_values(given, TrainingConfiguration, "training").model


@pytest.mark.parametrize("size", [100, 0, -32, 33])
def test_sizes_that_the_papers_network_cannot_halve(size):
    with refused("value-refused", "model.input_size", str(size)):
        architecture(input_size=size)


@pytest.mark.parametrize("kind", ["unet", "dunet"])
@pytest.mark.parametrize("size", [100, 0, -16, 17])
def test_sizes_that_five_blocks_cannot_halve(kind, size):
    with refused("value-refused", "model.input_size", str(size)):
        architecture(kind=kind, input_size=size)


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"input_size": 40, "filters": [4] * 5}, "input_size"),
        ({"planes": 0}, "planes"),
        ({"filters": [4] * 8}, "filters"),
        ({"filters": [4, 4]}, "filters"),
    ],
)
def test_slabs_and_stages_that_do_not_fit(values, key):
    with refused("value-refused", f"model.{key}"):
        architecture(kind="unet3d", **values)


@pytest.mark.parametrize("filters", [[8, 8, 8], [8] * 5])
def test_the_papers_decoder_has_four_blocks(filters):
    with refused("value-refused", "model.decoder_filters"):
        architecture(decoder_filters=filters)


def test_keys_of_another_kind():
    with refused("key-unknown", "encoder", "filters"):
        architecture(kind="unet", encoder="tf_efficientnet_b5")
    with refused("key-unknown", "filters", "planes", "encoder"):
        architecture(filters=[4, 8], planes=4)


def test_what_tables_call_networks():
    for encoder, title in (
        ("tf_efficientnet_b5", "EfficientCellSeg-B5"),
        ("tf_efficientnet_b5.aa_in1k", "EfficientCellSeg-B5"),
        ("tf_efficientnet_lite0", "EfficientCellSeg-Lite0"),
        ("efficientnetv2_s", "EfficientCellSeg-V2-S"),
    ):
        assert architecture(encoder=encoder).title == title
    titles = {kind: architecture(kind=kind).title for kind in ("unet", "dunet", "unet3d")}
    assert titles == {"unet": "U-Net", "dunet": "DU-Net", "unet3d": "3D U-Net"}
    # No key: a card or configuration does not say it.
    assert "title" not in UNet3DArchitecture(kind="unet3d").model_dump()
