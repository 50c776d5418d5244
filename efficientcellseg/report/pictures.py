"""Pictures for the report: cut out, made smaller, colored, outlined, and packed into the page."""

from __future__ import annotations

import base64
import colorsys
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor, log10

import numpy as np

# Outlines of the reference and of the result where both are drawn: neither is an outcome's color.
REFERENCE_COLOR = "#ffffff"
RESULT_COLOR = "#f0e442"
# Pixels a side: of the report's pictures, and of the part of a large slice that they show at
# half its resolution.
SIDE, WIDEST = 400, 800


@dataclass(frozen=True)
class Cutout:
    """The part of a slice that a picture shows.

    Attributes
    ----------
    rows, columns : slice
    step : int
        Every how many pixels one is shown.
    """

    rows: slice
    columns: slice
    step: int = 1

    def labels(self, plane: np.ndarray) -> np.ndarray:  # numpydoc ignore=PR01,RT01
        """Cut labels (Y, X) out and keep every `step`-th; a view (y, x) of them."""
        return plane[self.rows, self.columns][:: self.step, :: self.step]

    def image(self, plane: np.ndarray) -> np.ndarray:  # numpydoc ignore=PR01,RT01
        """Cut an image (Y, X) or (Y, X, 3) out and average its pixels, as float32."""
        import cv2

        part = np.ascontiguousarray(plane[self.rows, self.columns], np.float32)
        rows, columns = (ceil(length / self.step) for length in part.shape[:2])
        return cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA)


def choose_cutout(foreground: np.ndarray) -> Cutout:
    """Choose what to show of a slice: all of it, or of a large one the part with most cells.

    Parameters
    ----------
    foreground : ndarray of shape (Y, X), bool
        Where cells are, in any plane.

    Returns
    -------
    Cutout
        Of at most `SIDE` pixels a side, and at most `WIDEST` of the slice.
    """
    import cv2

    shape = foreground.shape
    if max(shape) <= WIDEST:
        return Cutout(slice(0, shape[0]), slice(0, shape[1]), ceil(max(shape) / SIDE))
    height, width = (min(length, WIDEST) for length in shape)
    sums = cv2.integral(foreground.astype(np.uint8))
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width]
    inside = inside + sums[:-height, :-width]
    row, column = (int(place) for place in np.unravel_index(inside.argmax(), inside.shape))
    return Cutout(slice(row, row + height), slice(column, column + width), WIDEST // SIDE)


def spread(count: int, wanted: int) -> list[int]:
    """Choose `wanted` of `count` numbers from 0 on, evenly, first and last among them.

    Parameters
    ----------
    count : int
        At least 1.
    wanted : int
        At least 1.

    Returns
    -------
    list of int
        Ascending; all numbers where more are wanted, the middle one where one is.
    """
    chosen = np.linspace(0, count - 1, min(count, wanted)).round().astype(int)
    return [count // 2] if wanted == 1 else chosen.tolist()


def count_objects(labels: np.ndarray) -> int:  # numpydoc ignore=PR01,RT01
    """Count the labels of an integer image of any shape, background 0 not."""
    return int(np.count_nonzero(np.unique(labels)))


def fullest_plane(labels: np.ndarray) -> int:
    """Give the plane with most objects, of several the one with most foreground.

    Parameters
    ----------
    labels : ndarray of shape (Z, Y, X), integer

    Returns
    -------
    int
        The first of those that are alike.
    """
    counts = [(count_objects(plane), int(np.count_nonzero(plane))) for plane in labels]
    return max(range(len(counts)), key=counts.__getitem__)


def bar_length(width: float) -> float:
    """Choose how long a scale bar is in an image of some width: 1, 2 or 5 times a power of ten.

    Parameters
    ----------
    width : float
        Above 0, in any unit.

    Returns
    -------
    float
        At most a quarter of the width, in the same unit.
    """
    power = 10.0 ** floor(log10(width / 4))
    return next(step * power for step in (5, 2, 1) if step * power <= width / 4)


def stretch(image: np.ndarray, low: float, high: float) -> np.ndarray:
    """Scale `low`..`high` to 0..255, clipping.

    Parameters
    ----------
    image : ndarray of any shape
    low, high : float
        Intensities that become black and white.

    Returns
    -------
    ndarray of the same shape, uint8
    """
    scaled = (image.astype(np.float32) - low) * (255 / max(high - low, 1e-6))
    return np.clip(scaled, 0, 255).astype(np.uint8)


def contrast(image: np.ndarray) -> tuple[float, float]:
    """Give the intensities that are shown black and white: the 1st and 99.8th percentile.

    Parameters
    ----------
    image : ndarray of shape (..., Y, X)
        Of more than 10 million pixels, every other row and column counts.

    Returns
    -------
    low, high : float
        `high` is above `low`, even in an image of one intensity.
    """
    low, high = np.percentile(image[..., ::2, ::2] if image.size > 1e7 else image, (1, 99.8))
    return float(low), max(float(high), float(low) + 1e-3)


def encode(image: np.ndarray, quality: int = 78) -> str:
    """Pack a picture into a data URI as WebP.

    Parameters
    ----------
    image : ndarray of shape (Y, X) or (Y, X, 3), uint8
        Gray, or red, green, blue.
    quality : int
        Up to 100; 101 keeps each value as it is.

    Returns
    -------
    str
        Data URI.
    """
    import cv2

    ordered = image if image.ndim == 2 else image[..., ::-1]
    packed = cv2.imencode(
        ".webp", np.ascontiguousarray(ordered), [cv2.IMWRITE_WEBP_QUALITY, quality]
    )[1]
    return f"data:image/webp;base64,{base64.b64encode(packed.tobytes()).decode()}"


def encode_labels(labels: np.ndarray) -> str:
    """Pack labels (Y, X) into a data URI: the low byte in red, the high one in green.

    Parameters
    ----------
    labels : ndarray of shape (Y, X), integer
        In 0..65535.

    Returns
    -------
    str
        Data URI of a lossless WebP.
    """
    parts = (labels & 255, labels >> 8, np.zeros_like(labels))
    return encode(np.stack(parts, -1).astype(np.uint8), 101)


def heat(values: np.ndarray) -> np.ndarray:
    """Color a map from black over red to yellow.

    Parameters
    ----------
    values : ndarray of shape (Y, X)
        In 0..1; what lies outside is clipped.

    Returns
    -------
    ndarray of shape (Y, X, 3), uint8
        Red, green, blue.
    """
    import cv2

    return cv2.applyColorMap(stretch(values, 0, 1), cv2.COLORMAP_MAGMA)[..., ::-1]


def instance_color(label: int) -> tuple[int, int, int]:
    """Give a label its own color; neighbors' numbers differ most.

    The report's script computes the same (viewer.js).

    Parameters
    ----------
    label : int

    Returns
    -------
    red, green, blue : int
        In 0..255.
    """
    hue = label * 0.61803398875 % 1
    light = (0.62, 0.5, 0.74)[label % 3]
    red, green, blue = colorsys.hls_to_rgb(hue, light, 0.75)
    return round(255 * red), round(255 * green), round(255 * blue)


def trace_outlines(labels: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Trace the outline of each object.

    Parameters
    ----------
    labels : ndarray of shape (Y, X), integer

    Yields
    ------
    int, ndarray of shape (n, 2)
        Label and the points of a closed line, row and column in pixels, between the pixels of the
        object and those outside. An object with a hole or in pieces comes more than once.
    """
    from scipy.ndimage import find_objects
    from skimage.measure import find_contours

    for number, box in enumerate(find_objects(labels.astype(np.int32)), start=1):
        if box is None:
            continue
        inside = np.pad(labels[box] == number, 1).astype(np.float32)
        for line in find_contours(inside, 0.5):
            yield number, line + [part.start - 1 for part in box]


def draw_outlines(
    picture: np.ndarray,
    labels: np.ndarray,
    color: tuple[int, int, int] | None,
    scale: float = 1.0,
    width: int = 1,
) -> None:
    """Draw anti-aliased outlines into a picture.

    Parameters
    ----------
    picture : ndarray of shape (Y, X, 3), uint8
        Changed in place.
    labels : ndarray of shape (y, x), integer
        Of which the picture is an enlargement.
    color : tuple of int, optional
        Red, green, blue; each object's own unless given.
    scale : float
        Pixels of the picture a pixel of the labels.
    width : int
        Of the line, in pixels of the picture.
    """
    import cv2

    for number, line in trace_outlines(labels):
        points = ((line[:, ::-1] + 0.5) * scale - 0.5) * 16
        drawn = [points.round().astype(np.int32)]
        own = color or instance_color(number)
        cv2.polylines(picture, drawn, True, own, width, cv2.LINE_AA, shift=4)


def enlarge(image: np.ndarray, side: int) -> tuple[np.ndarray, float]:
    """Enlarge a gray picture, and give it three channels to draw on in color.

    Parameters
    ----------
    image : ndarray of shape (Y, X), uint8
    side : int
        Pixels of the picture's longer side.

    Returns
    -------
    picture : ndarray of shape (y, x, 3), uint8
    scale : float
        Pixels of the picture a pixel of the image.
    """
    import cv2

    scale = side / max(image.shape)
    size = tuple(round(length * scale) for length in image.shape[::-1])
    wide = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    return np.repeat(wide[..., None], 3, -1), scale


def cover(image: np.ndarray, labels: np.ndarray, side: int = 480) -> str:
    """Draw objects in their own colors over a gray picture.

    Parameters
    ----------
    image : ndarray of shape (Y, X), uint8
    labels : ndarray of shape (Y, X), integer
    side : int
        Pixels of the picture's longer side.

    Returns
    -------
    str
        Data URI.
    """
    import cv2

    picture, scale = enlarge(image, side)
    size = picture.shape[1::-1]
    wide = cv2.resize(labels.astype(np.float32), size, interpolation=cv2.INTER_NEAREST)
    colors = np.zeros((int(labels.max()) + 1, 3), np.float32)
    for label in np.unique(labels[labels > 0]).tolist():
        colors[label] = instance_color(label)
    filled = 0.6 * picture + 0.4 * colors[wide.astype(int)]
    picture = np.where(wide[..., None] > 0, filled, picture).astype(np.uint8)
    draw_outlines(picture, labels, None, scale, 2)
    return encode(picture, 70)


def cut_around(
    volume: np.ndarray,
    reference: np.ndarray,
    result: np.ndarray,
    labels: np.ndarray,
    label: int,
    side: int = 176,
) -> str:
    """Cut an object out, in the plane where most of it is, with all outlines around it, darker.

    Parameters
    ----------
    volume : ndarray of shape (Z, Y, X)
        Raw intensities.
    reference, result : ndarray of shape (Z, Y, X), integer
    labels : ndarray of shape (Z, Y, X), integer
        `reference` or `result`, whichever has the object.
    label : int
    side : int
        Pixels of the picture's longer side.

    Returns
    -------
    str
        Data URI.
    """
    mask = labels == label
    areas = mask.sum(axis=(1, 2))
    plane = int(areas.argmax())
    box = []
    for places, length in zip(np.nonzero(mask[plane]), labels.shape[1:], strict=True):
        middle, half = (places.min() + places.max()) // 2, max(int(np.ptp(places)), 18)
        box.append((int(middle), half, length))
    reach = max(half for _, half, _ in box)
    rows, columns = (slice(max(at - reach, 0), min(at + reach + 1, end)) for at, _, end in box)
    part = volume[plane, rows, columns]
    picture, scale = enlarge(stretch(part, *contrast(part)), side)
    own = mask[plane, rows, columns]
    for drawn, color, width in ((reference, REFERENCE_COLOR, 3), (result, RESULT_COLOR, 1)):
        here = drawn[plane, rows, columns]
        near = np.where(np.isin(here, here[own]), here, 0)  # the object, or what overlaps it
        for shown, share in ((here, 0.45), (near, 1.0)):
            rgb = [round(share * part) for part in bytes.fromhex(color[1:])]
            draw_outlines(picture, shown, (rgb[0], rgb[1], rgb[2]), scale, width)
    return encode(picture, 75)
