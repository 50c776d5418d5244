"""EfficientCellSeg: volumetric cell segmentation with context aware pseudocoloring.

Arrays in, arrays out; the format on disk is in :mod:`ctc_eval.format`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__version__ = "0.7.0"


def segment(
    volume: np.ndarray,
    recipe: str | Path | None = None,
    *,
    voxel_size: Sequence[float] | None = None,
    diameter: float | None = None,
    model: str | Path | None = None,
    device: str = "auto",
) -> np.ndarray:
    """Segment the cells of a volume or an image.

    The method is that of Wagner & Rohr, EfficientCellSeg, MIDL 2022.

    Parameters
    ----------
    volume : ndarray of shape (Z, Y, X) or (Y, X)
        Raw intensities of any real type, cells brighter than their surroundings.
    recipe : str or Path, optional
        Name of a recipe that comes with the program, or a file ending in ``.yaml``. By default, a
        recipe is estimated from the volume.
    voxel_size : sequence of float, optional
        Along (plane, row, column), or (row, column) for an image, in micrometers. Only without a
        recipe. By default, voxels are taken to be cubes.
    diameter : float, optional
        Of the cells: in micrometers if `voxel_size` is given, otherwise in pixels. Only without a
        recipe. By default, it is measured.
    model : str or Path, optional
        A model folder, or a folder of model folders; the recipe's by default.
    device : str
        ``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:N``.

    Returns
    -------
    ndarray, uint16
        Label image of the volume's shape: 0 is background, cells are numbered from 1.

    Raises
    ------
    ctc_eval.format.InputError
        Another shape or pixel type; values that are not numbers or all the same; a recipe, model
        or device that does not exist.

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
    >>> labels = segment(volume, voxel_size=(2, 1, 1), diameter=20, device="cpu")
    >>> labels.shape, labels.dtype.name, int(labels.max())
    ((16, 128, 128), 'uint16', 3)
    """
    from efficientcellseg.methods.single import segment_array

    return segment_array(volume, recipe, voxel_size, diameter, model, device)
