"""What the card says of a training."""

import pytest
from conftest import TINY, tiny_network
from tiny_training import squares

from efficientcellseg.networks.folders import file_hash, save_model
from efficientcellseg.parameters.reading import check_values
from efficientcellseg.parameters.training import TrainingConfiguration
from efficientcellseg.training.card import as_learnt, describe_training
from efficientcellseg.training.sample_files import write_samples
from efficientcellseg.training.validation import choose_fold

VALUES = {
    "model": {"encoder": TINY["encoder"], "input_size": 64},
    "data": [{"dataset": "Tiny", "frames": "0:4"}],
    "training": {"batch": 4, "accumulate": 2, "epochs": 9, "steps": 5, "folds": 3},
}


def test_a_sequence_that_was_left_out_is_not_told_as_learnt_from():
    data = [{"dataset": "Sim-A549"}, {"dataset": "Sim-TRIC", "sequences": ["01"]}]
    values = {**VALUES, "data": data, "leave_out": ["Sim-A549/01", "Sim-TRIC/01"]}
    configuration = check_values(values, TrainingConfiguration, "test")
    told = as_learnt(configuration)
    assert told["data"] == [{"dataset": "Sim-A549", "sequences": ["02"]}]
    assert told["leave_out"] == values["leave_out"]


@pytest.fixture
def described(tmp_path):
    """Describe a training of two epochs."""
    (tmp_path / "curve.csv").write_text("epoch,training_loss\n1,0.5\n2,0.25\n")
    samples = squares(3)
    write_samples(tmp_path / "s.npz", samples)
    configuration = check_values(VALUES, TrainingConfiguration, "test")
    parameters = choose_fold(configuration.training, 1)

    def describe(**options):
        return describe_training(
            tiny_network(0),
            configuration,
            parameters,
            samples,
            folder=tmp_path,
            samples_file=tmp_path / "s.npz",
            device="cpu",
            **options,
        )

    return describe


def test_what_it_was_made_with(described, tmp_path):
    card = described()
    assert card["configuration"]["data"] == VALUES["data"]
    assert card["configuration"]["training"] == VALUES["training"]
    assert card["parameters"] == sum(p.numel() for p in tiny_network(0).parameters())
    assert (card["fold"], card["samples"]) == (1, 3)
    assert card["slices_seen"] == 2 * 5 * 2 * 4
    assert card["seen"] == ["0", "1", "2"]
    assert card["curve"][1:] == ["1,0.5", "2,0.25"]
    assert card["samples_sha256"] == file_hash(tmp_path / "s.npz")
    assert {"commit", "packages", "python", "device"} <= card["software"].keys()
    assert card["encoder_weights"] is None
    assert "started_from" not in card


def test_what_it_went_on_from_counts_too(described, tmp_path):
    earlier, earlier_frame = tmp_path / "earlier", "f" * 16
    save_model(earlier, tiny_network(1), {"slices_seen": 1000, "seen": [earlier_frame]})
    card = described(start=earlier)
    assert card["slices_seen"] == 1000 + 80
    assert card["seen"] == ["0", "1", "2", earlier_frame]
    assert card["started_from"].seen == (earlier_frame,)
    assert card["encoder_weights"] is None
    assert described(encoder_file=tmp_path / "w.pth")["encoder_weights"] == "w.pth"
