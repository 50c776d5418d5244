"""EfficientCellSeg: volumetric cell segmentation with context aware pseudocoloring.

Arrays in, arrays out; the on-disk format lives in :mod:`ctc_eval.format`.
"""

__version__ = "0.3.0"
