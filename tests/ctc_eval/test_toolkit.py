"""`score --toolkit`: the official executables beside ctc_eval, with a stand-in for them."""

import json
import sys

import numpy as np
import pytest

from ctc_eval.format import write_labels

# Behaves like the official SEGMeasure: its argument list, the names it reads, the line it
# prints, the log it leaves, its refusals on stdout with exit status 255. DETMeasure and
# TRAMeasure say a fixed value, so that a difference shows.
STAND_IN = """#!{python}
import sys
from pathlib import Path
import numpy as np
import tifffile

def refuse(message):
    print(message)
    sys.exit(255)

root, sequence, digits, *extra = sys.argv[1:]
reference, result = Path(root, sequence + "_GT"), Path(root, sequence + "_RES")
measure = Path(sys.argv[0]).name[:3]
{behavior}
if measure == "SEG":
    scores = []
    for path in sorted((reference / "SEG").glob("man_seg*.tif")):
        number = path.stem.removeprefix("man_seg")
        if len(number) != int(digits):
            continue
        mask = result / f"mask{{number}}.tif"
        if not mask.exists():
            refuse(f"The image '{{mask}}' cannot be opened!")
        R, S = tifffile.imread(path), tifffile.imread(mask)
        if R.shape != S.shape:
            refuse(f"Incompatible image size! (gt='{{path}}', res='{{mask}}')")
        for r in np.unique(R[R > 0]):
            inside = S[R == r]
            s, n = max(((s, (inside == s).sum()) for s in np.unique(S[S > 0])), key=lambda p: p[1])
            scores.append(n / ((R == r) | (S == s)).sum() if 2 * n > (R == r).sum() else 0.0)
    if not scores:
        refuse("No ground truth object found!")
    value = sum(scores) / len(scores)
else:
    value = 0.25 if measure == "TRA" else 0.5 if extra == ["1"] else 0.75
(result / f"{{measure}}_log.txt").write_text("log")
print(f"{{measure}} measure: {{value:.6f}}")
"""

REFERENCE = np.array([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 0, 2]], np.uint16)
RESULT = np.array([[0, 5, 5, 5, 5, 0], [0, 5, 5, 5, 5, 6]], np.uint16)


@pytest.fixture
def dataset(tmp_path):
    root = tmp_path / "Toy"
    for frame in (0, 1):
        write_labels(root / "01_GT" / "SEG" / f"man_seg00{frame}.tif", REFERENCE)
        write_labels(root / "01_GT" / "TRA" / f"man_track00{frame}.tif", REFERENCE)
        write_labels(root / "01_RES" / f"mask00{frame}.tif", RESULT)
    (root / "01_GT" / "TRA" / "man_track.txt").write_text("1 0 1 0\n2 0 1 0\n")
    (root / "01_RES" / "res_track.txt").write_text("5 0 1 0\n6 0 1 0\n")
    (root / "01_RES" / "SEG_log.txt").write_text("of an earlier run")
    return root


@pytest.fixture
def toolkit(tmp_path):
    """Give a function that installs the stand-in, optionally misbehaving."""

    def install(behavior=""):
        folder = tmp_path / "EvaluationSoftware"
        for measure in ("SEG", "DET", "TRA"):
            program = folder / "Linux" / f"{measure}Measure"
            program.parent.mkdir(parents=True, exist_ok=True)
            program.write_text(STAND_IN.format(python=sys.executable, behavior=behavior))
            program.chmod(0o755)
        return folder

    return install


def test_both_values_and_their_difference(dataset, toolkit, judge):
    # SEG by hand: 6 of 10, and 1 of 1. DET is 1 here; the stand-in says 0.5.
    status, out, _ = judge("score", dataset, "01", "--toolkit", toolkit())
    assert status == 0
    assert out.splitlines() == [
        "SEG measure: 0.800000",
        "DET measure: 1.000000",
        "OP_CSB measure: 0.900000",
        "SEGMeasure: 0.800000, difference +0.000000",
        "DETMeasure: 0.500000, difference +0.500000",
    ]
    # The executables ran on a copy: the result folder is as it was.
    assert (dataset / "01_RES" / "SEG_log.txt").read_text() == "of an earlier run"
    assert not (dataset / "01_RES" / "DET_log.txt").exists()


def test_json_and_the_detection_switch(dataset, toolkit, judge):
    names = ("--measures", "DET,TRA", "--penalize-extra-detections", "0", "--json")
    _, out, _ = judge("score", dataset, "01", "--toolkit", toolkit(), *names)
    assert json.loads(out) == {
        "DET": 1.0,
        "TRA": 1.0,
        "toolkit": {
            "DET": {"value": 0.75, "difference": 0.25},
            "TRA": {"value": 0.25, "difference": 0.75},
        },
    }


def test_frames_and_masks_as_reference(dataset, toolkit, judge):
    write_labels(dataset / "01_RES" / "mask001.tif", REFERENCE)
    folder = dataset / "01_ERR_SEG"
    for frame in (0, 1):
        write_labels(folder / f"mask00{frame}.tif", REFERENCE)
    arguments = ("--reference", folder, "--measures", "SEG", "--toolkit", toolkit())
    for frames, value in (("1:", 1.0), (":1", 0.8), ("0:2", 0.9)):
        out = judge("score", dataset, "01", *arguments, "--frames", frames)[1]
        assert out == (f"SEG measure: {value:.6f}\nSEGMeasure: {value:.6f}, difference +0.000000\n")


def test_a_refusal_of_both_says_what_each_says(dataset, toolkit, refusal):
    (dataset / "01_RES" / "mask001.tif").unlink()
    arguments = ("score", dataset, "01", "--measures", "SEG", "--toolkit", toolkit())
    err = refusal("mask-missing", *arguments)
    assert "mask001.tif: no such file" in err
    assert "SEGMeasure: The image '" in err
    assert "cannot be opened! (exit status 255)" in err


@pytest.mark.parametrize(
    ("behavior", "said"),
    [
        (
            "refuse('No ground truth object found!')",
            "No ground truth object found! (exit status 255",
        ),
        ("sys.exit(0)", "no word (exit status 0)"),
        ("print('SEG measure: 0.9'); sys.exit(255)", "SEG measure: 0.9 (exit status 255)"),
        ("print('SEG measure: nan'); sys.exit(0)", "SEG measure: nan (exit status 0)"),
        ("import os; os.abort()", "no word (exit status -6)"),
    ],
)
def test_a_value_counts_only_with_its_line_and_exit_status(
    dataset, toolkit, refusal, behavior, said
):
    arguments = ("score", dataset, "01", "--measures", "SEG", "--output", dataset / "score.json")
    err = refusal("program-refused", *arguments, "--toolkit", toolkit(behavior))
    assert "SEGMeasure refuses: " in err
    assert said in err
    assert "here SEG 0.800000" in err
    assert not (dataset / "score.json").exists()


def test_a_toolkit_that_is_not_there_or_does_not_start(dataset, toolkit, refusal, tmp_path):
    arguments = ("score", dataset, "01", "--measures", "SEG", "--toolkit")
    assert "SEGMeasure" in refusal("program-missing", *arguments, tmp_path)
    folder = toolkit()
    (folder / "Linux" / "SEGMeasure").chmod(0o644)
    assert "SEGMeasure" in refusal("program-unstartable", *arguments, folder)
