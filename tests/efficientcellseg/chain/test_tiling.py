"""Tiles: cover, partition, weights, seams."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal import refused
from scipy.ndimage import uniform_filter

from efficientcellseg.chain.inference import predict, tile_volume, untile_volume
from efficientcellseg.chain.tiling import cut, paste, plan_tiles, resize
from efficientcellseg.parameters.recipe import Tiling

SIZES = st.tuples(st.integers(1, 90), st.integers(1, 90))
TILINGS = st.builds(
    Tiling, rows=st.integers(1, 7), columns=st.integers(1, 7), overlap=st.floats(0, 0.5)
)


def spans(length: int, count: int, overlap: float) -> list[tuple[int, int]]:
    return [
        row for row, _ in plan_tiles((length, 1), Tiling(rows=count, columns=1, overlap=overlap))
    ]


@pytest.mark.parametrize(
    ("length", "count", "overlap", "wanted"),
    [
        (10, 1, 0.5, [(0, 10)]),
        (10, 2, 0.0, [(0, 5), (5, 10)]),
        (11, 2, 0.0, [(0, 5), (5, 11)]),
        # Three tiles of 5 share 2.5 with the next: starts at 0, 2.5, 5.
        (10, 3, 0.5, [(0, 5), (2, 7), (5, 10)]),
        # Two tiles of 4 share 1.
        (7, 2, 0.25, [(0, 4), (3, 7)]),
        # 0.1 is no binary fraction, and 19 = 10 + 10 - 1.
        (19, 2, 0.1, [(0, 10), (9, 19)]),
        # No more tiles than pixels.
        (3, 5, 0.0, [(0, 1), (1, 2), (2, 3)]),
    ],
)
def test_spans_worked_by_hand(length, count, overlap, wanted):
    assert spans(length, count, overlap) == wanted


def test_the_six_patches_of_the_paper_with_the_remainder():
    # Fluo-N3DL-TRIC: 2454 = 3 * 818 rows, 1693 = 2 * 846 + 1 columns.
    assert plan_tiles((2454, 1693), Tiling(rows=3, columns=2)) == [
        ((0, 818), (0, 846)),
        ((0, 818), (846, 1693)),
        ((818, 1636), (0, 846)),
        ((818, 1636), (846, 1693)),
        ((1636, 2454), (0, 846)),
        ((1636, 2454), (846, 1693)),
    ]


def test_a_slice_is_one_tile_unless_told():
    assert plan_tiles((30, 40), Tiling()) == [((0, 30), (0, 40))]
    assert plan_tiles((30, 40), Tiling(rows=2)) == [((0, 15), (0, 40)), ((15, 30), (0, 40))]


def coverage(shape: tuple[int, int], tiling: Tiling) -> np.ndarray:
    covered = np.zeros(shape, int)
    for (top, bottom), (left, right) in plan_tiles(shape, tiling):
        assert top < bottom
        assert left < right
        covered[top:bottom, left:right] += 1
    return covered


@given(SIZES, TILINGS)
def test_every_pixel_is_covered(shape, tiling):
    assert coverage(shape, tiling).min() >= 1


@given(SIZES, st.integers(1, 7), st.integers(1, 7))
def test_without_overlap_the_tiles_partition_the_slice(shape, rows, columns):
    assert (coverage(shape, Tiling(rows=rows, columns=columns)) == 1).all()


@given(SIZES, TILINGS)
def test_tiles_are_alike_and_evenly_spread(shape, tiling):
    for axis in (0, 1):
        found = sorted({tile[axis] for tile in plan_tiles(shape, tiling)})
        lengths = [stop - start for start, stop in found]
        steps = np.diff([start for start, _ in found])
        assert max(lengths) - min(lengths) <= 1
        assert not len(steps) or steps.max() - steps.min() <= 1


@given(SIZES, TILINGS)
def test_weights_sum_to_one(shape, tiling):
    tiles = plan_tiles(shape, tiling)
    side = max(max(b - t, r - left) for (t, b), (left, r) in tiles)
    pasted = paste(np.ones((len(tiles), side, side), np.float32), tiles, shape)
    np.testing.assert_allclose(pasted, 1, atol=1e-5)


@settings(deadline=None)
@given(st.integers(20, 60), st.integers(2, 6), st.floats(0.5, 0.85), st.integers(0, 99))
def test_more_than_two_tiles_over_a_pixel(length, count, overlap, seed):
    # Recipes may overlap by half at most.
    tiling = Tiling.model_construct(rows=count, columns=count, overlap=overlap)
    image = np.random.default_rng(seed).random((length, length), np.float32)
    tiles = plan_tiles(image.shape, tiling)
    if overlap > 0.7 and count > 3:
        assert coverage(image.shape, tiling).max() > 4
    maps = [image[top:bottom, left:right] for (top, bottom), (left, right) in tiles]
    np.testing.assert_allclose(paste(maps, tiles, image.shape), image, atol=1e-5)


def test_ramps_worked_by_hand():
    # Spans 0..4 and 2..6 share two pixels; ramps rise at the pixels' middles, 1/4 and 3/4.
    tiles = plan_tiles((6, 1), Tiling(rows=2, columns=1, overlap=1 / 2))
    assert [row for row, _ in tiles] == [(0, 4), (2, 6)]
    maps = np.stack([np.zeros((4, 1), np.float32), np.ones((4, 1), np.float32)])
    np.testing.assert_allclose(paste(maps, tiles, (6, 1))[:, 0], [0, 0, 0.25, 0.75, 1, 1])


def test_tiles_that_begin_together_worked_by_hand():
    # More tiles than pixels have room for: 0..1, 0..2 and 1..3, in steps of 3/4. The first pixel
    # is both tiles' alone, the second lies in the middle of a ramp of one pixel.
    tiles = plan_tiles((3, 1), Tiling(rows=3, columns=1, overlap=1 / 2))
    assert [row for row, _ in tiles] == [(0, 1), (0, 2), (1, 3)]
    maps = np.stack([np.full((4, 1), value, np.float32) for value in (1, 3, 5)])
    pasted = paste(maps, tiles, (3, 1))
    assert pasted.dtype == np.float32
    np.testing.assert_allclose(pasted[:, 0], [2, 4, 5])


def test_tiles_of_another_plan_are_not_pasted():
    tiles = plan_tiles((6, 6), Tiling(rows=2, columns=1))
    for count in (1, 3):
        with pytest.raises(ValueError, match="argument 2 is"):
            paste(np.zeros((count, 6, 6), np.float32), tiles, (6, 6))


@given(TILINGS, st.integers(0, 99))
def test_what_is_cut_is_pasted_back(tiling, seed):
    image = np.random.default_rng(seed).random((31, 44, 3), np.float32)
    tiles = plan_tiles(image.shape[:2], tiling)
    for channel in range(3):
        maps = [image[t:b, left:r, channel] for (t, b), (left, r) in tiles]
        np.testing.assert_allclose(paste(maps, tiles, (31, 44)), image[..., channel], atol=1e-6)


def test_cut_is_channels_first_and_does_not_resize_what_fits():
    image = np.random.default_rng(0).random((8, 8, 3), np.float32)
    tiles = plan_tiles((8, 8), Tiling(rows=2, columns=2))
    found = cut(image, tiles, 4)
    assert found.shape == (4, 3, 4, 4)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[1], np.moveaxis(image[:4, 4:], -1, 0))
    np.testing.assert_array_equal(found[2], np.moveaxis(image[4:, :4], -1, 0))


def test_one_channel_keeps_its_axes():
    image = np.arange(8, dtype=np.float32).reshape(4, 2, 1) * np.ones((1, 1, 1), np.float32)
    found = cut(image, [((0, 4), (0, 2))], 8)
    assert found.shape == (1, 1, 8, 8)
    assert found[0, 0, 0, 0] == image[0, 0, 0]
    assert found[0, 0, 7, 0] == image[3, 0, 0]
    assert found[0, 0, 0, 7] == image[0, 1, 0]


def test_resizing_takes_means_where_it_shrinks_along_each_axis():
    image = np.random.default_rng(1).random((12, 8), np.float32)
    means = image.reshape(4, 3, 8).mean(axis=1)
    np.testing.assert_allclose(resize(image, (4, 8)), means, atol=1e-6)
    np.testing.assert_allclose(
        resize(image, (4, 4)), means.reshape(4, 4, 2).mean(axis=2), atol=1e-6
    )
    # Rows shrink to means while columns grow: pixel middles fall at quarters of the old ones.
    wider = resize(image, (4, 16))
    np.testing.assert_allclose(wider[:, 0], means[:, 0], atol=1e-6)
    between = 0.75 * means[:, :-1] + 0.25 * means[:, 1:]
    np.testing.assert_allclose(wider[:, 1:-1:2], between, atol=1e-6)
    np.testing.assert_allclose(resize(image.T, (16, 4)), wider.T, atol=1e-6)


@pytest.mark.parametrize("shape", [(4, 4), (16, 16), (4, 20)])
@pytest.mark.parametrize("channels", [1, 3])
def test_channels_are_resized_each_by_itself(shape, channels):
    image = np.random.default_rng(2).random((12, 8, channels), np.float32)
    found = resize(image, shape)
    assert found.shape == (*shape, channels)
    for channel in range(channels):
        np.testing.assert_array_equal(found[..., channel], resize(image[..., channel], shape))


def test_seams_of_a_convolution():
    """A purely convolutional stand-in sees no seams, but for its own halo."""
    image = np.random.default_rng(0).random((112, 112), np.float32)
    tiling = Tiling(rows=2, columns=2, overlap=0.25)
    tiles = plan_tiles(image.shape, tiling)
    assert {row for row, _ in tiles} == {(0, 64), (48, 112)}  # 64 each, 16 in common

    def network(tile: np.ndarray) -> np.ndarray:
        return uniform_filter(tile, 3, mode="constant")

    maps = [network(image[slice(*row), slice(*column)]) for row, column in tiles]
    pasted = paste(np.stack(maps), tiles, image.shape)
    whole = network(image)
    inside = np.ones(112, bool)
    inside[[48, 63]] = False  # the tiles' own last pixels, blind to what lies beyond
    np.testing.assert_allclose(
        pasted[np.ix_(inside, inside)], whole[np.ix_(inside, inside)], atol=1e-6
    )
    # There, too, a tile's fault counts little: its weight is half a step of the 16-pixel ramp,
    # and it misses at most 5 of 9 pixels.
    assert np.abs(pasted - whole).max() < 2 * (0.5 / 16) * 5 / 9


def test_a_volume_through_a_network_pixel_by_pixel():
    import torch

    torch.manual_seed(0)
    network = torch.nn.Conv2d(3, 1, 1).eval()
    network.maps = ("cells",)
    colored = np.random.default_rng(0).random((3, 48, 80, 3), np.float32)
    tiling = Tiling(rows=2, columns=4, overlap=0.5)
    tiles = tile_volume(colored, colored.shape[:3], tiling, 32)
    assert tiles.shape == (24, 3, 32, 32)
    np.testing.assert_array_equal(tiles[8], np.moveaxis(colored[1, :32, :32], -1, 0))
    weight, bias = (p.detach().numpy() for p in network.parameters())
    wanted = 1 / (1 + np.exp(-(colored @ weight[0, :, 0, 0] + bias)))
    found = untile_volume(predict([network], tiles)["cells"], tiling, (3, 48, 80))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_another_plan_than_the_one_that_cut_is_refused():
    with refused("tiles-count", "6 tiles", "8, 4 for each of 2"):
        untile_volume(np.zeros((6, 4, 4), np.float32), Tiling(rows=2, columns=2), (2, 8, 8))


# Tiles of one side


def test_tiles_of_one_side_worked_by_hand():
    # 100 pixels in tiles of 40 that share 4 at least: three, at 0, 30 and 60.
    tiles = plan_tiles((100, 30), Tiling(side=40, overlap=0.1))
    assert tiles == [((0, 40), (0, 30)), ((30, 70), (0, 30)), ((60, 100), (0, 30))]
    # What fits exactly is not cut once more.
    assert plan_tiles((76, 40), Tiling(side=40, overlap=0.1)) == [
        ((0, 40), (0, 40)),
        ((36, 76), (0, 40)),
    ]


@given(SIZES, st.integers(16, 95), st.floats(0, 0.5))
def test_tiles_of_one_side_cover_the_slice_and_overlap(shape, side, overlap):
    covered = np.zeros(shape, int)
    tiles = plan_tiles(shape, Tiling(side=side, overlap=overlap))
    for (top, bottom), (left, right) in tiles:
        assert (bottom - top, right - left) == (min(side, shape[0]), min(side, shape[1]))
        covered[top:bottom, left:right] += 1
    assert covered.min() == 1
    for axis in (0, 1):
        ordered = sorted({tile[axis] for tile in tiles})
        shared = [a[1] - b[0] for a, b in itertools.pairwise(ordered)]
        assert all(pixels >= int(side * overlap) - 1 for pixels in shared)


def test_side_and_rows_are_not_both_said():
    with pytest.raises(ValueError, match="not both"):
        Tiling(side=40, rows=2)
