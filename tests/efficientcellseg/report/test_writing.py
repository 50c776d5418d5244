"""The report of a run: one file, complete by itself, of bounded size."""

import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from commands import refusal
from conftest import tiny_recipe, write_tiny
from refusal import refused
from runs import add_markers

from ctc_eval.format import read_volume, write_labels
from efficientcellseg.cli.main import main
from efficientcellseg.report.run_folder import find_networks, find_sequences, read_costs

NAME = 'Ti<b>"&ny'


@pytest.fixture(scope="module")
def segmented(tmp_path_factory):
    """Segment the tiny data set, which has a name that HTML must not take as its own."""
    folder = tmp_path_factory.mktemp("segmented")
    dataset = write_tiny(folder / "data" / NAME)
    add_markers(dataset)
    for sequence in ("01", "02"):
        result = folder / "run" / "classical" / NAME / f"{sequence}_RES"
        words = ["segment", str(dataset), sequence, "--method", "classical", "--quiet"]
        words += ["--recipe", str(tiny_recipe(folder / "Tiny.yaml")), "--output", str(result)]
        assert main([*words, "--device", "cpu"]) == 0
    return folder


@pytest.fixture
def a_run(segmented, tmp_path):
    """Copy a run that a test may change."""
    for name in ("data", "run"):
        shutil.copytree(segmented / name, tmp_path / name)
    return tmp_path / "run"


class Page(HTMLParser):
    """What a page loads, and its visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.tags: list[str] = []
        self.unlabeled: list[str] = []
        self.data: dict[str, str] = {}
        self.ids: list[str] = []
        self.text = ""
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        self.tags.append(tag)
        self.ids += [known["id"]] if "id" in known else []
        places = [known.get(key) for key in ("src", "href", "xlink:href", "srcset", "action")]
        self.loaded += [place for place in places if place is not None]
        if tag == "img" and not known.get("alt"):
            self.unlabeled.append(str(known)[:80])
        self.inside = tag if tag in ("script", "style") else ""
        if tag == "script" and "id" in known:
            self.inside = known["id"]

    def handle_data(self, data):
        if self.inside.endswith("-data"):
            self.data[self.inside] = self.data.get(self.inside, "") + data
        elif self.inside not in ("script", "style"):
            self.text += data

    def handle_endtag(self, tag):
        self.inside = ""


def write(results, *options: str) -> tuple[Page, str]:
    assert main(["report", str(results), "--quiet", *options]) == 0
    text = (results / "report.html").read_text(encoding="utf-8")
    return Page(text), text


def test_one_file_that_loads_nothing(a_run):
    page, text = write(a_run)
    assert len(page.loaded) > 20
    assert {place[:5] for place in page.loaded if not place.startswith("#")} == {"data:"}
    # Links inside the page go somewhere.
    assert {place[1:] for place in page.loaded if place.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert not page.unlabeled
    style = text[text.index("<style>") : text.index("</style>")]
    assert "@import" not in style
    assert "url(" not in style
    assert "default-src 'none'" in text
    # What begins with http names the kind of an SVG element, and loads nothing.
    assert {*re.findall(r"https?://[^\"'<\s]+", text)} <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_names_are_text(a_run):
    page, text = write(a_run)
    assert "<b>&quot;" not in text
    assert NAME not in text
    assert f"{NAME} 01" in page.text
    assert json.loads(page.data["sequence-0-data"])["name"] == f"{NAME} 01"


def test_what_is_shown_of_a_sequence(a_run, tmp_path):
    page, _ = write(a_run)
    volume, flat = (json.loads(page.data[f"sequence-{i}-data"]) for i in (0, 1))
    assert (volume["frames"], volume["planes"], volume["depth"]) == ([0, 1, 2], [0, 1, 2], 3)
    assert (flat["planes"], flat["depth"]) == ([0], 1)
    # Otsu's map is shown; what networks see is not, for there are none.
    one = volume["slices"]["1/2"]
    assert list(one["views"]) == ["raw", "map: cells"]
    reference = read_volume(tmp_path / "data" / NAME / "01_GT" / "SEG" / "man_seg001.tif")
    assert {int(label) for label in one["wanted"]} == set(np.unique(reference[2])) - {0}
    result = read_volume(a_run / "classical" / NAME / "01_RES" / "mask001.tif")
    assert {int(label) for label in one["found"]} == set(np.unique(result[2])) - {0}
    counts = volume["counts"]["1"]
    assert sum(counts[code] for code in "1234") == len(np.unique(reference)) - 1


def test_scores_are_those_of_the_judge(a_run, capsys, tmp_path):
    page, _ = write(a_run)
    from ctc_eval.cli.main import main as judge

    result = a_run / "classical" / NAME / "01_RES"
    words = ["score", str(tmp_path / "data" / NAME), "01", "--result", str(result), "--json"]
    assert judge(words) == 0
    scores = json.loads(capsys.readouterr().out)
    for name in ("SEG", "DET"):
        assert f"{name} {scores[name]:.3f}" in page.text


def test_the_page_has_as_many_slices_as_asked_for(a_run):
    page, text = write(a_run, "--slices", "6")
    slices = [one for data in page.data.values() for one in json.loads(data)["slices"]]
    assert len(slices) <= 2 * 3
    assert "of 3 frames are shown" in page.text
    assert len(text) < len(write(a_run)[1]) < 1_000_000


def test_without_a_reference_cells_are_shown(a_run, tmp_path):
    shutil.rmtree(tmp_path / "data" / NAME / "01_GT")
    page, _ = write(a_run, "--only", f"classical/{NAME}/01")
    (data,) = map(json.loads, page.data.values())
    assert data["slices"]["0/0"]["reference"] == ""
    assert "worst" not in page.text
    assert "hits and errors" not in page.text


def test_annotated_slices_are_among_those_shown(a_run, tmp_path):
    seg = tmp_path / "data" / NAME / "01_GT" / "SEG"
    whole = read_volume(seg / "man_seg001.tif")
    for path in seg.glob("*.tif"):
        path.unlink()
    write_labels(seg / "man_seg_001_002.tif", whole[2])
    page, _ = write(a_run, "--only", f"classical/{NAME}/01")
    (data,) = map(json.loads, page.data.values())
    assert data["frames"] == [1]
    assert data["slices"]["1/2"]["wanted"]
    assert not data["slices"]["1/1"]["wanted"]


def test_masks_of_unknown_origin_are_shown_without_maps(a_run, tmp_path):
    dataset = tmp_path / "data" / NAME
    shutil.copytree(a_run / "classical" / NAME / "01_RES", dataset / "01_RES")
    (dataset / "01_RES" / ".segmentation.json").unlink()
    page, _ = write(dataset)
    assert list(json.loads(page.data["sequence-0-data"])["slices"]["0/0"]["views"]) == ["raw"]
    assert "their maps are not shown" in page.text


def test_tracks_are_drawn_where_there_are_any(a_run):
    assert "Lineages" not in write(a_run)[0].text
    tracks = a_run / "tracks" / "classical" / NAME / "01_RES" / "res_track.txt"
    tracks.parent.mkdir(parents=True)
    tracks.write_text("1 0 1 0\n41 2 2 1\n42 2 2 1\n")
    page, text = write(a_run)
    assert page.text.count("Lineages") == 2  # of one sequence: the chart and its title
    assert ">41</text>" in text


def test_what_is_submitted_is_no_method(a_run):
    shutil.copytree(a_run / "classical" / NAME, a_run / "submitted" / NAME)
    assert [one.path for one in find_sequences(a_run)] == [
        f"classical/{NAME}/01",
        f"classical/{NAME}/02",
    ]


def test_what_is_missing_is_told(a_run, tmp_path, capsys):
    with refused("folder-missing", "no masks"):
        find_sequences(tmp_path / "data")
    with refused("folder-missing", "no masks in unet/X/01"):
        find_sequences(a_run, only=["unet/X/01"])
    with refused("frames-missing", "--data"):
        find_sequences(a_run, tmp_path)
    assert main(["report", str(tmp_path / "data"), "--quiet"]) == 1
    refusal(capsys, "folder-missing", "no masks")
    assert not (tmp_path / "data" / "report.html").exists()


def test_networks_are_found_by_their_weights(models, tmp_path):
    from efficientcellseg.networks.folders import read_card

    hashes = {read_card(models / name).sha256 for name in ("cells", "centers")}
    assert find_networks([tmp_path / "none", models.parent], hashes) == models
    one = read_card(models / "cells").sha256
    assert find_networks([models], [one]) == models / "cells"
    assert find_networks([models], [one, "other"]) is None
    assert find_networks([models], []) is None


def test_costs_are_added_up_by_step(tmp_path):
    head = "s\th:m:s\tmax_rss\tmax_vms\n"
    for place, row in (
        ("infer/a/01.tsv", "3.5\t0:00:03\t100\t1"),
        ("infer/b/01.tsv", "2.5\t0:00:02\t300\t1"),
        ("table.tsv", "0.1\t0:00:00\tNA\tNA"),
    ):
        path = tmp_path / "benchmarks" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{head}{row}\n")
    infer, table = read_costs(tmp_path)
    assert (infer.rule, infer.jobs, infer.seconds, infer.longest) == ("infer", 2, 6.0, 3.5)
    assert (infer.memory, table.memory) == (300.0, None)
