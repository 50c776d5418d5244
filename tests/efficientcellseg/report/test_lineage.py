"""Lineage trees by hand, and their picture."""

from hypothesis import given
from hypothesis import strategies as st

from ctc_eval.format import Track
from efficientcellseg.report.lineage import draw_lineages, lay_out_lineages

# 1 divides into 3 and 4, of which 4 divides into 5 and 6; 2 is missed in frame 3 and goes on as 7.
ROWS = [
    *(Track(1, 0, 1, 0), Track(2, 0, 2, 0), Track(3, 2, 6, 1), Track(4, 2, 3, 1)),
    *(Track(5, 4, 6, 4), Track(6, 4, 6, 4), Track(7, 4, 6, 2)),
]


def test_a_tree_by_hand():
    found = {one.label: (one.founder, one.place) for one in lay_out_lineages(ROWS)}
    assert found == {
        3: (1, 0),
        5: (1, 1),
        6: (1, 2),
        4: (1, 1.5),
        1: (1, 0.75),
        7: (2, 3),
        2: (2, 3),
    }
    assert [one.label for one in lay_out_lineages(ROWS)] == [1, 3, 4, 5, 6, 2, 7]
    assert lay_out_lineages([]) == []


@given(st.lists(st.integers(0, 20), max_size=40))
def test_each_track_once_and_leaves_apart(parents):
    rows = [Track(i, i, i, p if p < i else 0) for i, p in enumerate(parents, start=1)]
    found = lay_out_lineages(rows)
    assert sorted(one.label for one in found) == list(range(1, len(rows) + 1))
    inner = {row.parent for row in rows}
    leaves = [one.place for one in found if one.label not in inner]
    assert leaves == list(range(len(leaves)))
    before = set()
    for one in found:
        assert one.parent in {0, *before}
        before.add(one.label)


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_the_picture_has_a_line_for_each_track_and_link():
    figure = draw_lineages(ROWS)
    assert sorted(texts(figure)) == list("1234567")
    lines = figure.axes[0].lines
    assert len(lines) == 7 + 5
    dotted = [line for line in lines if line.get_linestyle() == ":"]
    assert [line.get_xdata().tolist() for line in dotted] == [[2, 4]]


def test_the_largest_are_shown():
    many = [*ROWS, *(Track(i, 0, 6, 0) for i in range(8, 40))]
    figure = draw_lineages(many, most=2)
    assert sorted(texts(figure)) == list("1234567")
    assert figure.axes[0].get_title() == "Lineages (the 2 largest of 34)"


def test_deep_lineages_need_no_recursion():
    rows = [Track(i, i, i, i - 1) for i in range(1, 3000)]
    assert {one.place for one in lay_out_lineages(rows)} == {0}
