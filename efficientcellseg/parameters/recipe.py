"""Reads recipes: all parameters of a data set, from config/datasets/<NAME>.yaml."""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Union

import yaml
from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator

from ctc_eval.format import InputError
from efficientcellseg.frozen import Frozen, Positive, Reach, Share, WholeNumber
from efficientcellseg.labelings import LABELINGS, LabelingParameters
from efficientcellseg.parameters.challenge import (
    CHALLENGE,
    challenge_datasets,
    table_recipe,
    with_facts,
)
from efficientcellseg.parameters.locations import RECIPES, ROOT
from efficientcellseg.parameters.reading import check_values, read_values
from efficientcellseg.parameters.source import (
    LocalSource,
    SimulationSource,
    WheelSource,
    ZipSource,
)
from efficientcellseg.parameters.tracking import Tracking
from efficientcellseg.parameters.values import (
    Backend,
    DatasetName,
    MapName,
    OneOrMore,
    Precision,
    ReferenceKind,
    SequenceName,
    TileCount,
    VoxelSize,
    Window,
)


class Pseudocolor(Frozen):
    """How a slice is colored by its neighbors."""

    clip_limit: Positive = 10.0
    """Contrast limit of CLAHE."""

    grid: Annotated[int, Field(ge=1, le=256)] = 16
    """CLAHE works on grid x grid tiles of a slice."""

    bits: Literal[8, 16] = 16
    """Depth of CLAHE's histogram. 16 uses 16-bit slices unchanged, as published. 8 first \
stretches each slice to 0..255, which limits contrast more evenly and is many times faster on \
small slices."""

    blur: Window = 8
    """Side of the box blur before the threshold. Pixels."""

    threshold: Share = 0.2
    """First threshold for the blurred neighbor slice, scaled to 0..1."""

    step: Positive = 0.01
    """Step by which the threshold rises."""

    steps: Annotated[int, Field(ge=0, le=1000)] = 30
    """Maximum number of steps."""

    adjacent_mean: Annotated[float, Field(gt=0, le=1)] = 0.03
    """The threshold rises until at most this share of the neighbor slice is highlighted."""

    normalize: Literal["channel", "joint", "volume"] = "channel"
    """What is scaled to 0..1 together: each channel of a slice separately, the three channels of \
a slice, or all slices of a volume (which keeps dark slices dark)."""

    smoothing: tuple[Reach, Reach, Reach] = (0.0, 0.0, 0.0)
    """Standard deviations along (plane, row, column) of a Gaussian that removes noise before \
anything else. Voxels."""

    context: Literal["highlight", "intensity", "none"] = "highlight"
    """What red and blue show: the slice with its neighbors' bright regions highlighted, the \
neighbor slices themselves, or nothing (gray)."""

    context_2d: Literal["highlight", "intensity", "none"] = "none"
    """Replaces `context` in frames of one plane; by default, the network's card says it."""

    distance: Window = 1
    """How many slices away the neighbors are; more than 1 if planes are close together."""


class Tiling(Frozen):
    """How a slice is cut into tiles; each tile is resized to the network's input.

    Without `rows`, `columns` and `side`, tiles follow from the size of the cells.
    """

    rows: TileCount | None = None
    """Tiles along the rows axis, for networks trained this way. Null: as many as `side` requires, \
or 1 if `columns` are given."""

    columns: TileCount | None = None
    """Tiles along the columns axis. Null: as for rows."""

    side: Annotated[int, Field(ge=16, le=100_000)] | None = None
    """Side of square, overlapping tiles; a shorter axis is not cut. Pixels. Null: derived from \
`cell_diameter`."""

    overlap: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Share of a tile that overlaps the next one; a minimum if `side` is given."""

    @model_validator(mode="after")
    def _one_way(self) -> Tiling:
        if self.side and (self.rows or self.columns):
            raise ValueError("side, or rows and columns, but not both")
        return self

    @property
    def is_fixed(self) -> bool:
        """Whether it states how large tiles are.

        Returns
        -------
        bool
        """
        return bool(self.rows or self.columns or self.side)


class CellDiameter(Frozen):
    """Size of the cells: the diameter of a disk with the area of a cell's largest section."""

    um: Positive | None = None
    """In micrometers; this requires the correct voxel_size."""

    pixels: Positive | None = None
    """In in-plane pixels of the image."""

    @model_validator(mode="after")
    def _one_unit(self) -> CellDiameter:
        if (self.um is None) == (self.pixels is None):
            raise ValueError("one of um and pixels")
        return self


if TYPE_CHECKING:
    AnyLabeling = LabelingParameters
else:
    _PARAMETERS = tuple(entry.parameters for entry in LABELINGS.values())
    AnyLabeling = Annotated[Union[_PARAMETERS], Field(discriminator="method")]  # noqa: UP007


class Recipe(Frozen):
    """Everything the method needs to know about one data set (config/datasets/<NAME>.yaml).

    If a recipe of one of the challenge's data sets leaves out a fact, config/challenge.yaml has it.
    """

    # What the table may say, the program misses where nobody does, not an editor.
    model_config = ConfigDict(json_schema_extra={"required": ["name", "labeling"]})

    name: DatasetName
    """Name of the data set and of its folder, as the challenge spells it."""

    description: str
    """What the images show, and where they come from."""

    sequences: OneOrMore[SequenceName]
    """The sequences, as two-digit strings."""

    voxel_size: VoxelSize
    """Size of a voxel in micrometers along (plane, row, column); 1, 1, 1 if it is unknown."""

    source: Annotated[
        ZipSource | WheelSource | SimulationSource | LocalSource, Field(discriminator="kind")
    ]
    """Where the data come from; `kind` chooses the form."""

    labeling: AnyLabeling
    """How maps become labels; `method` chooses the labeling."""

    digits: Annotated[int, Field(ge=3, le=4)] = 3
    """Digits of the frame number in file names."""

    field_of_interest: WholeNumber = 0
    """The challenge's E, in pixels. Objects that lie entirely within E pixels of the image border \
(rows and columns only) are removed."""

    penalize_extra_detections: bool = True
    """Whether DET penalizes objects that match no reference (the challenge does not for DRO, TRIC \
and TRIF)."""

    reference: ReferenceKind = "GT"
    """The reference that scores are measured against, in the folder <SEQ>_<reference>."""

    reference_note: str = "gold truth"
    """Description of the reference for the benchmark table."""

    pseudocolor: Pseudocolor = Pseudocolor()
    """How a slice is colored by its neighbors."""

    cell_diameter: CellDiameter | None = None
    """Size of the cells. Null: measured in a first look at a few frames."""

    tiling: Tiling = Tiling()
    """How a slice is cut into tiles; each tile is resized to the network's input."""

    model: str | None = "resources/weights/generalist"
    """Folder with one model folder per network, relative to the project's root. Null if no \
shipped network knows such images: name your own with --model."""

    maps: Annotated[OneOrMore[MapName], Field(validate_default=True)] = ("cells",)
    """Maps to predict, at least those that the labeling needs. Each can have its own network, or \
one network can predict several."""

    test_time_flips: bool = False
    """Average predictions over each tile and three mirrored versions of it: slightly better, four \
times the work. The 3D U-Net ignores it."""

    backend: Backend = "auto"
    """Program that runs the networks. auto: the fastest one installed that agrees with torch to a \
thousandth; torch on a GPU."""

    precision: Precision = "float32"
    """Precision of the networks; bf16 is less exact, and faster on processors that support it."""

    tracking: Tracking = Tracking()
    """How cells are linked from frame to frame, if they are."""

    @field_validator("maps")
    @classmethod
    def _labeled(cls, maps: tuple[str, ...], others: ValidationInfo) -> tuple[str, ...]:
        """Refuse maps that the labeling, where it is none of the faults, cannot do with."""
        if labeling := others.data.get("labeling"):
            needs = LABELINGS[labeling.method].needs
            if missing := [name for name in needs if name not in maps]:
                raise ValueError(
                    f"{', '.join(needs)} at least, for labeling.method {labeling.method}: add "
                    f"{', '.join(missing)} or choose another method"
                )
        return maps

    @property
    def cell_pixels(self) -> float | None:
        """Diameter of the cells in in-plane pixels, if the recipe states it.

        Returns
        -------
        float or None
        """
        if self.cell_diameter is None:
            return None
        pixel = sqrt(self.voxel_size[1] * self.voxel_size[2])
        return self.cell_diameter.pixels or (self.cell_diameter.um or 0) / pixel

    @property
    def anisotropy(self) -> float:
        """Distance between planes in in-plane pixels.

        Returns
        -------
        float
        """
        return self.voxel_size[0] / self.voxel_size[1]

    @property
    def model_dir(self) -> Path:
        """Folder of the networks.

        Returns
        -------
        Path

        Raises
        ------
        InputError
            The recipe needs networks and names none.
        """
        if self.maps and self.model is None:
            raise InputError(
                f"{self.name}: no shipped network knows such images; expected networks of your "
                "own: train them, and name their folder by --model DIR",
                code="model-unnamed",
            )
        return ROOT / (self.model or "")


def load_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Parameters
    ----------
    path : Path
        A file like config/datasets/Fluo-N3DH-CHO.yaml.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError
        What :func:`efficientcellseg.parameters.reading.read_yaml` refuses.
    """
    return check_values(with_facts(read_values(path)), Recipe, str(path))


def find_recipe(dataset: str) -> Path | None:
    """Find the recipe's file of a data set by the name of its folder.

    Parameters
    ----------
    dataset : str

    Returns
    -------
    Path or None
        None for a data set of the challenge without a file of its own.

    Raises
    ------
    InputError
        There is no recipe of that name; the line lists those that there are.
    """
    path = RECIPES / f"{dataset}.yaml"
    # A name, not a path: "../schemas/x" must not lead out of the folder.
    if Path(dataset).name == dataset and path.is_file():
        return path
    if dataset in challenge_datasets():
        return None
    known = sorted({*challenge_datasets(), *(file.stem for file in RECIPES.glob("*.yaml"))})
    raise InputError(
        f"{dataset}: no recipe of that name; known: {', '.join(known)}: use one of these "
        "names for the data set's folder, or give a recipe of your own; images alone, as in "
        "`segment FOLDER/01`, need none",
        code="recipe-unknown",
    )


def open_recipe(name: str | Path) -> Recipe:
    """Load a recipe by the name of its data set, or from a file.

    Parameters
    ----------
    name : str or Path

    Returns
    -------
    Recipe

    Raises
    ------
    InputError
        What :func:`find_recipe` and :func:`load_recipe` refuse.
    """
    given = Path(name)
    if given.suffix in {".yaml", ".yml"} or given.is_file():
        return load_recipe(given)
    file = find_recipe(str(name))
    if file:
        return load_recipe(file)
    return check_values(table_recipe(str(name)), Recipe, str(CHALLENGE))


def recipe_text(recipe: Recipe) -> str:
    """Write a recipe as YAML, including what it states about the challenge's data sets.

    Parameters
    ----------
    recipe : Recipe

    Returns
    -------
    str
    """
    values = recipe.model_dump(mode="json", exclude_unset=True)
    return yaml.safe_dump(values, sort_keys=False, width=100)
