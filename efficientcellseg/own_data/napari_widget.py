"""A widget of napari: choose a layer, say how large cells are, and labels appear.

Loaded by napari, which finds it through efficientcellseg/napari.yaml.
"""

from typing import TYPE_CHECKING, Any

from magicgui import magic_factory
from napari.qt.threading import FunctionWorker, thread_worker
from napari.types import LayerDataTuple

from efficientcellseg import segment

if TYPE_CHECKING:
    import napari
    import numpy as np


@magic_factory(
    call_button="Segment",
    diameter={"label": "diameter (um, or pixels), 0: measure", "min": 0, "max": 1e6},
    frames={"label": "first axis is time"},
)
def segment_widget(
    image: "napari.layers.Image", diameter: float = 0, frames: bool = False
) -> FunctionWorker[LayerDataTuple]:
    """Segment the cells of a layer.

    Parameters
    ----------
    image : napari.layers.Image
        Axes (row, column) or (plane, row, column), preceded by time if `frames` is set. Its scale
        is the voxel size, in micrometers, unless it is 1 along all axes.
    diameter : float
        Of the cells: in micrometers if the scale gives the voxel size, else in pixels.
    frames : bool
        Whether the first axis is time.

    Returns
    -------
    FunctionWorker
        Which returns a layer of labels.
    """

    @thread_worker
    def work() -> LayerDataTuple:
        return segment_layer(image.data, tuple(image.scale), image.name, diameter, frames)

    return work()


def segment_layer(
    data: Any, scale: tuple[float, ...], name: str, diameter: float, frames: bool
) -> LayerDataTuple:
    """Segment the contents of a layer.

    Parameters
    ----------
    data : array_like
        Axes as for :func:`segment_widget`.
    scale : tuple of float
        One value for each axis.
    name : str
        Of the layer.
    diameter : float
        Of the cells; 0 to measure it.
    frames : bool
        Whether the first axis is time.

    Returns
    -------
    tuple
        A layer of labels: data, properties, kind.
    """
    import numpy as np

    size = scale[1:] if frames else scale
    known = tuple(map(float, size)) if any(one != 1 for one in size) else None

    def labels(volume: "np.ndarray") -> "np.ndarray":
        return segment(np.asarray(volume), voxel_size=known, diameter=diameter or None)

    found = np.stack([labels(volume) for volume in data]) if frames else labels(data)
    return (found, {"name": f"{name}, cells", "scale": scale}, "labels")
