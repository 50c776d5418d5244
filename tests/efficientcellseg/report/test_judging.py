"""Measures by frame, sizes and the worst objects of a sequence."""

from pathlib import Path

import numpy as np
import pytest

from ctc_eval.format import ReferenceImage
from ctc_eval.overlap import add_up, count_runs
from efficientcellseg.report.judging import diameters, frame_scores, measures_of, worst_objects
from efficientcellseg.report.outcomes import Outcome, judge_objects


def image(frame: int, reference: list[int], result: list[int], plane: int | None = None):
    theirs, ours = (np.array([row], np.uint16) for row in (reference, result))
    judged = judge_objects(add_up(count_runs([theirs], ours)))
    return ReferenceImage(Path("x.tif"), frame, plane, 3), judged


# Frame 0: label 1 found (IoU 1/2), 2 missed. Frame 3: 1 found (IoU 1), and one object too many.
FIRST = image(0, [1, 1, 0, 0, 2, 2, 2, 2], [7, 7, 7, 7, 0, 0, 0, 8])
SECOND = image(3, [1, 1, 1, 0, 0, 0, 0, 0], [4, 4, 4, 0, 0, 5, 0, 0])
JUDGED = [FIRST, SECOND]
MARKERS = {0: FIRST[1].matching, 3: SECOND[1].matching}


def test_seg_is_of_objects_and_not_of_frames():
    seg, det = measures_of(JUDGED, MARKERS)
    assert seg == pytest.approx((0.5 + 0 + 1) / 3)
    # A miss costs 10 of the 30 that three objects cost; each object too many 1.
    assert det == pytest.approx(1 - (10 + 1 + 1) / 30)
    assert measures_of(JUDGED, MARKERS, penalize_extra=False)[1] == pytest.approx(1 - 10 / 30)
    assert measures_of([], {}) == (None, None)


def test_measures_of_each_frame():
    first, second = frame_scores(JUDGED, MARKERS)
    assert (first.frame, second.frame) == (0, 3)
    assert (first.seg, second.seg) == (pytest.approx(0.25), pytest.approx(1))
    assert second.det == pytest.approx(1 - 1 / 10)
    assert first.counts[Outcome.MISS] == second.counts[Outcome.FALSE] == 1
    # Without markers there is no DET.
    assert [one.det for one in frame_scores(JUDGED, {})] == [None, None]


def test_sizes_are_those_of_a_ball_or_a_disk():
    size = (2.0, 0.5, 0.5)
    balls = diameters([FIRST], size, flat=False)
    assert balls[Outcome.MISS] == pytest.approx([(6 * 4 * 0.5 / np.pi) ** (1 / 3)])
    assert balls[Outcome.HIT] == pytest.approx([(6 * 2 * 0.5 / np.pi) ** (1 / 3)])
    disk = (4 * 4 * 0.25 / np.pi) ** 0.5
    assert diameters([FIRST], size, flat=True)[Outcome.MISS] == pytest.approx([disk])
    (slice_image, judged) = image(0, [2, 2, 2, 2], [0, 0, 0, 0], plane=5)
    assert diameters([(slice_image, judged)], size, flat=False)[Outcome.MISS] == pytest.approx(
        [disk]
    )
    assert diameters([FIRST], None, flat=True)[Outcome.MISS] == pytest.approx([(16 / np.pi) ** 0.5])


def test_the_worst_come_first_and_each_once():
    found = worst_objects(JUDGED, 10)
    told = [(one.frame, one.label, one.outcome.name) for one in found]
    assert told[0] == (0, 2, "MISS")
    assert told[1:3] == [(0, 8, "FALSE"), (3, 5, "FALSE")]
    # Label 1 with its worst frame first; the better one only where there is room.
    assert told[3:] == [(0, 1, "HIT"), (3, 1, "HIT")]
    assert [one.label for one in worst_objects(JUDGED, 1)] == [2]
    assert found[1].of_result
    assert not found[0].of_result


def test_larger_misses_come_before_smaller_ones():
    one = image(0, [1, 0, 2, 2, 2, 0], [0, 0, 0, 0, 0, 0])
    assert [found.label for found in worst_objects([one], 2)] == [2, 1]
