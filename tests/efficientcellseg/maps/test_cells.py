"""Cells: the mask, and the Dice loss worked by hand."""

import math

import numpy as np
import pytest
import torch

from efficientcellseg.maps.cells import (
    cell_mask,
    dice_entropy_loss,
    dice_loss,
    dice_lovasz_loss,
    dice_outline_loss,
)


def test_the_mask_is_where_there_are_cells():
    labels = np.array([[[0, 3, 3], [7, 0, 1]]], np.uint16)
    found = cell_mask(labels, 2.0)
    assert found.dtype == np.float32
    assert found.tolist() == [[[0, 1, 1], [1, 0, 1]]]


def test_dice_worked_by_hand():
    # Probabilities 0.8, 0.4, 0.1, 0.5 against 1, 1, 0, 0: overlap 1.2, sums 1.8 and 2.
    logits = torch.logit(torch.tensor([[[0.8, 0.4, 0.1, 0.5]]]))
    target = torch.tensor([[[1.0, 1.0, 0.0, 0.0]]])
    wanted = 1 - (2 * 1.2 + 1) / (1.8 + 2 + 1)
    assert dice_loss(logits, target, torch.ones_like(target)).item() == pytest.approx(
        wanted, rel=1e-5
    )
    # Without the second pixel: overlap 0.8, sums 1.4 and 1.
    known = torch.tensor([[[1.0, 0.0, 1.0, 1.0]]])
    wanted = 1 - (2 * 0.8 + 1) / (1.4 + 1 + 1)
    assert dice_loss(logits, target, known).item() == pytest.approx(wanted, rel=1e-5)


def test_dice_is_0_where_the_prediction_is_right_and_near_1_where_it_is_wrong():
    target = (torch.rand(2, 16, 16, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    right = (2 * target - 1) * 50
    known = torch.ones_like(target)
    assert dice_loss(right, target, known).item() == pytest.approx(0, abs=1e-6)
    assert dice_loss(-right, target, known).item() == pytest.approx(1, abs=0.01)
    empty = torch.zeros(1, 4, 4)
    assert dice_loss(empty - 50, empty, torch.ones_like(empty)).item() == pytest.approx(0, abs=1e-6)


def test_dice_and_entropy_worked_by_hand():
    logits = torch.logit(torch.tensor([[[0.8, 0.4, 0.1, 0.5]]]))
    target = torch.tensor([[[1.0, 1.0, 0.0, 0.5]]])
    # Of the last pixel nothing is known.
    known = torch.tensor([[[1.0, 1.0, 1.0, 0.0]]])
    dice = 1 - (2 * 1.2 + 1) / (1.3 + 2 + 1)
    entropy = -(math.log(0.8) + math.log(0.4) + math.log(0.9)) / 3
    found = dice_entropy_loss(logits, target, known).item()
    assert found == pytest.approx(dice + entropy, rel=1e-5)
    assert dice_entropy_loss(logits, target, 0 * known).item() == 0


def test_outlines_count_five_times_as_much():
    target = torch.zeros(1, 1, 9, 16)
    target[..., 8:] = 1
    known = torch.ones_like(target)
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(target.shape, generator=generator)
    # The outline lies between columns 7 and 8; two columns on each side are near.
    weight = np.array([1.0] * 6 + [5.0] * 4 + [1.0] * 6)
    probability = 1 / (1 + np.exp(-logits.double().numpy()))
    hit = np.where(target.numpy() > 0, probability, 1 - probability)
    entropy = (-np.log(hit) * weight).sum() / (9 * weight.sum())
    found = dice_outline_loss(logits, target, known) - dice_loss(logits, target, known)
    assert found.item() == pytest.approx(entropy, rel=1e-5)
    assert dice_outline_loss(logits, target, 0 * known).item() == 0


def test_the_lovasz_hinge_of_sure_predictions_is_twice_the_jaccard_distance():
    generator = torch.Generator().manual_seed(2)
    target, guess = (torch.rand(2, 1, 8, 8, generator=generator).round() for _ in range(2))
    known = torch.ones_like(target)
    logits = 2 * guess - 1  # right by a margin of 1, or wrong by one
    jaccard = (target * guess).sum() / ((target + guess) > 0).sum()
    found = dice_lovasz_loss(logits, target, known) - dice_loss(logits, target, known)
    assert found.item() == pytest.approx(2 * (1 - jaccard.item()), rel=1e-5)
    right = dice_lovasz_loss(2 * target - 1, target, known)
    assert right.item() == pytest.approx(dice_loss(2 * target - 1, target, known).item())


def test_the_lovasz_hinge_leaves_out_what_is_not_known():
    target = torch.tensor([1.0, 1.0, 0.0, 0.0]).reshape(1, 1, 1, 4)
    logits = torch.tensor([2.0, -3.0, -2.0, 5.0]).reshape(1, 1, 1, 4)
    known = torch.tensor([1.0, 0.0, 1.0, 0.0]).reshape(1, 1, 1, 4)
    found = dice_lovasz_loss(logits, target, known) - dice_loss(logits, target, known)
    assert found.item() == pytest.approx(0, abs=1e-6)
