"""The paper's Figures 1, 3, 4 and 6 from your own data.

Method: Wagner & Rohr, EfficientCellSeg, MIDL 2022. Figure 5 is in ``ablation``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from efficientcellseg.chain.pseudocolor import bright_regions, pseudocolored_planes
from efficientcellseg.report.overlay import View, draw_view
from efficientcellseg.report.pictures import contrast

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ctc_eval.table import Row
    from efficientcellseg.parameters.recipe import Pseudocolor

# Slices of figure 3, and room around the cell in it, as a share of its size.
SHOWN, ROOM = 6, 0.4
MEASURED_COLOR, PUBLISHED_COLOR = "#0072b2", "#bbbbbb"


def draw_efficiency(table: Sequence[Row]) -> Figure:
    """Draw Figure 1: SEG and parameters, side by side, a bar for each method on each data set.

    Parameters
    ----------
    table : sequence of dict
        From :func:`ctc_eval.table.build_table`. Published rows are gray and hatched: they were
        measured on other data. Rows without SEG or parameters are left out.

    Returns
    -------
    matplotlib.figure.Figure
        A panel for SEG and one for parameters in millions.
    """
    from matplotlib.figure import Figure

    rows = [row for row in table if row["SEG"] and row["parameters"]]
    figure = Figure(figsize=(12, 1.2 + 0.32 * len(rows)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for place, row in enumerate(rows):
        published = row["origin"] == "published"
        look: dict[str, Any] = {"color": PUBLISHED_COLOR if published else MEASURED_COLOR}
        look |= {"hatch": "//", "edgecolor": "white"} if published else {}
        for axes, value in ((left, float(row["SEG"])), (right, row["parameters"] / 1e6)):
            axes.barh(place, value, **look)
            axes.text(value, place, f" {value:.3g}", va="center", fontsize=8)
    names = [f"{row['dataset']} {row['sequence']}, {row['method']}" for row in rows]
    left.set_yticks(range(len(rows)), names, fontsize=8)
    left.set(xlim=(0, 1.1), title="SEG")
    right.set(title="parameters, million")
    left.invert_yaxis()
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    told = "Blue: measured here. Gray: published, on the challenge's secret test data."
    figure.supxlabel(told, fontsize=9)
    return figure


def draw_fading(volume: np.ndarray, labels: np.ndarray, um: float | None) -> Figure:
    """Draw Figure 3: a cell from its brightest slice to where it ends, at one contrast.

    Parameters
    ----------
    volume : ndarray of shape (Z, Y, X)
        Raw intensities.
    labels : ndarray of shape (Z, Y, X), integer
        At least one cell; the one that is in most slices is drawn.
    um : float, optional
        Side of a pixel, for the scale bar.

    Returns
    -------
    matplotlib.figure.Figure
        At most `SHOWN` slices, the brightest at the left.

    Raises
    ------
    ValueError
        The labels have no cell.
    """
    from matplotlib.figure import Figure

    depths: dict[int, int] = {}
    for plane in labels:
        for label in np.unique(plane[plane > 0]).tolist():
            depths[label] = depths.get(label, 0) + 1
    mask = labels == max(depths, key=depths.__getitem__)
    inside = np.nonzero(mask.any(axis=(1, 2)))[0]
    bright = max(inside, key=lambda z: float((volume[z] * mask[z]).sum()))
    # Towards the farther end, and one slice beyond it.
    down = inside[-1] - bright >= bright - inside[0]
    end = min(inside[-1] + 2, len(volume)) if down else max(inside[0] - 2, -1)
    way = range(bright, end, 1 if down else -1)
    shown = [way[i] for i in np.linspace(0, len(way) - 1, min(SHOWN, len(way))).round().astype(int)]
    box = []
    for axis, length in ((0, labels.shape[1]), (1, labels.shape[2])):
        places = np.nonzero(mask.any(axis=0).any(axis=1 - axis))[0]
        room = int(ROOM * np.ptp(places)) + 4
        box.append(slice(max(places[0] - room, 0), min(places[-1] + room, length)))
    cut = volume[:, box[0], box[1]]
    limits = contrast(cut)
    figure = Figure(figsize=(2.2 * len(shown), 2.6), dpi=150, layout="constrained")
    for axes, plane in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        last = plane == shown[-1]
        draw_view(axes, View(f"z = {plane}", cut[plane], None, um if last else None), limits)
    return figure


def draw_pseudocoloring(volume: np.ndarray, plane: int, parameters: Pseudocolor) -> Figure:
    """Draw Figure 4: how a slice is colored by its neighbors.

    Parameters
    ----------
    volume : ndarray of shape (Z, Y, X), uint8 or uint16
    plane : int
        With neighbors on both sides.
    parameters : Pseudocolor
        Bright regions are drawn where they make the colors.

    Returns
    -------
    matplotlib.figure.Figure
        Three rows: the neighbors that are red and blue, the slice itself between them.
    """
    from matplotlib.figure import Figure

    colored = next(c for z, c in enumerate(pseudocolored_planes(volume, parameters)) if z == plane)
    far = parameters.distance
    highlight = parameters.context == "highlight"
    above, below = volume[max(plane - far, 0)], volume[min(plane + far, len(volume) - 1)]
    names = {"red": f"z - {far}", "green": "z", "blue": f"z + {far}"}
    columns = 3 if highlight else 2
    aspect = min(max(volume.shape[1] / volume.shape[2], 0.5), 2)
    size = (2.6 * (columns + 1.6), 3 * (2.6 * aspect + 0.3))
    figure = Figure(figsize=size, dpi=110, layout="constrained")
    grid = figure.add_gridspec(3, columns + 1, width_ratios=[*[1] * columns, 1.6])
    for row, (neighbor, (color, name)) in enumerate(
        zip((above, volume[plane], below), names.items(), strict=True)
    ):
        draw_view(figure.add_subplot(grid[row, 0]), View(f"slice {name}", neighbor))
        if highlight and color != "green":
            regions = bright_regions(neighbor, parameters)
            _show(figure.add_subplot(grid[row, 1]), "its bright regions", regions)
        channel = np.zeros_like(colored)
        channel[..., row] = colored[..., row]
        _show(figure.add_subplot(grid[row, columns - 1]), f"{color} channel", channel)
    _show(figure.add_subplot(grid[:, columns]), "pseudocolor", colored)
    return figure


def _show(axes: Axes, title: str, image: np.ndarray) -> None:
    axes.imshow(image, cmap="gray", interpolation="nearest")
    axes.set_title(title, fontsize=10)
    axes.set_axis_off()


def draw_examples(columns: Sequence[tuple[View, View]]) -> Figure:
    """Draw Figure 6: a slice of each data set, and below it what was found.

    Parameters
    ----------
    columns : sequence of (View, View)
        Raw slice, and slice with its cells; at least one pair.

    Returns
    -------
    matplotlib.figure.Figure
        A column a data set.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * len(columns), 6.8), dpi=130, layout="constrained")
    axes = figure.subplots(2, len(columns), squeeze=False)
    for column, (raw, found) in enumerate(columns):
        draw_view(axes[0, column], raw)
        draw_view(axes[1, column], found)
    return figure
