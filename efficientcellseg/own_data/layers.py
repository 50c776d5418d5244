"""Layers to look at: raw, pseudocolor, maps, labels and reference of one frame; tracks of all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ctc_eval.format import (
    InputError,
    find_reference,
    frame_digits,
    frame_files,
    frame_name,
    parse_frames,
    read_tracks,
    read_volume,
)
from efficientcellseg.chain.labeling import label_volume
from efficientcellseg.chain.pseudocolor import pseudocolor
from efficientcellseg.own_data.segmenting import RECORD_FILE
from efficientcellseg.parallel import in_threads
from efficientcellseg.provenance import TRACK_FILE
from efficientcellseg.tracking.objects import measure_objects

if TYPE_CHECKING:
    from efficientcellseg.datasets.reading.image import Image
    from efficientcellseg.own_data.jobs import Job
    from efficientcellseg.own_data.planning import How, Plan

# Data, what napari is to make of them, and the kind of layer.
Shown = tuple[np.ndarray, dict[str, Any], str]


def make_layers(
    plan: Plan,
    job: Job,
    how: How,
    frame: int,
    labels: np.ndarray | None,
    reference: np.ndarray | None,
) -> list[Shown]:
    """Compute what there is to see of a frame.

    Parameters
    ----------
    plan : Plan
    job : Job
        Of the plan.
    how : How
    frame : int
    labels : ndarray of shape (Z, Y, X), optional
        What was found; segmented now where it is left out.
    reference : ndarray of shape (Z, Y, X), optional

    Returns
    -------
    list of (ndarray, dict, str)
        As napari takes them: data, options, kind of layer; axes (Z, Y, X), in micrometers where
        the voxel's size is known.
    """
    image, recipe = job.image, plan.fitted
    scale = image.voxel_size or (1.0, 1.0, 1.0)
    volume = job.volume(frame)
    layers: list[Shown] = [
        (image.read(frame, i), {"name": f"raw, {name}", "scale": scale}, "image")
        for i, name in enumerate(image.channels)
    ]
    colored = pseudocolor(volume, recipe.pseudocolor)
    layers.append(
        (colored, {"name": "pseudocolor", "scale": scale, "rgb": True, "visible": False}, "image")
    )
    if recipe.maps:
        method = how.method(recipe, how.model or recipe.model_dir, how.device, recipe.backend)
        maps = method.maps(method.prepare(volume))
        for name in recipe.maps:
            shown = {"name": f"map, {name}", "scale": scale, "visible": False, "colormap": "magma"}
            layers.append((maps[name], shown, "image"))
        if labels is None:
            own = recipe.field_of_interest
            labels = label_volume(maps, recipe.labeling, recipe.anisotropy, own)
    if reference is not None:
        shown = {"name": "reference", "scale": scale, "visible": False}
        layers.append((reference, shown, "labels"))
    if labels is not None:
        layers.append((labels, {"name": "cells", "scale": scale}, "labels"))
    _check_shapes(layers, image)
    return layers


def _check_shapes(layers: Sequence[Shown], image: Image) -> None:
    """Refuse results of another image."""
    for data, options, _ in layers:
        found = data.shape[:-1] if options.get("rgb") else data.shape
        if found != image.shape:
            raise InputError(
                f"{options['name']}: shape {found}; expected {image.shape} as of {image.path}: "
                "give the --result of these images",
                code="shape-mismatch",
            )


def find_labels(job: Job, frame: int, folder: Path) -> np.ndarray | None:
    """Read the labels of a frame from a folder of earlier results.

    Parameters
    ----------
    job : Job
    frame : int
        Time point, from 0.
    folder : Path

    Returns
    -------
    ndarray of shape (Z, Y, X), integer, or None
        None if there are none.
    """
    import tifffile

    masks = sorted(folder.glob("mask*.tif"))
    if masks:
        path = folder / frame_name("mask", frame, frame_digits(masks[0]))
        return read_volume(path) if path.is_file() else None
    path, record = folder / f"{job.image.name}_labels.tif", folder / RECORD_FILE
    if not path.is_file() or not record.is_file():
        return None
    images = json.loads(record.read_text(encoding="utf-8"))["images"]
    (frames,) = [one["frames"] for one in images if one["name"] == job.image.name]
    place, planes = frame - (parse_frames(frames).start or 0), job.image.shape[0]
    with tifffile.TiffFile(path) as tif:
        if not 0 <= place * planes < len(tif.series[0]):
            return None
        pages = slice(place * planes, (place + 1) * planes)
        return tif.asarray(key=pages).reshape(job.image.shape)


def find_tracks(folder: Path, voxel_size: tuple[float, float, float] | None) -> list[Shown]:
    """Make a layer of the tracks beside masks; none if there are none.

    Parameters
    ----------
    folder : Path
        Of masks whose labels are tracks, and of ``res_track.txt``.
    voxel_size : tuple of float, optional
        Micrometers along (plane, row, column); 1 unless given, as of the other layers.

    Returns
    -------
    list of (ndarray of shape (N, 5), dict, str)
        Rows (track, frame, plane, row, column), the latter in micrometers; the graph names the
        parent of each track that has one.
    """
    if not (folder / TRACK_FILE).is_file():
        return []
    rows, _ = read_tracks(folder / TRACK_FILE)
    masks = frame_files(folder, "mask", complete=False)
    frames = zip(masks, in_threads(read_volume, masks.values()), strict=True)
    objects = measure_objects(frames, voxel_size or (1.0, 1.0, 1.0))
    data = np.column_stack([objects.label, objects.frame, objects.center])
    data = data[np.lexsort((objects.frame, objects.label))]
    graph = {row.label: [row.parent] for row in rows.values() if row.parent}
    return [(data, {"name": "tracks", "graph": graph}, "tracks")]


def find_reference_labels(folder: Path, frame: int) -> np.ndarray | None:
    """Read the reference of a whole frame.

    Parameters
    ----------
    folder : Path
        Such as 01_GT.
    frame : int

    Returns
    -------
    ndarray of shape (Z, Y, X), uint16, or None
        None if there is none.
    """
    if not folder.is_dir():
        return None
    for one in find_reference(folder).objects:
        if one.frame == frame and one.plane is None:
            return read_volume(one.path)
    return None
