"""Augmentation: image, target and what is known move together, and directions turn with them."""

import math

import pytest
import torch
from refusal import refused

from efficientcellseg.maps.offsets import OFFSET_REACH, OFFSETS
from efficientcellseg.training.augmentation import Augmentation


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
    known = torch.ones_like(target)
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
    found, *_ = varied(0, images, target, torch.ones_like(target))
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


def test_cells_are_shown_larger_and_smaller_by_the_zoom():
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    disk = ((y - 47.5) ** 2 + (x - 47.5) ** 2 < 12**2).float()[None, None].repeat(60, 1, 1, 1)
    images = torch.zeros(60, 3, 96, 96)
    for zoom, low, high in ((1.0, 1.0, 1.0), (1.25, 0.8, 1.25), (2.0, 0.5, 2.0)):
        torch.manual_seed(0)
        augment = Augmentation(zoom=zoom)
        augment.geometry[2].p = 0.0  # bending
        _, moved, _ = augment(images, disk, torch.ones_like(disk))
        sizes = (moved.sum(dim=(1, 2, 3)) / disk[0].sum()).sqrt()
        assert low - 0.02 < sizes.min() < low + 0.1 * zoom
        assert high - 0.1 * zoom < sizes.max() < high + 0.02


def test_a_share_of_the_samples_is_gray():
    images = torch.rand(200, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    target = torch.zeros(200, 1, 16, 16)
    torch.manual_seed(0)
    found, *_ = Augmentation(gray=0.25)(images, target, torch.ones_like(target))
    # Noise is each channel's own, so that only gray slices agree closely.
    alike = (found - found[:, 1:2]).abs().mean(dim=(1, 2, 3)) == 0
    assert 30 < alike.sum() < 70
    found, *_ = Augmentation(gray=1.0)(images, target, torch.ones_like(target))
    assert torch.equal(found[:, 0], found[:, 1])
    assert torch.equal(found[:, 2], found[:, 1])


def test_light_varies_more_where_that_is_asked_for():
    flat = torch.full((100, 3, 32, 32), 0.5)
    target = torch.zeros(100, 1, 32, 32)
    spread = {}
    for lighting in (False, True):
        torch.manual_seed(0)
        found, *_ = Augmentation(lighting=lighting)(flat, target, torch.ones_like(target))
        assert found.min() >= 0
        assert found.max() <= 1
        # Between images, and of coarse patches within one: uneven illumination.
        green = found[:, 1]
        patches = torch.nn.functional.avg_pool2d(green, 8).flatten(1)
        spread[lighting] = green.mean(dim=(1, 2)).std(), patches.std(dim=1).quantile(0.9)
    assert spread[True][0] > 1.5 * spread[False][0]
    assert spread[True][1] > 3 * spread[False][1]


# Directions


@pytest.mark.parametrize("seed", range(6))
def test_offsets_turn_with_the_image(seed):
    # An ellipse in the middle: whatever turns it, its own mask says where its center went.
    maps = ("cells", *OFFSETS)
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    cell = (((y - 26) / 10) ** 2 + ((x - 36) / 5) ** 2 < 1).float()
    offsets = [
        0.7 * torch.ones(64, 64),
        *(0.5 + (c - a) / (2 * OFFSET_REACH) for c, a in ((26, y), (36, x))),
    ]
    target = torch.stack([cell, *offsets])[None].repeat(8, 1, 1, 1)
    images = torch.zeros(8, 3, 64, 64)
    images[:, 0] = 0.9  # red: tells which samples were turned over
    augment = Augmentation(maps)
    augment.geometry[2].p = 0.0  # bending
    torch.manual_seed(seed)
    kept = target.clone()
    found, moved, known = augment(images, target, torch.ones_like(target))
    assert torch.equal(known[:, 1], known[:, 3])
    assert 0 < known[:, 0].mean() - known[:, 1].mean() < 0.5  # corners, mirrored in
    for image, sample, sure in zip(found, moved, known, strict=True):
        mask = sample[0] * sure[1]
        inside = mask > 0.99
        center = [(a * mask).sum() / mask.sum() for a in (y, x)]
        for middle, along, channel in zip(center, (y, x), (2, 3), strict=True):
            pixels = (sample[channel] - 0.5) * (2 * OFFSET_REACH)
            assert (pixels - (middle - along))[inside].abs().max() < 0.6
        red, _, blue = image.mean(dim=(1, 2))
        if not math.isclose(red, blue, abs_tol=0.1):
            up = 0.7 if red > blue else 0.3
            # As many times as far as the cell is long now.
            zoom = (sample[0].sum() / cell.sum()).sqrt()
            assert (sample[1][inside] - (0.5 + zoom * (up - 0.5))).abs().max() < 0.01
    assert torch.equal(target, kept)


def test_slabs_turn_as_slices_do():
    maps = ("cells", *OFFSETS)
    chance = torch.Generator().manual_seed(0)
    target = torch.rand(4, 4, 1, 32, 32, generator=chance).expand(-1, -1, 3, -1, -1).contiguous()
    known = torch.ones_like(target)
    torch.manual_seed(1)
    _, slabs, sure = Augmentation(maps)(target[:, :1], target, known)
    assert slabs.shape == sure.shape == target.shape
    for plane in (0, 2):
        torch.testing.assert_close(slabs[:, :, plane], slabs[:, :, 1])
        assert torch.equal(sure[:, :, plane], sure[:, :, 1])
    assert 0 < sure[:, 1].mean() < sure[:, 0].mean()


def test_offsets_are_learnt_together():
    with refused("maps-incomplete", "offset_planes"):
        Augmentation(("cells", "offset_rows", "offset_columns"))
