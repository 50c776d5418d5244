"""Training samples: pseudocolored tiles and what the networks are to predict for them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from ctc_eval.sequence import (
    InputError,
    atomic,
    frame_files,
    frame_name,
    is_inside,
    parse_frames,
    read_volume,
)

if TYPE_CHECKING:
    from efficientcellseg.recipe import Recipe

log = logging.getLogger(__name__)

# A center's Gaussian, as a share of the radius of a ball as large as the cell.
CENTER_WIDTH = 0.3


@dataclass(frozen=True)
class Samples:
    """Tiles of several data sets, as the networks see them.

    Attributes
    ----------
    images : ndarray of shape (N, 3, S, S), uint8
        Pseudocolor, 0..1 stored as 0..255.
    cells, centers : ndarray of shape (N, S, S), uint8
        Share of cell and height of the center heatmap, 0..1 stored as 0..255.
    dataset : ndarray of shape (N,), uint8
        Index into `names`.
    objects : ndarray of shape (N,), uint16
        Reference objects in each tile: tiles with many are drawn more often.
    frame : ndarray of shape (N,), int64
        Which frame a tile is of; counts over all data sets and sequences.
    names : tuple of str
        Data sets.
    """

    images: np.ndarray
    cells: np.ndarray
    centers: np.ndarray
    objects: np.ndarray
    dataset: np.ndarray
    frame: np.ndarray
    names: tuple[str, ...]

    def save(self, path: Path) -> None:
        """Write the samples to one .npz, atomically."""
        with atomic(path) as temporary:
            np.savez(temporary, **{**vars(self), "names": np.array(self.names)})

    @classmethod
    def load(cls, path: Path) -> Samples:
        """Read what :meth:`save` wrote.

        Raises
        ------
        InputError
            No such file, or another content.
        """
        try:
            # Opened here, since numpy leaves files open that turn out to be damaged.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                values = {name: arrays[name] for name in cls.__dataclass_fields__}
        except (OSError, EOFError, KeyError, TypeError, ValueError, BadZipFile) as error:
            raise InputError(
                f"{path}: no training samples ({error}); expected a file made by "
                "`python -m efficientcellseg samples`: make it first"
            ) from None
        return cls(**{**values, "names": tuple(map(str, values["names"]))})


def center_heatmap(
    labels: np.ndarray, anisotropy: float, width: float = CENTER_WIDTH
) -> np.ndarray:
    """Paint a Gaussian at the center of each cell.

    Parameters
    ----------
    labels : ndarray of shape (Z, Y, X), integer
        Label image, 0 is background.
    anisotropy : float
        Distance of two planes in in-plane pixels.
    width : float
        Standard deviation, as a share of the radius of a ball of the cell's volume (of a disk
        of its area, where there is one plane).

    Returns
    -------
    ndarray of shape (Z, Y, X), float32
        1 at the centers; where Gaussians meet, the higher one.

    Notes
    -----
    A center is the voxel of the cell nearest to its centroid, so that it lies inside
    cells of any shape.
    """
    from scipy.ndimage import find_objects

    heatmap = np.zeros(labels.shape, np.float32)
    scale = np.array([anisotropy, 1.0, 1.0])
    for label, box in enumerate(find_objects(labels), start=1):
        if box is None:
            continue
        voxels = np.argwhere(labels[box] == label) + [edge.start for edge in box]
        if len(labels) > 1:
            radius = (len(voxels) * anisotropy * 3 / (4 * np.pi)) ** (1 / 3)
        else:
            radius = (len(voxels) / np.pi) ** 0.5
        offsets = (voxels - voxels.mean(axis=0)) * scale
        center = voxels[np.argmin((offsets**2).sum(axis=1))]
        sigma = max(width * radius, 1.0)
        reach = np.ceil(4 * sigma / scale).astype(int)
        low, high = np.maximum(center - reach, 0), np.minimum(center + reach + 1, labels.shape)
        window = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        grid = np.ogrid[window]
        square = sum(((axis - c) * s) ** 2 for axis, c, s in zip(grid, center, scale, strict=True))
        gaussian = np.exp(-square / (2 * sigma**2)).astype(np.float32)
        np.maximum(heatmap[window], gaussian, out=heatmap[window])
    return heatmap


def reference_frames(dataset_dir: Path, sequence: str, reference: str) -> dict[int, Path]:
    """Find the whole-volume reference masks of a sequence.

    Parameters
    ----------
    dataset_dir : Path
    sequence : str
    reference : str
        ``GT`` or ``ST`` (``SEG/man_segTTT.tif``), or ``ERR_SEG`` (``maskTTT.tif``).
    """
    folder = dataset_dir / f"{sequence}_{reference}"
    if reference == "ERR_SEG":
        return frame_files(folder, "mask", complete=False)
    return frame_files(folder / "SEG", "man_seg", complete=False)


def frame_samples(
    volume: np.ndarray, labels: np.ndarray, recipe: Recipe, size: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Cut one frame into samples, slice by slice.

    Parameters
    ----------
    volume, labels : ndarray of shape (Z, Y, X), unsigned
        A raw frame and its reference.
    recipe : Recipe
        Pseudocolor, tiles and voxel size.
    size : int
        Side of the network's input.

    Yields
    ------
    images : ndarray of shape (N, 3, size, size), uint8
    cells, centers : ndarray of shape (N, size, size), uint8
        The N tiles of a slice.
    objects : ndarray of shape (N,), uint16
        Reference objects in each tile.
    """
    from efficientcellseg.pseudocolor import pseudocolor
    from efficientcellseg.tiling import cut, plan_tiles

    colored = pseudocolor(volume, recipe.pseudocolor)
    cells = (labels > 0).astype(np.float32)
    centers = center_heatmap(labels, recipe.anisotropy)
    tiles = plan_tiles(volume.shape[1:], recipe.tiling)
    for image, cell, center, plane in zip(colored, cells, centers, labels, strict=True):
        targets = cut(np.dstack([cell, center]), tiles, size)
        stored = np.concatenate([cut(image, tiles, size), targets], axis=1)
        stored = np.rint(stored * 255).astype(np.uint8)
        objects = [np.count_nonzero(np.unique(plane[slice(*y), slice(*x)])) for y, x in tiles]
        yield stored[:, :3], stored[:, 3], stored[:, 4], np.array(objects, np.uint16)


def gather(entries: list[dict[str, Any]], data: Path, size: int) -> Samples:
    """Make the samples of a training configuration.

    Parameters
    ----------
    entries : list of dict
        The configuration's ``data``: dataset, folder, sequences and, where not all frames
        are to be used, frames (``A:B``).
    data : Path
        Where relative folders start.
    size : int
        Side of the network's input.

    Returns
    -------
    Samples

    Raises
    ------
    InputError
        A data set, sequence or reference that is not there; a mask without its frame or of
        another shape; no frame to learn from.
    """
    from tqdm import tqdm

    from efficientcellseg.recipe import find_recipe, load_recipe

    frames = []
    for index, entry in enumerate(entries):
        recipe = load_recipe(find_recipe(entry["dataset"]))
        dataset_dir = data / entry.get("folder", entry["dataset"])
        for sequence in entry.get("sequences", recipe.sequences):
            raw = frame_files(dataset_dir / sequence)
            masks = reference_frames(dataset_dir, sequence, recipe.reference)
            wanted = parse_frames(entry.get("frames", ":"))
            # By number, not by place: a reference may leave frames out.
            for number in (n for n in masks if is_inside(n, wanted)):
                if number not in raw:
                    name = frame_name("t", number, recipe.digits)
                    raise InputError(
                        f"{masks[number]}: no frame {name} beside it; expected one for each "
                        "mask: add the frame or remove the mask"
                    )
                frames.append((index, recipe, raw[number], masks[number]))
    if not frames:
        raise InputError(
            f"{data}: no reference mask within the frames of the configuration; expected one at "
            "least: widen the frames"
        )
    parts = []
    for count, (index, recipe, image, mask) in enumerate(
        tqdm(frames, desc="samples", unit="frame")
    ):
        volume, labels = read_volume(image), read_volume(mask)
        if volume.shape != labels.shape:
            raise InputError(
                f"{mask}: shape {labels.shape}; expected {volume.shape} as {image.name} has: "
                "check which reference belongs to which sequence"
            )
        for tiles in frame_samples(volume, labels, recipe, size):
            many = len(tiles[0])
            parts.append((*tiles, np.full(many, index, np.uint8), np.full(many, count)))
    images, cells, centers, objects, dataset, frame = map(np.concatenate, zip(*parts, strict=True))
    names = tuple(entry["dataset"] for entry in entries)
    return Samples(images, cells, centers, objects, dataset, frame, names)
