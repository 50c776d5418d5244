"""Methods, one per file: what turns a frame into maps, and which labeling follows.

A new method is a file here and a line in `METHODS`; docs/extending.md shows how. None of them
loads torch before it is built.
"""

from efficientcellseg.methods.classical import Classical
from efficientcellseg.methods.dunet import DUNet
from efficientcellseg.methods.efficientcellseg import EfficientCellSeg
from efficientcellseg.methods.method import Method
from efficientcellseg.methods.unet import UNet
from efficientcellseg.methods.unet3d_ensemble import UNet3DEnsemble

__all__ = ["METHODS", "Method"]

METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (
        EfficientCellSeg,
        UNet,
        DUNet,
        UNet3DEnsemble,
        Classical,
    )
}
