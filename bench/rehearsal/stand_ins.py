"""Writes zips that stand in for the challenge's own: simulated cells, in its layout and sizes.

What is known of the real ones, and kept: frames, digits, bits, LZW in the raw frames; A549-SIM has
a whole reference of each frame; MDA231 a few outlined cells in single slices, a silver truth of
all, and markers; TRIC ten such slices, no silver truth, and markers of nine voxels for one in ten.
"""

from __future__ import annotations

import io
import logging
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile

from ctc_eval.format import frame_name
from efficientcellseg.datasets.simulation.sequence import sequence_seed, simulate_sequence
from efficientcellseg.parameters.recipe import open_recipe
from efficientcellseg.parameters.scene import open_scene

log = logging.getLogger("bench.rehearsal")

Shape = tuple[int, int, int]
# A voxel in the middle of each cell, by label.
Middles = dict[int, Shape]


@dataclass(frozen=True)
class StandIn:
    """What stands in for a data set of the challenge."""

    name: str
    scene: str
    cells: int
    shapes: dict[str, Shape]
    frames: dict[str, int]
    test_frames: int | None = None  # of a test sequence; None: as many as in training
    gold_slices: int = 0  # of a sequence; 0: all frames, whole
    gold_cells: int = 0  # of a slice, at most; 0: all
    silver: bool = False
    marked_every: int = 1  # one in so many cells has a marker
    drifts: bool = False  # one simulated field that passes by, in place of a simulation a frame


REAL = (
    StandIn(
        "Fluo-C3DH-A549-SIM",
        "a549",
        cells=1,
        shapes={"01": (29, 300, 350), "02": (37, 300, 400)},
        frames={"01": 30, "02": 30},
    ),
    StandIn(
        "Fluo-C3DL-MDA231",
        "mda231",
        cells=60,
        shapes={"01": (30, 512, 512), "02": (30, 512, 512)},
        frames={"01": 12, "02": 12},
        gold_slices=5,
        gold_cells=4,
        silver=True,
    ),
    StandIn(
        "Fluo-N3DL-TRIC",
        "tric-calibrated",
        cells=1600,
        shapes={"01": (13, 2454, 1693), "02": (13, 2440, 1745)},
        frames={"01": 65, "02": 210},
        gold_slices=5,
        gold_cells=20,
        marked_every=10,
        drifts=True,
    ),
)
# In fewer planes; A549's cells, 17 um, fill a frame.
_SMALL: dict[str, tuple[int, dict[str, Shape]]] = {
    "Fluo-C3DH-A549-SIM": (1, {"01": (4, 300, 350), "02": (5, 300, 400)}),
    "Fluo-C3DL-MDA231": (6, {"01": (8, 128, 128), "02": (8, 128, 128)}),
    "Fluo-N3DL-TRIC": (60, {"01": (7, 245, 169), "02": (7, 244, 174)}),
}


def stand_ins(*, small: bool, frames: int | None) -> list[StandIn]:
    """List the stand-ins, with so many frames a sequence at most, and one of tests; None: all."""
    chosen = []
    for one in REAL:
        counts = {seq: min(count, frames or count) for seq, count in one.frames.items()}
        one = replace(one, frames=counts, test_frames=1 if frames else None)
        if small:
            cells, shapes = _SMALL[one.name]
            one = replace(one, cells=cells, shapes=shapes)
        chosen.append(one)
    return chosen


class Sequence(NamedTuple):
    """Frames (raw, labels, middles), made one at a time, and the rows of man_track.txt."""

    frames: Iterator[tuple[np.ndarray, np.ndarray, Middles]]
    tracks: np.ndarray


class Simulated:
    """Each frame is simulated."""

    def __init__(self, one: StandIn) -> None:
        self.one = one

    def sequence(self, sequence: str, count: int, seed: int) -> Sequence:
        """Simulate a sequence of so many frames."""
        simulation = simulate_sequence(
            scene=open_scene(self.one.scene),
            shape=self.one.shapes[sequence],
            frames=count,
            cells=self.one.cells,
            seed=sequence_seed(seed, sequence),
            voxel_size=open_recipe(self.one.name).voxel_size,
        )
        frames = ((raw, labels, find_middles(labels)) for raw, labels in simulation)
        return Sequence(frames, simulation.tracks)


class Drift:
    """Frames are windows of one simulated field that passes by, a voxel a frame, shaken anew.

    A frame of TRIC takes seconds to simulate, an hour for all of them.
    """

    def __init__(self, one: StandIn) -> None:
        self.one, count = one, max(one.frames.values())
        depth, rows, columns = np.max(list(one.shapes.values()), axis=0).tolist()
        simulation = simulate_sequence(
            scene=open_scene(one.scene),
            shape=(depth, rows, columns + count),
            frames=1,
            cells=one.cells,
            seed=sequence_seed(1, "01"),
            voxel_size=open_recipe(one.name).voxel_size,
        )
        ((self.raw, self.labels),) = simulation

    def sequence(self, sequence: str, count: int, seed: int) -> Sequence:
        """Cut out so many frames; another sequence, or seed, looks from another side."""
        depth, rows, columns = self.one.shapes[sequence]
        along, across = (1 if seed % 2 else -1), (1 if sequence == "01" else -1)
        sides = np.s_[:depth, ::along, ::across]
        raw, labels = (field[sides][:, :rows] for field in (self.raw, self.labels))
        middles = find_middles(labels)

        def frames() -> Iterator[tuple[np.ndarray, np.ndarray, Middles]]:
            for t in range(count):
                rng = np.random.default_rng([seed, int(sequence), t])
                shaken = raw[..., t : t + columns] + rng.integers(0, 9, (rows, columns), np.uint16)
                inside = {
                    label: (z, y, x - t)
                    for label, (z, y, x) in middles.items()
                    if t <= x < t + columns
                }
                yield shaken, labels[..., t : t + columns], inside

        # Seen first when its middle is in the window, last before it leaves on the other side.
        tracks = [
            (label, max(0, x - columns + 1), min(count - 1, x), 0)
            for label, (_, _, x) in middles.items()
        ]
        kept = [row for row in tracks if row[1] <= row[2]]
        return Sequence(frames(), np.array(kept))


def find_middles(labels: np.ndarray) -> Middles:
    """Find the voxel of each cell that is nearest to its middle."""
    places = np.argwhere(labels)
    values = labels[labels > 0]
    order = np.argsort(values, kind="stable")
    places, values = places[order], values[order]
    starts = np.flatnonzero(np.diff(values.astype(int), prepend=0))
    middles: Middles = {}
    for label, own in zip(values[starts].tolist(), np.split(places, starts[1:]), strict=True):
        z, y, x = own[np.abs(own - own.mean(axis=0)).sum(axis=1).argmin()].tolist()
        middles[label] = (z, y, x)
    return middles


def mark(labels: np.ndarray, middles: Middles) -> np.ndarray:
    """Draw markers: three by three voxels of a plane, as far as they are the cell's."""
    drawn = np.zeros_like(labels)
    for label, (z, y, x) in middles.items():
        patch = np.s_[z, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        drawn[patch][labels[patch] == label] = label
    return drawn


def gold_slices(one: StandIn, frame: int, count: int, labels: np.ndarray) -> dict[int, np.ndarray]:
    """Choose the single slices of a frame that have gold truth, by plane, with few cells each."""
    planes = np.flatnonzero(labels.any(axis=(1, 2)))
    slices = {}
    for number in range(one.gold_slices):
        if number * count // one.gold_slices == frame:
            plane = int(planes[len(planes) * (number + 1) // (one.gold_slices + 1)])
            cells = np.unique(labels[plane])[1:]
            spread = cells[:: max(1, len(cells) // one.gold_cells)][: one.gold_cells]
            slices[plane] = np.where(np.isin(labels[plane], spread), labels[plane], np.uint16(0))
    return slices


def _tiff(volume: np.ndarray) -> bytes:
    """Pack an image as the challenge's are."""
    file = io.BytesIO()
    tifffile.imwrite(file, volume, compression="lzw", photometric="minisblack", metadata=None)
    return file.getvalue()


def write_zips(one: StandIn, folder: Path) -> list[Path]:
    """Write the zips of a data set, training and test.

    Parameters
    ----------
    one : StandIn
    folder : Path
        Zips land where the challenge has them, ``training-datasets/NAME.zip`` and
        ``test-datasets/NAME.zip``.

    Returns
    -------
    list of Path
    """
    source = (Drift if one.drifts else Simulated)(one)
    written = []
    for seed, kind in enumerate(("training", "test"), 1):
        path = folder / f"{kind}-datasets" / f"{one.name}.zip"
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for sequence in one.shapes:
                test = kind == "test"
                count = one.frames[sequence]
                if test and one.test_frames:
                    count = one.test_frames
                made = source.sequence(sequence, count, seed)
                for name, content in members(one, sequence, made, test=test):
                    archive.writestr(f"{one.name}/{name}", content)
        log.info("%s: %.0f MB", path, path.stat().st_size / 1e6)
        written.append(path)
    return written


def members(
    one: StandIn, sequence: str, made: Sequence, *, test: bool
) -> Iterator[tuple[str, bytes]]:
    """Make the files of a sequence, (name, content); those of test sequences are frames alone."""
    gold, count = f"{sequence}_GT", one.frames[sequence]
    for frame, (raw, labels, middles) in enumerate(made.frames):
        yield f"{sequence}/{frame_name('t', frame, 3)}", _tiff(raw)
        if test:
            continue
        whole = _tiff(labels)
        if not one.gold_slices:
            yield f"{gold}/SEG/{frame_name('man_seg', frame, 3)}", whole
            yield f"{gold}/TRA/{frame_name('man_track', frame, 3)}", whole
            continue
        for plane, outlined in gold_slices(one, frame, count, labels).items():
            yield f"{gold}/SEG/man_seg_{frame:03}_{plane:03}.tif", _tiff(outlined)
        if one.silver:
            yield f"{sequence}_ST/SEG/{frame_name('man_seg', frame, 3)}", whole
        marked = {cell: middle for cell, middle in middles.items() if _marked(one, cell)}
        yield f"{gold}/TRA/{frame_name('man_track', frame, 3)}", _tiff(mark(labels, marked))
    if not test:
        rows = [" ".join(map(str, row)) for row in made.tracks.tolist() if _marked(one, row[0])]
        yield f"{gold}/TRA/man_track.txt", "".join(f"{row}\n" for row in rows).encode()


def _marked(one: StandIn, cell: int) -> bool:
    return cell % one.marked_every == 0
