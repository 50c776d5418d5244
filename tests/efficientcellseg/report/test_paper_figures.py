"""The paper's figures from one's own data."""

import logging

import numpy as np
import pytest
from conftest import write_tiny
from pictures import ball

from ctc_eval.format import read_volume, write_labels
from efficientcellseg.cli.main import main
from efficientcellseg.parameters.recipe import Pseudocolor
from efficientcellseg.report.paper_figures import (
    draw_efficiency,
    draw_fading,
    draw_pseudocoloring,
)


def row(dataset, seg, parameters, origin):
    texts = {"dataset": dataset, "sequence": "01", "method": "M"}
    return {**texts, "SEG": seg, "parameters": parameters, "origin": origin}


def test_figure_1_has_a_bar_for_each_method_that_has_both_values():
    table = [
        row("A", 0.8, 1_500_000, "measured"),
        row("B", 0.9, 46_400_000, "published"),
        row("C", None, 1, "measured"),
        row("D", 0.7, None, "measured"),
    ]
    left, right = draw_efficiency(table).axes
    assert [bar.get_width() for bar in left.patches] == [0.8, 0.9]
    assert [bar.get_width() for bar in right.patches] == pytest.approx([1.5, 46.4])
    # Published values look otherwise: they are of other data.
    assert [bar.get_hatch() for bar in left.patches] == [None, "//"]


def test_figure_3_follows_the_deepest_cell_to_its_end():
    labels = np.zeros((9, 40, 40), np.uint16)
    labels[ball(labels.shape, (4, 20, 20), 4)] = 2
    labels[4, 2:5, 2:5] = 1
    volume = np.where(labels > 0, 100 - 10 * np.arange(9)[:, None, None], 5).astype(np.uint16)
    volume[0] = np.where(labels[0] > 0, 50, 5)
    axes = draw_fading(volume, labels, None).axes
    planes = [int(one.get_title().removeprefix("z = ")) for one in axes]
    # Brightest in plane 3, where few voxels less are each brighter by ten; one slice beyond it.
    assert planes == sorted(planes)
    assert planes[0] in (2, 3)
    assert planes[-1] == 8
    limits = {image.get_clim() for one in axes for image in one.images}
    assert len(limits) == 1


@pytest.mark.parametrize(("context", "panels"), [("highlight", 9), ("intensity", 7)])
def test_figure_4_shows_regions_where_they_play_a_part(context, panels):
    volume = np.random.default_rng(0).integers(0, 200, (4, 40, 50)).astype(np.uint16)
    parameters = Pseudocolor(context=context, grid=4, bits=8)
    titles = [axes.get_title() for axes in draw_pseudocoloring(volume, 1, parameters).axes]
    assert len(titles) == panels
    assert titles.count("its bright regions") == (2 if context == "highlight" else 0)
    assert [one for one in titles if "channel" in one] == [
        "red channel",
        "green channel",
        "blue channel",
    ]


def test_the_command_makes_what_there_is_data_for(tmp_path, caplog):
    dataset = write_tiny(tmp_path / "Tiny")
    for sequence in ("01", "02"):
        for path in (dataset / f"{sequence}_GT" / "SEG").iterdir():
            name = path.name.replace("man_seg", "mask")
            write_labels(dataset / f"{sequence}_RES" / name, read_volume(path))
    with caplog.at_level(logging.INFO):
        assert main(["figures", str(dataset)]) == 0
    made = {path.name for path in (dataset / "figures").iterdir()}
    assert made == {"figure3.png", "figure6.png"}
    # No scores, and masks of which no one knows what the networks saw.
    assert "figure1: left out, the run has no scores" in caplog.text
    assert "figure4: left out" in caplog.text
    assert "figure5" in caplog.text
    first = (dataset / "figures" / "figure6.png").read_bytes()
    assert main(["figures", str(dataset)]) == 0
    assert (dataset / "figures" / "figure6.png").read_bytes() == first
