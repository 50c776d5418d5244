"""Reads scenes: how simulated cells look and move, and how a microscope sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ctc_eval.format import InputError
from efficientcellseg.frozen import Count, Frozen, NotNegative, Positive, Share, WholeNumber
from efficientcellseg.parameters.locations import SCENES
from efficientcellseg.parameters.reading import read_yaml


def _ordered(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError("the lower limit first")
    return limits


PositiveRange = Annotated[tuple[Positive, Positive], AfterValidator(_ordered)]


class CellShape(Frozen):
    """Properties that cells of all kinds have."""

    kind: str
    """Kind of form."""

    flatness: Positive
    """Height over width."""

    roughness: Annotated[float, Field(ge=0, lt=1)]
    """Roughness of the surface, as a share of the radius."""

    texture: Share
    """Amplitude of the texture, relative to the mean light."""

    texture_size: Positive
    """Distance of the texture's lumps. Micrometers."""

    rim_fade: Share
    """Share of the light that is lost from the center line to the surface."""

    end_fade: Share
    """Share of the light that is lost from mid-height to the upper and the lower end."""

    growth: NotNegative
    """Share by which the width grows from frame to frame."""


class PopulationShape(CellShape):
    """Round to elongated cells that lie side by side, drift and divide."""

    kind: Literal["population"]
    """Round to elongated cells that lie side by side, drift and divide."""

    width: PositiveRange
    """Smallest and largest diameter of a cell across its long axis. Micrometers."""

    aspect: PositiveRange
    """Smallest and largest ratio of a cell's length to its width; 1 is round."""

    taper: Share
    """Share by which cells are thinner at the ends."""

    tilt: NotNegative
    """Standard deviation of the slope (rise over run) of the long axis."""

    bend: NotNegative
    """Standard deviation of a bent cell's sagitta, relative to its length."""

    arms: WholeNumber
    """Short side branches of a cell."""

    brightness_spread: NotNegative
    """Standard deviation of the logarithm of cells' brightness."""

    spacing: Positive
    """Minimum distance between neighbors, relative to the sum of their radii; below 1, they may \
touch."""

    strand: Count
    """Cells per cluster; 1: no clusters."""

    sheet: bool
    """Whether cells form one curved layer, instead of lying at any depth."""

    flow: NotNegative
    """Standard deviation of the drift shared by neighbors. Micrometers per frame."""

    jitter: NotNegative
    """Standard deviation of a cell's own steps. Micrometers per frame."""

    divisions: Share
    """Share of the first frame's cells that divide in a sequence, however long."""


class ProtrudingShape(CellShape):
    """One cell with thin, branching protrusions. Its size follows the frame's shorter side."""

    kind: Literal["protruding"]
    """One cell with thin, branching protrusions. Its size follows the frame's shorter side."""

    body: Positive
    """Radius of the body, relative to the frame's shorter side."""

    protrusions: Count
    """Protrusions, all around the body; each has up to two branches."""

    reach: Positive
    """Length of a protrusion, relative to the frame's shorter side; each has 0.6 to 1.2 of it."""

    thickness: Positive
    """Radius of a protrusion, relative to the frame's shorter side; each has 0.7 to 1.3 of it \
and tapers from its root to its tip."""


class Microscope(Frozen):
    """How a scene is imaged. Light and noise are in counts, which are gray values."""

    blur: tuple[NotNegative, NotNegative]
    """Standard deviation of the spread of light along the depth, and within planes. \
Micrometers."""

    signal: Positive
    """Light of a cell of mean brightness in the first plane. Counts."""

    background: NotNegative
    """Light between cells. Counts."""

    unevenness: Share
    """Share by which the background varies over the frame."""

    haze: Share
    """Share of the cells' light that spreads widely, onto all planes."""

    depth_loss: Share
    """Share of the cells' light that is lost on the way to the last plane."""

    counts_per_photon: Positive
    """Counts per photon; more means more noise."""

    read_noise: NotNegative
    """Standard deviation of the camera's own noise. Counts."""

    offset: float
    """Gray value of an unlit pixel. Counts."""

    bits: Annotated[int, Field(ge=1, le=16)]
    """Depth of the camera: it saturates at 2 to that power, less 1."""


class Scene(Frozen):
    """A kind of specimen, and the microscope that images it (config/scenes/<NAME>.yaml)."""

    description: str
    """What the images show, and which data they stand in for."""

    cell_shape: Annotated[PopulationShape | ProtrudingShape, Field(discriminator="kind")]
    """How the cells look and move; `kind` chooses the form."""

    microscope: Microscope
    """How the images are taken."""


def scene_names() -> list[str]:
    """List the shipped scenes.

    Returns
    -------
    list of str
        In alphabetical order.
    """
    return sorted(path.stem for path in SCENES.glob("*.yaml"))


def find_scene(name: str) -> Path:
    """Find the file of a scene.

    Parameters
    ----------
    name : str
        Of a shipped scene, or a file of your own that ends in .yaml or .yml.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        No shipped scene has that name; the line lists those that there are.
    """
    if Path(name).suffix in {".yaml", ".yml"}:
        return Path(name)
    if name not in scene_names():
        raise InputError(
            f"scene: found {name!r}, expected one of {', '.join(scene_names())}, or a file that "
            "ends in .yaml: choose one",
            code="scene-unknown",
        )
    return SCENES / f"{name}.yaml"


def _a_scene(name: str) -> str:
    try:
        find_scene(name)
    except InputError:
        known = ", ".join(scene_names())
        raise ValueError(f"{known}, or a file that ends in .yaml") from None
    return name


SceneName = Annotated[
    str,
    AfterValidator(_a_scene),
    Field(json_schema_extra={"pattern": r"^[A-Za-z0-9_-]+$|\.ya?ml$"}),
]


def open_scene(name: str) -> Scene:
    """Load a scene by its name, or from a file.

    Parameters
    ----------
    name : str

    Returns
    -------
    Scene

    Raises
    ------
    InputError
        What :func:`find_scene` and :func:`read_yaml` refuse.
    """
    return read_yaml(find_scene(name), Scene)
