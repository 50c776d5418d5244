"""Tracks, cut to a range of frames; test_validation.py and test_refusals.py read their files."""

from ctc_eval.format import Track, trim_tracks


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
