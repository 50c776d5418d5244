"""Pseudocolor against a literal restatement of the method, CLAHE and box blur included."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from refusal import refused
from scipy.ndimage import gaussian_filter

from ctc_eval.format import read_volume
from efficientcellseg.chain.pseudocolor import bright_regions, pseudocolor
from efficientcellseg.frozen import changed
from efficientcellseg.parameters.recipe import Pseudocolor

SMALL = Pseudocolor(grid=4, bits=8, adjacent_mean=0.1)


def smooth_noise(*shape: int, seed: int = 0, top: int = 255, kind: type = np.uint8) -> np.ndarray:
    """Make something like an image: blurred noise over the full range."""
    volume = np.random.default_rng(seed).random(shape)
    volume = np.stack([cv2.GaussianBlur(plane, (0, 0), 2.5) for plane in volume])
    volume -= volume.min()
    return (volume / volume.max() * top).astype(kind)


# The method, literally. Nothing here is shared with the package.


def slow_clahe(plane: np.ndarray, limit: float, grid: int) -> np.ndarray:
    """Contrast limited adaptive histogram equalization, the way OpenCV does it."""
    bins = 256 if plane.dtype == np.uint8 else 65536
    rows, columns = plane.shape
    padded = plane
    if rows % grid or columns % grid:
        # Both axes are padded as soon as one needs it, by a whole tile count if it does not.
        padding = ((0, grid - rows % grid), (0, grid - columns % grid))
        padded = np.pad(plane, padding, mode="reflect")
    height, width = padded.shape[0] // grid, padded.shape[1] // grid
    area = height * width
    clip = max(int(limit * area / bins), 1)
    scale = np.float32(bins - 1) / np.float32(area)
    luts = np.empty((grid, grid, bins), np.float32)
    for i in range(grid):
        for j in range(grid):
            tile = padded[i * height : (i + 1) * height, j * width : (j + 1) * width]
            histogram = np.bincount(tile.ravel(), minlength=bins)
            excess = int(np.maximum(histogram - clip, 0).sum())
            histogram = np.minimum(histogram, clip) + excess // bins
            rest = excess % bins
            if rest:
                step = max(bins // rest, 1)
                histogram[: rest * step : step] += 1
            cumulated = np.cumsum(histogram).astype(np.float32) * scale
            luts[i, j] = np.clip(np.rint(cumulated), 0, bins - 1)

    def between(position: np.ndarray, side: int) -> tuple:
        place = position.astype(np.float32) * (np.float32(1) / np.float32(side)) - np.float32(0.5)
        before = np.floor(place).astype(int)
        share = place - before.astype(np.float32)
        return np.maximum(before, 0), np.minimum(before + 1, grid - 1), share

    top, bottom, down = between(np.arange(rows), height)
    left, right, along = between(np.arange(columns), width)
    top, bottom, down = top[:, None], bottom[:, None], down[:, None]
    upper = luts[top, left, plane] * (1 - along) + luts[top, right, plane] * along
    lower = luts[bottom, left, plane] * (1 - along) + luts[bottom, right, plane] * along
    return np.rint(upper * (1 - down) + lower * down).astype(plane.dtype)


def slow_box_blur(image: np.ndarray, side: int) -> np.ndarray:
    """Mean over side x side; the window of an even side reaches further up and left."""
    rows, columns = image.shape

    def mirror(index: int, length: int) -> int:
        while length > 1 and not 0 <= index < length:
            index = -index if index < 0 else 2 * (length - 1) - index
        return index if length > 1 else 0

    blurred = np.empty(image.shape)
    reach = range(-(side // 2), side - side // 2)
    for y in range(rows):
        for x in range(columns):
            window = [
                image[mirror(y + i, rows), mirror(x + j, columns)] for i in reach for j in reach
            ]
            blurred[y, x] = np.mean(window, dtype=np.float64)
    return blurred


def slow_regions(plane: np.ndarray, parameters: Pseudocolor) -> np.ndarray:
    if parameters.bits == 8 and plane.dtype == np.uint16:
        stretched = (plane - float(plane.min())) / max(float(plane.max()) - float(plane.min()), 1)
        plane = np.rint(255 * stretched).astype(np.uint8)
    equalized = slow_clahe(plane, parameters.clip_limit, parameters.grid).astype(float)
    low, high = equalized.min(), equalized.max()
    scaled = (equalized - low) / (high - low) if high > low else np.zeros(plane.shape)
    blurred = slow_box_blur(scaled, parameters.blur)
    threshold, rises = parameters.threshold, 0
    mask = blurred > threshold
    while not 0 < mask.mean() <= parameters.adjacent_mean and rises < parameters.steps:
        threshold, rises = threshold + parameters.step, rises + 1
        mask = blurred > threshold
    return mask


def slow_pseudocolor(volume: np.ndarray, parameters: Pseudocolor) -> np.ndarray:
    planes = len(volume)
    source = volume.astype(float)
    if parameters.normalize == "volume":
        low, high = source.min(), np.quantile(source, 0.999)
        source = np.clip((source - low) / (high - low), 0, 1)
    colored = np.zeros((*volume.shape, 3))
    context = parameters.context if planes > 1 else "none"
    for z in range(planes):
        colored[z, :, :, 1] = source[z]
        for channel, neighbor in ((0, z - parameters.distance), (2, z + parameters.distance)):
            if context == "none":
                colored[z, :, :, channel] = source[z]
                continue
            if context == "intensity":
                there = 0 <= neighbor < planes
                colored[z, :, :, channel] = source[neighbor] if there else 0
                continue
            mask = np.zeros(volume.shape[1:])
            if 0 <= neighbor < planes:
                mask = slow_regions(volume[neighbor], parameters)
            colored[z, :, :, channel] = mask * source[z] + source[z]
        if parameters.normalize == "volume":
            half = 2 if context == "highlight" else 1
            colored[z, :, :, 0] /= half
            colored[z, :, :, 2] /= half
        elif parameters.normalize == "joint":
            colored[z] = (colored[z] - colored[z].min()) / (colored[z].max() - colored[z].min())
        else:
            for channel in range(3):
                values = colored[z, :, :, channel]
                colored[z, :, :, channel] = (values - values.min()) / (values.max() - values.min())
    return colored


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("limit", [1.0, 10.0, 400.0])
@pytest.mark.parametrize(
    ("shape", "grid"), [((64, 96), 16), ((61, 83), 16), ((64, 83), 8), ((5, 7), 4), ((9, 9), 1)]
)
def test_the_restated_clahe_is_opencvs(shape, grid, limit, kind):
    if kind == np.uint16 and grid == 16 and limit != 10.0:
        limit = 10.0 * limit  # 16 bits and the published grid are costly: once is enough
    plane = smooth_noise(1, *shape, top=np.iinfo(kind).max, kind=kind)[0]
    found = cv2.createCLAHE(limit, (grid, grid)).apply(plane)
    wanted = slow_clahe(plane, limit, grid)
    # Equal to the digit where this was written; other processors may round the last one.
    np.testing.assert_allclose(found.astype(int), wanted.astype(int), atol=1, rtol=0)
    assert (found == wanted).mean() > 0.99


@pytest.mark.parametrize("side", [1, 3, 8])
def test_the_restated_blur_is_opencvs(side):
    image = np.random.default_rng(0).random((6, 9), np.float32)
    np.testing.assert_allclose(cv2.blur(image, (side, side)), slow_box_blur(image, side), atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "top", "parameters"),
    [
        (np.uint8, 255, Pseudocolor(adjacent_mean=0.1)),
        (np.uint16, 4095, Pseudocolor(adjacent_mean=0.1)),
        (np.uint16, 4095, changed(SMALL, blur=3)),
        (np.uint16, 65535, changed(SMALL, clip_limit=2.5, threshold=0.05, step=0.03)),
        (np.uint8, 200, changed(SMALL, steps=0)),
    ],
)
def test_bright_regions_as_restated(kind, top, parameters):
    plane = smooth_noise(1, 37, 42, top=top, kind=kind)[0]
    wanted = slow_regions(plane, parameters)
    assert 0 < wanted.sum() < wanted.size
    np.testing.assert_array_equal(bright_regions(plane, parameters), wanted)


@pytest.mark.parametrize("normalize", ["channel", "joint", "volume"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("planes", [1, 4])
def test_pseudocolor_as_restated(planes, kind, normalize):
    top = 255 if kind == np.uint8 else 4095
    volume = smooth_noise(planes, 32, 27, top=top, kind=kind, seed=planes)
    parameters = changed(SMALL, normalize=normalize)
    colored = pseudocolor(volume, parameters)
    assert colored.shape == (planes, 32, 27, 3)
    assert colored.dtype == np.float32
    np.testing.assert_allclose(colored, slow_pseudocolor(volume, parameters), atol=2e-6)


@pytest.mark.parametrize("context", ["highlight", "intensity"])
@pytest.mark.parametrize("normalize", ["channel", "volume"])
@pytest.mark.parametrize("distance", [1, 2, 3, 7])
def test_neighbors_further_away_as_restated(distance, normalize, context):
    volume = smooth_noise(5, 16, 15, kind=np.uint16, seed=1)
    parameters = changed(SMALL, normalize=normalize, context=context, distance=distance)
    with np.errstate(invalid="ignore"):  # channels without a neighbor are constant
        wanted = np.nan_to_num(slow_pseudocolor(volume, parameters))
    np.testing.assert_allclose(pseudocolor(volume, parameters), wanted, atol=2e-6)


def test_published_parameters_are_the_defaults():
    assert Pseudocolor() == Pseudocolor(
        clip_limit=10, grid=16, bits=16, blur=8, threshold=0.2, step=0.01, steps=30,
        adjacent_mean=0.03, normalize="channel",
    )  # fmt: skip


def bright_square() -> np.ndarray:
    """A bright square in the middle plane of three, over a gradient in all."""
    volume = np.broadcast_to(np.arange(40, dtype=np.uint8), (3, 40, 40)).copy()
    volume[1, 10:30, 10:30] = 200
    return volume


def test_regions_of_the_neighbors_land_in_red_and_blue():
    volume = bright_square()
    regions = bright_regions(volume[1], SMALL)
    assert regions[14:26, 14:26].all()  # the blur wears the edges off
    assert not regions[:5, :5].any()
    colored = pseudocolor(volume, changed(SMALL, normalize="joint"))
    # Slice 2 has the square above it: red is twice green there. The whole is scaled by the
    # brightest value, a doubled one, since the lowest is 0.
    np.testing.assert_allclose(colored[2, regions, 0], 2 * colored[2, regions, 1], rtol=1e-6)
    np.testing.assert_allclose(colored[2, ~regions, 0], colored[2, ~regions, 1], rtol=1e-6)
    # Slice 0 has it below: blue.
    np.testing.assert_allclose(colored[0, regions, 2], 2 * colored[0, regions, 1], rtol=1e-6)


def test_missing_neighbors_brighten_nothing():
    colored = pseudocolor(smooth_noise(3, 30, 30), SMALL)
    np.testing.assert_array_equal(colored[0, ..., 0], colored[0, ..., 1])
    np.testing.assert_array_equal(colored[-1, ..., 2], colored[-1, ..., 1])
    assert (colored[1, ..., 0] != colored[1, ..., 1]).any()


@pytest.mark.parametrize("normalize", ["channel", "joint", "volume"])
@pytest.mark.parametrize("context", ["highlight", "intensity", "none"])
def test_a_plane_alone_is_gray_whatever_the_context(context, normalize):
    plane = smooth_noise(1, 20, 30)
    colored = pseudocolor(plane, changed(SMALL, context=context, normalize=normalize))
    for channel in (0, 2):
        np.testing.assert_array_equal(colored[..., channel], colored[..., 1])
    assert colored.max() == 1


def test_a_network_may_have_learnt_otherwise_of_planes_alone():
    plane = smooth_noise(1, 20, 30)
    by_volume = changed(SMALL, normalize="volume")
    neighbors = changed(by_volume, context_2d="intensity")
    dark = pseudocolor(plane, neighbors)
    assert dark[..., 1].any()
    assert not dark[..., [0, 2]].any()
    half = pseudocolor(plane, changed(by_volume, context_2d="highlight"))
    np.testing.assert_array_equal(half[..., 0], half[..., 1] / 2)
    # Of more planes it says nothing.
    volume = smooth_noise(3, 20, 30)
    np.testing.assert_array_equal(pseudocolor(volume, neighbors), pseudocolor(volume, by_volume))


@pytest.mark.parametrize("normalize", ["channel", "joint", "volume"])
@pytest.mark.parametrize("value", [0, 7, 255])
def test_constant_slices_are_black_and_brighten_nothing(value, normalize):
    volume = smooth_noise(3, 30, 30)
    volume[1] = value
    assert not bright_regions(volume[1], SMALL).any()
    colored = pseudocolor(volume, changed(SMALL, normalize=normalize))
    plain = colored[0, ..., 1] / (2 if normalize == "volume" else 1)
    np.testing.assert_array_equal(colored[0, ..., 2], plain)
    plain = colored[2, ..., 1] / (2 if normalize == "volume" else 1)
    np.testing.assert_array_equal(colored[2, ..., 0], plain)
    if normalize == "channel" and value == 0:
        assert not colored[1].any()


@pytest.mark.parametrize("normalize", ["channel", "joint", "volume"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_an_all_zero_volume_stays_zero(kind, normalize):
    volume = np.zeros((2, 20, 20), kind)
    assert not pseudocolor(volume, changed(SMALL, normalize=normalize)).any()


def test_the_threshold_rises_until_the_regions_are_small_enough():
    plane = smooth_noise(1, 60, 60)[0]
    shares = [
        bright_regions(plane, changed(SMALL, adjacent_mean=share)).mean()
        for share in (0.8, 0.7, 0.6)
    ]
    assert all(share <= limit for share, limit in zip(shares, (0.8, 0.7, 0.6), strict=True))
    assert shares == sorted(shares, reverse=True)
    # It starts at 0.2 where that is small enough, and ends 30 steps of 0.01 above, at 0.5.
    fixed = changed(SMALL, steps=0)
    first, last = (bright_regions(plane, changed(fixed, threshold=t)) for t in (0.2, 0.5))
    np.testing.assert_array_equal(
        bright_regions(plane, changed(SMALL, adjacent_mean=first.mean())), first
    )
    np.testing.assert_array_equal(bright_regions(plane, changed(SMALL, adjacent_mean=1e-9)), last)
    assert first.sum() > last.sum() > 0


def test_eight_bits_are_the_stretched_sixteen():
    volume = smooth_noise(3, 40, 40)
    volume[:, 0, :2] = [0, 255]  # each slice spans the range, so stretching changes nothing
    wide = volume.astype(np.uint16) * 16
    np.testing.assert_allclose(pseudocolor(volume, SMALL), pseudocolor(wide, SMALL), atol=1e-6)


def test_volume_scaling_keeps_dark_slices_dark_and_clips_hot_pixels():
    volume = smooth_noise(4, 50, 50, top=100)
    volume[3] //= 10
    volume[0, 0, 0] = 255
    colored = pseudocolor(volume, changed(SMALL, normalize="volume"))
    green = colored[..., 1]
    assert green[0, 0, 0] == 1
    # One voxel in 10000 is hot: the scale goes by the others.
    np.testing.assert_allclose(
        green[1].max(), volume[1].max() / np.quantile(volume, 0.999), rtol=1e-5
    )
    assert green[3].max() < 0.12
    # Red is half the green where nothing is brightened, all of it where something is.
    np.testing.assert_allclose(colored[0, ..., 0], green[0] / 2, rtol=1e-6)
    regions = bright_regions(volume[0], SMALL)
    np.testing.assert_allclose(colored[1, regions, 0], green[1, regions], rtol=1e-6)


@pytest.mark.parametrize(("kind", "top"), [(np.uint8, 40), (np.uint16, 40), (np.uint8, 1)])
def test_blurring_goes_before_and_loses_nothing_to_rounding(kind, top):
    """By a width along each axis, the border repeated; stretched over all 16 bits."""
    volume = smooth_noise(4, 24, 30, top=top, kind=kind, seed=3)
    volume[0, 0, :4] = top
    sigma = (0.6, 1.0, 2.0)
    padded = np.pad(volume.astype(float), 9, mode="edge")
    blurred = gaussian_filter(padded, sigma)[9:-9, 9:-9, 9:-9]
    stretched = (blurred - blurred.min()) / (blurred.max() - blurred.min()) * 65535
    plain = changed(SMALL, normalize="volume", context="intensity")
    wanted = pseudocolor(np.rint(stretched).astype(np.uint16), plain)
    found = pseudocolor(volume, changed(plain, smoothing=sigma))
    np.testing.assert_allclose(found, wanted, atol=2 / 65535)
    assert not pseudocolor(np.full_like(volume, 7), changed(plain, smoothing=sigma)).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (3, 5), (17, 16)])
def test_small_slices_take_fewer_tiles(shape):
    plane = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    regions = bright_regions(plane, Pseudocolor())
    assert regions.shape == shape
    np.testing.assert_array_equal(
        regions, slow_regions(plane, changed(Pseudocolor(), grid=min(16, *shape)))
    )


@settings(max_examples=40, deadline=None)
@given(
    arrays(
        st.sampled_from([np.uint8, np.uint16]),
        st.tuples(st.integers(1, 3), st.integers(2, 9), st.integers(2, 9)),
    ),
    st.sampled_from(["channel", "joint", "volume"]),
    st.floats(0.001, 1),
)
def test_values_range_order_and_source(volume, normalize, share):
    parameters = changed(SMALL, normalize=normalize, adjacent_mean=share)
    before = volume.copy()
    colored = pseudocolor(volume, parameters)
    np.testing.assert_array_equal(volume, before)
    assert np.isfinite(colored).all()
    assert colored.min() >= 0
    assert colored.max() <= 1
    for plane, green in zip(volume, colored[..., 1], strict=True):
        # Green goes up where the slice does, never down.
        assert (np.diff(green.ravel()[np.argsort(plane, axis=None)]) >= 0).all()
    # Brightening only brightens: where a channel is not rescaled by itself, red and blue are
    # not below the unbrightened slice.
    floor = colored[..., 1] / (2 if normalize == "volume" else 1)
    if normalize != "channel":
        assert (colored[..., 0] >= floor - 1e-6).all()
        assert (colored[..., 2] >= floor - 1e-6).all()


@pytest.mark.parametrize("kind", [np.int16, np.float32, np.uint32, np.bool_])
def test_other_types_are_refused(kind):
    with refused("pixel-type", str(np.dtype(kind))):
        pseudocolor(np.zeros((1, 8, 8), kind), SMALL)


def test_real_frame(data_root):
    path = data_root / "BBBC050" / "01" / "t005.tif"
    if not path.is_file():
        pytest.skip(f"{path}: not there")
    volume = read_volume(path)[20:22, 20:100, 20:100]
    parameters = Pseudocolor(bits=8, adjacent_mean=0.12)
    colored = pseudocolor(volume, parameters)
    np.testing.assert_allclose(colored, slow_pseudocolor(volume, parameters), atol=2e-6)
    assert (colored[1, ..., 0] != colored[1, ..., 1]).any()
