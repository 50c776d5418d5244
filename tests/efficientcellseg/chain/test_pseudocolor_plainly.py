"""Pseudocolor bit by bit as the plain way gives it: loops, quantiles and copies of the whole."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import gaussian_filter

from efficientcellseg.chain.pseudocolor import bright_regions, pseudocolor, pseudocolored_planes
from efficientcellseg.frozen import changed
from efficientcellseg.parameters.recipe import Pseudocolor

PLAIN = Pseudocolor(grid=4)


def plain_scale(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    width = np.asarray(high, np.float32) - np.asarray(low, np.float32)
    return np.clip((values - low) / np.where(width > 0, width, 1), 0, 1)


def plain_regions(plane: np.ndarray, parameters: Pseudocolor) -> np.ndarray:
    """Let the threshold rise step by step."""
    if parameters.bits == 8 and plane.dtype != np.uint8:
        plane = np.rint(255 * plain_scale(plane.astype(np.float32), plane.min(), plane.max()))
        plane = plane.astype(np.uint8)
    grid = min(parameters.grid, *plane.shape)
    equalized = cv2.createCLAHE(parameters.clip_limit, (grid, grid)).apply(plane)
    equalized = equalized.astype(np.float32)
    scaled = plain_scale(equalized, equalized.min(), equalized.max())
    blurred = cv2.blur(scaled, (parameters.blur, parameters.blur))
    for rise in range(parameters.steps + 1):
        regions = blurred > parameters.threshold + rise * parameters.step
        if 0 < np.count_nonzero(regions) <= parameters.adjacent_mean * regions.size:
            break
    return regions


def plain_pseudocolor(volume: np.ndarray, parameters: Pseudocolor) -> np.ndarray:
    """Color the whole volume at once, in three channels."""
    context = parameters.context if len(volume) > 1 else parameters.context_2d
    by_volume = parameters.normalize == "volume"
    green = volume.astype(np.float32)
    if by_volume:
        green = plain_scale(green, green.min(), np.quantile(green, 0.999))
    colored = np.repeat(green[..., None], 3, axis=-1)
    regions = np.stack([plain_regions(plane, parameters) for plane in volume])
    for z in range(len(volume)):
        for neighbor, channel in ((z - parameters.distance, 0), (z + parameters.distance, 2)):
            inside = 0 <= neighbor < len(volume)
            if context == "intensity":
                colored[z, ..., channel] = green[neighbor] if inside else 0
            elif context == "highlight":
                if inside:
                    colored[z, ..., channel] += green[z] * regions[neighbor]
                if by_volume:
                    colored[z, ..., channel] /= 2
    if not by_volume:
        axes = (1, 2) if parameters.normalize == "channel" else (1, 2, 3)
        lowest, highest = (f(axis=axes, keepdims=True) for f in (colored.min, colored.max))
        colored = plain_scale(colored, lowest, highest)
    return colored


volumes = st.sampled_from([np.uint8, np.uint16]).flatmap(
    lambda kind: arrays(
        kind,
        st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9)),
        elements=st.one_of(st.integers(0, 3), st.integers(0, np.iinfo(kind).max)),
    )
)
parameters = st.builds(
    Pseudocolor,
    grid=st.just(4),
    blur=st.integers(1, 4),
    bits=st.sampled_from([8, 16]),
    steps=st.integers(0, 40),
    threshold=st.floats(0, 1),
    adjacent_mean=st.floats(0.01, 1),
    normalize=st.sampled_from(["channel", "joint", "volume"]),
    context=st.sampled_from(["highlight", "intensity", "none"]),
    context_2d=st.sampled_from(["highlight", "intensity", "none"]),
    distance=st.integers(1, 5),
)


@settings(max_examples=200)
@given(volumes, parameters)
def test_slices_are_bit_by_bit_those_of_the_plain_way(volume, parameters):
    for plane in volume:
        regions = bright_regions(plane, parameters)
        np.testing.assert_array_equal(regions, plain_regions(plane, parameters))
    found, wanted = pseudocolor(volume, parameters), plain_pseudocolor(volume, parameters)
    assert found.dtype == wanted.dtype == np.float32
    assert found.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("normalize", ["channel", "volume"])
def test_so_are_those_of_larger_volumes_on_any_number_of_cores(normalize, threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
    noise = gaussian_filter(np.random.default_rng(0).random((9, 67, 81)), (0, 2.5, 2.5))
    volume = (noise * 4095).astype(np.uint16)
    parameters = changed(PLAIN, normalize=normalize, distance=2, adjacent_mean=0.1)
    wanted = plain_pseudocolor(volume, parameters)
    assert pseudocolor(volume, parameters).tobytes() == wanted.tobytes()
    sums = list(pseudocolored_planes(volume, parameters, lambda plane: plane.sum()))
    assert sums == [plane.sum() for plane in wanted]
