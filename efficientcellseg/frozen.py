"""The base of all configuration: frozen models that refuse unknown keys."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

# Beyond these a value is a slip, and would fill the memory or never end.
Count = Annotated[int, Field(ge=1, le=10**12)]
WholeNumber = Annotated[int, Field(ge=0, le=10**12)]
Positive = Annotated[float, Field(gt=0, le=1e9)]
NotNegative = Annotated[float, Field(ge=0, le=1e9)]
Reach = Annotated[float, Field(ge=0, le=1000)]  # pixels that a filter reaches
Anisotropy = Annotated[float, Field(ge=0.01, le=1000)]
Share = Annotated[float, Field(ge=0, le=1)]


class Frozen(BaseModel):
    """Values that were checked and cannot change.

    No value is converted to another type, except whole numbers to numbers and YAML's lists to
    tuples. A field's docstring is its description in the JSON schema.
    """

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _take_lists(cls, values: Any) -> Any:
        return as_tuples(values)


AnyFrozen = TypeVar("AnyFrozen", bound=Frozen)


def changed(values: AnyFrozen, **others: Any) -> AnyFrozen:
    """Copy a model with some values changed, and check it again.

    Parameters
    ----------
    values : Frozen
    **others
        The new values.

    Returns
    -------
    Frozen
        Of the same type.

    Raises
    ------
    pydantic.ValidationError
        What the model refuses.
    """
    kept = {name: getattr(values, name) for name in values.model_fields_set}
    return type(values)(**{**kept, **others})


def as_tuples(values: Any) -> Any:
    """Turn all lists in mappings and lists into tuples.

    Parameters
    ----------
    values : object
        As read from YAML.

    Returns
    -------
    object
    """
    if isinstance(values, dict):
        return {key: as_tuples(value) for key, value in values.items()}
    if isinstance(values, list):
        return tuple(as_tuples(value) for value in values)
    return values
