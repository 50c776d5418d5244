"""Reads what is annotated of a frame: one kind of reference laid over another."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ctc_eval.format import InputError, find_reference, read_volume

log = logging.getLogger(__name__)

# Labels (Y, X) by the number of their slice.
Planes = dict[int, np.ndarray]


@dataclass(frozen=True)
class ReferenceLayer:
    """The images of a frame in one kind of reference.

    Attributes
    ----------
    images : dict of Path
        A whole one under None, or slices by their number.
    partial : bool
        Whether cells are left out of them.
    """

    images: dict[int | None, Path]
    partial: bool


def find_annotations(
    dataset_dir: Path, sequence: str, reference: str, partial: Collection[str] = ()
) -> dict[int, list[ReferenceLayer]]:
    """Find the reference images of a sequence to learn from.

    Parameters
    ----------
    dataset_dir : Path
    sequence : str
    reference : str
        ``GT``, ``ST``, ``ERR_SEG``, or several joined by ``+``, the better first. Of several, those
        that the sequence does not have are left out, which the log says.
    partial : collection of str
        Those that leave cells out.

    Returns
    -------
    dict of int to list of ReferenceLayer
        For each frame its images, the better first.

    Raises
    ------
    InputError
        No reference image at all.
    """
    found: dict[int, list[ReferenceLayer]] = {}
    folders = {kind: dataset_dir / f"{sequence}_{kind}" for kind in reference.split("+")}
    there = {kind: folder for kind, folder in folders.items() if folder.is_dir()}
    # Where there is none, the first one says what is missing.
    for kind, folder in (there or folders).items():
        one: dict[int, dict[int | None, Path]] = {}
        for image in find_reference(folder).objects:
            one.setdefault(image.frame, {})[image.plane] = image.path
        for frame, images in one.items():
            # A whole image says all that slices of the same frame say.
            kept: dict[int | None, Path] = {None: images[None]} if None in images else images
            found.setdefault(frame, []).append(ReferenceLayer(kept, kind in partial))
    for kind in (kind for kind in folders if kind not in there):
        log.info("%s: no such folder; learning only from %s", folders[kind], "+".join(there))
    return dict(sorted(found.items()))


def read_annotations(
    layers: Sequence[ReferenceLayer], shape: tuple[int, ...], image: Path
) -> tuple[np.ndarray | Planes, frozenset[int]]:
    """Read what is annotated of a frame, in each slice by the best reference that has it.

    Where that one leaves cells out, its cells are painted over those of the next one, which takes
    the cells that it has of the same: they give the new ones their labels, so that a cell is
    one through all slices.

    Parameters
    ----------
    layers : sequence of ReferenceLayer
        The better first.
    shape : tuple of int
        The frame's.
    image : Path
        Its file, for messages.

    Returns
    -------
    labels : ndarray of shape (Z, Y, X) or dict of int to ndarray of shape (Y, X)
        A volume, or slices by their number.
    partial : frozenset of int
        Slices of which cells may be left out.

    Raises
    ------
    InputError
        Another shape than the frame's, or a slice that it does not have.
    """
    merged: Planes = {}
    known: set[int] = set()
    whole = False
    for layer in reversed(_that_count(layers)):
        whole = whole or None in layer.images
        lies_over = bool(merged)
        for block in _read_blocks(layer.images, shape, image):
            if lies_over:
                _lay_over(block, merged, layer.partial)
            else:
                merged.update(block)
            known.update(() if layer.partial else block)
    partial = frozenset(merged.keys() - known)
    if whole:
        return np.stack([merged[plane] for plane in sorted(merged)]), partial
    return merged, partial


def _that_count(layers: Sequence[ReferenceLayer]) -> Sequence[ReferenceLayer]:
    """Leave out what lies below a whole image that leaves no cells out."""
    for count, layer in enumerate(layers, start=1):
        if None in layer.images and not layer.partial:
            return layers[:count]
    return layers


def _read_blocks(
    images: Mapping[int | None, Path], shape: tuple[int, ...], image: Path
) -> list[Planes]:
    """Read what is labeled together: all slices of a volume, or each slice that stands alone."""
    blocks = []
    for plane, path in images.items():
        labels = read_volume(path)
        wanted = shape if plane is None else (1, *shape[1:])
        if labels.shape != wanted:
            raise InputError(
                f"{path}: shape {labels.shape}; expected {wanted} as {image.name} has: "
                "check which reference belongs to which sequence",
                code="shape-mismatch",
            )
        if plane is None:
            return [dict(enumerate(labels))]
        if plane >= shape[0]:
            raise InputError(
                f"{path}: slice {plane}; expected 0 to {shape[0] - 1}, the slices of {image.name}: "
                "check which reference belongs to which sequence",
                code="slice-outside",
            )
        blocks.append({plane: labels[0]})
    return blocks


def _lay_over(block: Planes, merged: Planes, partial: bool) -> None:
    """Combine the labels of one reference with those of the others, in place."""
    block = _name_alike(block, merged)
    cells = np.unique(np.concatenate([np.unique(labels) for labels in block.values()]))
    for plane, labels in block.items():
        fills = partial and plane in merged
        merged[plane] = _paint(merged[plane], labels, cells) if fills else labels


def _name_alike(block: Planes, merged: Planes) -> Planes:
    """Give cells of a block the labels of the cells they cover, and new labels to the others.

    A cell takes another's label if more than half of it lies inside that cell. Each label is given
    once, to the cell that covers most of it.
    """
    sizes = _sum_counts(np.unique(labels, return_counts=True) for labels in block.values())
    pairs = _sum_counts(
        np.unique(labels.astype(np.int64) << 32 | merged[plane], return_counts=True)
        for plane, labels in block.items()
        if plane in merged
    )
    names, given = {0: 0}, {0}
    for pair, count in sorted(pairs.items(), key=lambda item: -item[1]):
        cell, under = pair >> 32, pair & 0xFFFFFFFF
        if cell not in names and under not in given and 2 * count > sizes[cell]:
            names[cell] = under
            given.add(under)
    free = max(int(labels.max()) for labels in merged.values()) + 1
    for number, cell in enumerate(sorted(sizes.keys() - names.keys())):
        names[cell] = free + number
    table = np.zeros(max(sizes) + 1, np.uint32)
    table[list(names)] = list(names.values())
    return {plane: table[labels] for plane, labels in block.items()}


def _sum_counts(counted: Iterable[tuple[np.ndarray, np.ndarray]]) -> dict[int, int]:
    """Sum how often values are there, over slices."""
    total: dict[int, int] = {}
    for values, counts in counted:
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            total[value] = total.get(value, 0) + count
    return total


def _paint(under: np.ndarray, labels: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Paint cells over a slice, in which those that they stand for go wholly."""
    above = labels > 0
    all_of_it = np.bincount(under.ravel(), minlength=int(cells.max()) + 1)
    beneath = np.bincount(under[above], minlength=len(all_of_it))
    gone = 2 * beneath > all_of_it
    gone[cells] = True
    return np.where(above, labels, np.where(gone[under], 0, under))
