"""How sure BBBC050's reference is: `python bench/reference.py [data/BBBC050]`.

Some of its objects are balls of two voxels' radius, 33 voxels: marks where nothing was outlined.
Contrast tells whether the image shows anything there: how far the mean inside lies above that of
the two voxels around, in standard deviations of the latter. No method can be expected to find
those without any, so that they bound its scores.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_dilation, find_objects

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ctc_eval.format import frame_files, read_volume

logger = logging.getLogger("bench.reference")

# 33 voxels, a few less where another object takes them, a few more where it was retouched.
BALL = range(30, 37)


def contrast(volume: np.ndarray, inside: np.ndarray, outside: np.ndarray) -> float:
    """Say how far an object stands out of the background voxels around it, all (Z, Y, X)."""
    around = binary_dilation(inside, iterations=2) & outside
    values = volume.astype(float)
    return (values[inside].mean() - values[around].mean()) / values[around].std()


def main(dataset: Path) -> None:
    """Log a line for each sequence."""
    if not dataset.is_dir():
        logger.info("%s: not there; give the folder of BBBC050 in challenge layout", dataset)
        return
    logger.info("sequence  objects  balls  SEG at most  contrast of balls  of others")
    for folder in sorted(dataset.glob("[0-9][0-9]")):
        masks = frame_files(dataset / f"{folder.name}_GT" / "SEG", "man_seg")
        found: dict[bool, list[float]] = {True: [], False: []}
        for number, image in frame_files(folder).items():
            volume, labels = read_volume(image), read_volume(masks[number])
            for label, box in enumerate(find_objects(labels), start=1):
                if box is None:
                    continue
                wide = tuple(slice(max(edge.start - 2, 0), edge.stop + 2) for edge in box)
                inside = labels[wide] == label
                ball = np.count_nonzero(inside) in BALL
                found[ball].append(contrast(volume[wide], inside, labels[wide] == 0))
        balls, others = found[True], found[False]
        logger.info(
            "%8s  %7d  %5d  %11.3f  %17s  %9.2f",
            folder.name,
            len(balls) + len(others),
            len(balls),
            len(others) / (len(balls) + len(others)),
            f"{np.median(balls):.2f}" if balls else "",
            np.median(others),
        )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "data/BBBC050"))
