"""Reads images and writes them in challenge layout, with their annotations if there are any."""

from __future__ import annotations

import json
import re
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ctc_eval.format import MAX_LABEL, InputError, atomic, frame_name, write_labels, write_volume
from efficientcellseg.datasets.reading.image import choose_channel
from efficientcellseg.datasets.reading.values import measure_values
from efficientcellseg.own_data.jobs import Counter, Job

if TYPE_CHECKING:
    from efficientcellseg.datasets.reading.image import Image


def convert_images(
    images: Sequence[Image],
    channel: str | None,
    labels: Sequence[Image],
    dataset_dir: Path,
    sequence: str,
    progress: Counter = iter,
) -> int:
    """Write images as the frames of a sequence, and label images as its reference.

    Parameters
    ----------
    images : sequence of Image
        All of one shape; the time points of the first come first.
    channel : str or None
        Number or name; None if there is no choice.
    labels : sequence of Image
        Label images of the same frames, 0 is background; may be empty.
    dataset_dir : Path
    sequence : str
        Two digits.
    progress : callable
        Wraps the frames.

    Returns
    -------
    int
        How many frames were written: ``SEQ/tTTT.tif``, ``SEQ_GT/SEG/man_segTTT.tif`` and
        ``SEQ.json``, which says what was read and what was done to its values.

    Raises
    ------
    InputError
        Frames of different shapes; labels of another number or shape, or that are no labels; a
        sequence that is there already; what reading refuses.
    """
    if not re.fullmatch("[0-9]{2}", sequence):
        raise InputError(f"sequence {sequence}; expected two digits", code="sequence-malformed")
    places = _alike([(image, frame) for image in images for frame in range(image.frames)])
    annotated = _alike([(image, frame) for image in labels for frame in range(image.frames)])
    _check_labels(places, annotated)
    chosen = {id(image): choose_channel(image, channel) for image in images}
    values = measure_values(
        (image.read(frame, chosen[id(image)]) for image, frame in places), str(images[0].path)
    )
    mixed = len({image.stored.dtype for image in images}) > 1
    digits = 3 if len(places) <= 1000 else 4
    targets = [sequence, *([f"{sequence}_GT"] if labels else [])]
    with _staged(dataset_dir, targets) as staged:
        for number, (image, frame) in enumerate(progress(places)):
            volume = values.apply(image.read(frame, chosen[id(image)]))
            volume = volume.astype(np.uint16) if mixed else volume
            write_volume(staged / sequence / frame_name("t", number, digits), volume)
            if labels:
                name = frame_name("man_seg", number, digits)
                volume = _labels_of(*annotated[number])
                write_labels(staged / f"{sequence}_GT" / "SEG" / name, volume)
    jobs = [Job(one, chosen[id(one)], tuple(range(one.frames)), values) for one in images]
    _write_record(dataset_dir / f"{sequence}.json", jobs, labels)
    return len(places)


def _write_record(path: Path, jobs: Sequence[Job], labels: Sequence[Image]) -> None:
    """Record what was read and how its values were converted."""
    record: dict[str, Any] = {"images": [job.record() for job in jobs]}
    if labels:
        record["labels"] = [str(image.path) for image in labels]
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1), encoding="utf-8")


def _alike(places: list[tuple[Image, int]]) -> list[tuple[Image, int]]:
    """Refuse images of different shapes."""
    for image, _ in places:
        first = places[0][0]
        if image.shape != first.shape:
            raise InputError(
                f"{image.path}: {image.shape} (planes, rows, columns); expected {first.shape} as "
                f"in {first.path.name}: frames of a sequence are alike, give others a sequence of "
                "their own",
                code="frame-unlike",
            )
    return places


def _check_labels(places: list[tuple[Image, int]], annotated: list[tuple[Image, int]]) -> None:
    """Refuse labels that are not those of the frames."""
    if not annotated:
        return
    image, label = places[0][0], annotated[0][0]
    if len(annotated) != len(places) or label.shape != image.shape:
        raise InputError(
            f"{label.path}: {len(annotated)} label images of {label.shape}; expected "
            f"{len(places)} of {image.shape}, one for each frame, in the same order",
            code="labels-unlike",
        )


def _labels_of(image: Image, frame: int) -> np.ndarray:
    """Read a label image."""
    labels = image.read(frame, 0)
    low, high = float(labels.min()), float(labels.max())
    whole = labels.dtype.kind in "bui" or bool((labels == np.rint(labels)).all())
    if len(image.channels) > 1 or not whole or not 0 <= low <= high <= MAX_LABEL:
        raise InputError(
            f"{image.path}: {len(image.channels)} channels, values from {low:g} to {high:g}; "
            f"expected labels, whole numbers from 0 to {MAX_LABEL}, one a cell: save them so",
            code="label-range",
        )
    return labels.astype(np.uint16)


@contextmanager
def _staged(dataset_dir: Path, names: Sequence[str]) -> Iterator[Path]:
    """Provide a folder whose contents are moved to a data set's if the block succeeds."""
    for name in names:
        if (dataset_dir / name).exists():
            raise InputError(
                f"{dataset_dir / name}: exists already; expected a new sequence: choose another "
                "number, or remove it",
                code="output-exists",
            )
    dataset_dir.mkdir(parents=True, exist_ok=True)
    staged = dataset_dir / f".convert-{uuid.uuid4().hex}"
    staged.mkdir()
    try:
        yield staged
        for name in names:
            (staged / name).replace(dataset_dir / name)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
