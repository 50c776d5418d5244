"""Model folders: what is saved comes back, what was tampered with does not."""

import hashlib
import resource
from pathlib import Path

import pytest
import yaml
from conftest import TINY, tiny_network
from pydantic_core import PydanticSerializationError
from refusal import refused

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from efficientcellseg.networks.base import build  # noqa: E402
from efficientcellseg.networks.efficientcellseg import EfficientCellSegNetwork  # noqa: E402
from efficientcellseg.networks.folders import (  # noqa: E402
    file_hash,
    load_model,
    read_card,
    save_model,
)
from efficientcellseg.parameters.architecture import EfficientCellSegArchitecture  # noqa: E402


@pytest.fixture
def folder(tmp_path):
    save_model(tmp_path / "cells", tiny_network(3), {"slices_seen": 3})
    return tmp_path / "cells"


def test_round_trip_in_half_precision(folder):
    before, after = tiny_network(3).state_dict(), load_model(folder)
    assert not after.training
    assert after.state_dict().keys() == before.keys()
    for name, value in after.state_dict().items():
        if before[name].is_floating_point():
            assert value.dtype == torch.float32
            torch.testing.assert_close(value, before[name].half().float(), rtol=0, atol=0)
        else:
            assert torch.equal(value, before[name])
    stored = load_file(folder / "weights.safetensors")
    assert {value.dtype for value in stored.values()} == {torch.float16, torch.int64}
    assert sorted(path.name for path in folder.iterdir()) == ["model.yaml", "weights.safetensors"]


def test_the_card_says_what_the_model_is(folder):
    card = read_card(folder)
    values = {**TINY, "maps": ("cells",), "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
    assert card.architecture == EfficientCellSegArchitecture(**values)
    assert card.slices_seen == 3
    data = (folder / "weights.safetensors").read_bytes()
    assert card.sha256 == hashlib.sha256(data).hexdigest()
    # The whole architecture is written, so that a later default changes no network.
    text = yaml.safe_load((folder / "model.yaml").read_text())
    assert text.keys() == {"architecture", "sha256", "slices_seen"}
    assert text["architecture"].keys() == EfficientCellSegArchitecture.model_fields.keys()


def test_saving_leaves_the_model_as_it_was(tmp_path):
    network = tiny_network(0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    save_model(tmp_path / "m", network, {})
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_tampered_weights_are_refused(folder):
    path = folder / "weights.safetensors"
    data = bytearray(path.read_bytes())
    expected = file_hash(path)
    data[-1] ^= 1
    path.write_bytes(data)
    with refused("weights-hash", str(path), expected, file_hash(path)):
        load_model(folder)


def test_truncated_weights_are_refused(folder):
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with refused("weights-hash", str(path)):
        load_model(folder)


def test_missing_files_are_refused(folder):
    (folder / "weights.safetensors").unlink()
    with refused("weights-missing", "weights.safetensors"):
        load_model(folder)
    (folder / "model.yaml").unlink()
    for place in (folder, folder / "nowhere"):
        with refused("model-missing", str(place), "model.yaml", "--model DIR"):
            load_model(place)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "value-refused"),
        ("- a\n", "value-refused"),
        ("sha256: abc\n", "key-missing"),
        ("architecture: {}\n", "key-missing"),
        ("a: [\n", "yaml-malformed"),
        ("\0", "yaml-malformed"),
    ],
)
def test_a_card_of_another_content_is_refused(folder, text, code):
    (folder / "model.yaml").write_text(text)
    with refused(code, "model.yaml"):
        load_model(folder)


def rewrite(folder: Path, **changes: object) -> None:
    """Change keys of a card."""
    path = folder / "model.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        ({"encoder": "efficientnet_b0"}, "weights-unfit", "efficientnet_b0"),
        ({"encoder": "resnet18"}, "encoder-unknown", "resnet18"),
        ({"decoder_filters": [16, 8, 8, 8]}, "weights-unfit", "16"),
        ({"decoder_filters": None}, "value-refused", "architecture.decoder_filters"),
        ({"input_size": 65}, "value-refused", "architecture.input_size"),
        ({"maps": ["cell"]}, "value-refused", "architecture.maps"),
        ({"depth": 3}, "key-unknown", "depth"),
    ],
)
def test_another_architecture_is_refused(folder, change, code, told):
    built = yaml.safe_load((folder / "model.yaml").read_text())["architecture"]
    rewrite(folder, architecture={**built, **change})
    with refused(code, "model.yaml", told):
        load_model(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sha256", "abc"),
        ("parameters", "many"),
        ("parameters", 0),
        ("slices_seen", -1),
        ("seen", ["abc"]),
        ("seen", "0123456789abcdef"),
        ("curve", 3),
        ("software", []),
        ("started_from", {"sha256": "0" * 64}),
    ],
)
def test_odd_values_of_a_card_are_refused(folder, key, value):
    rewrite(folder, **{key: value})
    with refused("key-missing" if key == "started_from" else "value-refused", "model.yaml", key):
        read_card(folder)


def test_a_card_keeps_what_it_does_not_know(folder, tmp_path):
    rewrite(folder, notes=["from a bench"], slices_seen=7)
    card = read_card(folder)
    assert card.slices_seen == 7
    save_model(tmp_path / "next", tiny_network(4), {"started_from": card})
    again = read_card(tmp_path / "next").started_from
    assert again == card
    assert again.model_dump(mode="json")["notes"] == ["from a bench"]


def test_weights_that_half_precision_cannot_hold_are_refused(tmp_path):
    network = tiny_network(0)
    with torch.no_grad():
        network.head.bias.fill_(1e6)
    with refused("weights-infinite"):
        save_model(tmp_path / "m", network, {})
    assert not (tmp_path / "m" / "model.yaml").exists()


def test_a_card_that_yaml_cannot_hold_leaves_nothing(tmp_path):
    with pytest.raises(PydanticSerializationError):
        save_model(tmp_path / "m", tiny_network(0), {"when": object()})
    assert not list((tmp_path / "m").iterdir())


def test_no_pickle_is_ever_executed(folder, tmp_path):
    ran = tmp_path / "ran"

    class Malicious:
        def __reduce__(self):
            return (Path.touch, (ran,))

    torch.save({"a": Malicious()}, folder / "weights.safetensors")
    rewrite(folder, sha256=file_hash(folder / "weights.safetensors"))
    with refused("weights-unreadable"):
        load_model(folder)
    assert not ran.exists()


def test_all_keys_of_the_card_build_the_model(folder):
    assert isinstance(build(read_card(folder).architecture), EfficientCellSegNetwork)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(folder, value):
    """They would give empty masks, without a word."""
    weights = load_file(folder / "weights.safetensors")
    name = next(name for name, values in weights.items() if values.is_floating_point())
    weights[name].view(-1)[0] = value
    save_file(weights, folder / "weights.safetensors")
    card = yaml.safe_load((folder / "model.yaml").read_text())
    card["sha256"] = file_hash(folder / "weights.safetensors")
    (folder / "model.yaml").write_text(yaml.safe_dump(card))
    with refused("weights-infinite", "1 tensors", name):
        load_model(folder)


def test_a_full_disk_is_an_error_of_the_system_with_the_files_name(folder, tmp_path):
    """The libraries that write weights and checkpoints raise errors of their own."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            save_model(tmp_path / "other", tiny_network(3), {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.filename == str(tmp_path / "other" / "weights.safetensors")
    assert list((tmp_path / "other").iterdir()) == []
