"""Training: losses by hand, augmentation, batches, curves, and going on where a run stopped."""

import csv
import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ctc_eval.format import InputError  # noqa: E402
from efficientcellseg.maps.cells import dice_loss  # noqa: E402
from efficientcellseg.maps.centers import focal_loss  # noqa: E402
from efficientcellseg.maps.distances import distance_loss  # noqa: E402
from efficientcellseg.training import loop as training  # noqa: E402
from efficientcellseg.training.loop import (  # noqa: E402
    Augmentation,
    Batches,
    Overlap,
    Training,
    places_of,
    train,
    update_average,
)
from efficientcellseg.training.samples import Samples  # noqa: E402

CPU = torch.device("cpu")
QUICK = Training(batch=4, epochs=2, steps=3, learning_rate=0.01, validation=0.25, seed=5)


def all_of(target: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(target)


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


# Losses


def test_dice_worked_by_hand():
    # Probabilities 0.8, 0.4, 0.1, 0.5 against 1, 1, 0, 0: overlap 1.2, sums 1.8 and 2.
    logits = torch.tensor([[[logit(p) for p in (0.8, 0.4, 0.1, 0.5)]]])
    target = torch.tensor([[[1.0, 1.0, 0.0, 0.0]]])
    wanted = 1 - (2 * 1.2 + 1) / (1.8 + 2 + 1)
    assert dice_loss(logits, target, all_of(target)).item() == pytest.approx(wanted, rel=1e-5)
    # Without the second pixel: overlap 0.8, sums 1.4 and 1.
    known = torch.tensor([[[1.0, 0.0, 1.0, 1.0]]])
    wanted = 1 - (2 * 0.8 + 1) / (1.4 + 1 + 1)
    assert dice_loss(logits, target, known).item() == pytest.approx(wanted, rel=1e-5)


def test_dice_is_0_where_the_prediction_is_right_and_near_1_where_it_is_wrong():
    target = (torch.rand(2, 16, 16, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    right = (2 * target - 1) * 50
    known = all_of(target)
    assert dice_loss(right, target, known).item() == pytest.approx(0, abs=1e-6)
    assert dice_loss(-right, target, known).item() == pytest.approx(1, abs=0.01)
    empty = torch.zeros(1, 4, 4)
    assert dice_loss(empty - 50, empty, all_of(empty)).item() == pytest.approx(0, abs=1e-6)


def test_focal_loss_worked_by_hand():
    pairs = [(0.9, 1.0), (0.3, 0.0), (0.6, 0.5)]
    wanted = 0.0
    for p, t in pairs:
        entropy = -(t * math.log(p) + (1 - t) * math.log(1 - p))
        wanted += (p - t) ** 2 * entropy
    wanted /= 1.5 + 1
    logits = torch.tensor([[[logit(p) for p, _ in pairs]]])
    target = torch.tensor([[[t for _, t in pairs]]])
    assert focal_loss(logits, target, all_of(target)).item() == pytest.approx(wanted, rel=1e-5)
    # Without the last pixel, which counts in neither sum.
    known = torch.tensor([[[1.0, 1.0, 0.0]]])
    entropy = [-math.log(0.9) * 0.01, -math.log(0.7) * 0.09]
    wanted = sum(entropy) / (1 + 1)
    assert focal_loss(logits, target, known).item() == pytest.approx(wanted, rel=1e-5)


def test_focal_loss_is_that_of_lin_for_targets_of_0_and_1():
    logits, target = torch.tensor([[[0.7, -1.2]]]), torch.tensor([[[1.0, 0.0]]])
    p = torch.sigmoid(logits)[0, 0].tolist()
    right = [p[0], 1 - p[1]]  # probability given to what is so
    wanted = sum(-((1 - q) ** 2) * math.log(q) for q in right) / 2
    assert focal_loss(logits, target, all_of(target)).item() == pytest.approx(wanted, rel=1e-5)
    # Least where the prediction is the target, soft ones included.
    soft = torch.tensor([[[0.3, 0.6]]])
    assert focal_loss(torch.logit(soft), soft, all_of(soft)).item() == pytest.approx(0, abs=1e-7)


def test_distance_loss_worked_by_hand():
    pairs = [(0.9, 0.4), (0.2, 0.5), (0.7, 0.0)]
    logits = torch.tensor([[[logit(p) for p, _ in pairs]]])
    target = torch.tensor([[[t for _, t in pairs]]])
    # Half the square below a distance of 1; the last pixel is not known.
    known = torch.tensor([[[1.0, 1.0, 0.0]]])
    wanted = (0.5 * 0.5**2 + 0.5 * 0.3**2) / 2
    assert distance_loss(logits, target, known).item() == pytest.approx(wanted, rel=1e-5)
    assert distance_loss(logits, target, 0 * known).item() == 0


# Augmentation


def patches() -> tuple[torch.Tensor, torch.Tensor]:
    """Make images whose three channels are their target, smooth so that resampling keeps them."""
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing="ij")
    targets = [
        torch.exp(-((y - a) ** 2 + (x - b) ** 2) / 60) for a, b in ((14, 30), (24, 8), (35, 36))
    ]
    target = torch.stack(targets)[:, None]
    return target.repeat(1, 3, 1, 1), target


def varied(seed: int, *batch: torch.Tensor) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(seed)
    return Augmentation()(*batch)


@pytest.mark.parametrize("seed", range(5))
def test_image_target_and_what_is_known_move_together(seed):
    images, target = patches()
    found, moved, known = varied(seed, images, target, (target > 0.3).float())
    assert (found.shape, moved.shape, known.shape) == (images.shape, target.shape, target.shape)
    assert found.min() >= 0
    assert found.max() <= 1
    assert set(known.unique().tolist()) == {0.0, 1.0}
    for image, before, after, sure in zip(found, target, moved, known, strict=True):
        assert (after - before).abs().max() > 0.1  # it did move
        # Intensities change, but brighter stays brighter: image and target agree in rank.
        for channel in image:
            both = torch.stack([channel.flatten(), after.flatten()])
            assert channel.max() == 0 or torch.corrcoef(both)[0, 1] > 0.85
        assert after[sure > 0].min() > 0.25
        assert after[sure == 0].max() < 0.5


def test_augmentation_follows_torchs_seed_and_leaves_its_input_alone():
    images, target = patches()
    kept = images.clone(), target.clone()
    known = all_of(target)
    first, again = varied(1, images, target, known), varied(1, images, target, known)
    other = varied(2, images, target, known)
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(first[1], other[1])
    assert torch.equal(images, kept[0])
    assert torch.equal(target, kept[1])


def test_neighbors_are_swapped_or_lost_green_stays():
    images, target = torch.zeros(200, 3, 16, 16), torch.zeros(200, 1, 16, 16)
    images[:, 0], images[:, 1], images[:, 2] = 0.2, 0.5, 0.8
    found, *_ = varied(0, images, target, all_of(target))
    red, green, blue = found.mean(dim=(2, 3)).T
    lost = (red == 0) | (blue == 0)
    assert 1 <= lost.sum() <= 30  # 3 of 100 on each side
    assert green.min() > 0
    red, green, blue = red[~lost], green[~lost], blue[~lost]
    assert ((green > torch.minimum(red, blue)) & (green < torch.maximum(red, blue))).all()
    assert 60 < (red > blue).sum() < 130


@pytest.mark.parametrize("seed", range(3))
def test_all_planes_of_a_slab_move_alike(seed):
    _, target = patches()
    planes = [1.0, 0.5, 0.25]
    slab = torch.stack([target * scale for scale in planes], 2)
    found, moved, known = varied(seed, slab, slab, torch.ones_like(slab))
    assert found.shape == moved.shape == known.shape == (3, 1, 3, 48, 48)
    assert known.min() >= 0
    for sample in moved[:, 0]:
        scales = [(plane / sample[1]).nanmedian().item() for plane in sample]
        # In their order, or turned over.
        turned = scales[0] < 1
        wanted = [0.5, 1.0, 2.0] if turned else [2.0, 1.0, 0.5]
        assert scales == pytest.approx(wanted, rel=1e-3)
    assert found.max() <= 1
    assert found.min() >= 0


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
    cells = np.minimum(cells, 254)
    return Samples(
        images=images,
        targets={"cells": cells, "centers": cells},
        objects=np.ones(frames, np.uint16),
        dataset=np.zeros(frames, np.uint8),
        frame=np.arange(frames),
        tile=np.zeros(frames, np.int64),
        plane=np.zeros(frames, np.int64),
        names=(kind,),
        fingerprints=tuple(map(str, range(frames))),
    )


def test_data_sets_are_drawn_in_their_shares():
    samples = squares(100)
    dataset = np.repeat([0, 1], [90, 10]).astype(np.uint8)
    images = dataset[:, None, None, None] * np.ones((1, 3, 2, 2), np.uint8)
    targets = {"cells": np.zeros((100, 2, 2), np.uint8)}
    samples = replace(samples, dataset=dataset, images=images, targets=targets)
    batches = Batches(samples, np.ones(100, bool), ("cells",), [1.0, 3.0])
    torch.manual_seed(0)
    drawn = [round(255 * batches.draw(1)[0].mean().item()) for _ in range(400)]
    assert 0.68 < np.mean(drawn) < 0.82  # 3 of 4, though they are 1 in 10


def test_tiles_with_more_objects_are_drawn_more_often():
    samples = squares(2)
    images = np.array([0, 255], np.uint8)[:, None, None, None] * np.ones((1, 3, 64, 64), np.uint8)
    samples = replace(samples, images=images, objects=np.array([0, 3], np.uint16))
    batches = Batches(samples, np.ones(2, bool), ("cells",), [1.0])
    torch.manual_seed(0)
    drawn = [batches.draw(1)[0].mean().item() for _ in range(400)]
    assert 0.73 < np.mean(drawn) < 0.87  # 3 + 1 of (0 + 1) + (3 + 1)


def test_batches_hold_nothing_that_is_held_out_and_no_sample_twice():
    samples = squares(10)
    marked = replace(samples, images=np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 3, 64, 64), np.uint8))  # fmt: skip  # noqa: E501
    chosen = np.arange(10) % 2 == 0
    maps = ("cells", "centers")

    def drawn(batch: int) -> list[int]:
        images, wanted, known = Batches(marked, chosen, maps, [1.0]).draw(batch)
        assert images.shape == (batch, 3, 64, 64)
        assert wanted.shape == known.shape == (batch, 2, 64, 64)
        return sorted((255 * images[:, 0, 0, 0]).round().int().tolist())

    assert drawn(5) == [0, 2, 4, 6, 8]
    # A batch larger than the set repeats samples rather than fail.
    assert set(drawn(12)) <= {0, 2, 4, 6, 8}


def stacked() -> Samples:
    """Two frames of two tiles: five slices, and three of which the second is missing."""
    places = [(0, tile, plane) for plane in range(5) for tile in (0, 1)]
    places += [(1, tile, plane) for plane in (0, 2, 3) for tile in (0, 1)]
    frame, tile, plane = np.array(places).T
    many = len(places)
    images = np.zeros((many, 3, 16, 16), np.uint8)
    images[:, 1] = np.arange(many, dtype=np.uint8)[:, None, None]
    return replace(
        squares(many),
        images=images,
        targets={"cells": images[:, 1], "centers": images[:, 1] + 100},
        frame=frame,
        tile=tile,
        plane=plane,
    )


def test_slabs_are_successive_slices_of_one_tile():
    samples = stacked()
    found = places_of(samples, np.ones(16, bool), 3)
    # Slices of a tile are two apart; the second frame has two in a row at most.
    first = [[0, 2, 4], [2, 4, 6], [4, 6, 8]]
    assert found.tolist() == first + [[i + 1 for i in slab] for slab in first]
    assert places_of(samples, np.arange(16) >= 10, 2).tolist() == [[12, 14], [13, 15]]
    assert places_of(samples, np.arange(16) < 2).tolist() == [0, 1]
    for planes in (6, 20):
        with pytest.raises(InputError, match=f"samples without {planes} successive slices"):
            places_of(samples, np.ones(16, bool), planes)


def test_a_batch_of_slabs():
    samples = stacked()
    batches = Batches(samples, samples.frame == 0, ("cells", "centers"), [1.0], planes=3)
    images, wanted, known = batches.take(np.array([[2, 4, 6]]))
    assert images.shape == (1, 1, 3, 16, 16)
    assert wanted.shape == known.shape == (1, 2, 3, 16, 16)
    assert (255 * images[0, 0, :, 0, 0]).round().tolist() == [2, 4, 6]
    assert (254 * wanted[0, :, :, 0, 0]).round().tolist() == [[2, 4, 6], [102, 104, 106]]
    torch.manual_seed(0)
    drawn = (255 * batches.draw(50)[0][:, 0, :, 0, 0]).round()
    assert {tuple(slab) for slab in drawn.tolist()} == {
        *((0, 2, 4), (2, 4, 6), (4, 6, 8), (1, 3, 5), (3, 5, 7), (5, 7, 9))
    }


def test_what_is_unknown_is_told_from_the_target():
    samples = squares(1)
    target = np.zeros((1, 64, 64), np.uint8)
    target[0, 0, :3] = 254, 127, 255
    samples = replace(samples, targets={"cells": target})
    _, wanted, known = Batches(samples, np.ones(1, bool), ("cells",), [1.0]).draw(1)
    assert wanted[0, 0, 0, :4].tolist() == [1, 0.5, 0, 0]
    assert known[0, 0, 0, :4].tolist() == [1, 1, 0, 1]


def test_mean_iou_worked_by_hand_over_two_batches():
    overlap = Overlap()
    for found, wanted, known in (
        ([1.0, 1.0, -1.0, -1.0], [1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0]),
        ([1.0, -1.0, -1.0, -1.0], [1.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 1.0]),
    ):
        overlap.add(*(torch.tensor(part)[None, None] for part in (found, wanted, known)))
    # Cells: 2 of 5; background: 2 of 5, over the seven known pixels.
    assert overlap.mean_iou() == pytest.approx((2 / 5 + 2 / 5) / 2)


def test_the_average_forgets_its_start_then_slows_down():
    averaged, model = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    torch.nn.init.constant_(averaged.weight, 0.0)
    torch.nn.init.constant_(model.weight, 1.0)
    update_average(averaged, model, 0.99, 0)
    assert averaged.weight.item() == pytest.approx(0.9)  # 1 - 1/10
    update_average(averaged, model, 0.99, 10**6)
    assert averaged.weight.item() == pytest.approx(0.9 + 0.01 * 0.1)


# A whole run


class Small(torch.nn.Sequential):
    """A network with batch norm; training takes any, and this one trains at once."""

    def __init__(self, seed: int, *maps: str) -> None:
        torch.manual_seed(seed)
        super().__init__(
            torch.nn.Conv2d(3, 8, 3, padding=1),
            torch.nn.BatchNorm2d(8),
            torch.nn.ReLU(),
            torch.nn.Conv2d(8, len(maps), 3, padding=1),
        )
        self.maps, self.planes = maps, 0


class Pixelwise(torch.nn.Conv2d):
    """The least network."""

    maps, planes = ("cells",), 0

    def __init__(self) -> None:
        super().__init__(3, 1, 1)


def run(folder, parameters=QUICK, samples=None, maps=("cells",), held_out=()):
    network = Small(11, *maps)
    samples = squares() if samples is None else samples
    train(network, samples, [1.0, 1.0], parameters, folder, CPU, held_out)
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


@pytest.mark.parametrize("maps", [("cells",), ("centers",), ("centers", "cells")])
def test_two_epochs_lower_the_loss(tmp_path, maps):
    parameters = replace(QUICK, steps=8)
    network = run(tmp_path, parameters, maps=maps)
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
        for name in mine.keys() - {"seconds"}:
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
        run(whole[0], maps=("centers",))


def test_a_checkpoint_of_other_samples_is_refused(whole):
    with pytest.raises(InputError, match="of a run with"):
        run(whole[0], samples=squares(9))


def test_samples_without_the_target_are_refused(tmp_path):
    samples = squares()
    samples = replace(samples, targets={"cells": samples.targets["cells"]})
    with pytest.raises(InputError, match="with targets cells; expected centers, too"):
        run(tmp_path, samples=samples, maps=("cells", "centers"))


def test_a_data_set_for_validation_alone_is_never_drawn(tmp_path, monkeypatch):
    samples = replace(squares(), dataset=np.repeat([0, 1], 4).astype(np.uint8), names=("A", "B"))
    samples.images[4:] = 255  # what is held out is white
    seen = []
    genuine = Augmentation.forward

    def spy(self, images, target, known):
        seen.append(images.amin(dim=(1, 2, 3)))
        return genuine(self, images, target, known)

    monkeypatch.setattr(Augmentation, "forward", spy)
    run(tmp_path, samples=samples, held_out=(1,))
    assert torch.cat(seen).max() < 1
    assert len(seen) == QUICK.epochs * QUICK.steps


class Slabwise(torch.nn.Conv3d):
    """The least network of slabs."""

    maps, planes = ("cells",), 2

    def __init__(self) -> None:
        super().__init__(1, 1, 1)


def seen_frames(folder, monkeypatch, parameters, network) -> set[int]:
    """Train, and tell which frames were drawn: each one's images are of its own gray."""
    samples = squares(8)
    samples = replace(samples, frame=np.arange(8) // 2, plane=np.arange(8) % 2)
    samples.images[:] = (10 + samples.frame)[:, None, None, None]
    seen = set()
    genuine = Augmentation.forward

    def spy(self, images, target, known):
        seen.update((255 * images).round().unique().int().tolist())
        return genuine(self, images, target, known)

    monkeypatch.setattr(Augmentation, "forward", spy)
    train(network, samples, [1.0], parameters, folder, CPU)
    return {gray - 10 for gray in seen}


def test_folds_have_no_frame_in_common_and_are_all(tmp_path, monkeypatch):
    held = []
    for fold in range(4):
        parameters = replace(QUICK, batch=2, epochs=1, steps=12, folds=4, fold=fold)
        seen = seen_frames(tmp_path / str(fold), monkeypatch, parameters, Slabwise())
        held.append({0, 1, 2, 3} - seen)
    assert sorted(map(len, held)) == [1, 1, 1, 1]
    assert set.union(*held) == {0, 1, 2, 3}


def test_no_more_is_measured_than_asked_for(tmp_path, monkeypatch):
    counts = []
    genuine = Batches.take

    def spy(self, indices):
        counts.append(len(indices))
        return genuine(self, indices)

    monkeypatch.setattr(Batches, "take", spy)
    parameters = replace(QUICK, epochs=1, steps=1, batch=1, validation=0.5, validation_samples=3)
    train(Pixelwise(), squares(), [1.0], parameters, tmp_path, CPU)
    assert counts == [1, 1, 1, 1]  # a step, then three that are held out


def test_gradients_of_several_batches_make_one_step(tmp_path, monkeypatch):
    counts = {"draw": 0, "step": 0}

    def count(name, genuine):
        def counted(*args, **options):
            counts[name] += 1
            return genuine(*args, **options)

        return counted

    monkeypatch.setattr(Batches, "draw", count("draw", Batches.draw))
    monkeypatch.setattr(torch.optim.Adam, "step", count("step", torch.optim.Adam.step))
    # Adam calls itself when its gradients are all there, once a step of three batches.
    run(tmp_path, replace(QUICK, accumulate=3, epochs=1))
    assert counts == {"draw": 3 * QUICK.steps, "step": QUICK.steps}


def use_loss(monkeypatch, loss):
    """Give the map of cells another loss."""
    monkeypatch.setitem(training.MAPS, "cells", replace(training.MAPS["cells"], loss=loss))


def test_training_ends_early_where_nothing_is_gained(tmp_path, monkeypatch):
    losses = iter([0.5, 1.0, 0.5, 2.0, 0.5, 3.0, 0.5, 4.0])
    use_loss(monkeypatch, lambda logits, *_: logits.mean() * 0 + next(losses))
    parameters = replace(QUICK, epochs=4, steps=1, early_stop=2)
    train(Pixelwise(), squares(), [1.0], parameters, tmp_path, CPU)
    assert len(rows(tmp_path)) == 3


def test_the_rate_follows_a_cosine(tmp_path):
    run(tmp_path, replace(QUICK, epochs=4, steps=1, schedule="cosine"))
    rates = [float(row["learning_rate"]) for row in rows(tmp_path)]
    wanted = [1e-4 + (0.01 - 1e-4) * (1 + math.cos(math.pi * i / 4)) / 2 for i in range(4)]
    np.testing.assert_allclose(rates, wanted, rtol=1e-6)


def test_a_checkpoint_of_another_network_is_refused(whole):
    with pytest.raises(InputError, match="of another network than the configuration's"):
        train(Pixelwise(), squares(), [1.0], QUICK, whole[0], CPU)


def test_a_single_frame_is_refused(tmp_path):
    with pytest.raises(InputError, match="samples of 1 frame; expected two or more"):
        run(tmp_path, samples=squares(1))


def test_a_diverged_run_is_refused(tmp_path, monkeypatch):
    use_loss(monkeypatch, lambda logits, *_: logits.sum() * math.nan)
    with pytest.raises(InputError, match=r"no epoch .* finite loss; lower the learning rate"):
        train(Pixelwise(), squares(), [1.0], QUICK, tmp_path, CPU)


def test_the_rate_is_lowered_on_a_plateau(tmp_path, monkeypatch):
    use_loss(monkeypatch, lambda logits, *_: (logits * 0).sum() + 1)
    parameters = replace(QUICK, epochs=4, steps=1, patience=1, factor=0.5)
    train(Pixelwise(), squares(), [1.0], parameters, tmp_path, CPU)
    rates = [float(row["learning_rate"]) for row in rows(tmp_path)]
    assert rates == [0.01, 0.01, 0.01, 0.005]


def test_the_weights_kept_are_those_of_the_best_epoch(tmp_path, monkeypatch):
    # The validation loss (one call an epoch, after the one step) rises after the first epoch.
    losses = iter([0.5, 1.0, 0.5, 2.0, 0.5, 3.0])
    use_loss(monkeypatch, lambda logits, *_: logits.mean() * 0.01 + next(losses))
    kept = []
    genuine = training.write_curve

    def spy(folder, curve):
        kept.append(torch.load(folder / "checkpoint.pt", weights_only=True)["averaged"]["weight"])
        genuine(folder, curve)

    monkeypatch.setattr(training, "write_curve", spy)
    network = Pixelwise()
    parameters = replace(QUICK, epochs=3, steps=1)
    train(network, squares(), [1.0], parameters, tmp_path, CPU)
    assert torch.equal(network.weight, kept[0])
    assert not torch.equal(kept[0], kept[2])
