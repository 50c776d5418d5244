"""Validation: what is held out, and the overlap that is measured on it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from refusal import refused
from tiny_training import CPU, QUICK, Pixelwise, Slabwise, run, squares

from efficientcellseg.frozen import changed
from efficientcellseg.training.augmentation import Augmentation
from efficientcellseg.training.batches import Batches
from efficientcellseg.training.loop import train
from efficientcellseg.training.validation import Overlap, choose_fold


def test_mean_iou_worked_by_hand_over_two_batches():
    overlap = Overlap()
    for found, wanted, known in (
        ([1.0, 1.0, -1.0, -1.0], [1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0]),
        ([1.0, -1.0, -1.0, -1.0], [1.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 1.0]),
    ):
        overlap.add(*(torch.tensor(part)[None, None] for part in (found, wanted, known)))
    # Cells: 2 of 5; background: 2 of 5, over the seven known pixels.
    assert overlap.mean_iou() == pytest.approx((2 / 5 + 2 / 5) / 2)


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
        parameters = changed(QUICK, batch=2, epochs=1, steps=12, folds=4, fold=fold)
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
    parameters = changed(QUICK, epochs=1, steps=1, batch=1, validation=0.5, validation_samples=3)
    train(Pixelwise(), squares(), [1.0], parameters, tmp_path, CPU)
    assert counts == [1, 1, 1, 1]  # a step, then three that are held out


def test_a_single_frame_is_refused(tmp_path):
    with refused("frames-few", "1 frame"):
        run(tmp_path, samples=squares(1))


def test_a_fold_is_chosen_where_there_are_some():
    assert choose_fold(QUICK, None) == QUICK
    assert choose_fold(changed(QUICK, folds=4), 3).fold == 3
    with refused("fold-unknown", "1"):
        choose_fold(QUICK, 1)
    for fold in (None, 4, -1):
        with refused("fold-unknown", str(fold), "0 to 3"):
            choose_fold(changed(QUICK, folds=4), fold)
