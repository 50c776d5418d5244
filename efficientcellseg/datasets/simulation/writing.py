"""Writes simulated sequences in challenge layout, and reads what exists already."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np

from ctc_eval.format import (
    InputError,
    atomic,
    check_writable,
    frame_name,
    read_volume,
    write_labels,
    write_volume,
)
from efficientcellseg.datasets.simulation.sequence import (
    Simulation,
    sequence_seed,
    simulate_sequence,
)
from efficientcellseg.parameters.recipe import Recipe
from efficientcellseg.parameters.scene import open_scene
from efficientcellseg.parameters.source import SimulationSource

log = logging.getLogger(__name__)


def write_sequence(
    dataset_dir: Path,
    sequence: str,
    simulation: Simulation,
    digits: int = 3,
    *,
    overwrite: bool = False,
) -> Path:
    """Write a simulated sequence in challenge layout.

    ``SEQ/tTTT.tif`` has the raw frames, ``SEQ_GT/SEG/man_segTTT.tif`` and
    ``SEQ_GT/TRA/man_trackTTT.tif`` the labels, ``SEQ_GT/TRA/man_track.txt`` the tracks. The
    track file comes last: where it stands, the sequence is complete.

    Parameters
    ----------
    dataset_dir : Path
        Made where it is missing. A run that was stopped can be done again.
    sequence : str
        Two digits.
    simulation : Simulation
    digits : int
        Of the frame number.
    overwrite : bool
        Replace the frames of another simulation.

    Returns
    -------
    Path
        The folder of the raw frames.

    Raises
    ------
    InputError
        A frame number needs more digits; frames beyond the sequence's end exist already;
        frames of another simulation do, such as of another seed; the folder cannot be written.
    """
    if len(simulation) > 10**digits:
        raise InputError(
            f"{dataset_dir}: {len(simulation)} frames; expected at most {10**digits} with "
            f"{digits} digits: set digits to 4 or ask for fewer frames",
            code="frames-too-many",
        )
    raw_dir, reference = dataset_dir / sequence, dataset_dir / f"{sequence}_GT"
    tracks = reference / "TRA" / "man_track.txt"
    folders = {"t": raw_dir, "man_seg": reference / "SEG", "man_track": reference / "TRA"}
    _refuse_leftovers(folders, len(simulation), digits)
    check_writable(tracks)
    for frame, (raw, labels) in enumerate(simulation):
        paths = {kind: path / frame_name(kind, frame, digits) for kind, path in folders.items()}
        if not overwrite:
            _refuse_other(paths["t"], raw)
        tracks.unlink(missing_ok=True)
        write_volume(paths["t"], raw)
        write_labels(paths["man_seg"], labels)
        with atomic(paths["man_track"]) as temporary:
            shutil.copyfile(paths["man_seg"], temporary)
    with atomic(tracks) as temporary:
        np.savetxt(temporary, simulation.tracks, fmt="%d")
    return raw_dir


def _refuse_leftovers(folders: dict[str, Path], frames: int, digits: int) -> None:
    """Refuse folders with frames of a longer run before, which would mix with these unseen."""
    names = {frame_name(prefix, frame, digits) for prefix in folders for frame in range(frames)}
    for folder in folders.values():
        leftovers = sorted(path.name for path in folder.glob("*.tif") if path.name not in names)
        if leftovers:
            raise InputError(
                f"{folder}: has {leftovers[0]}, which this run of {frames} frames does not make; "
                "expected an empty folder: remove it or choose another one",
                code="frame-leftover",
            )


def _refuse_other(path: Path, raw: np.ndarray) -> None:
    """Refuse a frame that exists already and is not the one to be written."""
    if path.is_file() and not np.array_equal(read_volume(path), raw):
        raise InputError(
            f"{path}: belongs to another simulation, such as one with another seed; expected none "
            "or this one: give --overwrite or another folder",
            code="frame-of-another-simulation",
        )


def simulate_recipe(
    recipe: Recipe,
    dataset_dir: Path,
    sequences: tuple[str, ...] | None = None,
    frames: int | None = None,
    seed: int | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Simulate the sequences of a recipe.

    Parameters
    ----------
    recipe : Recipe
        With a source of the kind ``simulation``.
    dataset_dir : Path
        Where the sequences are written.
    sequences : tuple of str, optional
        Which ones; the recipe's by default.
    frames : int, optional
        Of each sequence; the recipe's number by default.
    seed : int, optional
        The recipe's by default.
    overwrite : bool
        Replace the frames of another simulation.

    Raises
    ------
    InputError
        The recipe's data are not simulated; what :func:`open_scene`, :func:`simulate_sequence`
        and :func:`write_sequence` refuse.
    """
    source = recipe.source
    if not isinstance(source, SimulationSource):
        raise InputError(
            f"{recipe.name}: its source is of the kind {source.kind}; expected simulation: "
            "choose a recipe such as Sim-TRIC",
            code="source-kind",
        )
    scene = open_scene(source.scene)
    for sequence in sequences or recipe.sequences:
        if not (len(sequence) == 2 and sequence.isascii() and sequence.isdigit()):
            raise InputError(
                f"sequence: found {sequence!r}, expected two digits such as 01",
                code="sequence-name",
            )
        simulation = simulate_sequence(
            scene=scene,
            shape=source.shape,
            frames=source.frames if frames is None else frames,
            cells=source.cells,
            seed=sequence_seed(source.seed if seed is None else seed, sequence),
            voxel_size=recipe.voxel_size,
        )
        folder = write_sequence(
            dataset_dir, sequence, simulation, recipe.digits, overwrite=overwrite
        )
        log.info("%s: %d frames", folder, len(simulation))
