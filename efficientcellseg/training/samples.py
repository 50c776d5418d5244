"""Training samples: pseudocolored tiles and what the networks are to predict for them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from efficientcellseg.chain.pseudocolor import pseudocolor
from efficientcellseg.chain.scale import input_diameter
from efficientcellseg.chain.tiling import Tile, cut, plan_tiles
from efficientcellseg.maps import MAPS

if TYPE_CHECKING:
    from efficientcellseg.parameters.recipe import Recipe

# How far around a cell background is known where cells may have been left out. Pixels.
RIM = 3

# What a target's 0..1 is stored as, and what stands for a pixel that nobody annotated.
FULL, UNKNOWN = 254, 255


@dataclass(frozen=True)
class Samples:
    """Tiles of several data sets, as the networks see them.

    Attributes
    ----------
    images : ndarray of shape (N, 3, S, S), uint8
        Pseudocolor, 0..1 stored as 0..255.
    targets : dict of str to ndarray of shape (N, S, S), uint8
        For each map what is to be predicted, 0..1 stored as 0..254; 255 where it is unknown.
    objects : ndarray of shape (N,), uint16
        Reference objects in each tile: tiles with many are drawn more often.
    dataset : ndarray of shape (N,), uint8
        Index into `names`.
    frame : ndarray of shape (N,), int64
        Which frame a tile is of; counts over all data sets and sequences.
    tile, plane : ndarray of shape (N,), int64
        Which tile of a slice, and which slice of the frame it is.
    names : tuple of str
        Data sets.
    fingerprints : tuple of str
        Of the frames' files, see :func:`ctc_eval.format.fingerprint`.
    origin : str
        What they were made of and how, see :func:`origin_of`.
    cells : ndarray of shape (K, 2), float32
        For each reference object its diameter in input pixels (of a disk as large as its largest
        section) and the index of its data set.
    """

    images: np.ndarray
    targets: dict[str, np.ndarray]
    objects: np.ndarray
    dataset: np.ndarray
    frame: np.ndarray
    tile: np.ndarray
    plane: np.ndarray
    names: tuple[str, ...]
    fingerprints: tuple[str, ...]
    origin: str = ""
    cells: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.float32))


def frame_samples(
    volume: np.ndarray,
    annotated: Mapping[int, np.ndarray] | np.ndarray,
    recipe: Recipe,
    size: int,
    targets: Sequence[str] = ("cells", "centers"),
    partial: Collection[int] = (),
) -> Iterator[Samples]:
    """Cut one frame into samples, slice by slice.

    Parameters
    ----------
    volume : ndarray of shape (Z, Y, X), unsigned
        A raw frame.
    annotated : ndarray of shape (Z, Y, X) or mapping of int to ndarray of shape (Y, X), unsigned
        Its reference: the whole volume, or single slices by their number. A slice that is not
        annotated makes no sample, but is seen as a neighbor.
    recipe : Recipe
        Pseudocolor, tiles and voxel size.
    size : int
        Side of the network's input.
    targets : sequence of str
        Maps to make targets for, of `MAPS`.
    partial : collection of int
        Slices of which cells may have been left out: background more than `RIM` pixels away from
        annotated cells is unknown there.

    Yields
    ------
    Samples
        The tiles of a slice; `dataset` and `frame` are 0.
    """
    colored = pseudocolor(volume, recipe.pseudocolor)
    if isinstance(annotated, np.ndarray):
        blocks = [(range(len(volume)), annotated)]
    else:
        blocks = [(range(z, z + 1), plane[None]) for z, plane in sorted(annotated.items())]
    tiles = plan_tiles(volume.shape[1:], recipe.tiling)
    (top, bottom), (left, right) = tiles[0]
    factor = input_diameter(1.0, (bottom - top, right - left), size)
    for planes, labels in blocks:
        wanted = [_target(name, labels, recipe.anisotropy, factor) for name in targets]
        for i, z in enumerate(planes):
            layers = np.stack([part[i] for part in wanted])
            if z in partial:
                layers[:, _unknown(labels[i])] = np.nan
            # One by one: OpenCV shrinks four channels at most.
            cuts = np.hstack([cut(layer[..., None], tiles, size) for layer in layers])
            stored = np.where(np.isnan(cuts), UNKNOWN, np.rint(cuts * FULL)).astype(np.uint8)
            yield Samples(
                images=np.rint(cut(colored[z], tiles, size) * 255).astype(np.uint8),
                targets={name: stored[:, c] for c, name in enumerate(targets)},
                objects=_count_objects(labels[i], tiles),
                dataset=np.zeros(len(tiles), np.uint8),
                frame=np.zeros(len(tiles), np.int64),
                tile=np.arange(len(tiles)),
                plane=np.full(len(tiles), z),
                names=(recipe.name,),
                fingerprints=(),
            )


def _target(name: str, labels: np.ndarray, anisotropy: float, factor: float) -> np.ndarray:
    """Make a map's target, (Z, Y, X); directions are lengths, here in the input's pixels."""
    target = MAPS[name].target(labels, anisotropy)
    return ((target - 0.5) * factor + 0.5).clip(0, 1) if MAPS[name].direction else target


def _count_objects(plane: np.ndarray, tiles: Sequence[Tile]) -> np.ndarray:
    """Count the objects of a slice (Y, X) in each tile, (N,) uint16."""
    found = [np.count_nonzero(np.unique(plane[slice(*y), slice(*x)])) for y, x in tiles]
    return np.array(found, np.uint16)


def _unknown(plane: np.ndarray) -> np.ndarray:
    """Find what is neither annotated cell nor close around one, (Y, X) bool."""
    from scipy.ndimage import distance_transform_edt

    if not plane.any():
        return np.ones(plane.shape, bool)
    return distance_transform_edt(plane == 0) > RIM
