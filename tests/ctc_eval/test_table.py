"""`table`: measured and published values side by side."""

import csv
import io
import json
from pathlib import Path

import pytest

from ctc_eval.cli.main import main
from ctc_eval.table import COLUMNS, build_table, read_published, read_scores, render

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
    assert rows[3]["reference"] == "gold truth, training sequence, frames 12:20"


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
    assert {"0.646000", "0.710000"} <= {row["SEG"] for row in published}
    assert all("secret test reference" in row["reference"] for row in published)
    # A data set's rows stay together.
    assert [row["dataset"] for row in rows][-1] == "Sim_TRIC"

    out = _table(capsys, *scores, "--published", PUBLISHED, "--all-published", "--format", "csv")
    everywhere = {row["dataset"] for row in csv.DictReader(io.StringIO(out))}
    assert {"Fluo-C3DH-A549-SIM", "Fluo-N3DL-TRIC"} <= everywhere


def test_published_values_carry_their_own_arithmetic():
    rows = read_published(PUBLISHED)
    values = {(row["dataset"], row["method"]): row for row in rows}
    assert values["Fluo-C3DH-A549-SIM", "EfficientCellSeg"]["SEG"] == 0.951
    assert values["Fluo-N3DL-TRIC", "EfficientCellSeg"]["SEG"] == 0.782
    assert values["Fluo-C3DL-MDA231", "EfficientCellSeg"]["SEG"] == 0.646
    for row in rows:
        assert row["origin"] == "published"
        if row["parameters"]:
            assert row["PESEG"] == pytest.approx(row["SEG"] / row["parameters"] * 1e6, abs=1e-6)


def test_text_markdown_and_latex(scores, capsys):
    text = _table(capsys, *scores).splitlines()
    assert text[0].split() == EXACT
    assert text[2].split()[:2] == ["Fluo-C3DL-MDA231", "01"]
    assert len({len(line.split("  ")[0]) for line in text[:2]}) <= 2

    markdown = _table(capsys, *scores, "--format", "markdown").splitlines()
    assert len(markdown) == 2 + 4
    assert {line.count(" | ") for line in markdown} == {len(EXACT) - 1}
    assert "| mean | ecs | 2 x B5 | 4.00 M | 0.500 | 0.850 | 0.675 | 0.1250 |" in markdown[4]

    latex = _table(capsys, *scores, "--format", "latex")
    assert latex.startswith(r"\begin{tabular}{llllrrrrrll}")
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
