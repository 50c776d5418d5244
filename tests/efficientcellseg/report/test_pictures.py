"""Pictures for the report: what they show, and that labels survive."""

import base64

import cv2
import numpy as np
import pytest

from efficientcellseg.report.pictures import (
    SIDE,
    WIDEST,
    bar_length,
    choose_cutout,
    contrast,
    cut_around,
    encode,
    encode_labels,
    fullest_plane,
    instance_color,
    spread,
    stretch,
    trace_outlines,
)


def decoded(uri: str) -> np.ndarray:
    """Read a data URI as red, green, blue."""
    head, _, data = uri.partition(",")
    assert head == "data:image/webp;base64"
    packed = np.frombuffer(base64.b64decode(data), np.uint8)
    return cv2.imdecode(packed, cv2.IMREAD_COLOR)[..., ::-1]


def test_every_label_survives():
    labels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    red, green, blue = np.moveaxis(decoded(encode_labels(labels)).astype(int), -1, 0)
    np.testing.assert_array_equal(red + 256 * green, labels)
    assert not blue.any()


def test_colors_are_kept_in_their_order():
    picture = np.zeros((16, 16, 3), np.uint8)
    picture[..., 0] = 250
    assert decoded(encode(picture))[8, 8].argmax() == 0


@pytest.mark.parametrize(
    ("count", "wanted", "chosen"),
    [(5, 10, [0, 1, 2, 3, 4]), (10, 3, [0, 4, 9]), (10, 1, [5]), (1, 4, [0]), (100, 2, [0, 99])],
)
def test_numbers_are_spread_evenly(count, wanted, chosen):
    assert spread(count, wanted) == chosen


def test_a_small_slice_is_shown_whole_and_a_larger_one_smaller():
    whole = choose_cutout(np.zeros((300, 200), bool))
    assert (whole.rows, whole.columns, whole.step) == (slice(0, 300), slice(0, 200), 1)
    half = choose_cutout(np.zeros((WIDEST, 200), bool))
    assert (half.rows, half.step) == (slice(0, WIDEST), 2)
    assert half.labels(np.zeros((WIDEST, 200))).shape == (SIDE, 100)
    assert half.image(np.zeros((WIDEST, 199, 3))).shape == (SIDE, 100, 3)


def test_of_a_huge_slice_the_part_with_most_cells_is_shown():
    foreground = np.zeros((2000, 3000), bool)
    foreground[1500:1600, 2700:2900] = True
    foreground[10:20, 10:20] = True
    cut = choose_cutout(foreground)
    assert foreground[cut.rows, cut.columns].sum() == 100 * 200
    assert (cut.rows.stop - cut.rows.start, cut.columns.stop - cut.columns.start) == (800, 800)


def test_images_are_averaged_and_labels_are_picked():
    cut = choose_cutout(np.zeros((WIDEST, WIDEST), bool))
    plane = np.zeros((WIDEST, WIDEST), np.uint16)
    plane[0, 0] = 8
    assert cut.image(plane)[0, 0] == 2
    assert cut.labels(plane)[0, 0] == 8


def test_contrast_leaves_out_hot_pixels_and_bears_constant_images():
    image = np.full((100, 100), 10.0)
    image[:50] = 20
    image[0, 0] = 60000
    assert contrast(image) == (10, 20)
    low, high = contrast(np.zeros((4, 4)))
    assert not stretch(np.zeros((4, 4)), low, high).any()
    assert stretch(np.array([[5.0, 10, 15, 20, 30]]), 10, 20).tolist() == [[0, 0, 127, 255, 255]]


def test_outlines_run_between_pixels():
    labels = np.zeros((6, 8), np.uint16)
    labels[2:4, 3:6] = 9
    ((label, line),) = trace_outlines(labels)
    assert label == 9
    assert line.min(axis=0).tolist() == [1.5, 2.5]
    assert line.max(axis=0).tolist() == [3.5, 5.5]
    np.testing.assert_array_equal(line[0], line[-1])
    # At the image's border, too, and apart for each piece.
    labels[0, 0] = 9
    assert len(list(trace_outlines(labels))) == 2


def test_neighboring_numbers_have_colors_far_apart():
    colors = np.array([instance_color(label) for label in range(1, 200)], int)
    assert np.abs(np.diff(colors, axis=0)).sum(axis=1).min() > 60
    assert instance_color(5) == instance_color(5)


def test_the_fullest_plane_has_most_objects():
    labels = np.zeros((3, 4, 4), np.uint16)
    labels[0] = 1
    labels[1, 0, 0], labels[1, 2, 2] = 1, 2
    labels[2, 0, 0], labels[2, 2, 2:] = 1, 2
    assert fullest_plane(labels) == 2


@pytest.mark.parametrize(("width", "bar"), [(80, 20), (79, 10), (10, 2), (0.9, 0.2), (4000, 1000)])
def test_scale_bars_are_round_and_at_most_a_quarter(width, bar):
    assert bar_length(width) == pytest.approx(bar)


def test_an_object_is_cut_out_with_both_outlines():
    volume = np.zeros((3, 60, 60), np.uint16)
    reference, result = np.zeros_like(volume), np.zeros_like(volume)
    reference[1, 20:40, 20:40] = 5
    result[1, 24:44, 20:40] = 3
    picture = decoded(cut_around(volume, reference, result, reference, 5)).astype(int)
    assert max(picture.shape) == 176
    near = lambda color: (np.abs(picture - color).max(axis=-1) < 60).sum()  # noqa: E731
    assert near([255, 255, 255]) > 100  # the reference
    assert near([240, 228, 66]) > 50  # the result
