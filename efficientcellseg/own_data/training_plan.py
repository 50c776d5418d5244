"""Reads a sequence of a user's own: plans its recipe, and how a network learns from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ctc_eval.format import InputError, find_reference, frame_files, read_volume, volume_shape
from efficientcellseg.chain.scale import FRAMES, section_diameters, typical_diameter
from efficientcellseg.frozen import changed
from efficientcellseg.methods.estimate import base_recipe, estimate_recipe
from efficientcellseg.methods.scale import evenly_spread, plan_scale
from efficientcellseg.networks.folders import network_folders, read_card
from efficientcellseg.parameters.recipe import CellDiameter

if TYPE_CHECKING:
    from efficientcellseg.methods.method import Method
    from efficientcellseg.parameters.recipe import Recipe

# Reference images that are measured, and for what network on a CPU core: an hour at most.
MEASURED_IMAGES, TILES, EPOCHS, STEPS = 20, 16, 12, 40


def plan_sequence(
    dataset_dir: Path, sequence: str, method: type[Method], model: Path | None, **how: Any
) -> Recipe:
    """Estimate the recipe of a sequence in challenge layout.

    Parameters
    ----------
    dataset_dir : Path
    sequence : str
        Its voxel size comes from ``SEQ.json``, which ``convert`` writes; the cell size from its
        reference, if there is one.
    method : type of Method
    model : Path, optional
        Folder of networks; the shipped ones by default.
    **how
        ``device``, ``backend``, ``precision`` and ``check`` of
        :func:`efficientcellseg.methods.scale.fit_scale`.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError
        What reading and planning refuse.
    """
    files = list(frame_files(dataset_dir / sequence).values())
    shape, _ = volume_shape(files[0])
    name = dataset_dir.resolve().name
    base = base_recipe(name, shape[0], _voxel_size(dataset_dir / f"{sequence}.json"))
    base = method.adapt(changed(base, sequences=(sequence,)))
    if diameter := _annotated_diameter(dataset_dir / f"{sequence}_GT"):
        base = changed(base, cell_diameter=CellDiameter(pixels=round(diameter, 1)))
    return estimate_recipe(
        base,
        method,
        model or base.model_dir,
        shape,
        lambda: [read_volume(files[i]) for i in evenly_spread(len(files), FRAMES)],
        **how,
    )


def _voxel_size(record: Path) -> tuple[float, float, float] | None:
    """Read a voxel's size from what ``convert`` has written."""
    if not record.is_file():
        return None
    try:
        size = json.loads(record.read_text(encoding="utf-8"))["images"][0]["voxel_size"]
        return size and (float(size[0]), float(size[1]), float(size[2]))
    except (ValueError, KeyError, IndexError, TypeError):
        raise InputError(
            f"{record}: no record of a conversion; expected one as convert writes it: convert the "
            "images again, or remove the file",
            code="record-damaged",
        ) from None


def _annotated_diameter(reference: Path) -> float | None:
    """Measure annotated cells, in pixels; None without any."""
    if not reference.is_dir():
        return None
    images = find_reference(reference).objects
    sizes = [
        section_diameters(read_volume(image.path))
        for image in images[:: max(len(images) // MEASURED_IMAGES, 1)]
    ]
    return typical_diameter(np.concatenate(sizes)) if sizes else None


def plan_training(
    recipe: Recipe, recipe_file: Path, dataset_dir: Path, sequence: str, method: type[Method]
) -> dict[str, Any]:
    """Plan how the shipped network goes on learning from a sequence.

    Parameters
    ----------
    recipe : Recipe
        From :func:`plan_sequence`.
    recipe_file : Path
        Where it is written.
    dataset_dir : Path
    sequence : str
        With a reference.
    method : type of Method

    Returns
    -------
    dict
        A training configuration, fit for YAML.
    """
    (folder,) = network_folders(recipe.model_dir, recipe.maps)
    frames = dataset_dir / sequence
    fitted = plan_scale(recipe, method, recipe.model_dir, frames, check=False)
    architecture = read_card(folder).architecture
    return {
        "start": str(recipe.model),
        "model": architecture.model_dump(mode="json"),
        "data": [
            {
                "dataset": recipe.name,
                "recipe": str(recipe_file.resolve()),
                "folder": str(dataset_dir.resolve()),
                "sequences": [sequence],
                "tiling": fitted.tiling.model_dump(mode="json", exclude_unset=True),
            }
        ],
        "training": {
            "batch": TILES,
            "epochs": EPOCHS,
            "steps": STEPS,
            "learning_rate": 0.0003,
            "schedule": "cosine",
            "cells_loss": "dice+entropy",
            "average": 0.98,
            "validation": 0.2,
            "validation_samples": 320,
            "seed": 1,
        },
    }
