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
        Axes (row, column) or (plane, row, column), time before them where `frames` says so. Its
        scale is the voxel's size, in micrometers, where it is not all ones.
    diameter : float
        Of the cells, in micrometers where the scale says the voxel's size, else in pixels.
    frames : bool
    """

    @thread_worker
    def work() -> LayerDataTuple:
        return segment_layer(image.data, tuple(image.scale), image.name, diameter, frames)

    return work()


def segment_layer(
    data: Any, scale: tuple[float, ...], name: str, diameter: float, frames: bool
) -> LayerDataTuple:
    """Segment what a layer holds; give a layer of labels."""
    import numpy as np

    size = scale[1:] if frames else scale
    known = tuple(map(float, size)) if any(one != 1 for one in size) else None

    def labels(volume: "np.ndarray") -> "np.ndarray":
        return segment(np.asarray(volume), voxel_size=known, diameter=diameter or None)

    found = np.stack([labels(volume) for volume in data]) if frames else labels(data)
    return (found, {"name": f"{name}, cells", "scale": scale}, "labels")
