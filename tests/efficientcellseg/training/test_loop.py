"""The loop: losses fall, the rate falls, and the best weights are kept."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from refusal import refused
from tiny_training import CPU, QUICK, Pixelwise, rows, run, squares

from efficientcellseg.frozen import changed
from efficientcellseg.maps.cells import CELL_LOSSES
from efficientcellseg.training import loop
from efficientcellseg.training.batches import Batches
from efficientcellseg.training.loop import train
from efficientcellseg.training.progress import Progress


def test_the_average_forgets_its_start_then_slows_down():
    progress = Progress(Pixelwise(), QUICK)
    torch.nn.init.constant_(progress.averaged.weight, 0.0)
    torch.nn.init.constant_(progress.model.weight, 1.0)
    progress.update_average(0.99, 0)
    assert progress.averaged.weight[0, 0].item() == pytest.approx(0.9)  # 1 - 1/10
    progress.update_average(0.99, 10**6)
    assert progress.averaged.weight[0, 0].item() == pytest.approx(0.9 + 0.01 * 0.1)


@pytest.mark.parametrize("maps", [("cells",), ("centers",), ("centers", "cells")])
def test_two_epochs_lower_the_loss(tmp_path, maps):
    parameters = changed(QUICK, steps=8)
    network = run(tmp_path, parameters, maps=maps)
    assert not network.training
    curve = rows(tmp_path)
    assert [row["epoch"] for row in curve] == ["1", "2"]
    assert float(curve[1]["training_loss"]) < float(curve[0]["training_loss"])
    assert float(curve[0]["learning_rate"]) == 0.01
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert not list(tmp_path.glob(".*"))


def test_samples_without_the_target_are_refused(tmp_path):
    samples = squares()
    samples = replace(samples, targets={"cells": samples.targets["cells"]})
    with refused("target-missing", "centers"):
        run(tmp_path, samples=samples, maps=("cells", "centers"))


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
    run(tmp_path, changed(QUICK, accumulate=3, epochs=1))
    assert counts == {"draw": 3 * QUICK.steps, "step": QUICK.steps}


def use_loss(monkeypatch, loss):
    """Give the map of cells another loss."""
    monkeypatch.setitem(CELL_LOSSES, "dice", loss)


def test_training_ends_early_where_nothing_is_gained(tmp_path, monkeypatch):
    losses = iter([0.5, 1.0, 0.5, 2.0, 0.5, 3.0, 0.5, 4.0])
    use_loss(monkeypatch, lambda logits, *_: logits.mean() * 0 + next(losses))
    parameters = changed(QUICK, epochs=4, steps=1, early_stop=2)
    train(Pixelwise(), squares(), [1.0], parameters, tmp_path, CPU)
    assert len(rows(tmp_path)) == 3


def test_the_rate_follows_a_cosine(tmp_path):
    run(tmp_path, changed(QUICK, epochs=4, steps=1, schedule="cosine"))
    rates = [float(row["learning_rate"]) for row in rows(tmp_path)]
    wanted = [1e-4 + (0.01 - 1e-4) * (1 + math.cos(math.pi * i / 4)) / 2 for i in range(4)]
    np.testing.assert_allclose(rates, wanted, rtol=1e-6)


def test_a_diverged_run_is_refused(tmp_path, monkeypatch):
    use_loss(monkeypatch, lambda logits, *_: logits.sum() * math.nan)
    with refused("training-diverged", str(tmp_path)):
        train(Pixelwise(), squares(), [1.0], QUICK, tmp_path, CPU)


def test_the_rate_is_lowered_on_a_plateau(tmp_path, monkeypatch):
    use_loss(monkeypatch, lambda logits, *_: (logits * 0).sum() + 1)
    parameters = changed(QUICK, epochs=4, steps=1, patience=1, factor=0.5)
    train(Pixelwise(), squares(), [1.0], parameters, tmp_path, CPU)
    rates = [float(row["learning_rate"]) for row in rows(tmp_path)]
    assert rates == [0.01, 0.01, 0.01, 0.005]


def test_the_weights_kept_are_those_of_the_best_epoch(tmp_path, monkeypatch):
    # The validation loss (one call an epoch, after the one step) rises after the first epoch.
    losses = iter([0.5, 1.0, 0.5, 2.0, 0.5, 3.0])
    use_loss(monkeypatch, lambda logits, *_: logits.mean() * 0.01 + next(losses))
    kept = []
    genuine = loop.write_curve

    def spy(folder, curve):
        kept.append(torch.load(folder / "checkpoint.pt", weights_only=True)["averaged"]["weight"])
        genuine(folder, curve)

    monkeypatch.setattr(loop, "write_curve", spy)
    network = Pixelwise()
    parameters = changed(QUICK, epochs=3, steps=1)
    train(network, squares(), [1.0], parameters, tmp_path, CPU)
    assert torch.equal(network.weight, kept[0])
    assert not torch.equal(kept[0], kept[2])


def test_cross_entropy_joins_where_it_is_asked_for(tmp_path):
    rates = {}
    for loss in ("dice", "dice+entropy"):
        run(tmp_path / loss, changed(QUICK, cells_loss=loss), maps=("centers", "cells"))
        rates[loss] = float(rows(tmp_path / loss)[0]["training_loss"])
    # A network that knows nothing yet has an entropy of about log 2 a pixel.
    assert 0.3 < rates["dice+entropy"] - rates["dice"] < 1.0
