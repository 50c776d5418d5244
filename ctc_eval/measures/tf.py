"""TF: which fraction of the tracks is followed."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from ctc_eval.format import Track
from ctc_eval.measures.graph import Node
from ctc_eval.measures.measure import Measure


def tf(
    partner: Mapping[Node, Node], reference: Mapping[int, Track], result: Mapping[int, Track]
) -> float:
    """TF: mean fraction of the reference tracks that was found (Ulman et al. 2017).

    A track's fraction is its longest run of frames in which one result track matches it, and
    nothing else. Tracks that are matched nowhere do not count. As in the challenge's own
    program, a result track that completes a reference track is not held against those with
    larger labels any more.

    Parameters
    ----------
    partner : mapping of (int, int) to (int, int)
        From :func:`ctc_eval.measures.graph.sole_partners`.
    reference, result : mapping of int to Track
        By label, ascending.

    Returns
    -------
    float
        0 where no track is matched.
    """
    best: dict[int, float] = {}
    for track in result.values():
        longest: dict[int, int] = {}
        frames = range(track.begin, track.end + 1)
        matched = [partner.get((frame, track.label), (frame, 0))[1] for frame in frames]
        for label, run in groupby(matched):
            longest[label] = max(longest.get(label, 0), len(list(run)))
        for label in sorted(longest.keys() & reference.keys()):
            twin = reference[label]
            fraction = longest[label] / (twin.end - twin.begin + 1)
            best[label] = max(best.get(label, 0.0), fraction)
            if fraction == 1:
                break
    return sum(best.values()) / len(best) if best else 0.0


TF = Measure(
    "TF",
    "mean fraction of the tracks that is followed, 0 to 1",
    needs=("markers", "tracks"),
    value=lambda evidence, _: tf(evidence.partners, *evidence.tracks),
    column=".3f",
    asked=True,
)
