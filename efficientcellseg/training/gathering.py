"""Reads frames and their annotations, and makes training samples of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ctc_eval.format import (
    InputError,
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
from efficientcellseg.parameters.locations import ROOT
from efficientcellseg.parameters.recipe import open_recipe
from efficientcellseg.training.cell_sizes import measure_cells_shown
from efficientcellseg.training.sample_files import origin_of
from efficientcellseg.training.samples import UNKNOWN, Samples, frame_samples

if TYPE_CHECKING:
    from efficientcellseg.parameters.recipe import Recipe
    from efficientcellseg.parameters.training import TrainingConfiguration

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AnnotatedFrame:
    """A frame to learn from.

    Attributes
    ----------
    dataset : int
        Entry of the configuration that it is of.
    recipe : Recipe
    image : Path
        The raw frame.
    annotations : dict of Path
        Its reference images: a whole one under None, or slices by their number.
    partial : bool
        Whether cells may have been left out of them.
    """

    dataset: int
    recipe: Recipe
    image: Path
    annotations: dict[int | None, Path]
    partial: bool


def gather(configuration: TrainingConfiguration, data: Path) -> Samples:
    """Make the samples of a training configuration.

    Parameters
    ----------
    configuration : TrainingConfiguration
        Its ``data``, ``targets`` and ``pseudocolor``, and the input size of its ``model``.
    data : Path
        Where relative folders start.

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

    frames = find_frames(configuration, data)
    size, targets = configuration.model.input_size, configuration.targets
    parts, cells = [], []
    for count, frame in enumerate(tqdm(frames, desc="samples", unit="frame")):
        volume = read_volume(frame.image)
        labels = read_annotations(frame.annotations, volume.shape, frame.image)
        cells.append(measure_cells_shown(labels, frame.recipe.tiling, size, frame.dataset))
        for part in frame_samples(volume, labels, frame.recipe, size, targets, frame.partial):
            many = len(part.images)
            dataset = np.full(many, frame.dataset, np.uint8)
            parts.append(replace(part, dataset=dataset, frame=np.full(many, count)))
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("images", "objects", "dataset", "frame", "tile", "plane")
    }
    made = {name: np.concatenate([part.targets[name] for part in parts]) for name in targets}
    for name in targets:
        if made[name].min() == UNKNOWN:
            need = ", which needs whole annotated volumes" * MAPS[name].needs_volume
            log.warning("%s%s: known in no sample; a network for it learns nothing", name, need)
    return Samples(
        **joined,
        targets=made,
        names=tuple(entry.dataset for entry in configuration.data),
        fingerprints=tuple(fingerprint(frame.image) for frame in frames),
        origin=origin_of(configuration),
        cells=np.concatenate(cells),
    )


def find_frames(configuration: TrainingConfiguration, data: Path) -> list[AnnotatedFrame]:
    """Find the frames of a training configuration; :func:`gather` says what is refused."""
    found = []
    for index, entry in enumerate(configuration.data):
        named = ROOT / entry.recipe if entry.recipe else entry.dataset
        recipe = configuration.color(open_recipe(named))
        recipe = changed(recipe, tiling=entry.tiling or recipe.tiling)
        folder = data / (entry.folder or entry.dataset)
        wanted = parse_frames(entry.frames)
        for sequence in entry.sequences or recipe.sequences:
            raw = frame_files(folder / sequence)
            masks = find_annotations(folder, sequence, entry.reference or recipe.reference)
            # By number, not by place: a reference may leave frames out.
            for number in (n for n in masks if is_inside(n, wanted)):
                if entry.skip_every and number % entry.skip_every == 0:
                    continue
                if number not in raw:
                    name = frame_name("t", number, recipe.digits)
                    first = next(iter(masks[number].values()))
                    raise InputError(
                        f"{first}: no frame {name} beside it; expected one for each mask: add the "
                        "frame or remove the mask",
                        code="frame-missing",
                    )
                found.append(
                    AnnotatedFrame(index, recipe, raw[number], masks[number], entry.partial)
                )
    if not found:
        raise InputError(
            f"{data}: no reference mask within the frames of the configuration; expected one at "
            "least: widen the frames",
            code="frames-unannotated",
        )
    return found


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
                "check which reference belongs to which sequence",
                code="shape-mismatch",
            )
        if plane is None:
            return labels
        if plane >= shape[0]:
            raise InputError(
                f"{path}: slice {plane}; expected 0 to {shape[0] - 1}, the slices of {image.name}: "
                "check which reference belongs to which sequence",
                code="slice-outside",
            )
        slices[plane] = labels[0]
    return slices
