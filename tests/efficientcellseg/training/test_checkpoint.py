"""Checkpoints: a training that was stopped goes on to the same bits, no other one does."""

import pytest
import torch
from refusal import refused
from tiny_training import CPU, QUICK, Pixelwise, rows, run, squares

from efficientcellseg.frozen import changed
from efficientcellseg.training.loop import train
from efficientcellseg.training.progress import Progress


def assert_same(first, second) -> None:
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Train two epochs at one go."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, run(folder)


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(whole, tmp_path, monkeypatch):
    genuine, calls = Progress.update_average, []

    def interrupted(*args: object) -> None:
        calls.append(args)
        if len(calls) == QUICK.steps + 2:
            raise KeyboardInterrupt
        genuine(*args)

    monkeypatch.setattr(Progress, "update_average", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    assert len(rows(tmp_path)) == 1
    monkeypatch.undo()
    torch.rand(7)
    resumed = run(tmp_path)
    assert_same(resumed, whole[1])
    for mine, theirs in zip(rows(tmp_path), rows(whole[0]), strict=True):
        for name in mine.keys() - {"seconds"}:
            assert mine[name] == theirs[name]


def test_a_run_may_be_prolonged(whole, tmp_path):
    run(tmp_path, changed(QUICK, epochs=1))
    assert_same(run(tmp_path), whole[1])


def test_a_run_that_is_done_gives_its_weights_again(whole):
    folder, network = whole
    before = (folder / "checkpoint.pt").stat().st_mtime_ns
    assert_same(run(folder), network)
    assert (folder / "checkpoint.pt").stat().st_mtime_ns == before


@pytest.mark.parametrize("change", [{"seed": 6}, {"learning_rate": 0.02}, {"batch": 3}])
def test_a_checkpoint_of_other_parameters_is_refused(whole, change):
    with refused("checkpoint-unfit", "checkpoint.pt", *map(str, change.values())):
        run(whole[0], changed(QUICK, **change))


def test_a_checkpoint_of_the_other_target_is_refused(whole):
    with refused("checkpoint-unfit", "centers"):
        run(whole[0], maps=("centers",))


def test_a_checkpoint_of_other_samples_is_refused(whole):
    with refused("checkpoint-unfit"):
        run(whole[0], samples=squares(9))


def test_a_checkpoint_of_another_network_is_refused(whole):
    with refused("checkpoint-unfit", "checkpoint.pt"):
        train(Pixelwise(), squares(), [1.0], QUICK, whole[0], CPU)
