"""Simulated sequences in challenge layout, with a perfect reference and tracks.

Three scenes stand in for data sets that are too large to ship: one cell with thin
protrusions (Fluo-C3DH-A549-SIM), irregular touching cells that fade towards their upper and
lower ends (Fluo-C3DL-MDA231), many nuclei on a flat stack (Fluo-N3DL-TRIC). A
microscope with anisotropic blur, light lost with depth, stray light, photon and camera noise
takes the pictures. Same seed, same bytes; nothing depends on threads or global state.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

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
from efficientcellseg.datasets.simulation.specimen import (
    BACKDROP,
    LAYOUT,
    NOISE,
    Habit,
    Skeleton,
    paint,
    populate,
    protrude,
    stream,
)

if TYPE_CHECKING:
    from efficientcellseg.parameters.recipe import Recipe

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Microscope:
    """How a scene's pictures are taken. Light and noise in camera counts, lengths in um."""

    blur: tuple[float, float]  # standard deviation of the spread along planes, and within
    signal: float  # counts of a cell of mean brightness
    background: float  # counts beside cells
    unevenness: float  # share by which the background varies
    haze: float  # share of the light that spreads widely
    depth_loss: float  # share of the signal lost on the way to the last plane, 0..1
    counts_per_photon: float  # few photons are noisy
    read_noise: float  # standard deviation, counts
    offset: float  # counts of an unlit pixel
    bits: int  # of the camera


@dataclass(frozen=True)
class Scene:
    """A kind of specimen and the microscope that looks at it."""

    habit: Habit
    microscope: Microscope


SCENES = {
    "a549": Scene(
        Habit(
            width=(14.0, 14.0),
            aspect=(1.0, 1.0),
            flatness=1.0,
            taper=0.3,
            tilt=0.0,
            bend=0.0,
            arms=0,
            roughness=0.12,
            texture=0.5,
            texture_size=4.0,
            rim_fade=0.3,
            end_fade=0.3,
            brightness_spread=0.0,
            spacing=1.0,
            strand=1,
            sheet=False,
            flow=0.0,
            jitter=0.0,
            growth=0.01,
            divisions=0.0,
        ),
        Microscope(
            blur=(0.9, 0.28),
            signal=900.0,
            background=90.0,
            unevenness=0.25,
            haze=0.1,
            depth_loss=0.35,
            counts_per_photon=7.0,
            read_noise=12.0,
            offset=100.0,
            bits=12,
        ),
    ),
    "mda231": Scene(
        Habit(
            width=(15.0, 22.0),
            aspect=(1.8, 4.2),
            flatness=0.95,
            taper=0.7,
            tilt=0.3,
            bend=0.16,
            arms=2,
            roughness=0.18,
            texture=0.3,
            texture_size=8.0,
            rim_fade=0.35,
            end_fade=0.8,
            brightness_spread=0.4,
            spacing=0.8,
            strand=3,
            sheet=False,
            flow=3.0,
            jitter=1.5,
            growth=0.02,
            divisions=0.08,
        ),
        Microscope(
            blur=(3.0, 1.5),
            signal=1100.0,
            background=110.0,
            unevenness=0.4,
            haze=0.2,
            depth_loss=0.5,
            counts_per_photon=14.0,
            read_noise=16.0,
            offset=60.0,
            bits=12,
        ),
    ),
    "tric": Scene(
        Habit(
            width=(14.0, 20.0),
            aspect=(1.05, 1.5),
            flatness=0.42,
            taper=0.35,
            tilt=0.04,
            bend=0.0,
            arms=0,
            roughness=0.06,
            texture=0.35,
            texture_size=3.5,
            rim_fade=0.25,
            end_fade=0.25,
            brightness_spread=0.3,
            spacing=0.97,
            strand=1,
            sheet=True,
            flow=1.5,
            jitter=0.7,
            growth=0.01,
            divisions=0.05,
        ),
        Microscope(
            blur=(1.6, 1.5),
            signal=4200.0,
            background=900.0,
            unevenness=0.5,
            haze=0.3,
            depth_loss=0.5,
            counts_per_photon=45.0,
            read_noise=70.0,
            offset=300.0,
            bits=14,
        ),
    ),
}


@dataclass(frozen=True)
class Simulation:
    """A simulated sequence; iterating makes its frames, one at a time, as often as wanted.

    Attributes
    ----------
    tracks : ndarray of shape (N, 4), integer
        Rows (label, first frame, last frame, parent or 0), as in ``man_track.txt``.
    """

    scene: Scene
    shape: tuple[int, int, int]
    voxel_size: tuple[float, float, float]
    seed: int
    skeletons: list[list[Skeleton]]
    tracks: np.ndarray

    def __len__(self) -> int:
        """Count the frames."""
        return len(self.skeletons)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Make (raw, labels), both (Z, Y, X) uint16, for each frame."""
        scene = self.scene
        backdrop = uneven_field(self.shape, stream(self.seed, BACKDROP))
        for frame, skeletons in enumerate(self.skeletons):
            labels, light = paint(skeletons, scene.habit, self.shape, self.voxel_size, self.seed)
            noise = stream(self.seed, NOISE, frame)
            raw = expose(light, scene.microscope, self.voxel_size, backdrop, noise)
            yield raw, labels


def simulate_sequence(
    scene: str,
    shape: tuple[int, int, int],
    frames: int,
    cells: int,
    seed: int,
    voxel_size: tuple[float, float, float],
) -> Simulation:
    """Simulate a sequence of 3D microscopy.

    Parameters
    ----------
    scene : str
        ``a549``, ``mda231`` or ``tric``.
    shape : tuple of int
        Planes, rows, columns; one plane makes 2D frames.
    frames : int
    cells : int
        Cells in the first frame; ``a549`` has one.
    seed : int
        Fixes every voxel (on one machine; another processor may round differently).
    voxel_size : tuple of float
        Micrometers along (plane, row, column).

    Returns
    -------
    Simulation
        An iterable of (raw, labels), both (Z, Y, X) uint16, with the attribute ``tracks``.
        A label is the same cell in all frames, in one piece, and present in each frame of
        its track; a cell that divides ends in the frame before its two children start.

    Raises
    ------
    InputError
        Unknown scene, sizes that are no sizes, more cells than the volume has room for.
    """
    if scene not in SCENES:
        raise InputError(f"scene: found {scene!r}, expected one of {', '.join(SCENES)}; choose one")
    if len(shape) != 3 or min(shape) < 1 or min(shape[1:]) < 24:
        raise InputError(
            f"shape: found {tuple(shape)}, expected planes, rows, columns with at least 1 plane "
            "and 24 rows and columns; enlarge it"
        )
    for name, value in (("frames", frames), ("cells", cells)):
        if value < 1:
            raise InputError(f"{name}: found {value}, expected at least 1; raise it")
    _check_seed(seed)
    if scene == "a549" and cells != 1:
        raise InputError(f"cells: found {cells}, expected 1 in the scene a549; set it to 1")
    habit = SCENES[scene].habit
    extent = (np.array(shape) - 1.0) * voxel_size
    rng = stream(seed, LAYOUT)
    if scene == "a549":
        skeletons, tracks = protrude(habit, extent, frames, rng)
    else:
        skeletons, tracks = populate(habit, extent, frames, cells, rng)
    depth, rows, columns = shape
    return Simulation(SCENES[scene], (depth, rows, columns), voxel_size, seed, skeletons, tracks)


def uneven_field(shape: tuple[int, int, int], rng: np.random.Generator) -> np.ndarray:
    """Make a smooth field that varies over the frame.

    Parameters
    ----------
    shape : tuple of int
        Planes, rows, columns.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (Z, Y, X), float32
        Between -1 and 1.
    """
    from scipy.ndimage import affine_transform

    coarse = rng.uniform(-1, 1, size=(3, 4, 4))
    step = (np.array(coarse.shape) - 1) / np.maximum(np.array(shape) - 1, 1)
    # Unfiltered splines are smooth and stay within the grid's range.
    return affine_transform(
        coarse,
        step,
        output_shape=shape,
        output=np.float32,
        order=2,
        mode="nearest",
        prefilter=False,
    )


def expose(
    light: np.ndarray,
    microscope: Microscope,
    voxel_size: tuple[float, float, float],
    backdrop: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Take a picture: blur, light lost with depth, stray light, photon and camera noise.

    Parameters
    ----------
    light : ndarray of shape (Z, Y, X), float32
        What the specimen emits; 1 is a cell of mean brightness.
    microscope : Microscope
    voxel_size : tuple of float
        Micrometers along (plane, row, column).
    backdrop : ndarray of shape (Z, Y, X), float32
        The background's course, -1 to 1.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (Z, Y, X), uint16
        Counts below 2 to the power of the camera's bits.
    """
    from scipy.ndimage import gaussian_filter, uniform_filter

    along, within = microscope.blur
    sigma = np.array([along, within, within]) / voxel_size
    sharp = gaussian_filter(light, sigma if len(light) > 1 else [0, *sigma[1:]], truncate=3)
    # Two box filters make a wide tent at a cost that does not grow with its width.
    wide = [max(size // 6, 1) for size in light.shape[1:]]
    stray = uniform_filter(uniform_filter(light.mean(axis=0), wide), wide)
    faintest = 1 - microscope.depth_loss
    picture = np.empty(light.shape, dtype=np.uint16)
    # Plane by plane, since random numbers take eight bytes a voxel.
    for plane, depth in enumerate(np.linspace(0, 1, len(light)).tolist()):
        counts = microscope.signal * (faintest**depth * sharp[plane] + microscope.haze * stray)
        counts = counts + microscope.background * (1 + microscope.unevenness * backdrop[plane])
        photons = rng.poisson(np.maximum(counts, 0) / microscope.counts_per_photon)
        read = rng.normal(microscope.offset, microscope.read_noise, size=counts.shape)
        gray = np.rint(microscope.counts_per_photon * photons + read)
        picture[plane] = np.clip(gray, 0, 2**microscope.bits - 1)
    return picture


def _check_seed(seed: int) -> None:
    """Refuse a negative seed."""
    if seed < 0:
        raise InputError(f"seed: found {seed}, expected 0 or more; choose another one")


def sequence_seed(seed: int, sequence: str) -> int:
    """Derive the seed of a sequence from that of its data set, so that 01 and 02 differ."""
    _check_seed(seed)
    return int(np.random.SeedSequence([seed, int(sequence)]).generate_state(1)[0])


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
        Digits of the frame number.
    overwrite : bool
        Replace the frames of another simulation.

    Returns
    -------
    Path
        The folder of the raw frames.

    Raises
    ------
    InputError
        A frame number needs more digits; frames beyond the sequence's end lie there already;
        frames of another simulation do, such as of another seed; the folder cannot be written.
    """
    if len(simulation) > 10**digits:
        raise InputError(
            f"{dataset_dir}: {len(simulation)} frames; expected at most {10**digits} with "
            f"{digits} digits: set digits to 4 or ask for fewer frames"
        )
    raw_dir, reference = dataset_dir / sequence, dataset_dir / f"{sequence}_GT"
    tracks = reference / "TRA" / "man_track.txt"
    folders = {"t": raw_dir, "man_seg": reference / "SEG", "man_track": reference / "TRA"}
    names = {
        frame_name(prefix, frame, digits) for prefix in folders for frame in range(len(simulation))
    }
    for folder in folders.values():
        # Frames of a longer run before would mix with these unseen.
        stale = sorted(path.name for path in folder.glob("*.tif") if path.name not in names)
        if stale:
            raise InputError(
                f"{folder}: has {stale[0]}, which this run of {len(simulation)} frames does not "
                "make; expected an empty folder: remove it or choose another one"
            )
    check_writable(tracks)
    for frame, (raw, labels) in enumerate(simulation):
        path = raw_dir / frame_name("t", frame, digits)
        if not overwrite and path.is_file() and not np.array_equal(read_volume(path), raw):
            raise InputError(
                f"{path}: is of another simulation, such as of another seed; expected none or "
                "this one: give --overwrite or another folder"
            )
        tracks.unlink(missing_ok=True)
        write_volume(path, raw)
        write_labels(folders["man_seg"] / frame_name("man_seg", frame, digits), labels)
        write_labels(folders["man_track"] / frame_name("man_track", frame, digits), labels)
    with atomic(tracks) as temporary:
        rows = (" ".join(map(str, row)) for row in simulation.tracks.tolist())
        temporary.write_text("\n".join(rows) + "\n")
    return raw_dir


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
    sequences, frames, seed
        Take the place of the recipe's own where given.
    overwrite : bool
        Replace the frames of another simulation.

    Raises
    ------
    InputError
        The recipe's data are not simulated; what :func:`simulate_sequence` and
        :func:`write_sequence` refuse.
    """
    source = recipe.source
    if source["kind"] != "simulation":
        raise InputError(
            f"{recipe.name}: its source is of the kind {source['kind']}; expected simulation: "
            "choose a recipe such as Sim-TRIC"
        )
    planes, rows, columns = source.get("shape", (16, 160, 160))
    for sequence in sequences or recipe.sequences:
        if not (len(sequence) == 2 and sequence.isascii() and sequence.isdigit()):
            raise InputError(f"sequence: found {sequence!r}, expected two digits such as 01")
        simulation = simulate_sequence(
            scene=source["scene"],
            shape=(planes, rows, columns),
            frames=source.get("frames", 4) if frames is None else frames,
            cells=source.get("cells", 1),
            seed=sequence_seed(source.get("seed", 0) if seed is None else seed, sequence),
            voxel_size=recipe.voxel_size,
        )
        folder = write_sequence(
            dataset_dir, sequence, simulation, recipe.digits, overwrite=overwrite
        )
        log.info("%s: %d frames", folder, len(simulation))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line of ``python -m efficientcellseg simulate``."""
    parser.description = (
        "Simulate 3D sequences, uint16 TIFFs (planes, rows, columns), with SEG and TRA "
        "reference in challenge layout. Same seed, same bytes. Exit code 1 with one line on "
        "stderr where the recipe or a folder is at fault."
    )
    parser.add_argument(
        "recipe", help="recipe's name (Sim-A549, Sim-MDA231, Sim-TRIC) or file (.yaml)"
    )
    parser.add_argument("dataset_dir", type=Path, help="folder to write SEQ and SEQ_GT into")
    parser.add_argument(
        "--sequences", nargs="+", metavar="SEQ", help="two digits each (default: the recipe's)"
    )
    parser.add_argument("--frames", type=int, help="frames a sequence (default: the recipe's)")
    parser.add_argument(
        "--seed", type=int, help="seed of the data set, 0 or more (default: the recipe's)"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace frames of another simulation"
    )


def run(args: argparse.Namespace) -> int:
    """Carry out ``python -m efficientcellseg simulate``."""
    from efficientcellseg.parameters.recipe import find_recipe, load_recipe

    given = Path(args.recipe)
    path = given if given.suffix in {".yaml", ".yml"} else find_recipe(args.recipe)
    sequences = tuple(args.sequences) if args.sequences else None
    simulate_recipe(
        load_recipe(path),
        args.dataset_dir,
        sequences,
        args.frames,
        args.seed,
        overwrite=args.overwrite,
    )
    return 0
