"""`table`: measured and published values side by side."""

import csv
import io
import json
import re
from pathlib import Path

import pytest

from ctc_eval.cli.main import main
from ctc_eval.table import (
    BLOCKS,
    COLUMNS,
    build_table,
    read_published,
    read_scores,
    render,
)

PUBLISHED = Path(__file__).parents[2] / "resources" / "published.csv"
EXACT = [
    *("dataset", "sequence", "method", "networks", "parameters"),
    *("SEG", "DET", "OP_CSB", "PESEG", "origin", "reference"),
]


@pytest.fixture
def scores(tmp_path):
    """Write the scores of two sequences of one data set and of one of another."""
    common = {"method": "ecs", "networks": "2 x B5", "parameters": 4_000_000, "frames": "all"}
    common |= {"origin": "measured", "reference": "gold truth, training sequence"}
    runs = [
        {"dataset": "Fluo-C3DL-MDA231", "sequence": "02", "SEG": 0.6, "DET": 0.8, "OP_CSB": 0.7},
        {"dataset": "Fluo-C3DL-MDA231", "sequence": "01", "SEG": 0.4, "DET": 0.9, "OP_CSB": 0.65},
        {"dataset": "Sim_TRIC", "sequence": "01", "SEG": 0.5, "frames": "12:20"},
    ]
    paths = []
    for number, run in enumerate(runs):
        path = tmp_path / f"{number}.json"
        record = {**common, **run, "PESEG": run["SEG"] / 4}
        path.write_text(json.dumps(record))
        paths.append(path)
    return paths


def _table(capsys, *arguments):
    assert main(["table", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_columns_are_exactly_those_of_the_contract(scores, capsys):
    assert list(COLUMNS) == EXACT
    rows = list(csv.reader(io.StringIO(_table(capsys, *scores, "--format", "csv"))))
    assert rows[0] == EXACT


def test_mean_of_a_data_sets_sequences_by_hand(scores, capsys):
    rows = list(csv.DictReader(io.StringIO(_table(capsys, *scores, "--format", "csv"))))
    assert [(row["dataset"], row["sequence"]) for row in rows] == [
        ("Fluo-C3DL-MDA231", "01"),
        ("Fluo-C3DL-MDA231", "02"),
        ("Fluo-C3DL-MDA231", "mean"),
        ("Sim_TRIC", "01"),
    ]
    mean = rows[2]
    assert [mean[name] for name in ("SEG", "DET", "OP_CSB", "PESEG")] == [
        *("0.500000", "0.850000", "0.675000", "0.125000")
    ]
    assert mean["parameters"] == "4000000"
    assert rows[3]["DET"] == ""
    assert rows[3]["reference"] == (
        f"gold truth, training sequence, frames 12:20. {BLOCKS['measured']}"
    )


def test_a_measure_that_one_sequence_lacks_has_no_mean(scores):
    rows = [read_scores(path) for path in scores[:2]]
    rows[0]["DET"] = None
    mean = build_table(rows)[2]
    assert mean["DET"] is None
    assert mean["SEG"] == pytest.approx(0.5)


@pytest.mark.parametrize("difference", [{"method": "otsu"}, {"frames": "0:5"}, {"parameters": 1}])
def test_only_like_is_averaged_with_like(scores, difference):
    record = json.loads(scores[0].read_text())
    scores[0].write_text(json.dumps({**record, **difference}))
    rows = build_table([read_scores(path) for path in scores])
    assert "mean" not in [row["sequence"] for row in rows]


def test_published_values_of_the_data_sets_measured(scores, capsys):
    out = _table(capsys, *scores, "--published", PUBLISHED, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    published = [row for row in rows if row["origin"] == "published"]
    assert {row["dataset"] for row in published} == {"Fluo-C3DL-MDA231"}
    assert {"0.646", "0.710", "0.7096"} <= {row["SEG"] for row in published}
    assert {"2/19", "0.911"} <= {row[name] for row in published for name in ("rank", "DET")}
    assert all("secret test reference" in row["reference"] for row in published)
    assert rows[-len(published) :] == published

    out = _table(capsys, *scores, "--published", PUBLISHED, "--all-published", "--format", "csv")
    everywhere = {row["dataset"] for row in csv.DictReader(io.StringIO(out))}
    assert {"Fluo-C3DH-A549-SIM", "Fluo-N3DL-TRIC"} <= everywhere


# The paper's Table 3, typed from it.
TABLE_3 = """
Fluo-C3DH-A549-SIM  DKFZ-GE     4 x 3D U-Net          176.0 M  0.955  1/12  0.005
Fluo-C3DH-A549-SIM  Ours        EfficientCellSeg      6.7 M    0.951  2/12  0.142
Fluo-N3DL-TRIC      KIT-Sch-GE  DU-Net                46.4 M   0.821  1/8   0.018
Fluo-N3DL-TRIC      Ours        EfficientCellSeg      6.7 M    0.782  3/8   0.117
Fluo-C3DL-MDA231    KIT-Sch-GE  DU-Net                46.4 M   0.710  1/19  0.015
Fluo-C3DL-MDA231    Ours        2 x EfficientCellSeg  13.4 M   0.646  2/19  0.048
"""


def test_published_rows_are_the_papers_letter_by_letter(scores, capsys):
    options = ("--published", PUBLISHED, "--all-published", "--format", "markdown")
    lines = _table(capsys, *scores, *options).partition(BLOCKS["published"])[2].splitlines()
    head, _, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line]
    shown = [dict(zip(head, row, strict=True)) for row in rows]
    names = ("dataset", "method", "networks", "parameters", "SEG", "rank", "PESEG")
    papers = {
        tuple(row[name].replace("EfficientCellSeg (HD-Wag-GE)", "Ours") for name in names)
        for row in shown
        if "the paper's Table 3" in row["reference"]
    }
    assert papers == {tuple(re.split("  +", line)) for line in TABLE_3.strip().splitlines()}
    # Nobody has computed what the sources do not print.
    assert {row["OP_CSB"] for row in shown} == {""}


def test_two_blocks_and_what_sets_them_apart(scores, capsys):
    both = (*scores, "--published", PUBLISHED)
    for style in ("text", "markdown", "latex"):
        told = _table(capsys, *both, "--format", style)
        measured, published = told.split(BLOCKS["published"])
        assert measured.startswith(f"{BLOCKS['measured']}\n\n")
        assert ("ecs" in measured, "KIT-Sch-GE" in measured) == (True, False)
        assert ("ecs" in published, "KIT-Sch-GE" in published) == (False, True)
        assert BLOCKS["published"] not in _table(capsys, *scores, "--format", style)
    # A CSV has one header and rows alone; there the reference says it.
    rows = list(csv.DictReader(io.StringIO(_table(capsys, *both, "--format", "csv"))))
    assert {row["origin"] for row in rows} == {"measured", "published"}
    for row in rows:
        assert row["reference"].endswith(f". {BLOCKS[row['origin']]}")
        for name in ("parameters", "SEG", "DET", "OP_CSB", "PESEG"):
            assert not row[name] or float(row[name]) >= 0


def test_ranks_have_a_column_where_there_are_some(scores, capsys):
    heads = [
        _table(capsys, *scores, *options, "--format", "csv").splitlines()[0].split(",")
        for options in ([], ["--published", PUBLISHED])
    ]
    assert heads == [EXACT, [*EXACT[:9], "rank", *EXACT[9:]]]


def test_sequences_that_networks_of_the_others_were_scored_on_have_a_mean(scores):
    swapped = ("trained on 01, scored on 02", "trained on 02, scored on 01")
    for path, told in zip(scores[:2], swapped, strict=True):
        values = {"name": "U-Net 384", "cross_validated": told, "method": told.partition(",")[0]}
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    rows = build_table([read_scores(path) for path in scores[:2]])
    assert [row["method"] for row in rows] == [
        *("trained on 02", "trained on 01", "U-Net 384, cross-validated")
    ]
    assert rows[0]["reference"].endswith("; trained on 02, scored on 01")
    assert rows[2]["reference"].endswith(
        "; 01: trained on 02, scored on 01, 02: trained on 01, scored on 02"
    )
    assert rows[2]["SEG"] == pytest.approx(0.5)


def test_a_trial_without_annotated_frames_has_a_row(scores):
    record = json.loads(scores[2].read_text()) | {"unannotated": ["SEG"], "SEG": None}
    scores[2].write_text(json.dumps(record))
    (row,) = build_table([read_scores(scores[2])])
    told = "gold truth, training sequence, frames 12:20; no frame annotated for SEG"
    assert (row["SEG"], row["reference"]) == (None, told)


def test_text_markdown_and_latex(scores, capsys):
    text = _table(capsys, *scores).splitlines()[2:]
    assert text[0].split() == EXACT
    assert text[2].split()[:2] == ["Fluo-C3DL-MDA231", "01"]
    assert len({len(line.split("  ")[0]) for line in text[:2]}) <= 2

    markdown = _table(capsys, *scores, "--format", "markdown").splitlines()[2:]
    assert len(markdown) == 2 + 4
    assert {line.count(" | ") for line in markdown} == {len(EXACT) - 1}
    assert "| mean | ecs | 2 x B5 | 4.00 M | 0.500 | 0.850 | 0.675 | 0.1250 |" in markdown[4]

    latex = _table(capsys, *scores, "--format", "latex")
    assert "\n\n\\begin{tabular}{llllrrrrrll}\n" in latex
    assert r"Sim\_TRIC & 01" in latex
    assert latex.rstrip().endswith(r"\end{tabular}")
    body = [line for line in latex.splitlines() if line.endswith(r"\\")]
    assert {line.count("&") for line in body} == {len(EXACT) - 1}


def test_latex_and_markdown_escape_what_they_must():
    row = dict.fromkeys(EXACT) | {"dataset": "a_b", "method": r"50% & {x}|\~", "origin": "m"}
    assert r"a\_b &  & 50\% \& \{x\}|\textbackslash{}\textasciitilde{}" in render([row], "latex")
    assert r"50% & {x}\|\~" in render([row], "markdown")


def test_output_file(scores, capsys, tmp_path):
    path = tmp_path / "tables" / "benchmark.csv"
    assert _table(capsys, *scores, "--format", "csv", "--output", path) == ""
    assert path.read_text().splitlines()[0] == ",".join(EXACT)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (None, "file-missing"),
        ("{", "file-unreadable"),
        ("[]", "score-incomplete"),
        ('{"dataset": "A", "sequence": "01", "SEG": "good"}', "score-number"),
    ],
)
def test_faulty_scores(tmp_path, refusal, text, code):
    path = tmp_path / "score.json"
    if text is not None:
        path.write_text(text)
    assert str(path) in refusal(code, "table", path)


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ("a,b\n1,2\n", "csv-columns", "columns a, b"),
        (",".join(EXACT[1:]) + "\n", "csv-columns", "dataset"),
        (",".join([*EXACT, "SEG"]) + "\n", "csv-columns", "reference, SEG"),
        (",".join(EXACT) + "\nA,mean,m,,,high,,,,published,x\n", "csv-cell", "line 2"),
        (",".join(EXACT) + "\nA,mean,m\n", "csv-cell", "line 2"),
        ("", "csv-columns", ""),
    ],
)
def test_faulty_published_values(scores, tmp_path, refusal, text, code, told):
    path = tmp_path / "published.csv"
    path.write_text(text)
    assert told in refusal(code, "table", scores[0], "--published", path)


def test_published_values_may_lack_the_column_of_a_measure(tmp_path):
    path = tmp_path / "published.csv"
    columns = [name for name in EXACT if name != "OP_CSB"]
    path.write_text(",".join(columns) + "\nA,mean,m,,4,0.5,,,published,x\n")
    (row,) = read_published(path)
    assert list(row) == EXACT
    assert (row["SEG"], row["OP_CSB"], row["parameters"]) == (0.5, None, 4)
