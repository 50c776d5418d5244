"""Training: losses by hand, augmentation, batches, curves, and going on where a run stopped."""

import csv
import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ctc_eval.sequence import InputError  # noqa: E402
from efficientcellseg import training  # noqa: E402
from efficientcellseg.samples import Samples  # noqa: E402
from efficientcellseg.training import (  # noqa: E402
    Batches,
    Training,
    augment,
    dice_loss,
    focal_loss,
    train,
    update_average,
)

CPU = torch.device("cpu")
QUICK = Training(batch=4, epochs=2, steps=3, learning_rate=0.01, validation=0.25, seed=5)


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


# Losses


def test_dice_worked_by_hand():
    # Probabilities 0.8, 0.4, 0.1, 0.5 against 1, 1, 0, 0: overlap 1.2, sums 1.8 and 2.
    logits = torch.tensor([[[logit(p) for p in (0.8, 0.4, 0.1, 0.5)]]])
    target = torch.tensor([[[1.0, 1.0, 0.0, 0.0]]])
    wanted = 1 - (2 * 1.2 + 1) / (1.8 + 2 + 1)
    assert dice_loss(logits, target).item() == pytest.approx(wanted, rel=1e-5)


def test_dice_is_0_where_the_prediction_is_right_and_near_1_where_it_is_wrong():
    target = (torch.rand(2, 16, 16, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    right = (2 * target - 1) * 50
    assert dice_loss(right, target).item() == pytest.approx(0, abs=1e-6)
    assert dice_loss(-right, target).item() == pytest.approx(1, abs=0.01)
    empty = torch.zeros(1, 4, 4)
    assert dice_loss(empty - 50, empty).item() == pytest.approx(0, abs=1e-6)


def test_focal_loss_worked_by_hand():
    pairs = [(0.9, 1.0), (0.3, 0.0), (0.6, 0.5)]
    wanted = 0.0
    for p, t in pairs:
        entropy = -(t * math.log(p) + (1 - t) * math.log(1 - p))
        wanted += (p - t) ** 2 * entropy
    wanted /= 1.5 + 1
    logits = torch.tensor([[[logit(p) for p, _ in pairs]]])
    target = torch.tensor([[[t for _, t in pairs]]])
    assert focal_loss(logits, target).item() == pytest.approx(wanted, rel=1e-5)


def test_focal_loss_is_that_of_lin_for_targets_of_0_and_1():
    logits, target = torch.tensor([[[0.7, -1.2]]]), torch.tensor([[[1.0, 0.0]]])
    p = torch.sigmoid(logits)[0, 0].tolist()
    right = [p[0], 1 - p[1]]  # probability given to what is so
    wanted = sum(-((1 - q) ** 2) * math.log(q) for q in right) / 2
    assert focal_loss(logits, target).item() == pytest.approx(wanted, rel=1e-5)
    # Least where the prediction is the target, soft ones included.
    soft = torch.tensor([[[0.3, 0.6]]])
    assert focal_loss(torch.logit(soft), soft).item() == pytest.approx(0, abs=1e-7)


# Augmentation


def patches() -> tuple[torch.Tensor, torch.Tensor]:
    """Make images whose three channels are their target, smooth so that resampling keeps them."""
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing="ij")
    targets = [
        torch.exp(-((y - a) ** 2 + (x - b) ** 2) / 60) for a, b in ((14, 30), (24, 8), (35, 36))
    ]
    target = torch.stack(targets)
    return target[:, None].repeat(1, 3, 1, 1), target


@pytest.mark.parametrize("seed", range(5))
def test_image_and_target_move_together(seed):
    images, target = patches()
    found, moved = augment(images, target, torch.Generator().manual_seed(seed))
    assert found.shape == images.shape
    assert moved.shape == target.shape
    assert found.min() >= 0
    assert found.max() <= 1
    for image, before, after in zip(found, target, moved, strict=True):
        assert (after - before).abs().max() > 0.1  # it did move
        # Intensities change, but brighter stays brighter: image and target agree in rank.
        for channel in image:
            both = torch.stack([channel.flatten(), after.flatten()])
            assert torch.corrcoef(both)[0, 1] > 0.85


def test_augmentation_is_seeded_and_leaves_its_input_alone():
    images, target = patches()
    kept = images.clone(), target.clone()
    first = augment(images, target, torch.Generator().manual_seed(1))
    torch.rand(3)  # chance of elsewhere plays no part
    again = augment(images, target, torch.Generator().manual_seed(1))
    other = augment(images, target, torch.Generator().manual_seed(2))
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(first[1], other[1])
    assert torch.equal(images, kept[0])
    assert torch.equal(target, kept[1])


def test_neighbours_are_swapped_green_stays():
    images, target = torch.zeros(64, 3, 8, 8), torch.zeros(64, 8, 8)
    images[:, 0], images[:, 1], images[:, 2] = 0.2, 0.5, 0.8
    found, _ = augment(images, target, torch.Generator().manual_seed(0))
    red, green, blue = found.mean(dim=(2, 3)).T
    assert ((green > torch.minimum(red, blue)) & (green < torch.maximum(red, blue))).all()
    assert 16 < (red > blue).sum() < 48


# Batches and averages


def squares(frames: int = 8, kind: str = "A", side: int = 64) -> Samples:
    """Make samples that are easily learnt: bright squares on noise, one frame each."""
    random = np.random.default_rng(0)
    cells = np.zeros((frames, side, side), np.uint8)
    for plane in cells:
        top, left = random.integers(0, side // 2, 2)
        plane[top : top + side // 2, left : left + side // 2] = 255
    noise = random.integers(0, 60, (frames, 3, side, side))
    images = np.clip(noise + 0.7 * cells[:, None], 0, 255).astype(np.uint8)
    dataset, objects = np.zeros(frames, np.uint8), np.ones(frames, np.uint16)
    return Samples(images, cells, cells, objects, dataset, np.arange(frames), (kind,))


def test_data_sets_are_drawn_in_their_shares():
    samples = squares(100)
    dataset = np.repeat([0, 1], [90, 10]).astype(np.uint8)
    samples = replace(samples, dataset=dataset, images=dataset[:, None, None, None] * np.ones((1, 3, 2, 2), np.uint8), cells=np.zeros((100, 2, 2), np.uint8))  # fmt: skip  # noqa: E501
    batches = Batches(samples, np.ones(100, bool), "cells", [1.0, 3.0], 1)
    generator = torch.Generator().manual_seed(0)
    drawn = [round(255 * batches.draw(generator)[0].mean().item()) for _ in range(400)]
    assert 0.68 < np.mean(drawn) < 0.82  # 3 of 4, though they are 1 in 10


def test_tiles_with_more_objects_are_drawn_more_often():
    samples = squares(2)
    images = np.array([0, 255], np.uint8)[:, None, None, None] * np.ones((1, 3, 64, 64), np.uint8)
    samples = replace(samples, images=images, objects=np.array([0, 3], np.uint16))
    batches = Batches(samples, np.ones(2, bool), "cells", [1.0], 1)
    generator = torch.Generator().manual_seed(0)
    drawn = [batches.draw(generator)[0].mean().item() for _ in range(400)]
    assert 0.73 < np.mean(drawn) < 0.87  # 3 + 1 of (0 + 1) + (3 + 1)


def test_batches_hold_nothing_that_is_held_out_and_no_sample_twice():
    samples = squares(10)
    marked = replace(samples, images=np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 3, 64, 64), np.uint8))  # fmt: skip  # noqa: E501
    chosen = np.arange(10) % 2 == 0
    generator = torch.Generator().manual_seed(0)

    def drawn(batch: int) -> list[int]:
        images, wanted = Batches(marked, chosen, "cells", [1.0], batch).draw(generator)
        assert images.shape == (batch, 3, 64, 64)
        assert wanted.shape == (batch, 64, 64)
        return sorted((255 * images[:, 0, 0, 0]).round().int().tolist())

    assert drawn(5) == [0, 2, 4, 6, 8]
    # A batch larger than the set repeats samples rather than fail.
    assert set(drawn(12)) <= {0, 2, 4, 6, 8}


def test_the_average_forgets_its_start_then_slows_down():
    averaged, model = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    torch.nn.init.constant_(averaged.weight, 0.0)
    torch.nn.init.constant_(model.weight, 1.0)
    update_average(averaged, model, 0.99, 0)
    assert averaged.weight.item() == pytest.approx(0.9)  # 1 - 1/10
    update_average(averaged, model, 0.99, 10**6)
    assert averaged.weight.item() == pytest.approx(0.9 + 0.01 * 0.1)


# A whole run


def small_network(seed: int) -> torch.nn.Module:
    """Make a network with batch norm; training takes any, and this one trains at once."""
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1),
        torch.nn.BatchNorm2d(8),
        torch.nn.ReLU(),
        torch.nn.Conv2d(8, 1, 3, padding=1),
    )


def run(folder, parameters=QUICK, samples=None, target="cells"):
    network = small_network(11)
    samples = squares() if samples is None else samples
    train(network, samples, target, [1.0], parameters, folder, CPU)
    return network


def rows(folder) -> list[dict[str, str]]:
    with (folder / "curve.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def assert_same(first, second) -> None:
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Train two epochs at one go."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, run(folder)


@pytest.mark.parametrize("target", ["cells", "centers"])
def test_two_epochs_lower_the_loss(tmp_path, target):
    parameters = replace(QUICK, steps=8)
    network = run(tmp_path, parameters, target=target)
    assert not network.training
    curve = rows(tmp_path)
    assert [row["epoch"] for row in curve] == ["1", "2"]
    assert float(curve[1]["training_loss"]) < float(curve[0]["training_loss"])
    assert float(curve[0]["learning_rate"]) == 0.01
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert not list(tmp_path.glob(".*"))


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(whole, tmp_path, monkeypatch):
    genuine, calls = training.update_average, []

    def interrupted(*args: object) -> None:
        calls.append(args)
        if len(calls) == QUICK.steps + 2:
            raise KeyboardInterrupt
        genuine(*args)

    monkeypatch.setattr(training, "update_average", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    assert len(rows(tmp_path)) == 1
    monkeypatch.undo()
    torch.rand(7)
    resumed = run(tmp_path)
    assert_same(resumed, whole[1])
    for mine, theirs in zip(rows(tmp_path), rows(whole[0]), strict=True):
        for name in ("training_loss", "validation_loss", "learning_rate"):
            assert mine[name] == theirs[name]


def test_a_run_may_be_prolonged(whole, tmp_path):
    run(tmp_path, replace(QUICK, epochs=1))
    assert_same(run(tmp_path), whole[1])


def test_a_run_that_is_done_gives_its_weights_again(whole):
    folder, network = whole
    before = (folder / "checkpoint.pt").stat().st_mtime_ns
    assert_same(run(folder), network)
    assert (folder / "checkpoint.pt").stat().st_mtime_ns == before


@pytest.mark.parametrize("change", [{"seed": 6}, {"learning_rate": 0.02}, {"batch": 3}])
def test_a_checkpoint_of_other_parameters_is_refused(whole, change):
    with pytest.raises(InputError, match=r"checkpoint.pt: of a run with .*; expected .*: choose"):
        run(whole[0], replace(QUICK, **change))


def test_a_checkpoint_of_the_other_target_is_refused(whole):
    with pytest.raises(InputError, match="of a run with"):
        run(whole[0], target="centers")


def test_a_checkpoint_of_another_network_is_refused(whole):
    other = torch.nn.Conv2d(3, 1, 1)
    with pytest.raises(InputError, match="of another network than the configuration's"):
        train(other, squares(), "cells", [1.0], QUICK, whole[0], CPU)


def test_a_single_frame_is_refused(tmp_path):
    with pytest.raises(InputError, match="samples of 1 frame; expected two or more"):
        run(tmp_path, samples=squares(1))


def test_a_diverged_run_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(training.LOSSES, "cells", lambda logits, target: logits.sum() * math.nan)
    with pytest.raises(InputError, match=r"no epoch .* finite loss; lower the learning rate"):
        train(torch.nn.Conv2d(3, 1, 1), squares(), "cells", [1.0], QUICK, tmp_path, CPU)


def test_the_rate_is_lowered_on_a_plateau(tmp_path, monkeypatch):
    monkeypatch.setitem(training.LOSSES, "cells", lambda logits, target: (logits * 0).sum() + 1)
    parameters = replace(QUICK, epochs=4, steps=1, patience=1, factor=0.5)
    train(torch.nn.Conv2d(3, 1, 1), squares(), "cells", [1.0], parameters, tmp_path, CPU)
    rates = [float(row["learning_rate"]) for row in rows(tmp_path)]
    assert rates == [0.01, 0.01, 0.01, 0.005]


def test_the_weights_kept_are_those_of_the_best_epoch(tmp_path, monkeypatch):
    # The validation loss (one call an epoch, after the one step) rises after the first epoch.
    losses = iter([0.5, 1.0, 0.5, 2.0, 0.5, 3.0])
    monkeypatch.setitem(
        training.LOSSES, "cells", lambda logits, target: logits.mean() * 0.01 + next(losses)
    )
    kept = []
    genuine = training.write_curve

    def spy(folder, curve):
        kept.append(torch.load(folder / "checkpoint.pt", weights_only=True)["averaged"]["weight"])
        genuine(folder, curve)

    monkeypatch.setattr(training, "write_curve", spy)
    network = torch.nn.Conv2d(3, 1, 1)
    parameters = replace(QUICK, epochs=3, steps=1)
    train(network, squares(), "cells", [1.0], parameters, tmp_path, CPU)
    assert torch.equal(network.weight, kept[0])
    assert not torch.equal(kept[0], kept[2])
