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
    reference, result : ndarray of shape (n,), int64
        Labels of a pair, 0 for background; sorted by reference, then result. The pair (0, 0)
        is left out.
    voxels : ndarray of shape (n,), int64
        How many voxels have that pair.
    total : int
        Voxels of the image, those of the pair (0, 0) included.
    """

    reference: np.ndarray
    result: np.ndarray
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


def count_pairs(reference: np.ndarray, result: np.ndarray) -> PairCounts:
    """Count the pairs of labels of two label images.

    Parameters
    ----------
    reference, result : ndarray of the same shape, uint16
        A plane or a volume each.

    Returns
    -------
    PairCounts

    Notes
    -----
    Objects are runs along the rows, so the voxels are first reduced to runs: the sort that
    groups them then costs next to nothing, whatever the labels are.
    """
    where = np.flatnonzero(reference | result)
    keys = reference.ravel()[where].astype(np.uint32)
    keys <<= 16
    keys |= result.ravel()[where]
    starts = np.flatnonzero(np.diff(keys, prepend=~keys[:1]))
    lengths = np.diff(starts, append=len(keys))
    return _group(keys[starts], lengths, reference.size)


def merge_pairs(parts: Sequence[PairCounts]) -> PairCounts:
    """Add up the counts of the parts of one image.

    Parameters
    ----------
    parts : sequence of PairCounts
        Of planes that make up the image, in any order; at least one.

    Returns
    -------
    PairCounts
    """
    if len(parts) == 1:
        return parts[0]
    keys = [
        part.reference.astype(np.uint32) << 16 | part.result.astype(np.uint32) for part in parts
    ]
    voxels = [part.voxels for part in parts]
    return _group(np.concatenate(keys), np.concatenate(voxels), sum(part.total for part in parts))


def _group(keys: np.ndarray, counts: np.ndarray, total: int) -> PairCounts:
    """Sum `counts` by key; a key is reference * 65536 + result."""
    order = np.argsort(keys, kind="stable")
    keys, counts = keys[order], counts[order]
    starts = np.flatnonzero(np.diff(keys, prepend=~keys[:1]))
    voxels = np.add.reduceat(counts, starts) if len(starts) else np.zeros(0, np.int64)
    pairs = keys[starts].astype(np.int64)
    return PairCounts(pairs >> 16, pairs & 0xFFFF, voxels.astype(np.int64), total)


def match(pairs: PairCounts) -> Matching:
    """Match the objects of an image the challenge's way.

    A result object S matches the reference object R where it covers strictly more than half
    of it. At most one S does so; one S may match several R.

    Parameters
    ----------
    pairs : PairCounts
        Of the whole image.

    Returns
    -------
    Matching
    """
    labels, sizes = _sizes(pairs.reference, pairs.voxels)
    result, result_sizes = _sizes(pairs.result, pairs.voxels)

    both = (pairs.reference > 0) & (pairs.result > 0)
    row = np.searchsorted(labels, pairs.reference[both])
    partner, shared = pairs.result[both], pairs.voxels[both]
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
    """Give the labels above 0 and the voxels of each."""
    inside = labels > 0
    unique, index = np.unique(labels[inside], return_inverse=True)
    sizes = np.zeros(len(unique), np.int64)
    np.add.at(sizes, index, voxels[inside])
    return unique, sizes
