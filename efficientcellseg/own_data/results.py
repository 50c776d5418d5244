"""Writes what was found: label images that Fiji and napari open, and tables of cells."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctc_eval.format import atomic

if TYPE_CHECKING:
    import numpy as np

    from efficientcellseg.datasets.reading.image import Image

# Larger label images are OME-TIFFs, compressed: ImageJ's own format is neither. Bytes.
LARGEST_IMAGEJ = 1_000_000_000

CELL_COLUMNS = (
    *("image", "frame", "label", "z", "y", "x", "voxels"),
    *("volume_um3", "area_um2", "equivalent_diameter_um"),
)


def write_label_image(path: Path, image: Image, labels: Iterable[np.ndarray], frames: int) -> None:
    """Write the labels of an image with its axes, voxel size and time step.

    Parameters
    ----------
    path : Path
        Appears when it is whole: an ImageJ hyperstack, or OME-TIFF where that would be large.
    image : Image
    labels : iterable of ndarray of shape (Z, Y, X), uint16
        Frame by frame; each is written before the next is asked for.
    frames : int
        How many.
    """
    import numpy as np
    import tifffile

    shape = (frames, *image.shape)
    large = 2 * int(np.prod(shape, dtype=np.int64)) > LARGEST_IMAGEJ
    planes = (plane for volume in labels for plane in volume)
    depth, rows, columns = image.voxel_size or (1.0, 1.0, 1.0)
    about: dict[str, Any] = {"axes": "TZYX"}
    form: dict[str, Any] = {"imagej": True}
    if image.voxel_size and not large:
        about |= {"spacing": depth, "unit": "um"}
        form["resolution"] = (1 / columns, 1 / rows)
    elif image.voxel_size:
        about |= {"PhysicalSizeZ": depth, "PhysicalSizeY": rows, "PhysicalSizeX": columns}
    if image.stored.interval:
        about["TimeIncrement" if large else "finterval"] = image.stored.interval
    if large:
        form = {"ome": True, "bigtiff": True, "compression": "zlib"}
    with atomic(path) as temporary:
        tifffile.imwrite(
            temporary,
            planes,
            shape=shape,
            dtype=np.uint16,
            photometric="minisblack",
            metadata=about,
            **form,
        )


def cell_rows(
    image: Image, frame: int, labels: np.ndarray, channels: Sequence[np.ndarray]
) -> Iterator[dict[str, object]]:
    """Measure the cells of a frame.

    Parameters
    ----------
    image : Image
    frame : int
    labels : ndarray of shape (Z, Y, X), integer
        0 is background.
    channels : sequence of ndarray of shape (Z, Y, X)
        The intensities, as the file has them.

    Yields
    ------
    dict
        Of `CELL_COLUMNS` those that there are: centroid in voxels, sizes in micrometers where the
        voxel's size is known, ``mean_NAME`` for each channel.
    """
    import numpy as np
    from skimage.measure import regionprops_table

    flat = len(labels) == 1
    size = image.voxel_size[1:] if flat and image.voxel_size else image.voxel_size
    values = np.stack(channels, -1)
    found = regionprops_table(
        labels[0] if flat else labels,
        values[0] if flat else values,
        properties=("label", "centroid", "num_pixels", "mean_intensity"),
    )
    axes = "yx" if flat else "zyx"
    voxel = float(np.prod(size)) if size else None
    for i, label in enumerate(found["label"]):
        row: dict[str, object] = {"image": image.name, "frame": frame, "label": int(label)}
        row |= {axis: round(float(found[f"centroid-{k}"][i]), 2) for k, axis in enumerate(axes)}
        row["voxels"] = int(found["num_pixels"][i])
        if voxel:
            extent = int(found["num_pixels"][i]) * voxel
            row["area_um2" if flat else "volume_um3"] = f"{extent:.6g}"
            across = (4 * extent / np.pi) ** 0.5 if flat else (6 * extent / np.pi) ** (1 / 3)
            row["equivalent_diameter_um"] = f"{across:.4g}"
        for k, name in enumerate(image.channels):
            row[f"mean_{name}"] = f"{found[f'mean_intensity-{k}'][i]:.6g}"
        yield row


def write_cells(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write a table of cells as CSV, with empty fields for unknown values.

    Parameters
    ----------
    path : Path
    rows : sequence of mapping
        By column.
    """
    more = dict.fromkeys(name for row in rows for name in row if name not in CELL_COLUMNS)
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [*CELL_COLUMNS, *more])
        table.writeheader()
        table.writerows(rows)
