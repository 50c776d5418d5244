"""Charts of the report, as SVG that takes the page's font and colors."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from efficientcellseg.report.judging import FrameScore
from efficientcellseg.report.outcomes import MEANINGS, Outcome

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Lines of axes and grids; the page's style gives them its own color, see report.css.
LINES = "#808080"
# SEG and DET, and the data sets of figure 1: Okabe and Ito's colors that are no outcome's, first.
BLUE, VERMILION = "#0072b2", "#d55e00"
PALETTE = (BLUE, "#e69f00", "#009e73", "#cc79a7", "#56b4e9", VERMILION)
MARKERS = "osD^vP*X"
# Measured points are filled, published ones are not.
FILLS: tuple[tuple[str, Literal["full", "none"]], ...] = (
    ("measured", "full"),
    ("published", "none"),
)
# Where a legend goes that would hide something in the chart.
ABOVE: dict[str, Any] = {
    "frameon": False,
    "fontsize": 9,
    "loc": "lower center",
    "bbox_to_anchor": (0.5, 1),
}


def draw_frames(scores: Sequence[FrameScore], name: str) -> str:
    """Draw SEG and DET against the frame; an empty string for fewer than two annotated frames.

    Parameters
    ----------
    scores : sequence of FrameScore
    name : str
        What sets the chart apart from others in the page.

    Returns
    -------
    str
        SVG element, or an empty string.
    """
    from matplotlib.ticker import MaxNLocator

    if len(scores) < 2:
        return ""
    figure, axes = _canvas(4.6, 2.6)
    lowest = 1.0
    for kind, color, style in (("SEG", BLUE, "o-"), ("DET", VERMILION, "s--")):
        found = [(one.frame, value) for one in scores if (value := _measure(one, kind)) is not None]
        if found:
            frames, values = zip(*found, strict=True)
            axes.plot(frames, values, style, color=color, label=kind, markersize=4, linewidth=1.5)
            lowest = min(lowest, *values)
    axes.set(xlabel="frame", ylabel="measure", ylim=(max(0, lowest - 0.1), 1.02))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(**ABOVE, ncols=2)
    return as_svg(figure, f"{name} frames")


def _measure(score: FrameScore, kind: str) -> float | None:
    return score.seg if kind == "SEG" else score.det


def draw_sizes(sizes: Mapping[Outcome, np.ndarray], unit: str, name: str) -> str:
    """Draw how many reference objects of which size became what.

    Parameters
    ----------
    sizes : mapping of Outcome to ndarray of shape (n,)
        Diameters in `unit`; hit, split, merged and missed objects are needed.
    unit : str
        As the axis names it, such as µm.
    name : str
        What sets the chart apart from others in the page.

    Returns
    -------
    str
        SVG element; an empty string without objects.
    """
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    kinds = (Outcome.HIT, Outcome.SPLIT, Outcome.MERGE, Outcome.MISS)
    found = [sizes[kind] for kind in kinds]
    if not sum(map(len, found)):
        return ""
    edges = np.histogram_bin_edges(np.concatenate(found), bins=12).tolist()
    figure, axes = _canvas(4.6, 2.6)
    axes.hist(
        found,
        edges,
        stacked=True,
        color=[MEANINGS[kind][0] for kind in kinds],
        label=[kind.name.lower() for kind in kinds],
    )
    axes.set(xlabel=f"diameter, {unit}", ylabel="reference objects")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(**ABOVE, ncols=4)
    return as_svg(figure, f"{name} sizes")


def draw_parameters(table: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Draw SEG against the weights of all networks, measured here and published apart.

    Parameters
    ----------
    table : sequence of dict
        From :func:`ctc_eval.table.build_table`.

    Returns
    -------
    dict of str to str
        SVG by "measured" and "published", each only where there are values.
    """
    known = [row for row in table if row["SEG"] and row["parameters"]]
    names = list(dict.fromkeys(row["dataset"] for row in known))
    lowest = min([0.5, *(float(row["SEG"]) for row in known)])
    charts = {}
    for origin, style in FILLS:
        figure, axes = _canvas(4.6, 3.4)
        for i, name in enumerate(names):
            points = [
                (row["parameters"] / 1e6, float(row["SEG"]))
                for row in known
                if row["dataset"] == name
                and (row["origin"] == "published") == (origin == "published")
            ]
            if points:
                axes.plot(
                    *zip(*points, strict=True),
                    MARKERS[i % len(MARKERS)],
                    color=PALETTE[i % len(PALETTE)],
                    fillstyle=style,
                    markersize=8,
                    markeredgewidth=1.5,
                    label=name,
                )
        axes.set(xscale="log", xlim=(0.5, 400), ylim=(lowest - 0.1, 1))
        axes.set(xlabel="parameters, million", ylabel="SEG")
        axes.set_xticks([1, 10, 100], ["1", "10", "100"])
        if axes.lines:
            axes.legend(frameon=False, fontsize=8, loc="lower left")
            charts[origin] = as_svg(figure, origin)
    return charts


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Give an empty figure and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.grid(axis="y", color=LINES, alpha=0.35, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LINES)
    axes.tick_params(color=LINES, labelsize=9, which="both")
    return figure, axes


def as_svg(figure: Figure, name: str) -> str:
    """Write a figure as an SVG element, without what only a file needs.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    name : str
        What sets its elements' names apart from those of other charts in the page.

    Returns
    -------
    str
        SVG element without width, height, metadata and the names of its groups.
    """
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # One page has many charts: their groups' names would come twice.
    text = re.sub(r' id="[\w.]+_\d+"', "", text)
    return re.sub(r' (?:width|height)="[\d.]+pt"', "", text, count=2)
