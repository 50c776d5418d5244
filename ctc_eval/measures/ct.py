"""CT: how many tracks are complete."""

from __future__ import annotations

from collections.abc import Mapping

from ctc_eval.format import Track
from ctc_eval.measures.graph import Node
from ctc_eval.measures.measure import Measure


def ct(
    partner: Mapping[Node, Node], reference: Mapping[int, Track], result: Mapping[int, Track]
) -> float:
    """Compute CT: F1 score of complete tracks (Ulman et al. 2017, Nature Methods 14: 1141).

    A reference track is complete if a result track begins and ends with it and matches it, and
    nothing else, in each of its frames.

    Parameters
    ----------
    partner : mapping of (int, int) to (int, int)
        From :func:`ctc_eval.measures.graph.sole_partners`.
    reference, result : mapping of int to Track
        By label; at least one in all.

    Returns
    -------
    float
        From 0 to 1.
    """
    complete = 0
    for track in result.values():
        frames = range(track.begin, track.end + 1)
        matched = {partner.get((frame, track.label), (frame, 0))[1] for frame in frames}
        twin = reference.get(matched.pop()) if len(matched) == 1 else None
        complete += twin is not None and (twin.begin, twin.end) == (track.begin, track.end)
    return 2 * complete / (len(reference) + len(result))


CT = Measure(
    "CT",
    "F1 score of complete tracks, 0 to 1",
    needs=("markers", "tracks"),
    value=lambda evidence, _: ct(evidence.partners, *evidence.tracks),
    column=".3f",
    asked=True,
)
