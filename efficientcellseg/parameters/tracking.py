"""How masks are linked through time: the section ``tracking`` of a recipe."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from efficientcellseg.frozen import Frozen, Positive


class Tracking(Frozen):
    """How cells are linked from frame to frame."""

    overlap: Annotated[float, Field(ge=0.5, le=1)] = 0.5
    """Two objects of consecutive frames whose intersection over union is larger are one cell, \
whatever else is near; 1: distances alone decide."""

    max_distance: Positive | None = None
    """How far the center of a cell moves from a frame to the next at most. Micrometers. Null: \
estimated from how far apart cells lie and how far they move."""

    gap: Annotated[int, Field(ge=0, le=100)] = 2
    """Frames in a row in which a cell may be missed and still be found again."""

    divisions: bool = True
    """Whether a cell may become two."""

    daughter_size: Annotated[float, Field(gt=0, le=1)] = 0.75
    """Largest size of each of two daughters, over their mother's."""
