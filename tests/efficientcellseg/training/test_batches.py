"""Batches: what can be drawn, in which shares, and what is known of it."""

from dataclasses import replace

import numpy as np
import torch
from refusal import refused
from tiny_training import squares

from efficientcellseg.training.batches import Batches, drawable_samples
from efficientcellseg.training.samples import Samples


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
    found = drawable_samples(samples, np.ones(16, bool), 3)
    # Slices of a tile are two apart; the second frame has two in a row at most.
    first = [[0, 2, 4], [2, 4, 6], [4, 6, 8]]
    assert found.tolist() == first + [[i + 1 for i in slab] for slab in first]
    assert drawable_samples(samples, np.arange(16) >= 10, 2).tolist() == [[12, 14], [13, 15]]
    assert drawable_samples(samples, np.arange(16) < 2).tolist() == [0, 1]
    for planes in (6, 20):
        with refused("slabs-missing", str(planes)):
            drawable_samples(samples, np.ones(16, bool), planes)


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
