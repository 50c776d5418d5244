"""How masks are linked through time: the section ``tracking`` of a recipe."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from efficientcellseg.frozen import Frozen, Positive


class Tracking(Frozen):
    """How cells are linked from frame to frame."""

    overlap: Annotated[float, Field(ge=0.5, le=1)] = 0.5
    """Two objects of consecutive frames whose intersection over union is larger are the same \
cell, whatever else is near. 1: only distances decide."""

    max_distance: Positive | None = None
    """Largest distance that a cell's center moves from one frame to the next. Micrometers. Null: \
estimated from the distances between cells and how far they move."""

    gap: Annotated[int, Field(ge=0, le=100)] = 2
    """Consecutive frames in which a cell may be missing and still be found again."""

    divisions: bool = True
    """Whether a cell may become two."""

    daughter_size: Annotated[float, Field(gt=0, le=1)] = 0.75
    """Largest size of each of two daughters, relative to their mother's."""
