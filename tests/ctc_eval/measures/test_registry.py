"""The registry's order and needs; tests/docs/test_extending.py adds a measure to it."""

import math

from ctc_eval.measures import MEASURES, needs_of, with_parts
from ctc_eval.measures.seg import seg


def test_measures_stand_after_what_they_are_made_of():
    names = list(MEASURES)
    assert len(set(names)) == len(names)
    for name, measure in MEASURES.items():
        before = names[: names.index(name)]
        known = {"objects", "markers", "tracks", "parameters", *before}
        assert known.issuperset(measure.needs), name


def test_parts_and_needs_are_followed_down():
    assert with_parts(["PESEG", "OP_CTB"]) == ("SEG", "TRA", "OP_CTB", "PESEG")
    assert needs_of(["PESEG"]) == {"objects", "parameters"}
    assert needs_of(["OP_CTB"]) == {"objects", "markers", "tracks"}
    assert needs_of([]) == set()


def test_seg_of_nothing_is_not_a_number():
    assert math.isnan(seg([]))
