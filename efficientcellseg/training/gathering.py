"""Reads frames and their annotations, and makes training samples of them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ctc_eval.format import (
    InputError,
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
from efficientcellseg.training.annotations import ReferenceLayer, find_annotations, read_annotations
from efficientcellseg.training.cell_sizes import measure_cells_shown
from efficientcellseg.training.registration import move_labels
from efficientcellseg.training.sample_files import origin_of
from efficientcellseg.training.samples import UNKNOWN, Samples, frame_samples

if TYPE_CHECKING:
    from efficientcellseg.parameters.recipe import Recipe
    from efficientcellseg.parameters.training import TrainingConfiguration, TrainingData

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
    annotations : list of ReferenceLayer
        Its reference images, the better first.
    shift : tuple of float
        How far these are moved, in planes, rows and columns.
    """

    dataset: int
    recipe: Recipe
    image: Path
    annotations: list[ReferenceLayer]
    shift: tuple[float, float, float]


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
        labels, partial = read_annotations(frame.annotations, volume.shape, frame.image)
        if any(frame.shift) and isinstance(labels, np.ndarray):
            labels = move_labels(labels, frame.shift)
        cells.append(measure_cells_shown(labels, frame.recipe.tiling, size, frame.dataset))
        for part in frame_samples(volume, labels, frame.recipe, size, targets, partial):
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


def recipe_of_entry(entry: TrainingData) -> Recipe:
    """Load the recipe by which an entry of a training configuration is cut into samples.

    Parameters
    ----------
    entry : TrainingData

    Returns
    -------
    Recipe

    Raises
    ------
    InputError
        What :func:`efficientcellseg.parameters.recipe.open_recipe` refuses.
    """
    return open_recipe(ROOT / entry.recipe if entry.recipe else entry.dataset)


def find_frames(configuration: TrainingConfiguration, data: Path) -> list[AnnotatedFrame]:
    """Find the frames of a training configuration.

    Parameters
    ----------
    configuration : TrainingConfiguration
    data : Path
        Folder of the data sets.

    Returns
    -------
    list of AnnotatedFrame

    Raises
    ------
    InputError
        See :func:`gather`.
    """
    found = []
    for index, entry in enumerate(configuration.data):
        recipe = configuration.color(recipe_of_entry(entry))
        recipe = changed(recipe, tiling=entry.tiling or recipe.tiling)
        folder = data / (entry.folder or entry.dataset)
        wanted = parse_frames(entry.frames)
        for sequence in configuration.sequences_learnt(entry, recipe):
            raw = frame_files(folder / sequence)
            reference = entry.reference or recipe.reference
            masks = find_annotations(folder, sequence, reference, entry.partial)
            # By number, not by place: a reference may leave frames out.
            for number in (n for n in masks if is_inside(n, wanted)):
                if entry.skip_every and number % entry.skip_every == 0:
                    continue
                if number not in raw:
                    name = frame_name("t", number, recipe.digits)
                    first = next(iter(masks[number][0].images.values()))
                    raise InputError(
                        f"{first}: no frame {name} beside it; expected one for each mask: add the "
                        "frame or remove the mask",
                        code="frame-missing",
                    )
                shift = entry.reference_shift.get(sequence, (0.0, 0.0, 0.0))
                found.append(AnnotatedFrame(index, recipe, raw[number], masks[number], shift))
    if not found:
        raise InputError(
            f"{data}: no reference mask within the frames of the configuration; expected one at "
            "least: widen the frames",
            code="frames-unannotated",
        )
    return found
