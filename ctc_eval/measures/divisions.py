"""BC(i) and CCA: how well divisions are found, and how well the time between them is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from ctc_eval.format import Track
from ctc_eval.measures.graph import Node
from ctc_eval.measures.measure import Evidence, Measure

TOLERANCES = (0, 1, 2, 3)  # frames; the challenge uses 1 to 3, data set by data set


def divisions(tracks: Mapping[int, Track]) -> dict[int, list[Track]]:
    """List the daughters of each track that has two or more.

    Parameters
    ----------
    tracks : mapping of int to Track
        By label.

    Returns
    -------
    dict of int to list of Track
        By the mother's label, ascending.
    """
    daughters: dict[int, list[Track]] = {}
    for track in tracks.values():
        if track.parent:
            daughters.setdefault(track.parent, []).append(track)
    return {label: own for label, own in sorted(daughters.items()) if len(own) > 1}


def bc(
    partner: Mapping[Node, Node],
    reference: Mapping[int, Track],
    result: Mapping[int, Track],
    tolerance: int,
) -> float:
    """BC(i): F1 score of divisions (Ulman et al. 2017, Nature Methods 14: 1141).

    Two divisions match where both have as many daughters, the mothers match each other, and
    nothing else, in the last frame that both have, and each daughter matches another of the
    daughters in the first frame that both have; the mothers' ends and the daughters' begins
    are at most `tolerance` frames apart. A division matches one other at most.

    Parameters
    ----------
    partner : mapping of (int, int) to (int, int)
        From :func:`ctc_eval.measures.graph.sole_partners`.
    reference, result : mapping of int to Track
        By label, ascending.
    tolerance : int
        Frames.

    Returns
    -------
    float
        nan if the reference has no division.
    """
    wanted, given = divisions(reference), divisions(result)
    if not wanted:
        return float("nan")

    def agree(ours: Track, theirs: Track, frames: tuple[int, int], common: int) -> bool:
        near = abs(frames[0] - frames[1]) <= tolerance
        return near and partner.get((common, theirs.label)) == (common, ours.label)

    def same(label: int, other: int) -> bool:
        ends = reference[label].end, result[other].end
        if not agree(reference[label], result[other], ends, min(ends)):
            return False
        free = list(given[other])
        for ours in wanted[label]:
            for theirs in free:
                begins = ours.begin, theirs.begin
                if agree(ours, theirs, begins, max(begins)):
                    free.remove(theirs)
                    break
            else:
                return False
        return not free

    open_ones = list(wanted)
    for other in given:
        if match := next((label for label in open_ones if same(label, other)), 0):
            open_ones.remove(match)
    return 2 * (len(wanted) - len(open_ones)) / (len(wanted) + len(given))


def cca(reference: Mapping[int, Track], result: Mapping[int, Track]) -> float:
    """CCA: how well the lengths of cell cycles are found (Ulman et al. 2017).

    One minus the largest difference between the shares of cell cycles, tracks from division to
    division, that are at most so long.

    Parameters
    ----------
    reference, result : mapping of int to Track
        By label.

    Returns
    -------
    float
        nan if the reference has no cell cycle, 0 where the result has none.
    """
    wanted, given = _cycles(reference), _cycles(result)
    if not wanted:
        return float("nan")
    if not given:
        return 0.0
    return 1 - max(abs(_share(wanted, most) - _share(given, most)) for most in {*wanted, *given})


def _cycles(tracks: Mapping[int, Track]) -> list[int]:
    """Give the lengths of the tracks that a division begins and another ends."""
    dividing = divisions(tracks)
    both = (tracks[label] for label in dividing if tracks[label].parent in dividing)
    return [track.end - track.begin for track in both]


def _share(lengths: Sequence[int], most: int) -> float:
    return sum(length <= most for length in lengths) / len(lengths)


def _value(evidence: Evidence, _: Mapping[str, float], tolerance: int) -> float:
    return bc(evidence.partners, *evidence.tracks, tolerance)


BC = tuple(
    Measure(
        f"BC({tolerance})",
        "F1 score of the divisions found within i frames, BC(0) to BC(3)",
        needs=("markers", "tracks"),
        value=partial(_value, tolerance=tolerance),
        column=".3f",
        asked=True,
    )
    for tolerance in TOLERANCES
)

CCA = Measure(
    "CCA",
    "how well the lengths of cell cycles agree, 0 to 1",
    needs=("markers", "tracks"),
    value=lambda evidence, _: cca(*evidence.tracks),
    column=".3f",
    asked=True,
)
