"""EfficientCellSeg: volumetric cell segmentation with context aware pseudocoloring.

Arrays in, arrays out; the on-disk format lives in :mod:`ctc_eval.format`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__version__ = "0.5.0"


def segment(
    volume: np.ndarray,
    recipe: str | Path = "BBBC050",
    *,
    model: str | Path | None = None,
    device: str = "auto",
) -> np.ndarray:
    """Segment the cells of a volume, as Wagner & Rohr, EfficientCellSeg, MIDL 2022.

    Parameters
    ----------
    volume : ndarray of shape (Z, Y, X), uint8 or uint16
        Raw intensities, cells brighter than what is around them; Z = 1 for an image.
    recipe : str or Path
        How: the name of a data set that comes with the program, or a file ending in ``.yaml``.
    model : str or Path, optional
        A model folder, or a folder of such; the recipe's by default.
    device : str
        ``auto`` (a GPU where there is one), ``cpu``, ``cuda`` or ``cuda:N``.

    Returns
    -------
    ndarray of shape (Z, Y, X), uint16
        Label image: 0 is background, cells are numbered from 1.

    Raises
    ------
    ctc_eval.format.InputError
        Another shape or pixel type; a recipe, model or device that is not there.

    Examples
    --------
    Three bright balls, planes twice as far apart as pixels:

    >>> import numpy as np
    >>> from efficientcellseg import segment
    >>> plane, row, column = np.indices((16, 128, 128))
    >>> volume = np.full((16, 128, 128), 20, np.uint8)
    >>> for y, x in (32, 32), (32, 96), (96, 64):
    ...     inside = (2 * (plane - 8)) ** 2 + (row - y) ** 2 + (column - x) ** 2 < 10**2
    ...     volume[inside] = 200
    >>> labels = segment(volume, "BBBC050", device="cpu")
    >>> labels.shape, labels.dtype.name, int(labels.max())
    ((16, 128, 128), 'uint16', 3)
    """
    from efficientcellseg.chain.labeling import log_anisotropy
    from efficientcellseg.chain.segment import segment_volume
    from efficientcellseg.methods.efficientcellseg import EfficientCellSeg
    from efficientcellseg.methods.scale import fit_scale
    from efficientcellseg.networks.loading import choose_backend
    from efficientcellseg.parameters.recipe import open_recipe

    chosen = EfficientCellSeg.adapt(open_recipe(recipe))
    log_anisotropy(chosen)
    folder = Path(model) if model else chosen.model_dir
    where: dict[str, Any] = {"device": device}
    where["backend"] = choose_backend("auto", folder, chosen.maps, device)
    shape = volume.shape[-2:]
    chosen = fit_scale(chosen, EfficientCellSeg, folder, shape, lambda: [volume], **where)
    return segment_volume(volume, EfficientCellSeg(chosen, folder, **where), chosen)
