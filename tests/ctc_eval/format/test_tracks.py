"""Tracks, cut to a range of frames; test_validation.py and test_refusals.py read their files."""

import pytest

from ctc_eval.format import Track, read_tracks, trim_tracks


def test_tracks_are_cut_and_those_outside_are_gone():
    tracks = {
        1: Track(1, 0, 1, 0),
        2: Track(2, 1, 2, 0),
        3: Track(3, 2, 3, 1),
        4: Track(4, 3, 5, 2),
        5: Track(5, 5, 6, 3),
    }
    assert trim_tracks(tracks, 2, 4) == {
        2: Track(2, 2, 2, 0),
        3: Track(3, 2, 3, 0),  # its parent ended before
        4: Track(4, 3, 4, 2),
    }


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        (b"65535 0 9999 0\n1 0 1 65535\n", []),
        (b"1 0 1 0\n\xff\xfe\n", ["track-row"]),
        (b"0 0 1 0\n", ["track-label"]),
        (b"65536 0 1 0\n", ["track-label"]),
        (b"1 0 1 65536\n", ["track-label"]),
        (b"1 0 1 0\r\n2 0 1 0\r\n", ["track-line-ends"]),
    ],
)
def test_rows_at_the_bounds(tmp_path, content, codes):
    path = tmp_path / "res_track.txt"
    path.write_bytes(content)
    assert [(fault.path, fault.code) for fault in read_tracks(path)[1]] == [
        (path, code) for code in codes
    ]
