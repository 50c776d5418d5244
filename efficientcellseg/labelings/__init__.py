"""From predicted maps to labels: one file per labeling, with its parameters and the maps it needs.

A new labeling is a file here and a line in `LABELINGS`; docs/extending.md shows how.
"""

from __future__ import annotations

from typing import Any

from efficientcellseg.labelings.components import COMPONENTS
from efficientcellseg.labelings.distance_watershed import DISTANCE_WATERSHED
from efficientcellseg.labelings.dunet_watershed import DUNET_WATERSHED
from efficientcellseg.labelings.labeling import Labeling, LabelingParameters
from efficientcellseg.labelings.marker_watershed import MARKER_WATERSHED
from efficientcellseg.labelings.mask import MASK
from efficientcellseg.labelings.offset_voting import OFFSET_VOTING

__all__ = ["LABELINGS", "Labeling", "LabelingParameters", "parameters_of", "relabeled"]

LABELINGS: dict[str, Labeling] = {
    entry.name: entry
    for entry in (
        MASK,
        COMPONENTS,
        DISTANCE_WATERSHED,
        MARKER_WATERSHED,
        DUNET_WATERSHED,
        OFFSET_VOTING,
    )
}


def parameters_of(method: str, **values: Any) -> LabelingParameters:
    """Build the parameters of a labeling.

    Parameters
    ----------
    method : str
        Name of the labeling.
    **values
        Its parameters; those not given take their defaults.

    Returns
    -------
    LabelingParameters

    Raises
    ------
    pydantic.ValidationError
        A value that the labeling refuses.
    """
    return LABELINGS[method].parameters(method=method, **values)


def relabeled(parameters: LabelingParameters, method: str, **values: Any) -> LabelingParameters:
    """Return the parameters of another labeling, with what it has in common with the given one.

    Parameters
    ----------
    parameters : LabelingParameters
    method : str
        A name in `LABELINGS`.
    **values
        What is to be otherwise.

    Returns
    -------
    LabelingParameters
    """
    shared = LABELINGS[method].parameters.model_fields.keys() & parameters.model_fields_set
    kept = {name: getattr(parameters, name) for name in shared if name != "method"}
    return parameters_of(method, **{**kept, **values})
