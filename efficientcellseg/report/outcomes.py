"""What became of each object: hit, missed, merged, split, or found if there is none.

The rule is that of DET: an object belongs to another that covers more than half of it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from ctc_eval.overlap import match

if TYPE_CHECKING:
    from ctc_eval.overlap import Matching, PairCounts


class Outcome(IntEnum):
    """What became of an object. The numbers stand in the pictures of the report."""

    HIT = 1
    MISS = 2
    MERGE = 3
    SPLIT = 4
    FALSE = 5
    UNJUDGED = 6


# Color, and what it means of an object. The colors are those of Okabe and Ito, which color-blind
# people tell apart, too.
MEANINGS = {
    Outcome.HIT: ("#009e73", "found, by a result object of its own"),
    Outcome.MISS: ("#d55e00", "no result object covers more than half of it"),
    Outcome.MERGE: ("#cc79a7", "one result object covers several reference objects"),
    Outcome.SPLIT: ("#e69f00", "several result objects lie in one reference object"),
    Outcome.FALSE: ("#56b4e9", "a result object that matches no reference object"),
    Outcome.UNJUDGED: ("#999999", "a result object that the reference says nothing of"),
}


@dataclass(frozen=True)
class Judged:
    """What became of the objects of an image.

    Attributes
    ----------
    matching : Matching
        Of the judge: reference objects, their sizes, matches and Jaccard indices.
    reference : ndarray of shape (m,), uint8
        `Outcome` of each reference object: hit, miss, merge or split.
    result : ndarray of shape (k,), uint8
        `Outcome` of each result object: hit, merge, split, false or unjudged.
    parts : ndarray of shape (m,), int64
        How many result objects cover more than half of each reference object, or lie in it by more
        than half of their own.
    covered : ndarray of shape (m,), int64
        Reference objects that the one matched with it covers, this one included; 0 without match.
    """

    matching: Matching
    reference: np.ndarray
    result: np.ndarray
    parts: np.ndarray
    covered: np.ndarray

    def count(self, outcome: Outcome) -> int:
        """Count objects: result objects where the reference has none, else reference objects.

        Parameters
        ----------
        outcome : Outcome
            False and unjudged count result objects, all others reference objects.

        Returns
        -------
        int
        """
        of_result = outcome in (Outcome.FALSE, Outcome.UNJUDGED)
        return int(((self.result if of_result else self.reference) == outcome).sum())


def judge_objects(
    pairs: PairCounts, known: Collection[int] = (), *, complete: bool = True
) -> Judged:
    """Tell what became of the objects of an image.

    A reference object that a merged result object covers is a merge, even where parts of it are
    split off; one that no result object covers by more than half is split where two or more lie in
    it, else missed.

    Parameters
    ----------
    pairs : PairCounts
        How reference and result overlap, each pair of labels once.
    known : collection of int
        Result objects that are known to be right from elsewhere, such as markers.
    complete : bool
        Whether the reference has all objects. If not, a result object without one is unjudged.

    Returns
    -------
    Judged
    """
    matching = match(pairs)
    labels, found = matching.reference, matching.result
    theirs, ours = (pairs.keys >> 16).astype(np.int64), (pairs.keys & 0xFFFF).astype(np.int64)
    sizes = np.bincount(ours, pairs.voxels, 1 << 16)
    both = (theirs > 0) & (ours > 0)
    theirs, ours, shared = theirs[both], ours[both], pairs.voxels[both]
    row = np.searchsorted(labels, theirs)
    # Of a reference object's parts, one may cover it and reach far beyond it.
    is_part = (2 * shared > sizes[ours]) | (matching.matched[row] == ours)
    parts = np.bincount(row[is_part], minlength=len(labels))
    hits = np.bincount(matching.matched, minlength=1 << 16)
    hits[0] = 0
    covered = hits[matching.matched]

    reference = np.full(len(labels), Outcome.MISS, np.uint8)
    reference[covered == 1] = Outcome.HIT
    reference[parts > 1] = Outcome.SPLIT
    reference[covered > 1] = Outcome.MERGE
    result = np.full(len(found), Outcome.FALSE if complete else Outcome.UNJUDGED, np.uint8)
    result[np.isin(found, list(known))] = Outcome.UNJUDGED
    result[hits[found] == 1] = Outcome.HIT
    result[np.isin(found, ours[is_part & (parts[row] > 1)])] = Outcome.SPLIT
    result[hits[found] > 1] = Outcome.MERGE
    return Judged(matching, reference, result, parts, covered)


def tell_reason(judged: Judged, place: int) -> str:
    """Say in a few words why a reference object counts as it does.

    Parameters
    ----------
    judged : Judged
    place : int
        Of the object in `judged.reference`.

    Returns
    -------
    str
        Such as "merged with 1 other object, IoU 0.48".
    """
    one = judged.matching
    share = int(one.overlap[place]) / int(one.sizes[place])
    outcome, iou = judged.reference[place], float(one.jaccard[place])
    if outcome == Outcome.MERGE:
        others = int(judged.covered[place]) - 1
        return f"merged with {others} other object{'s' * (others > 1)}, IoU {iou:.2f}"
    if outcome == Outcome.SPLIT:
        return f"split into {judged.parts[place]} parts, IoU {iou:.2f}"
    if outcome == Outcome.HIT:
        return f"found, IoU {iou:.2f}; {share:.0%} of it is covered"
    if not share:
        return "missed: nothing was found there"
    return f"missed: no result object covers more than {share:.0%} of it"
