"""A sequence whose measures can be told by hand, for tests of the judge."""

from pathlib import Path

import numpy as np

from ctc_eval.format import write_labels

# One plane by hand: reference 1 is 4 pixels, all found in a result object of 5 (J = 4/5);
# reference 2 is 4 pixels, exactly half found (J = 0); result 9 matches nothing.
REFERENCE = np.array([[1, 1, 0, 2, 2, 0], [1, 1, 0, 2, 2, 0]], np.uint16)
RESULT = np.array([[7, 7, 7, 0, 8, 9], [7, 7, 0, 0, 8, 9]], np.uint16)


def write_toy(root: Path) -> Path:
    """Write two frames of two planes: the reference's planes are alike, so are the result's."""
    for frame in (0, 1):
        write_labels(root / "01_GT" / "SEG" / f"man_seg00{frame}.tif", np.stack([REFERENCE] * 2))
        write_labels(root / "01_GT" / "TRA" / f"man_track00{frame}.tif", np.stack([REFERENCE] * 2))
        write_labels(root / "01_RES" / f"mask00{frame}.tif", np.stack([RESULT] * 2))
    (root / "01_GT" / "TRA" / "man_track.txt").write_text("1 0 1 0\n2 0 1 0\n")
    (root / "01_RES" / "res_track.txt").write_text("7 0 1 0\n8 0 1 0\n9 0 1 0\n")
    return root
