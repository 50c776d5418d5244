"""Kinds of values that several configuration files have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field

from efficientcellseg.maps import MAPS
from efficientcellseg.maps.cells import CELL_LOSSES

DatasetName = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9+_-]*$")]
SequenceName = Annotated[str, Field(pattern="^[0-9]{2}$")]
FrameRange = Annotated[str, Field(pattern="^[0-9]*:[0-9]*$")]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Requirement = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.+!]+$")]
ReferenceKind = Literal["GT", "ST", "ERR_SEG"]
# On what networks were trained: as suits each data set, or as the generalizable track asks.
TrainingKind = Literal["regular", "GT", "ST", "GT+ST", "allGT", "allST", "allGT+allST"]
# What is submitted: other methods were made to be compared with.
SubmittedMethod = Literal["efficientcellseg", "classical"]

# What runs networks, and what they compute in.
Backend = Literal["auto", "torch", "onnxruntime", "openvino"]
Precision = Literal["float32", "bf16"]

if TYPE_CHECKING:
    MapName = str
    CellLoss = str
else:
    MapName = Literal[tuple(MAPS)]
    CellLoss = Literal[tuple(CELL_LOSSES)]
# Larger ones are slips, and would take all memory or time that there is.
Side = Annotated[int, Field(ge=1, le=10_000)]
Window = Annotated[int, Field(ge=1, le=1000)]
TileCount = Annotated[int, Field(ge=1, le=200)]
_Micrometers = Annotated[float, Field(ge=1e-4, le=1e4)]


def _not_stretched(size: tuple[float, float, float]) -> tuple[float, float, float]:
    """Refuse what would draw each filter out without end along an axis."""
    if not (0.01 <= size[0] / size[1] <= 1000 and 0.01 <= size[2] / size[1] <= 100):
        raise ValueError("planes 0.01 to 1000 pixels apart, pixels 0.01 to 100 as wide as high")
    return size


VoxelSize = Annotated[
    tuple[_Micrometers, _Micrometers, _Micrometers], AfterValidator(_not_stretched)
]


def _no_entry_twice(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) < len(values):
        raise ValueError("no entry twice")
    return values


Entry = TypeVar("Entry")
Unique = Annotated[
    tuple[Entry, ...],
    AfterValidator(_no_entry_twice),
    Field(json_schema_extra={"uniqueItems": True}),
]
OneOrMore = Annotated[Unique[Entry], Field(min_length=1)]
