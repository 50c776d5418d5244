"""LNK, CT, TF, BC(i), CCA, BIO(i) and OP_CLB(i) by hand."""

import json

import numpy as np
import pytest
from lineages import make_evidence, make_tracks, measure, toolkit_or_none

from ctc_eval.format import write_labels


@pytest.fixture
def late(tmp_path):
    """Write a division, 1 into 2 and 3 in frame 2, that the result has a frame later."""
    rows = ("1 0 1 0\n2 2 3 1\n3 2 3 1\n", "5 0 2 0\n6 3 3 5\n7 3 3 5\n")
    frames = [
        ([1, 1, 1, 1, 0, 0], [5, 5, 5, 5, 0, 0]),
        ([0, 1, 1, 1, 1, 0], [5, 5, 5, 5, 0, 0]),
        ([2, 2, 0, 0, 3, 3], [5, 5, 0, 0, 0, 0]),
        ([2, 2, 0, 0, 3, 3], [6, 6, 0, 0, 7, 7]),
    ]
    for frame, images in enumerate(frames):
        for path, image in zip(("01_GT/TRA/man_track", "01_RES/mask"), images, strict=True):
            write_labels(tmp_path / f"{path}{frame:03d}.tif", np.array([image], np.uint16))
    (tmp_path / "01_GT/TRA/man_track.txt").write_text(rows[0])
    (tmp_path / "01_RES/res_track.txt").write_text(rows[1])
    return tmp_path


def test_a_late_division_by_hand(late, judge, caplog):
    # LNK: of 5 links, 1-1 is right; 1-2 and 2-2 have the wrong kind (2 x 1); 2-3 is too many (1);
    # 1-3 and 3-3 are missing (2 x 1.5): 6 of 7.5. CT: none of 3 + 3. TF: 1 is followed all the
    # time by 5, which then no longer counts for 2; of 2 and 3 a half each.
    # BC: the mothers end a frame apart. CCA: no track from division to division.
    status, out, err = judge("score", late, "01", "--measures", "LNK,CT,TF,BC,CCA")
    assert (status, err) == (0, "")
    assert "01_GT: no reference for CCA, left out" in caplog.text
    assert out.splitlines() == [
        *("LNK measure: 0.200000", "CT measure: 0.000000", "TF measure: 0.666667"),
        *("BC(0) measure: 0.000000", "BC(1) measure: 1.000000"),
        *("BC(2) measure: 1.000000", "BC(3) measure: 1.000000"),
        *("BIO(0) measure: 0.222222", "BIO(1) measure: 0.555556"),
        *("BIO(2) measure: 0.555556", "BIO(3) measure: 0.555556"),
        *("OP_CLB(0) measure: 0.211111", "OP_CLB(1) measure: 0.377778"),
        *("OP_CLB(2) measure: 0.377778", "OP_CLB(3) measure: 0.377778"),
    ]


def test_one_tolerance_as_json_and_in_the_table(late, judge):
    for path in sorted(late.glob("01_GT/TRA/*.tif")):
        name = path.name.replace("track", "seg")
        write_labels(late / "01_GT/SEG" / name, np.ones((1, 6), np.uint16))
    names = ("--measures", "SEG,TRA,OP_CLB(1)", "--json", "--output", late / "score.json")
    values = json.loads(judge("score", late, "01", *names)[1])
    # TRA: 6 objects, 3 in frame 2 missing; links as above; of 60 + 7.5.
    assert values["TRA"] == round(1 - 16 / 67.5, 6)
    assert values["BIO(1)"] == 0.555556
    assert {"BC(0)", "BC(2)", "BIO(0)", "OP_CLB(0)", "CCA"}.isdisjoint(values)
    header, row = judge("table", late / "score.json", "--format", "csv")[1].splitlines()
    assert header.split(",")[5:] == [
        *("SEG", "DET", "TRA", "LNK", "CT", "TF", "BC(1)", "BIO(1)"),
        *("OP_CSB", "OP_CTB", "OP_CLB(1)", "PESEG", "origin", "reference"),
    ]
    assert row.split(",")[7:13] == [
        *("0.762963", "0.200000", "0.000000", "0.666667", "1.000000", "0.555556"),
    ]


@pytest.mark.parametrize("name", ["BC(4)", ""])
def test_a_family_that_is_none_is_refused(late, judge, capsys, name):
    with pytest.raises(SystemExit) as stop:
        judge("score", late, "01", "--measures", f"LNK,{name}")
    assert stop.value.code == 2
    assert f"'{name}', expected a list of SEG, DET, TRA, LNK, CT" in capsys.readouterr().err


def test_perfect_tracks_without_division():
    tracks = make_tracks((1, 0, 2, 0), (2, 0, 0, 0))
    matches = {(0, 1): 1, (1, 1): 1, (2, 1): 1, (0, 2): 2}
    assert measure(make_evidence(tracks, tracks, matches)) == {"LNK": 1, "CT": 1, "TF": 1}


def test_tracks_that_are_not_there():
    reference, none = make_tracks((1, 0, 1, 0), (2, 2, 3, 1), (3, 2, 3, 1)), {}
    values = measure(make_evidence(reference, none, {}))
    assert values == {"LNK": 0, "CT": 0, "TF": 0, "BC(0)": 0, "BC(1)": 0, "BC(2)": 0, "BC(3)": 0}
    # A single frame, which py-ctcmetrics fails on, has no link.
    only = make_tracks((1, 0, 0, 0))
    assert measure(make_evidence(only, only, {(0, 1): 1})) == {"CT": 1, "TF": 1}


@pytest.mark.parametrize(
    ("result", "matches", "expected"),
    [
        # Begins, ends with it and matches it all along; one frame short, one frame matched by
        # an object that matches another, too, one frame matched by none.
        ([(7, 0, 2, 0)], {0: 7, 1: 7, 2: 7}, 2 / 3),
        ([(7, 0, 1, 0)], {0: 7, 1: 7}, 0),
        ([(7, 1, 2, 0)], {1: 7, 2: 7}, 0),
        ([(7, 0, 2, 0)], {0: 7, 2: 7}, 0),
        ([(7, 0, 2, 0)], {0: 7, 1: 7, 2: 7, (1, 2): 7}, 0),
        ([(7, 0, 2, 0), (8, 0, 0, 0)], {0: 7, 1: 7, 2: 7}, 2 / 4),
    ],
)
def test_complete_tracks_by_hand(result, matches, expected):
    reference = make_tracks((1, 0, 2, 0), (2, 1, 1, 0))
    matches = {key if isinstance(key, tuple) else (key, 1): label for key, label in matches.items()}
    assert measure(make_evidence(reference, make_tracks(*result), matches))["CT"] == expected


def test_a_track_longer_than_what_it_matches_is_not_complete():
    reference, result = make_tracks((1, 0, 1, 0)), make_tracks((7, 0, 2, 0))
    values = measure(make_evidence(reference, result, {(0, 1): 7, (1, 1): 7}))
    assert (values["CT"], values["TF"]) == (0, 1)


def test_track_fractions_by_hand():
    # The longest run of one track counts: 7 has frames 0, 1, then 3 to 5 of 8; 8 has 6 and 7.
    reference = make_tracks((1, 0, 7, 0), (2, 0, 7, 0))
    result = make_tracks((7, 0, 5, 0), (8, 6, 7, 0))
    matches = {(frame, 1): 7 for frame in (0, 1, 3, 4, 5)} | {(6, 1): 8, (7, 1): 8}
    # 2 is matched nowhere and does not count.
    assert measure(make_evidence(reference, result, matches))["TF"] == 3 / 8
    assert measure(make_evidence(reference, result, {**matches, (6, 2): 8}))["TF"] == 3 / 8
    assert measure(make_evidence(reference, result, {**matches, (2, 2): 7}))["TF"] == (3 + 1) / 16


@pytest.mark.parametrize(("first", "second", "expected"), [(1, 2, 1), (2, 1, 3 / 4)])
def test_a_track_that_completes_one_counts_for_smaller_labels_only(first, second, expected):
    # 7 follows one track to its end, then half of another: counted where that was looked at
    # before, as the challenge's own program does.
    reference = make_tracks((first, 0, 1, 0), (second, 2, 5, 0))
    result = make_tracks((7, 0, 3, 0))
    matches = {(0, first): 7, (1, first): 7, (2, second): 7, (3, second): 7}
    assert measure(make_evidence(reference, result, matches))["TF"] == expected


def test_lengths_of_cell_cycles_by_hand():
    # Tracks from division to division last 3, 3 and 5 frames, in the result 3 and 4: of those
    # up to 3 frames are 2/3 and 1/2, up to 4 2/3 and 1, up to 5 all.
    def family(*lengths):
        rows, label = [], 1
        for length in lengths:  # a mother, one daughter of which divides again
            rows.append((label, 0, 0, 0))
            rows += [(label + 1, 1, length, label), (label + 2, 1, 1, label)]
            rows += [(label + 3, length + 1, 9, label + 1), (label + 4, length + 1, 9, label + 1)]
            label += 5
        return make_tracks(*rows)

    value = measure(make_evidence(family(3, 3, 5), family(3, 4), {}))["CCA"]
    assert value == pytest.approx(2 / 3)
    # A track with one child is no division, and without divisions there is no cycle.
    chain = make_tracks((1, 0, 0, 0), (2, 1, 1, 1), (3, 2, 2, 2))
    assert measure(make_evidence(family(3), chain, {}))["CCA"] == 0
    assert "CCA" not in measure(make_evidence(chain, family(3), {}))


# One mother in two frames, then two daughters; and what may be amiss with a result's division.
DIVISION = make_tracks((1, 0, 1, 0), (2, 2, 3, 1), (3, 2, 3, 1))
TRUE = {(0, 1): 1, (1, 1): 1, (2, 2): 2, (3, 2): 2, (2, 3): 3, (3, 3): 3}


@pytest.mark.parametrize(
    ("result", "changed", "expected"),
    [
        (DIVISION, {}, 1),
        (DIVISION, {(0, 1): 0, (3, 2): 0, (3, 3): 0}, 1),
        (DIVISION, {(1, 1): 0}, 0),
        (DIVISION, {(1, 1): 2}, 0),
        (DIVISION, {(2, 2): 0}, 0),
        (DIVISION, {(2, 3): 2}, 0),
        (DIVISION, {(2, 2): 3, (2, 3): 2}, 1),
        (make_tracks((1, 0, 1, 0), (2, 2, 3, 1), (3, 2, 3, 0)), {}, 0),
        (make_tracks((1, 0, 1, 0), (2, 2, 3, 1), (3, 2, 3, 1), (4, 2, 3, 1)), {}, 0),
        (DIVISION | make_tracks((4, 0, 0, 0), (5, 1, 1, 4), (6, 1, 1, 4)), {}, 2 / 3),
    ],
)
def test_divisions_by_hand(result, changed, expected):
    value = measure(make_evidence(DIVISION, result, TRUE | changed))["BC(0)"]
    assert value == pytest.approx(expected)


@pytest.mark.parametrize("shift", [-2, -1, 0, 1, 2, 3])
def test_divisions_before_and_after_their_time(shift):
    # Both sides have mother and daughters all along, but for the frames of the shift.
    def side(at):
        return make_tracks((1, 0, at - 1, 0), (2, at, 9, 1), (3, at, 9, 1))

    reference, result = side(4), side(4 + shift)
    matches = {(t, 1): 1 for t in range(4)}
    matches |= {(t, label): label for t in range(4, 10) for label in (2, 3)}
    values = measure(make_evidence(reference, result, matches))
    assert [values[f"BC({i})"] for i in range(4)] == [float(abs(shift) <= i) for i in range(4)]


def test_one_daughter_is_not_two():
    # 2 is there at once, 3 a frame later, and the result's 7 matches the one, then the other.
    reference = make_tracks((1, 0, 0, 0), (2, 1, 1, 1), (3, 2, 2, 1))
    result = make_tracks((6, 0, 0, 0), (7, 1, 2, 6), (8, 1, 2, 6))
    matches = {(0, 1): 6, (1, 2): 7, (2, 3): 7}
    assert measure(make_evidence(reference, result, matches))["BC(1)"] == 0


def test_one_division_is_not_two():
    # The reference divides in frames 1 and 2, the result in frame 2, and that matches the one
    # and the other. py-ctcmetrics counts both, more than the result has: BC(1) is 4/3 there.
    reference = make_tracks((1, 0, 0, 0), (2, 1, 2, 1), (3, 1, 3, 1), (4, 3, 3, 2), (5, 3, 3, 2))
    result = make_tracks((1, 0, 1, 0), (6, 2, 3, 1), (7, 2, 3, 1))
    matches = {(0, 1): 1, (1, 2): 1, (2, 2): 6, (2, 3): 7, (3, 4): 6, (3, 5): 7}
    evidence = make_evidence(reference, result, matches)
    assert measure(evidence)["BC(1)"] == pytest.approx(2 / 3)
    if ctc_metrics := toolkit_or_none():
        assert ctc_metrics(reference, result, evidence)["BC(1)"] == pytest.approx(4 / 3)
