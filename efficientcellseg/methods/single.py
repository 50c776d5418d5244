"""One array in, labels out: what ``efficientcellseg.segment`` does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ctc_eval.format import InputError
from efficientcellseg.chain.labeling import log_anisotropy
from efficientcellseg.chain.segment import segment_volume
from efficientcellseg.datasets.reading.values import measure_values
from efficientcellseg.methods.efficientcellseg import EfficientCellSeg
from efficientcellseg.methods.estimate import base_recipe, estimate_recipe
from efficientcellseg.methods.scale import fit_scale
from efficientcellseg.parameters.recipe import open_recipe


def segment_array(
    volume: np.ndarray,
    recipe: str | Path | None,
    voxel_size: Sequence[float] | None,
    diameter: float | None,
    model: str | Path | None,
    device: str,
) -> np.ndarray:
    """Segment a volume or an image; see :func:`efficientcellseg.segment`.

    Parameters
    ----------
    volume : ndarray of shape (Z, Y, X) or (Y, X)
    recipe : str or Path, optional
    voxel_size : sequence of float, optional
        Micrometers.
    diameter : float, optional
    model : str or Path, optional
    device : str

    Returns
    -------
    ndarray of the same shape, uint16
        Label image, 0 is background.

    Raises
    ------
    InputError
        What :func:`efficientcellseg.segment` refuses.
    """
    volume = np.asarray(volume)
    if volume.ndim == 2:
        size = (voxel_size[0], *voxel_size) if voxel_size and len(voxel_size) == 2 else voxel_size
        return segment_array(volume[None], recipe, size, diameter, model, device)[0]
    if volume.ndim != 3 or not volume.size:
        raise InputError(
            f"volume of shape {volume.shape}; expected (planes, rows, columns), or (rows, columns) "
            "of an image: give one time point and one channel",
            code="volume-axes",
        )
    if recipe is not None and (voxel_size is not None or diameter is not None):
        raise InputError(
            "both a recipe, and voxel_size or diameter; expected one or the other: the "
            "recipe says both",
            code="recipe-overruled",
        )
    if recipe is None:
        _check_sizes(voxel_size, diameter)
    volume = measure_values([volume], "volume").apply(volume)
    chosen = base_recipe("volume", len(volume), voxel_size, diameter)
    if recipe is not None:
        chosen = open_recipe(recipe)
    chosen = EfficientCellSeg.adapt(chosen)
    folder = Path(model) if model else chosen.model_dir
    shape = (len(volume), volume.shape[1], volume.shape[2])
    if recipe is None:
        chosen = estimate_recipe(
            chosen, EfficientCellSeg, folder, shape, lambda: [volume], device=device
        )
    log_anisotropy(chosen)
    chosen = fit_scale(
        chosen,
        EfficientCellSeg,
        folder,
        shape[1:],
        lambda: [volume],
        device=device,
        check=recipe is not None,
    )
    return segment_volume(volume, EfficientCellSeg(chosen, folder, device, chosen.backend), chosen)


def _check_sizes(voxel_size: Sequence[float] | None, diameter: float | None) -> None:
    """Refuse sizes that no voxel and no cell has."""
    if voxel_size is not None and (
        len(voxel_size) != 3 or not all(0 < size < float("inf") for size in voxel_size)
    ):
        raise InputError(
            f"voxel_size {tuple(voxel_size)}; expected three numbers above 0, plane, row and "
            "column in micrometers",
            code="voxel-size-malformed",
        )
    if diameter is not None and not 0 < diameter < float("inf"):
        raise InputError(
            f"diameter {diameter}; expected a number above 0", code="diameter-malformed"
        )
