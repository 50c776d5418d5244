"""Scale: sizes of cells by hand, tiles that follow, and what a first look finds."""

import numpy as np
import pytest
from refusal import refused

from efficientcellseg.chain.scale import (
    LearntSizes,
    brightest_window,
    check_scale,
    estimate_by_threshold,
    fit_tile,
    input_diameter,
    measure_cells,
    section_diameters,
    typical_diameter,
)

LEARNT = LearntSizes(low=10, median=20, high=40, input_size=160)


def disks(radius: float, planes: int = 3, side: int = 200) -> np.ndarray:
    """Paint a grid of bright disks, alike in all planes, three radii apart."""
    grid = np.indices((side, side)) % (3 * radius) - 1.5 * radius
    inside = np.hypot(*grid) < radius
    return np.repeat(np.where(inside, 200, 20)[None], planes, 0).astype(np.uint8)


def test_a_cell_is_as_large_as_its_largest_section():
    labels = np.zeros((3, 10, 10), np.uint16)
    labels[0, 0, 0] = labels[1, :4, :4] = labels[2, :2, :2] = 2  # 1, 16 and 4 pixels
    labels[1, 9, 9] = 5
    np.testing.assert_allclose(section_diameters(labels), 2 * np.sqrt([16 / np.pi, 1 / np.pi]))
    assert section_diameters(np.zeros((2, 3, 3), np.uint16)).shape == (0,)


def test_debris_does_not_count():
    # By section, half of all is in cells of 20 and more: what is under 20 / 3 is debris.
    assert typical_diameter(np.array([4.0] * 50 + [18, 20, 22])) == 20
    assert typical_diameter(np.array([2.0] * 9)) is None
    assert typical_diameter(np.zeros(0)) is None


@pytest.mark.parametrize(
    ("diameter", "shape", "side"),
    [
        (20, (500, 500), 160),  # as it was learned
        (40, (900, 500), 320),  # twice as large
        (15, (900, 500), 120),
        (20, (190, 100), 190),  # little larger than a tile: one tile
        (20, (201, 100), 160),  # more than a quarter larger
        (100, (300, 350), 350),
    ],
)
def test_tiles_bring_cells_to_the_size_that_was_learnt(diameter, shape, side):
    assert fit_tile(diameter, LEARNT, shape) == side


def test_cells_of_another_size_are_refused_with_both_sizes():
    assert input_diameter(20, (80, 320), 160) == 20  # rows doubled, columns halved
    check_scale("Mine", 20, (160, 160), LEARNT, 1.25)
    check_scale("Mine", 8, (160, 160), LEARNT, 1.25)  # just within: 10 / 1.25
    check_scale("Mine", 50, (160, 160), LEARNT, 1.25)
    told = ("Mine", "818 x 846", "4 pixels wide", "10 to 40", "--scale-check off")
    with refused("scale-mismatch", *told):
        check_scale("Mine", 19, (818, 846), LEARNT, 1.25)
    with refused("scale-mismatch"):
        check_scale("Mine", 51, (160, 160), LEARNT, 1.25)


def test_the_brightest_window():
    volume = np.zeros((5, 20, 30), np.uint8)
    volume[3:, 12:15, 4:9] = 9
    planes, rows, columns = brightest_window(volume, 6, 2)
    assert (planes.start, planes.stop) == (3, 5)
    assert rows.start <= 12
    assert rows.stop >= 15
    assert columns.start <= 4
    assert columns.stop >= 9
    assert {rows.stop - rows.start, columns.stop - columns.start} == {6}
    whole = brightest_window(volume, 100)
    assert volume[whole].shape == volume.shape


@pytest.mark.parametrize("radius", [6, 10, 17])
def test_thresholds_tell_the_size_of_disks(radius):
    assert estimate_by_threshold(disks(radius), 1.0) == pytest.approx(2 * radius, rel=0.15)


def test_thresholds_tell_nothing_of_an_even_frame():
    assert estimate_by_threshold(np.full((2, 50, 50), 7, np.uint16), 1.0) is None


def blocks(side: int, shape: tuple[int, ...]) -> np.ndarray:
    """Label squares whose disks of equal section are `side` pixels wide."""
    edge = round(side * np.sqrt(np.pi) / 2)
    number = np.indices(shape[1:]) // (edge + 2)
    inside = (np.indices(shape[1:]) % (edge + 2) < edge).all(axis=0)
    labels = np.where(inside, 1 + number[0] * 50 + number[1], 0)
    return np.repeat(labels[None], shape[0], 0).astype(np.uint16)


def test_the_network_is_asked_until_both_sizes_agree():
    """It sees cells of 30 pixels, but half as large while tiles are far too small."""
    asked = []

    def label(volume: np.ndarray, side: int) -> np.ndarray:
        asked.append(side)
        return blocks(30 if side > 120 else 20, volume.shape)

    found = measure_cells([disks(6)], LEARNT, label, 1.0)
    assert found == pytest.approx(30, rel=0.1)
    # Tiles for 12 pixels, then for 20, then for 30, which it confirms.
    assert asked == sorted(asked)
    assert len(asked) == 3


def test_nothing_to_be_seen():
    even = np.full((2, 50, 50), 7, np.uint16)
    assert measure_cells([even], LEARNT, lambda *_: pytest.fail("asked"), 1.0) is None
