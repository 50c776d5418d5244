"""The registry: what is said of each map is so, and what one network can learn."""

import numpy as np
import pytest
import torch
from refusal import refused

from efficientcellseg.maps import MAPS, check_maps, find_directions
from efficientcellseg.maps.offsets import OFFSETS


@pytest.mark.parametrize("name", list(MAPS))
def test_a_map_is_what_the_registry_says(name):
    entry = MAPS[name]
    assert entry.name == name
    assert entry.axis is None or entry.direction[entry.axis] == name
    labels = np.zeros((2, 12, 14), np.uint16)
    labels[:, 2:7, 3:9], labels[:, 7:10, 3:9] = 4, 6
    target = entry.target(labels, 2.0)
    assert (target.shape, target.dtype) == (labels.shape, np.float32)
    known = ~np.isnan(target)
    assert known[labels > 0].all()
    assert 0 <= target[known].min() <= target[known].max() <= 1
    # The loss is least where what is known is predicted, and learns nothing of the rest.
    wanted = torch.from_numpy(np.where(known, target, 0))[None]
    sure = torch.from_numpy(known).float()[None]
    chance = torch.Generator().manual_seed(0)
    least = entry.loss(torch.logit(wanted, eps=1e-6), wanted, sure).item()
    logits = torch.randn(wanted.shape, generator=chance, requires_grad=True)
    loss = entry.loss(logits, wanted, sure)
    assert least < loss.item()
    loss.backward()
    assert not logits.grad[sure == 0].any()
    assert logits.grad[sure == 1].any()


@pytest.mark.parametrize("name", list(MAPS))
def test_mirroring_an_image_mirrors_a_map_and_turns_a_direction(name):
    entry = MAPS[name]
    labels = np.zeros((3, 16, 18), np.uint16)
    labels[0, 2:7, 3:10], labels[:, 8:15, 9:14] = 2, 5  # odd sides: a voxel is the center
    for axis in range(3):
        mirrored = np.flip(entry.target(np.flip(labels, axis).copy(), 2.0), axis)
        expected = entry.target(labels, 2.0)
        if entry.axis == axis:
            expected = 1 - expected
        np.testing.assert_allclose(mirrored, expected, atol=1e-6)


@pytest.mark.parametrize("name", list(MAPS))
def test_a_slice_that_is_annotated_alone_tells_of_all_but_what_needs_a_volume(name):
    labels = np.ones((1, 3, 4), np.uint16)
    assert np.isnan(MAPS[name].target(labels, 2.0)).all() == MAPS[name].needs_volume


def test_maps_of_one_network():
    check_maps(["centers", "cells"])
    check_maps(["cells", *reversed(OFFSETS)])
    with refused("map-unknown", "nuclei", "neighbor_distance"):
        check_maps(["cells", "nuclei"])
    with refused("map-twice", "cells"):
        check_maps(["cells", "centers", "cells"])
    with refused("maps-incomplete", "offset_planes, offset_columns"):
        check_maps(["cells", "offset_rows"])


def test_directions_are_found_in_any_order():
    assert find_directions(["cells", "centers"]) == []
    assert find_directions(["offset_columns", "cells", "offset_planes", "offset_rows"]) == [
        (2, 3, 0)
    ]
