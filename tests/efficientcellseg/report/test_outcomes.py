"""What became of each object, on masks drawn by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ctc_eval.measures.graph import node_errors
from ctc_eval.overlap import add_up, count_runs
from efficientcellseg.report.outcomes import Judged, Outcome, judge_objects, tell_reason


def draw(row: str) -> np.ndarray:
    """Read a row of digits as labels, . as background."""
    return np.array([[0 if c == "." else int(c) for c in row]], np.uint16)


def judge(reference: str, result: str, **options) -> Judged:
    return judge_objects(add_up(count_runs([draw(reference)], draw(result))), **options)


def outcomes(judged: Judged) -> tuple[dict[int, str], dict[int, str]]:
    """Give what became of each reference object and of each result object, by label."""
    pairs = (
        (judged.matching.reference, judged.reference),
        (judged.matching.result, judged.result),
    )
    return tuple(
        {int(label): Outcome(code).name for label, code in zip(labels, codes, strict=True)}
        for labels, codes in pairs
    )


# Reference, result, and what became of the objects of each.
CASES = {
    "hit": ("..1111..", "..7777..", {1: "HIT"}, {7: "HIT"}),
    "hit, though the result reaches far beyond": ("..11....", "..777777", {1: "HIT"}, {7: "HIT"}),
    "half is no match": ("1111....", "77......", {1: "MISS"}, {7: "FALSE"}),
    "missed": ("1111..2.", "..........", {1: "MISS", 2: "MISS"}, {}),
    "false": ("1111...", "7777.8.", {1: "HIT"}, {7: "HIT", 8: "FALSE"}),
    "merged": ("111.222.", "7777777.", {1: "MERGE", 2: "MERGE"}, {7: "MERGE"}),
    "split, neither covers it": ("111111", "777888", {1: "SPLIT"}, {7: "SPLIT", 8: "SPLIT"}),
    "split, one covers it": ("111111", "777788", {1: "SPLIT"}, {7: "SPLIT", 8: "SPLIT"}),
    "a neighbor that leans over is no part": (
        "1111112222",
        "7777788888",
        {1: "HIT", 2: "HIT"},
        {7: "HIT", 8: "HIT"},
    ),
    "merged, with a part split off": (
        "1111122222",
        "7778777777",
        {1: "MERGE", 2: "MERGE"},
        {7: "MERGE", 8: "SPLIT"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_cases_worked_by_hand(case):
    reference, result, theirs, ours = CASES[case]
    assert outcomes(judge(reference, result.ljust(len(reference))[: len(reference)])) == (
        theirs,
        ours,
    )


def test_an_incomplete_reference_calls_nothing_false():
    assert outcomes(judge("11...", "77.8.", complete=False))[1] == {7: "HIT", 8: "UNJUDGED"}


def test_what_markers_know_is_not_false():
    judged = judge("11.....", "77.8.9.", known=[0, 8])
    assert outcomes(judged)[1] == {7: "HIT", 8: "UNJUDGED", 9: "FALSE"}


def test_objects_are_counted_where_they_are():
    judged = judge("111.222.3333", "7777777..8..")
    counts = {outcome.name: judged.count(outcome) for outcome in Outcome}
    assert counts == {"HIT": 0, "MISS": 1, "MERGE": 2, "SPLIT": 0, "FALSE": 1, "UNJUDGED": 0}


@pytest.mark.parametrize(
    ("reference", "result", "reason"),
    [
        ("1111", "7777", "found, IoU 1.00; 100% of it is covered"),
        ("1111....", "77777777", "found, IoU 0.50; 100% of it is covered"),
        ("1111", "7...", "missed: no result object covers more than 25% of it"),
        ("1111", "....", "missed: nothing was found there"),
        ("11.22", "77777", "merged with 1 other object, IoU 0.40"),
        ("11.22.33", "77777777", "merged with 2 other objects, IoU 0.25"),
        ("111111", "777788", "split into 2 parts, IoU 0.67"),
    ],
)
def test_the_reason_is_told(reference, result, reason):
    assert tell_reason(judge(reference, result), 0) == reason


@given(
    arrays.arrays(np.uint16, (2, 12), elements=st.integers(0, 3)),
    arrays.arrays(np.uint16, (2, 12), elements=st.integers(0, 3)),
)
def test_agrees_with_det(reference, result):
    """DET's misses, splits and false detections can be counted from the outcomes."""
    judged = judge_objects(add_up(count_runs([reference], result)))
    errors = node_errors({0: judged.matching})
    theirs, ours = outcomes(judged)
    missed = {label for _, label in errors.missed}
    assert {label for label, name in theirs.items() if name == "MISS"} <= missed
    assert all(theirs[label] in ("MISS", "SPLIT") for label in missed)
    extra = {label for _, label in errors.extra}
    assert {label for label, name in ours.items() if name == "FALSE"} <= extra
    assert all(ours[label] in ("FALSE", "SPLIT") for label in extra)
    assert {label for _, label in errors.splits} == {
        label for label, name in ours.items() if name == "MERGE"
    }
