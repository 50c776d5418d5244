"""What to segment: images, each with the channel that shows cells, in groups of similar ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ctc_eval.format import InputError, is_inside
from efficientcellseg.datasets.reading.image import Image, choose_channel
from efficientcellseg.datasets.reading.values import Conversion, measure_values
from efficientcellseg.methods.scale import evenly_spread

if TYPE_CHECKING:
    import numpy as np

# Wraps what a loop goes over, to show how far it is; `tqdm.tqdm` does.
Counter = Callable[[Iterable], Iterable]


@dataclass(frozen=True)
class Job:
    """An image, and the channel of it that is segmented.

    Attributes
    ----------
    image : Image
    channel : int
    frames : tuple of int
        Time points that are segmented.
    values : Conversion
        How intensities become unsigned integers.
    """

    image: Image
    channel: int
    frames: tuple[int, ...]
    values: Conversion

    def volume(self, frame: int) -> np.ndarray:
        """Read a frame.

        Parameters
        ----------
        frame : int
            Time point, from 0.

        Returns
        -------
        ndarray of shape (Z, Y, X), uint8 or uint16
        """
        return self.values.apply(self.image.read(frame, self.channel))

    def record(self) -> dict[str, Any]:
        """Record what was read and how its values were converted, fit for JSON.

        Returns
        -------
        dict of str to object
        """
        image = self.image
        return {
            "file": str(image.path),
            "name": image.name,
            "axes": image.stored.axes,
            "shape": list(image.stored.shape),
            "channel": image.channels[self.channel],
            "frames": f"{self.frames[0]}:{self.frames[-1] + 1}",
            "voxel_size": image.voxel_size,
            "values": self.values.record(),
        }

    def __str__(self) -> str:
        """Say what was found, in a line."""
        image = self.image
        planes, rows, columns = image.shape
        size = (
            f"{planes} x {rows} x {columns} voxels" if planes > 1 else f"{rows} x {columns} pixels"
        )
        many = f"{image.frames} frames of {size}" if image.frames > 1 else size
        voxel = "size unknown"
        if image.voxel_size:
            voxel = " x ".join(f"{one:.4g}" for one in image.voxel_size[0 if planes > 1 else 1 :])
            voxel += " um each" + ", planes taken to be as far apart as rows" * image.guessed_depth
        chosen = f", {image.channels[self.channel]}" if len(image.channels) > 1 else ""
        return f"{image.name}: {many}, {voxel}{chosen}; {self.values}"


def make_jobs(
    images: Sequence[Image], channel: str | None, frames: slice, progress: Counter = iter
) -> list[Job]:
    """Choose channels and frames, and read all values once, so that faults show early.

    Parameters
    ----------
    images : sequence of Image
    channel : str or None
        Number or name; None if there is no choice.
    frames : slice
        Of time points, half open.
    progress : callable
        Wraps the iteration over frames.

    Returns
    -------
    list of Job

    Raises
    ------
    InputError
        What choosing a channel, reading and measuring refuse; no frame in the range.
    """
    chosen = []
    for image in images:
        wanted = tuple(one for one in range(image.frames) if is_inside(one, frames))
        if not wanted:
            raise InputError(
                f"{image.path}: {image.frames} frames, none of those asked for; expected some of "
                f"0 to {image.frames - 1}: choose other --frames",
                code="frames-absent",
            )
        chosen.append((image, choose_channel(image, channel), wanted))
    jobs = []
    for image, number, wanted in progress(chosen):
        values = measure_values((image.read(one, number) for one in wanted), str(image.path))
        jobs.append(Job(image, number, wanted, values))
    return jobs


def group_alike(jobs: Sequence[Job]) -> list[list[Job]]:
    """Group images that can share a plan: alike in planes, size, voxel size and channel.

    Parameters
    ----------
    jobs : sequence of Job

    Returns
    -------
    list of list of Job
    """
    groups: dict[object, list[Job]] = {}
    for job in jobs:
        image = job.image
        key = (image.shape[0] > 1, image.shape[1:], image.voxel_size, image.channels[job.channel])
        groups.setdefault(key, []).append(job)
    return list(groups.values())


def look_at(jobs: Sequence[Job], count: int) -> list[np.ndarray]:
    """Read a few frames of a group of images, evenly spread.

    Parameters
    ----------
    jobs : sequence of Job
    count : int
        How many frames.

    Returns
    -------
    list of ndarray of shape (Z, Y, X), uint8 or uint16
    """
    places = [(job, frame) for job in jobs for frame in job.frames]
    chosen = [places[number] for number in evenly_spread(len(places), count)]
    return [job.volume(frame) for job, frame in chosen]
