"""Lineage trees: which cell came from which, and when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ctc_eval.format import Track

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colors, which color-blind people tell apart, but for yellow, too light for lines.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")


@dataclass(frozen=True)
class Branch:
    """A track in a lineage tree.

    Attributes
    ----------
    label : int
        Of the track, as in the masks.
    begin, end : int
        First and last frame, both included.
    parent : int
        Label of the track it comes from, 0 for none.
    founder : int
        Label of the first track of its lineage.
    place : float
        Where it is drawn, across time: whole numbers for tracks without children, in between for
        their ancestors.
    """

    label: int
    begin: int
    end: int
    parent: int
    founder: int
    place: float


def lay_out_lineages(tracks: Iterable[Track]) -> list[Branch]:
    """Lay tracks out as trees that do not cross.

    Parameters
    ----------
    tracks : iterable of Track
        As :func:`ctc_eval.format.read_tracks` gives the values of; parents exist.

    Returns
    -------
    list of Branch
        Lineage after lineage, as their founders begin; each track before its children.
    """
    rows = sorted(tracks, key=lambda row: (row.begin, row.label))
    children: dict[int, list[Track]] = {}
    for row in rows:
        children.setdefault(row.parent, []).append(row)
    found: list[Branch] = []
    leaves = 0
    for founder in children.get(0, []):
        order, ahead = [], [founder]
        while ahead:
            order.append(row := ahead.pop())
            ahead += reversed(children.get(row.label, []))
        places: dict[int, float] = {}
        for row in order:  # leaves in the order of the tree
            if row.label not in children:
                places[row.label] = leaves
                leaves += 1
        for row in reversed(order):  # children before their parents
            if own := [places[child.label] for child in children.get(row.label, [])]:
                places[row.label] = sum(own) / len(own)
        found += [
            Branch(row.label, row.begin, row.end, row.parent, founder.label, places[row.label])
            for row in order
        ]
    return found


def draw_lineages(tracks: Iterable[Track], most: int = 30) -> Figure:
    """Draw lineage trees, time from left to right.

    Parameters
    ----------
    tracks : iterable of Track
    most : int
        How many lineages are shown: those of most tracks, in the order in which they begin.

    Returns
    -------
    matplotlib.figure.Figure
        A line for each track, its label at its begin; a stroke to each child, dotted over a gap.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    shown, lineages = _largest(list(tracks), most)
    branches = lay_out_lineages(shown)
    by_label = {one.label: one for one in branches}
    founders = list(dict.fromkeys(one.founder for one in branches))
    colors = {one: _COLORS[i % len(_COLORS)] for i, one in enumerate(founders)}
    height = 1.2 + 0.16 * (1 + max((one.place for one in branches), default=0))
    figure = Figure(figsize=(8, min(height, 40)), layout="constrained")
    axes = figure.add_subplot()
    for one in branches:
        color = colors[one.founder]
        axes.plot([one.begin, one.end], [one.place] * 2, color=color, linewidth=1.5, marker=".")
        axes.annotate(
            str(one.label), (one.begin, one.place), (2, 2), textcoords="offset points", fontsize=6
        )
        if parent := by_label.get(one.parent):
            x, y = [parent.end, one.begin], [parent.place, one.place]
            style = "-" if one.begin == parent.end + 1 else ":"
            axes.plot(x, y, style, color=color, linewidth=0.8)
    axes.invert_yaxis()
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["left", "top", "right"]].set_visible(False)
    axes.set_xlabel("frame")
    told = f"the {len(founders)} largest of {lineages}" if lineages > len(founders) else lineages
    axes.set_title(f"Lineages ({told})", fontsize=10)
    return figure


def _largest(tracks: Sequence[Track], most: int) -> tuple[list[Track], int]:
    """Give the tracks of the lineages that have most of them, and how many lineages there are."""
    members: dict[int, list[int]] = {}
    for one in lay_out_lineages(tracks):
        members.setdefault(one.founder, []).append(one.label)
    largest = sorted(members.values(), key=len, reverse=True)[:most]
    chosen = {label for labels in largest for label in labels}
    return [row for row in tracks if row.label in chosen], len(members)
