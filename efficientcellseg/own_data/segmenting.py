"""Reads images, segments them and writes what was found: the way of a user's own files."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctc_eval.format import InputError, atomic, check_writable, frame_name, write_labels
from efficientcellseg.chain.labeling import is_empty, log_anisotropy, warn_of_empty
from efficientcellseg.chain.segment import FrameMethod, segment_volume
from efficientcellseg.chain.telling import naming
from efficientcellseg.own_data.jobs import Counter, Job
from efficientcellseg.own_data.planning import How, Plan
from efficientcellseg.own_data.results import cell_rows, write_cells, write_label_image
from efficientcellseg.parameters.recipe import Recipe, recipe_text
from efficientcellseg.provenance import tell_backend
from efficientcellseg.report.overlay import View, draw_views, views_of
from efficientcellseg.software import describe_software

if TYPE_CHECKING:
    import numpy as np

    from efficientcellseg.datasets.reading.image import Image

log = logging.getLogger(__name__)

# Images in the picture.
PICTURED = 4

TABLE, PICTURE, RECORD_FILE = "cells.csv", "picture.png", "record.json"


@dataclass(frozen=True)
class Found:
    """What was found: how many frames and cells, and where the picture is."""

    frames: int
    cells: int
    picture: Path


def default_output(inputs: Sequence[str]) -> Path:
    """Name a folder for results: ``NAME_cells`` beside one input, ``cells`` beside several.

    Parameters
    ----------
    inputs : sequence of str
        As the user gave them.

    Returns
    -------
    Path
    """
    first = Path(inputs[0])
    if len(inputs) > 1:
        return first.parent / "cells"
    if any(letter in first.name for letter in "*?["):
        first = first.parent
    name = first.resolve().name.partition(".")[0] if first.suffix else first.resolve().name
    return first.resolve().parent / f"{name}_cells"


def check_output(output: Path, images: Sequence[Image], *, overwrite: bool) -> None:
    """Refuse a folder for results that holds images to be read, or other results.

    Parameters
    ----------
    output : Path
    images : sequence of Image
    overwrite : bool
        Whether other results may be replaced.

    Raises
    ------
    InputError
        It holds one of these.
    """
    files = {file.resolve() for image in images for file in (image.path, *image.stored.files)}
    if output.resolve() in files | {file.parent for file in files}:
        raise InputError(
            f"{output}: holds what is to be segmented; expected another folder for the results: "
            "give another --output",
            code="output-raw",
        )
    check_writable(output / RECORD_FILE)
    if (output / RECORD_FILE).exists() and not overwrite:
        raise InputError(
            f"{output}: holds results already; expected a new folder: give --overwrite to replace "
            "them, or another --output",
            code="output-exists",
        )


class _Findings:
    """Collects what was found: rows of the table, pictures, masks without a cell.

    Parameters
    ----------
    pictured : sequence of Job
        Those that the picture shows, by their middle frames.

    Attributes
    ----------
    tell : callable
        Takes ``cells``, how many were found so far.
    """

    def __init__(self, pictured: Sequence[Job]) -> None:
        self.pictured = pictured
        self.rows: list[dict[str, object]] = []
        self.views: list[list[View]] = []
        self.empty: list[bool] = []
        self.tell: Callable[..., object] = lambda **_: None

    def add(self, job: Job, frame: int, volume: np.ndarray, labels: np.ndarray) -> None:
        """Add a frame."""
        image = job.image
        channels = [image.read(frame, i) for i in range(len(image.channels))]
        self.rows.extend(cell_rows(image, frame, labels, channels))
        self.empty.append(is_empty(labels))
        self.tell(cells=len(self.rows))
        if job in self.pictured and frame == job.frames[len(job.frames) // 2]:
            name = f"{image.name}, frame {frame}: " if image.frames > 1 else f"{image.name}: "
            um = image.voxel_size[2] if image.voxel_size else None
            views = views_of(volume, {"result": labels}, um=um, name=name)
            self.views += views if len(self.pictured) == 1 else views[-1:]


def segment_images(
    plans: Sequence[Plan], output: Path, how: How, progress: Counter = iter
) -> Found:
    """Segment images by their plans, and write all that was found into a folder.

    Parameters
    ----------
    plans : sequence of Plan
    output : Path
        Gets the plans, ``NAME_labels.tif`` (or a folder ``NAME_RES`` in challenge layout) of each
        image, the table of cells, a picture and a record. Each file appears when it is whole.
    how : How
    progress : callable
        Wraps the frames.

    Returns
    -------
    Found

    Raises
    ------
    InputError
        What methods and labelings refuse.
    """
    jobs = [job for plan in plans for job in plan.jobs]
    found = _Findings(jobs[:: max(len(jobs) // PICTURED, 1)][:PICTURED])
    shown = progress([frame for job in jobs for frame in job.frames])
    todo, found.tell = iter(shown), getattr(shown, "set_postfix", found.tell)
    output.mkdir(parents=True, exist_ok=True)
    (output / RECORD_FILE).unlink(missing_ok=True)  # until all that it tells of is there
    for plan in plans:
        _write_text(output / plan.file, recipe_text(plan.recipe))
        log_anisotropy(plan.fitted)
        model = how.model or plan.fitted.model_dir
        method = how.method(plan.fitted, model, how.device, plan.fitted.backend)
        for job in plan.jobs:
            labels = _segment(job, method, plan.fitted, found, todo)
            if how.challenge:
                folder = output / f"{job.image.name}_RES"
                digits = 3 + (job.frames[-1] > 999)
                for frame, one in zip(job.frames, labels, strict=True):
                    write_labels(folder / frame_name("mask", frame, digits), one)
            else:
                path = output / f"{job.image.name}_labels.tif"
                write_label_image(path, job.image, labels, len(job.frames))
    next(todo, None)  # ends the progress
    warn_of_empty(sum(found.empty), len(found.empty))
    write_cells(output / TABLE, found.rows)
    figure = draw_views(found.views)
    with atomic(output / PICTURE) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
    _write_text(output / RECORD_FILE, json.dumps(_record(plans, how), indent=1))
    return Found(len(found.empty), len(found.rows), output / PICTURE)


def _segment(
    job: Job, method: FrameMethod, recipe: Recipe, found: _Findings, todo: Iterator[int]
) -> Iterator[np.ndarray]:
    """Segment the frames of an image one after the other."""
    for frame in job.frames:
        next(todo)
        with naming(f"{job.image.name}, frame {frame}"):
            volume = job.volume(frame)
            labels = segment_volume(volume, method, recipe)
        found.add(job, frame, volume, labels)
        yield labels


def _record(plans: Sequence[Plan], how: How) -> dict[str, Any]:
    """Say what was read, what was done to its values, and what it was segmented with."""
    return {
        **describe_software(),
        "method": how.method.name,
        "backend": tell_backend(plans[0].fitted.backend, plans[0].fitted.precision),
        "images": [{**job.record(), "plan": plan.file} for plan in plans for job in plan.jobs],
        "recipes": {plan.file: plan.fitted.model_dump(mode="json") for plan in plans},
    }


def _write_text(path: Path, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
