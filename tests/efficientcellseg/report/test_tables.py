"""Table 1, table 3 and figure 1 of the paper, measured."""

import csv
import json

import pytest
from conftest import ROOT

pytest.importorskip("torch")

from ctc_eval.table import BLOCKS, render
from efficientcellseg.cli.main import main
from efficientcellseg.parameters.architecture import UNetArchitecture
from efficientcellseg.report.tables import (
    PAPER_SIZES,
    TABLE3_COLUMNS,
    NetworkSize,
    compare_methods,
    count_sizes,
    draw_figure,
)

SMALL = UNetArchitecture(kind="unet", filters=(2, 3), input_size=32)


def test_sizes_are_the_papers():
    rows = {(row["network"], row["part"]): row for row in count_sizes()}
    assert len(rows) == len(PAPER_SIZES)
    published = {key: row["published M"] for key, row in rows.items()}
    assert published["U-Net", "all"] == 31.4
    assert published["DU-Net", "all"] == 46.4
    assert published["3D U-Net", "all, 4 networks"] == 176.0
    for (network, part), row in rows.items():
        if network != "EfficientCellSeg":
            assert abs(row["difference %"]) < 1
        elif part in ("encoder", "decoder"):
            assert round(row["parameters"] / 1e6, 1) == row["published M"]
    # Printed: the sum of the parts as they are rounded.
    assert published["EfficientCellSeg", "all"] == 6.7
    assert published["EfficientCellSeg", "all, 2 networks"] == 13.4
    whole = rows["EfficientCellSeg", "all"]["parameters"]
    assert round(whole / 1e6, 2) == 6.63
    assert rows["EfficientCellSeg", "all, 2 networks"]["parameters"] == 2 * whole


def test_a_part_of_a_network_is_counted():
    # Two 3x3 convolutions of a block, each with a bias and two numbers of batch norm a filter.
    first, second = 9 * 3 * 2 + 9 * 2 * 2 + 6 * 2, 9 * 2 * 3 + 9 * 3 * 3 + 6 * 3
    (row,) = count_sizes([NetworkSize("U", SMALL, "encoder", 3, 0.001, "why")])
    assert row == {
        "network": "U",
        "part": "encoder, 3 networks",
        "parameters": 3 * (first + second),
        "published M": 0.001,
        "difference %": pytest.approx(100 * (3 * (first + second) / 1000 - 1)),
        "note": "why",
    }


def score(folder, sequence, method, seg, parameters=None):
    """Write what `score --output` does."""
    record = {
        "dataset": "BBBC050",
        "sequence": sequence,
        "method": method,
        "networks": "1 x U-Net" if parameters else "none",
        "parameters": parameters,
        "training": "256 slices" if parameters else "",
        "SEG": seg,
        "PESEG": seg / parameters * 1e6 if parameters else None,
        "frames": "10:11",
        "reference": "gold truth",
    }
    path = folder / f"{method}-{sequence}.json"
    path.write_text(json.dumps(record))
    return path


def test_tables_and_figure_out_of_scores(tmp_path):
    scores = [
        score(tmp_path, "09", "unet", 0.4, 2_000_000),
        score(tmp_path, "10", "unet", 0.6, 2_000_000),
        score(tmp_path, "09", "classical", 0.3),
    ]
    published = ROOT / "resources" / "published.csv"
    out = tmp_path / "tables"
    options = ["--published", str(published), "--output", str(out)]
    assert main(["tables", *map(str, scores), *options]) == 0
    assert {path.name for path in out.iterdir()} == {
        *(f"table{n}.{suffix}" for n in (1, 3) for suffix in ("txt", "csv", "md", "tex")),
        "figure1.png",
    }
    with (out / "table3.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == TABLE3_COLUMNS
    unet = [row for row in rows if row["method"] == "unet"]
    assert [(row["sequence"], row["SEG"], row["PESEG"]) for row in unet] == [
        ("09", "0.400000", "0.200000"),
        ("10", "0.600000", "0.300000"),
        ("mean", "0.500000", "0.250000"),
    ]
    assert {(row["trained on"], row["published SEG"]) for row in unet} == {("256 slices", "")}
    assert all(row["measured on"].startswith("gold truth, frames 10:11. Meas") for row in unet)
    theirs = next(row for row in rows if row["method"] == "DKFZ-GE")
    assert [theirs[name] for name in ("published SEG", "SEG", "PESEG", "rank")] == [
        *("0.955", "", "0.005", "1/12")
    ]
    for suffix in ("txt", "md", "tex"):
        told = (out / f"table3.{suffix}").read_text()
        assert told.index(BLOCKS["measured"]) < told.index(" unet ")
        assert told.index(" unet ") < told.index(BLOCKS["published"]) < told.index("DKFZ-GE")
    assert "| U-Net | all | 31.39 M | 31.400 | -0.030 |" in (out / "table1.md").read_text()
    assert (out / "figure1.png").read_bytes().startswith(b"\x89PNG")


def test_the_figure_shows_a_methods_mean_for_each_data_set():
    row = {"origin": "measured", "dataset": "A", "parameters": 2_000_000}
    table = [
        {**row, "group": "unet", "SEG": 0.4},
        {**row, "group": "unet", "SEG": 0.5},  # the mean, which comes last
        {**row, "group": "classical", "SEG": 0.3, "parameters": None},
        {**row, "dataset": "B", "group": "unet", "SEG": 0.7},
        {**row, "dataset": "C", "origin": "published", "SEG": 0.9},
    ]
    figure = draw_figure(table)
    assert [axes.get_title() for axes in figure.axes] == ["A", "B"]
    (point, line), (other,) = (axes.lines for axes in figure.axes)
    assert (point.get_xdata()[0], point.get_ydata()[0]) == (2, 0.5)
    assert list(line.get_ydata()) == [0.3, 0.3]
    assert point.get_color() == other.get_color() != line.get_color()
    assert figure.axes[0].get_xscale() == "log"
    (legend,) = figure.legends
    assert {text.get_text() for text in legend.get_texts()} == {"unet", "classical"}


def test_rows_of_table_3_are_rendered_in_each_style():
    table = [
        {
            **dict.fromkeys(("networks", "parameters", "PESEG", "reference", "sequence"), None),
            "rank": "1/8",
            **{"dataset": "A_1", "method": "m", "origin": "published", "SEG": 0.5},
        }
    ]
    rows = compare_methods(table)
    assert (
        render(rows, "csv", TABLE3_COLUMNS).splitlines()[1] == "A_1,,m,,,,0.500000,,,1/8,published,"
    )
    assert "| A_1 |  | m |  |  |  | 0.500 |  |  | 1/8 | published |  |" in render(
        rows, "markdown", TABLE3_COLUMNS
    )
    assert r"A\_1 &  & m &" in render(rows, "latex", TABLE3_COLUMNS)
