"""Reads a few frames: plans how images are segmented, those that are alike together."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from efficientcellseg.frozen import changed
from efficientcellseg.methods.estimate import base_recipe, estimate_recipe
from efficientcellseg.methods.scale import fit_scale
from efficientcellseg.own_data.jobs import Job, group_alike, look_at

if TYPE_CHECKING:
    import numpy as np

    from efficientcellseg.methods.method import Method
    from efficientcellseg.parameters.recipe import Recipe

log = logging.getLogger(__name__)

# Frames of a group that a first look sees: images of one plane may be of different cells.
LOOKED_AT, PLANES_LOOKED_AT = 2, 8


@dataclass(frozen=True)
class How:
    """With what images are segmented.

    Attributes
    ----------
    method : type of Method
    recipe : Recipe, optional
        Estimated if there is none; the images' own voxel size takes the place of its.
    diameter : float, optional
        Of the cells, for the estimate: in micrometers where the voxel size is known, else pixels.
    model : Path, optional
        Folder of networks; the recipe's by default.
    device : str
    backend, precision : str, optional
        The recipe's by default.
    check : bool
        Whether cells of another size than the networks know are refused.
    challenge : bool
        Whether masks are written in challenge layout.
    """

    method: type[Method]
    recipe: Recipe | None = None
    diameter: float | None = None
    model: Path | None = None
    device: str = "auto"
    backend: str | None = None
    precision: str | None = None
    check: bool = True
    challenge: bool = False


@dataclass(frozen=True)
class Plan:
    """What a group of images is segmented with.

    Attributes
    ----------
    jobs : list of Job
    recipe : Recipe
        As it is written, to be used again.
    fitted : Recipe
        With the tiles that follow for these images.
    file : str
        Its name.
    """

    jobs: list[Job]
    recipe: Recipe
    fitted: Recipe
    file: str


def plan_images(jobs: Sequence[Job], how: How) -> list[Plan]:
    """Plan how images are segmented, with one plan for those that are alike.

    Parameters
    ----------
    jobs : sequence of Job
    how : How

    Returns
    -------
    list of Plan

    Raises
    ------
    InputError
        What planning, networks and labeling refuse.
    """
    groups = group_alike(jobs)
    with _details_hidden():
        return [
            _plan(group, how, "plan.yaml" if len(groups) == 1 else f"plan_{number}.yaml")
            for number, group in enumerate(groups, start=1)
        ]


def _plan(group: list[Job], how: How, file: str) -> Plan:
    """Plan a group."""
    recipe = _recipe_of(group, how)
    fitted = fit_scale(
        recipe,
        how.method,
        how.model or recipe.model_dir,
        group[0].image.shape[1:],
        partial(_look, group),
        device=how.device,
        backend=how.backend,
        precision=how.precision,
        check=how.check and how.recipe is not None,  # an estimate has been checked
    )
    return Plan(group, recipe, fitted, file)


def _recipe_of(group: list[Job], how: How) -> Recipe:
    """Return the recipe that a group is segmented with, estimated if there is none."""
    first = group[0].image
    if how.recipe:
        known = {"voxel_size": first.voxel_size} if first.voxel_size else {}
        return how.method.adapt(changed(how.recipe, **known))
    base = base_recipe(first.name, first.shape[0], first.voxel_size, how.diameter)
    base = how.method.adapt(base)
    return estimate_recipe(
        base,
        how.method,
        how.model or base.model_dir,
        first.shape,
        partial(_look, group),
        device=how.device,
        backend=how.backend,
        precision=how.precision,
        check=how.check,
    )


def tell_plans(plans: Sequence[Plan], output: Path) -> None:
    """Log what is assumed about each group of images, in two lines, and how to change it.

    Parameters
    ----------
    plans : sequence of Plan
    output : Path
        Folder of the plans.
    """
    for plan in plans:
        first, recipe = plan.jobs[0], plan.recipe
        log.info("%s%s", first, f", and {len(plan.jobs) - 1} alike" if len(plan.jobs) > 1 else "")
        size = "cells of a size not known"
        if recipe.cell_diameter and (pixels := recipe.cell_pixels):
            um = f" ({recipe.cell_diameter.um:.3g} um)" if recipe.cell_diameter.um else ""
            size = f"cells {pixels:.3g} pixels{um} wide"
        log.info(
            "%s: %s, %s, brighter than their surroundings; %s, network %s",
            *(plan.file, "3D" if first.image.shape[0] > 1 else "2D", size),
            *(recipe.labeling.method.replace("_", " "), Path(recipe.model or "").name),
        )
    log.info(
        "to change these assumptions: edit %s, and pass it with --recipe", output / plans[0].file
    )


def _look(group: Sequence[Job]) -> list[np.ndarray]:
    """Read a few frames of a group of images."""
    return look_at(group, LOOKED_AT if group[0].image.shape[0] > 1 else PLANES_LOOKED_AT)


@contextmanager
def _details_hidden() -> Iterator[None]:
    """Leave out what a first look says step by step, unless everything is told."""
    loggers = [logging.getLogger(f"efficientcellseg.{name}.scale") for name in ("chain", "methods")]
    levels = [one.level for one in loggers]
    if not log.isEnabledFor(logging.DEBUG):
        for one in loggers:
            one.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
