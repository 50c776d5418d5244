"""The last step of the chain: from predicted maps to a label image."""

from __future__ import annotations

import logging

import numpy as np

from ctc_eval.format import InputError, is_all_but_empty, tell_empty
from efficientcellseg.frozen import changed
from efficientcellseg.labelings import LABELINGS, LabelingParameters
from efficientcellseg.labelings.morphology import (
    fill_holes,
    remove_outside,
    remove_small,
    renumber,
)
from efficientcellseg.maps import Maps
from efficientcellseg.parallel import in_threads
from efficientcellseg.parameters.recipe import Recipe

log = logging.getLogger(__name__)


def label_volume(
    maps: Maps,
    parameters: LabelingParameters,
    anisotropy: float = 1.0,
    field_of_interest: int = 0,
) -> np.ndarray:
    """Turn predicted maps into a label image.

    Parameters
    ----------
    maps : dict of str to ndarray of shape (Z, Y, X), float32
        In 0..1; those that the labeling needs at least.
    parameters : LabelingParameters
        The recipe's section, of one of `LABELINGS`.
    anisotropy : float
        Distance between planes, in in-plane pixels, unless the parameters have another.
    field_of_interest : int
        The challenge's E, in pixels: objects without a pixel at least E pixels inside the
        image border (rows and columns) are removed.

    Returns
    -------
    ndarray of shape (Z, Y, X), uint16
        0 is background; objects are numbered from 1 without gaps.

    Raises
    ------
    InputError
        A map that the labeling needs is missing; more than 65535 objects.
    """
    chosen = LABELINGS[parameters.method]
    anisotropy = parameters.anisotropy or anisotropy
    if missing := set(chosen.needs) - maps.keys():
        raise InputError(
            f"{parameters.method}: no {', '.join(sorted(missing))} map among {', '.join(maps)}; "
            "expected networks for all that the labeling needs: add it to the recipe's maps",
            code="map-missing",
        )
    if parameters.per_slice:
        whole = changed(parameters, per_slice=False)
        labels, count = np.zeros(next(iter(maps.values())).shape, np.int32), 0

        def in_plane(z: int) -> np.ndarray:
            plane = {name: values[z : z + 1] for name, values in maps.items()}
            return label_volume(plane, whole, anisotropy, field_of_interest)[0].astype(np.int32)

        for z, found in enumerate(in_threads(in_plane, range(len(labels)))):
            labels[z] = np.where(found > 0, found + count, 0)
            count += int(found.max())
    else:
        labels = remove_small(chosen.label(maps, parameters, anisotropy), parameters.min_size)
        if parameters.fill_holes:
            labels = fill_holes(labels)
        labels = remove_outside(labels, field_of_interest)
    return renumber(labels)


def is_empty(labels: np.ndarray) -> bool:
    """Tell whether a label image holds no cell, or almost none.

    Parameters
    ----------
    labels : ndarray of shape (Z, Y, X), integer
        Label image, 0 is background.

    Returns
    -------
    bool
    """
    return is_all_but_empty(int(np.count_nonzero(labels)), labels.size)


def warn_of_empty(empty: int, masks: int) -> None:
    """Warn, at the end of a run, about masks that hold no cell or almost none.

    Parameters
    ----------
    empty : int
        How many masks are empty.
    masks : int
        How many masks there are.
    """
    if empty:
        log.warning("%s: check the recipe, especially the cell size", tell_empty(empty, masks))


def log_anisotropy(recipe: Recipe) -> None:
    """Report, once per run, that cells are labeled with another anisotropy than the voxels'.

    Parameters
    ----------
    recipe : Recipe
    """
    own = recipe.labeling.anisotropy
    if own and own != recipe.anisotropy:
        log.info(
            "%s: planes are taken to be %.3g in-plane pixels apart (labeling.anisotropy), not "
            "the %.3g of voxel_size",
            recipe.name,
            own,
            recipe.anisotropy,
        )
