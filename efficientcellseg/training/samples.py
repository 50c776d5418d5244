"""Training samples: pseudocolored tiles and what the networks are to predict for them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from ctc_eval.format import (
    InputError,
    atomic,
    find_reference,
    fingerprint,
    frame_files,
    frame_name,
    is_inside,
    parse_frames,
    read_volume,
)
from efficientcellseg.frozen import changed
from efficientcellseg.maps import MAPS

if TYPE_CHECKING:
    from efficientcellseg.parameters.recipe import Recipe

log = logging.getLogger(__name__)

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

    def save(self, path: Path) -> None:
        """Write the samples to one .npz, atomically."""
        values = {name: np.asarray(value) for name, value in vars(self).items()}
        del values["targets"]
        with atomic(path) as temporary:
            values |= {f"target_{name}": target for name, target in self.targets.items()}
            # numpy's stub takes the names for options.
            np.savez(temporary, **values)  # type: ignore[arg-type]

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
                targets = {
                    name.removeprefix("target_"): arrays[name]
                    for name in arrays.files
                    if name.startswith("target_")
                }
                others = cls.__dataclass_fields__.keys() - {"targets"}
                values = {name: arrays[name] for name in others}
        except (OSError, EOFError, KeyError, TypeError, ValueError, BadZipFile) as error:
            raise InputError(
                f"{path}: no training samples ({error}); expected a file made by "
                "`python -m efficientcellseg samples`: make it first"
            ) from None
        texts = {name: tuple(map(str, values[name])) for name in ("names", "fingerprints")}
        return cls(targets=targets, **{**values, **texts, "origin": str(values["origin"])})


def origin_of(configuration: Mapping[str, Any]) -> str:
    """Say what of a training configuration shapes its samples.

    Parameters
    ----------
    configuration : mapping
        Of config/training; its schema says what each key means.

    Returns
    -------
    str
        JSON of ``data``, without what only drawing asks for, and ``pseudocolor``.
    """
    entries = [
        {key: value for key, value in entry.items() if key not in ("share", "held_out")}
        for entry in configuration["data"]
    ]
    colors = configuration.get("pseudocolor", {})
    return json.dumps({"data": entries, "pseudocolor": colors}, sort_keys=True)


def frame_samples(
    volume: np.ndarray,
    annotated: Mapping[int, np.ndarray] | np.ndarray,
    recipe: Recipe,
    size: int,
    targets: Sequence[str] = ("cells", "centers"),
    partial: bool = False,
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
    partial : bool
        Whether cells may have been left out: then background is unknown, except where it
        is within `RIM` pixels of an annotated cell.

    Yields
    ------
    Samples
        The tiles of a slice; `dataset` and `frame` are 0.
    """
    from efficientcellseg.chain.pseudocolor import pseudocolor
    from efficientcellseg.chain.tiling import cut, plan_tiles

    colored = pseudocolor(volume, recipe.pseudocolor)
    if isinstance(annotated, np.ndarray):
        blocks = [(range(len(volume)), annotated)]
    else:
        blocks = [(range(z, z + 1), plane[None]) for z, plane in sorted(annotated.items())]
    tiles = plan_tiles(volume.shape[1:], recipe.tiling)
    many = len(tiles)
    for planes, labels in blocks:
        wanted = [MAPS[name].target(labels, recipe.anisotropy) for name in targets]
        for i, z in enumerate(planes):
            layers = np.stack([part[i] for part in wanted])
            if partial:
                layers[:, _unknown(labels[i])] = np.nan
            # One by one: OpenCV shrinks four channels at most.
            cuts = np.hstack([cut(layer[..., None], tiles, size) for layer in layers])
            stored = np.where(np.isnan(cuts), UNKNOWN, np.rint(cuts * FULL)).astype(np.uint8)
            objects = [
                np.count_nonzero(np.unique(labels[i][slice(*y), slice(*x)])) for y, x in tiles
            ]
            yield Samples(
                images=np.rint(cut(colored[z], tiles, size) * 255).astype(np.uint8),
                targets={name: stored[:, c] for c, name in enumerate(targets)},
                objects=np.array(objects, np.uint16),
                dataset=np.zeros(many, np.uint8),
                frame=np.zeros(many, np.int64),
                tile=np.arange(many),
                plane=np.full(many, z),
                names=(recipe.name,),
                fingerprints=(),
            )


def _unknown(plane: np.ndarray) -> np.ndarray:
    """Find what is neither annotated cell nor close around one, (Y, X) bool."""
    from scipy.ndimage import distance_transform_edt

    if not plane.any():
        return np.ones(plane.shape, bool)
    return distance_transform_edt(plane == 0) > RIM


def find_annotations(
    dataset_dir: Path, sequence: str, reference: str
) -> dict[int, dict[int | None, Path]]:
    """Find the reference images of a sequence to learn from.

    Parameters
    ----------
    dataset_dir : Path
    sequence : str
    reference : str
        ``GT``, ``ST``, ``ERR_SEG``, or several joined by ``+``, the better first: of ``GT+ST``,
        gold truth where there is some, silver truth else.

    Returns
    -------
    dict of int to dict
        For each frame its images: a whole one under None, or slices by their number.

    Raises
    ------
    InputError
        No reference image at all.
    """
    found: dict[int, dict[int | None, Path]] = {}
    for kind in reference.split("+"):
        folder = dataset_dir / f"{sequence}_{kind}"
        one: dict[int, dict[int | None, Path]] = {}
        for image in find_reference(folder).objects:
            one.setdefault(image.frame, {})[image.plane] = image.path
        for frame, images in one.items():
            # A whole image says all that slices of the same frame say.
            found.setdefault(frame, {None: images[None]} if None in images else images)
    return dict(sorted(found.items()))


def gather(
    entries: list[dict[str, Any]],
    data: Path,
    size: int,
    targets: Sequence[str] = ("cells", "centers"),
    pseudocolor: Mapping[str, Any] | None = None,
) -> Samples:
    """Make the samples of a training configuration.

    Parameters
    ----------
    entries : list of dict
        The configuration's ``data``; its schema says what each key means.
    data : Path
        Where relative folders start.
    size : int
        Side of the network's input.
    targets : sequence of str
        Maps to make targets for, of `MAPS`.
    pseudocolor : mapping, optional
        What takes the place of the recipes' own parameters.

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

    from efficientcellseg.parameters.locations import ROOT
    from efficientcellseg.parameters.recipe import find_recipe, load_recipe

    frames = []
    for index, entry in enumerate(entries):
        named = entry.get("recipe")
        recipe = load_recipe(ROOT / named if named else find_recipe(entry["dataset"]))
        recipe = changed(recipe, pseudocolor=changed(recipe.pseudocolor, **(pseudocolor or {})))
        dataset_dir = data / entry.get("folder", entry["dataset"])
        for sequence in entry.get("sequences", recipe.sequences):
            raw = frame_files(dataset_dir / sequence)
            reference = entry.get("reference", recipe.reference)
            masks = find_annotations(dataset_dir, sequence, reference)
            wanted = parse_frames(entry.get("frames", ":"))
            # By number, not by place: a reference may leave frames out.
            for number in (n for n in masks if is_inside(n, wanted)):
                if number not in raw:
                    name = frame_name("t", number, recipe.digits)
                    first = next(iter(masks[number].values()))
                    raise InputError(
                        f"{first}: no frame {name} beside it; expected one for each mask: add the "
                        "frame or remove the mask"
                    )
                partial = entry.get("partial", False)
                frames.append((index, recipe, raw[number], masks[number], partial))
    if not frames:
        raise InputError(
            f"{data}: no reference mask within the frames of the configuration; expected one at "
            "least: widen the frames"
        )
    parts = []
    for count, (index, recipe, image, images, partial) in enumerate(
        tqdm(frames, desc="samples", unit="frame")
    ):
        volume = read_volume(image)
        labels = read_annotations(images, volume.shape, image)
        for part in frame_samples(volume, labels, recipe, size, targets, partial):
            many = len(part.images)
            parts.append(
                replace(part, dataset=np.full(many, index, np.uint8), frame=np.full(many, count))
            )
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("images", "objects", "dataset", "frame", "tile", "plane")
    }
    return Samples(
        **joined,
        targets={name: np.concatenate([part.targets[name] for part in parts]) for name in targets},
        names=tuple(entry["dataset"] for entry in entries),
        fingerprints=tuple(fingerprint(image) for _, _, image, *_ in frames),
    )


def read_annotations(
    masks: Mapping[int | None, Path], shape: tuple[int, ...], image: Path
) -> np.ndarray | dict[int, np.ndarray]:
    """Read the reference images of a frame: a volume, or slices by their number.

    Raises
    ------
    InputError
        Another shape than the frame's, or a slice that it does not have.
    """
    slices = {}
    for plane, path in masks.items():
        labels = read_volume(path)
        wanted = shape if plane is None else (1, *shape[1:])
        if labels.shape != wanted:
            raise InputError(
                f"{path}: shape {labels.shape}; expected {wanted} as {image.name} has: "
                "check which reference belongs to which sequence"
            )
        if plane is None:
            return labels
        if plane >= shape[0]:
            raise InputError(
                f"{path}: slice {plane}; expected 0 to {shape[0] - 1}, the slices of {image.name}: "
                "check which reference belongs to which sequence"
            )
        slices[plane] = labels[0]
    return slices
