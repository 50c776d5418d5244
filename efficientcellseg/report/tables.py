"""The paper's tables and figure, measured: sizes of networks, methods side by side.

Method: Wagner & Rohr, EfficientCellSeg, MIDL 2022, tables 1 and 3, figure 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from efficientcellseg.parameters.architecture import (
    Architecture,
    DUNetArchitecture,
    EfficientCellSegArchitecture,
    UNet3DArchitecture,
    UNetArchitecture,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TableRow = dict[str, Any]

TABLE1_COLUMNS = ("network", "part", "parameters", "published M", "difference %", "note")
TABLE3_COLUMNS = (
    *("dataset", "sequence", "method", "networks", "parameters", "trained on"),
    *("published SEG", "SEG", "PESEG", "rank", "origin", "measured on"),
)


@dataclass(frozen=True)
class NetworkSize:
    """A network, or a part of it, with the weights that the paper counts.

    `part` names a module of the network, all of it where it is empty; `copies` of it are
    counted; `published` are millions, None if the paper has none or it is not known.
    """

    network: str
    architecture: Architecture
    part: str
    copies: int
    published: float | None
    note: str = ""


_BLOCKS = "the decoders' last blocks, 0.22 M, are the encoder's in the paper's count"
_ROUNDED = "5.6 M and 1.1 M, rounded, make the paper's 6.7 M"
_OURS, _UNET = EfficientCellSegArchitecture(), UNetArchitecture(kind="unet")
_DUNET, _UNET3D = DUNetArchitecture(kind="dunet"), UNet3DArchitecture(kind="unet3d")

# With the paper's counts.
PAPER_SIZES = (
    NetworkSize("EfficientCellSeg", _OURS, "encoder", 1, 5.6),
    NetworkSize("EfficientCellSeg", _OURS, "decoder", 1, 1.1),
    NetworkSize("EfficientCellSeg", _OURS, "", 1, 6.7, _ROUNDED),
    NetworkSize("EfficientCellSeg", _OURS, "", 2, 13.4, _ROUNDED),
    NetworkSize("U-Net", _UNET, "encoder", 1, 18.9),
    NetworkSize("U-Net", _UNET, "decoder", 1, 12.5),
    NetworkSize("U-Net", _UNET, "", 1, 31.4),
    NetworkSize("DU-Net", _DUNET, "encoder", 1, 22.2, _BLOCKS),
    NetworkSize("DU-Net", _DUNET, "decoders", 1, 24.2, _BLOCKS),
    NetworkSize("DU-Net", _DUNET, "", 1, 46.4),
    NetworkSize("3D U-Net", _UNET3D, "", 1, 44.0),
    NetworkSize("3D U-Net", _UNET3D, "", 4, 176.0),
)


def count_sizes(sizes: Sequence[NetworkSize] = PAPER_SIZES) -> list[TableRow]:
    """Build networks and count their weights: the rows of table 1.

    Parameters
    ----------
    sizes : sequence of NetworkSize

    Returns
    -------
    list of dict
        With the keys `TABLE1_COLUMNS`; the difference is that of counted to published weights.
    """
    import torch

    from efficientcellseg.networks.base import build, count_parameters

    rows = []
    for size in sizes:
        with torch.device("meta"):  # shapes without weights
            network = build(size.architecture)
        found = size.copies * count_parameters(network.get_submodule(size.part))
        name = size.part or "all"
        rows.append(
            {
                "network": size.network,
                "part": name if size.copies == 1 else f"{name}, {size.copies} networks",
                "parameters": found,
                "published M": size.published,
                "difference %": size.published and 100 * (found / 1e6 / size.published - 1),
                "note": size.note,
            }
        )
    return rows


def compare_methods(table: Sequence[TableRow]) -> list[TableRow]:
    """Put published and measured SEG into columns of their own: the rows of table 3.

    Parameters
    ----------
    table : sequence of dict
        From :func:`ctc_eval.table.build_table`.

    Returns
    -------
    list of dict
        With the keys `TABLE3_COLUMNS`, a row for each of the table's.
    """
    return [
        {
            **{name: row[name] for name in TABLE3_COLUMNS[:5]},
            "trained on": row.get("training"),
            "published SEG": row["SEG"] if row["origin"] == "published" else None,
            "SEG": row["SEG"] if row["origin"] == "measured" else None,
            **{name: row[name] for name in ("PESEG", "rank", "origin")},
            "measured on": row["reference"],
        }
        for row in table
    ]


def draw_figure(table: Sequence[TableRow]) -> Figure:
    """Draw SEG against weights: figure 1.

    Parameters
    ----------
    table : sequence of dict
        From :func:`ctc_eval.table.build_table`. Measured rows are drawn, the mean of a method's
        sequences for each data set; a method without networks is a line.

    Returns
    -------
    matplotlib.figure.Figure
        A panel a data set; weights in millions on a logarithmic axis.
    """
    from matplotlib.figure import Figure

    points: dict[str, dict[str, tuple[float | None, float]]] = {}
    for row in table:
        # A mean, if there is one, comes after its members.
        if row["origin"] == "measured" and row["SEG"] is not None:
            panel = points.setdefault(row["dataset"], {})
            panel[row["group"]] = (row["parameters"], row["SEG"])
    figure = Figure(figsize=(4 * max(len(points), 1), 4), layout="constrained")
    names = sorted({name for panel in points.values() for name in panel})
    colors = {name: f"C{i}" for i, name in enumerate(names)}
    panels = figure.subplots(1, max(len(points), 1), sharey=True, squeeze=False)[0]
    for axes, (dataset, found) in zip(panels, points.items(), strict=False):
        for name, (parameters, seg) in found.items():
            if parameters:
                axes.plot(parameters / 1e6, seg, "o", color=colors[name], label=name)
            else:
                axes.axhline(seg, linestyle="--", color=colors[name], label=name)
        axes.set(xscale="log", xlim=(0.5, 500), ylim=(0, 1), title=dataset)
        axes.set_xlabel("parameters, million")
    panels[0].set_ylabel("SEG")
    # What a method's networks were trained on may differ from data set to data set.
    named = {line.get_label(): line for axes in panels for line in axes.lines}
    if named:
        figure.legend(named.values(), named, loc="outside lower center", ncols=2)
    return figure
