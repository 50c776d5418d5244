"""How reference and result objects overlap in one image: the table all measures come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PairCounts:
    """Voxels of an image by their pair of labels.

    Attributes
    ----------
    keys : ndarray of shape (n,), uint32
        Reference label * 65536 + result label; 0 is background in both and left out.
    voxels : ndarray of shape (n,), int64
        How many voxels have that pair.
    total : int
        Voxels of the image, background included.
    """

    keys: np.ndarray
    voxels: np.ndarray
    total: int


@dataclass(frozen=True)
class Matching:
    """Which result object each reference object of an image is matched with.

    Attributes
    ----------
    reference : ndarray of shape (m,), int64
        Labels of the reference objects, ascending.
    sizes : ndarray of shape (m,), int64
        Voxels of each.
    matched : ndarray of shape (m,), int64
        Label of the result object that covers more than half of it; 0 where none does.
    overlap : ndarray of shape (m,), int64
        Voxels in common with that object; where none matches, with the one that shares most.
    jaccard : ndarray of shape (m,), float64
        Intersection over union with the matched object; 0 where none matches.
    result : ndarray of shape (k,), int64
        Labels of the result objects, ascending.
    foreground : tuple of int
        Voxels that are an object in both, in either, and all voxels of the image.
    """

    reference: np.ndarray
    sizes: np.ndarray
    matched: np.ndarray
    overlap: np.ndarray
    jaccard: np.ndarray
    result: np.ndarray
    foreground: tuple[int, int, int]

    @property
    def result_voxels(self) -> int:
        """Voxels of all result objects together.

        Returns
        -------
        int
        """
        both, either, _ = self.foreground
        return both + either - int(self.sizes.sum())


def count_runs(references: Sequence[np.ndarray], result: np.ndarray) -> list[PairCounts]:
    """Count the voxels of each run of the same labels, for several references of one result.

    Objects are long runs along the rows: to compare neighbors and add up the runs later
    (:func:`add_up`) is several times cheaper than to index every voxel of an object.

    Parameters
    ----------
    references : sequence of ndarray of the result's shape, uint16
    result : ndarray, uint16
        A plane or a volume.

    Returns
    -------
    list of PairCounts
        One for each reference, with a pair as often as it has runs.
    """
    given, flat = result.ravel(), [reference.ravel() for reference in references]
    changes = given[1:] != given[:-1]
    for wanted in flat:
        changes |= wanted[1:] != wanted[:-1]
    starts = np.concatenate(([0], np.flatnonzero(changes) + 1))
    lengths, second = np.diff(starts, append=given.size), given[starts]
    counts = []
    for wanted in flat:
        keys = wanted[starts].astype(np.uint32) << 16 | second
        objects = keys > 0
        counts.append(PairCounts(keys[objects], lengths[objects], given.size))
    return counts


def add_up(parts: Sequence[PairCounts]) -> PairCounts:
    """Add up the counts of the parts of one image.

    Parameters
    ----------
    parts : sequence of PairCounts
        Of planes that make up the image, in any order; at least one.

    Returns
    -------
    PairCounts
        With each pair once, ascending.
    """
    keys = np.concatenate([part.keys for part in parts])
    voxels = np.concatenate([part.voxels for part in parts])
    # Label by label: numpy's stable sort of uint16 is a radix sort, several times faster here.
    order = np.argsort((keys & 0xFFFF).astype(np.uint16), kind="stable")
    order = order[np.argsort((keys[order] >> 16).astype(np.uint16), kind="stable")]
    keys, voxels = keys[order], voxels[order]
    starts = np.flatnonzero(np.diff(keys, prepend=~keys[:1]))
    sums = np.add.reduceat(voxels, starts)
    return PairCounts(keys[starts], sums, sum(part.total for part in parts))


def match(pairs: PairCounts) -> Matching:
    """Match the objects of an image the challenge's way.

    A result object S matches the reference object R where it covers strictly more than half
    of it. At most one S does so; one S may match several R.

    Parameters
    ----------
    pairs : PairCounts
        Of the whole image, from :func:`add_up`.

    Returns
    -------
    Matching
    """
    reference, given = (pairs.keys >> 16).astype(np.int64), (pairs.keys & 0xFFFF).astype(np.int64)
    labels, sizes = _sizes(reference, pairs.voxels)
    result, result_sizes = _sizes(given, pairs.voxels)

    both = (reference > 0) & (given > 0)
    row = np.searchsorted(labels, reference[both])
    partner, shared = given[both], pairs.voxels[both]
    overlap = np.zeros(len(labels), np.int64)
    np.maximum.at(overlap, row, shared)

    matched = np.zeros(len(labels), np.int64)
    jaccard = np.zeros(len(labels))
    wins = 2 * shared > sizes[row]
    row, partner, shared = row[wins], partner[wins], shared[wins]
    matched[row] = partner
    union = sizes[row] + result_sizes[np.searchsorted(result, partner)] - shared
    jaccard[row] = shared / union
    foreground = (int(pairs.voxels[both].sum()), int(pairs.voxels.sum()), pairs.total)
    return Matching(labels, sizes, matched, overlap, jaccard, result, foreground)


def _sizes(labels: np.ndarray, voxels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels above 0 and the voxels of each."""
    inside = labels > 0
    unique, index = np.unique(labels[inside], return_inverse=True)
    sizes = np.zeros(len(unique), np.int64)
    np.add.at(sizes, index, voxels[inside])
    return unique, sizes
