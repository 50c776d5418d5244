"""Who is linked to whom, by hand: crossings, divisions, gaps, cells that come and go."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal import refused

from ctc_eval.format import Track
from efficientcellseg.parameters.tracking import Tracking
from efficientcellseg.tracking import linking
from efficientcellseg.tracking.linking import fit_tracking, link_objects
from efficientcellseg.tracking.objects import Objects, measure_objects


def table(*frames, size=100.0):
    """Make objects of (y, x) or (y, x, size) a frame, in micrometers."""
    rows = [(frame, *cell) for frame, cells in enumerate(frames) for cell in cells]
    sizes = np.array([row[3] if len(row) > 3 else size for row in rows])
    return Objects(
        frame=np.array([row[0] for row in rows]),
        label=np.arange(1, len(rows) + 1),
        center=np.array([[0.0, *row[1:3]] for row in rows]),
        size=sizes,
        diameter=np.cbrt(6 * sizes / np.pi),
    )


def linked(objects, **parameters):
    """Give the track of each object, and the rows as (label, begin, end, parent)."""
    found = link_objects(objects, Tracking(**{"max_distance": 10.0, **parameters}))
    return found.label.tolist(), [(row.label, row.begin, row.end, row.parent) for row in found.rows]


def test_each_goes_on_with_the_nearest():
    labels, rows = linked(table([(0, 0), (0, 20)], [(0, 3), (0, 22)], [(0, 24), (0, 5)]))
    assert labels == [1, 2, 1, 2, 2, 1]
    assert rows == [(1, 0, 2, 0), (2, 0, 2, 0)]


def test_two_that_cross_are_told_apart_by_the_sum():
    """Cell 2 ends nearer to where cell 1 was, but then cell 1 would have nowhere to go.

    1: 0 -> 4, 2: 5 -> 9. Crosswise is 0 -> 9 and 5 -> 4: 81 + 1 against 16 + 16.
    """
    labels, _ = linked(table([(0, 0), (0, 5)], [(0, 4), (0, 9)]), divisions=False)
    assert labels == [1, 2, 1, 2]


def test_two_that_pass_each_other_are_told_apart_by_their_size():
    """In the middle they are at one place; the large one stays large: 8 times, twice as thick."""
    large, small = 800.0, 100.0
    objects = table(
        [(0, 0, large), (0, 8, small)],
        [(0, 4.1, small), (0, 3.9, large)],
        [(0, 0, small), (0, 8, large)],
    )
    labels, rows = linked(objects, divisions=False)
    assert labels == [1, 2, 2, 1, 2, 1]
    assert len(rows) == 2


def test_further_than_cells_move_nothing_is_linked():
    far = table([(0, 0)], [(0, 11)])
    assert linked(far)[1] == [(1, 0, 0, 0), (2, 1, 1, 0)]
    assert linked(far, max_distance=12.0)[1] == [(1, 0, 1, 0)]


def test_a_cell_that_comes_and_one_that_goes():
    labels, rows = linked(table([(0, 0), (0, 50)], [(0, 0)], [(0, 0), (30, 30)]), gap=0)
    assert labels == [1, 2, 1, 1, 3]
    assert rows == [(1, 0, 2, 0), (2, 0, 0, 0), (3, 2, 2, 0)]


@pytest.mark.parametrize(
    ("gap", "rows"),
    [
        (0, [(1, 0, 3, 0), (2, 0, 0, 0), (3, 3, 3, 0)]),
        (1, [(1, 0, 3, 0), (2, 0, 0, 0), (3, 3, 3, 0)]),
        (2, [(1, 0, 3, 0), (2, 0, 0, 0), (3, 3, 3, 2)]),
    ],
)
def test_a_cell_that_was_missed_twice_is_the_parent_of_itself(gap, rows):
    """A track must have a mask in each of its frames, so a gap ends one and begins another."""
    objects = table([(0, 0), (0, 50)], [(0, 0)], [(0, 0)], [(0, 0), (0, 52)])
    assert linked(objects, gap=gap)[1] == rows


def test_a_mother_and_her_two_daughters():
    objects = table(
        [(0, 0), (0, 50)],
        [(0, -4, 45), (0, 4, 45), (0, 50)],
        [(0, -5, 45), (0, 5, 45), (0, 50)],
    )
    labels, rows = linked(objects)
    assert rows == [(1, 0, 0, 0), (2, 0, 2, 0), (3, 1, 2, 1), (4, 1, 2, 1)]
    assert labels == [1, 2, 3, 4, 2, 3, 4, 2]
    assert linked(objects, divisions=False)[1][-1][3] == 0


def test_daughters_further_away_than_cells_move_are_found_on_either_side():
    """Mother and daughters have radii of about 5: centers 12 apart, where cells move 10 at most."""
    objects = table([(0, 0, 500), (0, 50)], [(0, -12, 200), (0, 12, 200), (0, 50)])
    assert [row[3] for row in linked(objects)[1]] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("second", "told"),
    [
        ((0, 5, 45), "divided"),
        ((0, 5, 95), "as large as the mother: one that was missed before"),
        ((0, -12, 45), "on the same side"),
    ],
)
def test_a_new_neighbor_is_no_daughter(second, told):
    objects = table([(0, 0), (0, 50)], [(0, -5, 45), second, (0, 50)])
    parents = {row[3] for row in linked(objects)[1]}
    assert (parents == {0, 1}) == (told == "divided")


def test_cells_that_drift_further_than_half_their_distance():
    """A lattice, 10 apart, that moves by 7; the one in the middle divides."""
    places = [(10 * i, 10 * j) for i in range(5) for j in range(5)]
    after = [(y, x + 7) for y, x in places if (y, x) != (20, 20)]
    after += [(20, 23, 45), (20, 31, 45)]
    labels, rows = linked(table(places, after), max_distance=12.0)
    assert labels[25:49] == [label for label in range(1, 26) if label != 13]
    assert rows[-2:] == [(26, 1, 1, 13), (27, 1, 1, 13)]


def test_overlap_decides_before_distance_does():
    """The shape shared most is the cell's, although another center is nearer."""
    one, other = np.zeros((2, 1, 9, 30), np.uint16)
    one[0, :, 0:20] = 1  # center 9.5
    other[0, 1:, 0:13], other[0, 0, 9:11] = 1, 2  # center 6, of 120 shared 104; center 9.5
    objects = measure_objects([(0, one), (1, other)], (1.0, 1.0, 1.0))
    parameters = Tracking(max_distance=30.0, divisions=False)
    assert link_objects(objects, parameters).label.tolist() == [1, 2, 1]
    assert objects.label.tolist() == [1, 2, 1]


def test_planes_further_apart_than_rows_change_who_is_linked():
    """One cell a plane below, one three rows beside: the nearer one depends on the voxel."""
    before, after = np.zeros((2, 3, 9, 9), np.uint16)
    before[1, 4, 4] = 1
    after[2, 4, 4], after[1, 7, 4] = 1, 2

    def follower(voxel):
        objects = measure_objects([(0, before), (1, after)], voxel)
        found = link_objects(objects, Tracking(max_distance=20.0, divisions=False))
        return int(objects.label[1:][found.label[1:] == 1][0])

    assert follower((1.0, 1.0, 1.0)) == 1
    assert follower((5.0, 1.0, 1.0)) == 2


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_tracks_cover_their_frames_and_parents_end_before(seed):
    rng = np.random.default_rng(seed)
    frames = [rng.uniform(0, 40, (rng.integers(0, 9), 2)) for _ in range(6)]
    objects = table(*([(y, x, rng.uniform(20, 200)) for y, x in frame] for frame in frames))
    if not len(objects):
        return
    found = link_objects(objects, fit_tracking(Tracking(gap=2), objects))
    rows = {row.label: row for row in found.rows}
    assert list(rows) == list(range(1, len(rows) + 1))
    for label, row in rows.items():
        own = objects.frame[found.label == label].tolist()
        assert own == list(range(row.begin, row.end + 1))
        if row.parent:
            gap = row.begin - rows[row.parent].end
            siblings = [one for one in rows.values() if one.parent == row.parent]
            assert len(siblings) == (2 if gap == 1 else 1)
            assert 1 <= gap <= 3


def test_how_far_cells_move_is_estimated():
    """Three times the 95th percentile, within half and one and a half times the spacing."""
    still = [(0, 0), (0, 30), (30, 0), (30, 30)]
    moved = {step: [(y, x + step) for y, x in still] for step in (2, 8, 14)}
    reaches = [
        fit_tracking(Tracking(), table(still, moved[step])).max_distance for step in (2, 8, 14)
    ]
    assert reaches == pytest.approx([15, 24, 42])
    assert fit_tracking(Tracking(max_distance=3.0), table(still)).max_distance == 3.0


def test_a_cell_that_is_alone_may_move_by_its_diameter():
    alone = table([(0, 0)], [(0, 4)])
    found = fit_tracking(Tracking(), alone).max_distance
    assert found == pytest.approx(max(12.0, float(alone.diameter[0])))


def test_no_objects_no_tracks():
    empty = np.zeros((1, 3, 3), np.uint16)
    objects = measure_objects([(0, empty)], (1.0, 1.0, 1.0))
    found = link_objects(objects, fit_tracking(Tracking(), objects))
    assert (found.rows, len(found.label)) == ((), 0)


def test_more_tracks_than_masks_can_name(monkeypatch):
    monkeypatch.setattr(linking, "MAX_LABEL", 1)
    with refused("tracks-too-many", "2 tracks"):
        linked(table([(0, 0), (0, 50)]))


def test_rows_are_tracks_of_the_format():
    found = link_objects(table([(0, 0)]), Tracking(max_distance=1.0))
    assert found.rows == (Track(1, 0, 0, 0),)
