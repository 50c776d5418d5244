"""Reads the table of the challenge's data sets, config/challenge.yaml: facts for their recipes."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field

from efficientcellseg.frozen import Frozen, Positive, WholeNumber
from efficientcellseg.parameters.locations import RECIPES, ROOT
from efficientcellseg.parameters.reading import read_values, read_yaml
from efficientcellseg.parameters.values import DatasetName, Unique

CHALLENGE = ROOT / "config" / "challenge.yaml"
SEQUENCES = ("01", "02")

UrlOfName = Annotated[str, Field(pattern=r"^https?://.*\{name\}")]


class ChallengeDataset(Frozen):
    """What the program must know about a data set of the challenge."""

    content: str
    """What is in the images."""

    digits: Annotated[int, Field(ge=3, le=4)] = 3
    """Digits of the frame number in file names; four if a sequence has 1000 frames or more."""

    voxel_size: tuple[Positive, Positive, Positive]
    """Size of a voxel in micrometers along (plane, row, column); 1, 1, 1 if it is unknown."""

    field_of_interest: WholeNumber
    """The challenge's E, in pixels: objects entirely within E pixels of the border do not count."""

    penalize_extra_detections: bool = True
    """Whether DET penalizes objects that match no reference."""

    reference_note: str = "gold truth, training sequences"
    """Description of the reference for the benchmark table."""

    base: DatasetName | None = None
    """Recipe in config/datasets that says how to segment the images. Null if there is one with \
the data set's own name."""

    networks: bool = True
    """Whether a shipped network knows images of this kind; if not, name your own with --model."""

    unsure: Unique[
        Literal["digits", "voxel_size", "field_of_interest", "penalize_extra_detections"]
    ] = ()
    """Which of these facts could not be checked."""

    checked_on: str
    """Images, real or simulated, on which the recipe was checked; or nothing."""


class ZipAddresses(Frozen):
    """Where the zips are; {name} stands for the data set's name."""

    training: UrlOfName
    """URL of a zip of training sequences."""

    test: UrlOfName
    """URL of a zip of test sequences."""


class ChallengeTable(Frozen):
    """The data sets of the Cell Tracking Challenge (config/challenge.yaml)."""

    urls: ZipAddresses
    """Where the zips are."""

    datasets: Annotated[
        dict[DatasetName, ChallengeDataset],
        Field(json_schema_extra={"additionalProperties": False}),
    ]
    """The data sets, by name."""


@cache
def challenge_table() -> ChallengeTable:
    """Read the table of the challenge's data sets, once.

    Returns
    -------
    ChallengeTable
    """
    return read_yaml(CHALLENGE, ChallengeTable)


def challenge_datasets() -> dict[str, ChallengeDataset]:
    """List the data sets of the challenge.

    Returns
    -------
    dict of str to ChallengeDataset
        By name.
    """
    return challenge_table().datasets


def with_facts(values: Any) -> Any:
    """Add to a recipe's values what the table says of its data set and they do not.

    Parameters
    ----------
    values : any
        As YAML gives them.

    Returns
    -------
    any
        The values with the facts added; unchanged if they name no data set of the challenge.
    """
    name = values.get("name") if isinstance(values, dict) else None
    if isinstance(name, str) and name in challenge_datasets():
        return {**_facts(name), **values}
    return values


def table_recipe(name: str) -> dict[str, Any]:
    """Combine the facts about a data set of the challenge with its base recipe.

    Parameters
    ----------
    name : str
        Of the data set.

    Returns
    -------
    dict of str to object
        Values of a recipe.
    """
    dataset = challenge_datasets()[name]
    values = {**read_values(RECIPES / f"{dataset.base}.yaml"), **_facts(name), "name": name}
    return values if dataset.networks else {**values, "model": None}


def _facts(name: str) -> dict[str, Any]:
    """Return what the table says about a data set, as keys of a recipe."""
    dataset, urls = challenge_datasets()[name], challenge_table().urls
    return {
        "description": _describe(dataset),
        "sequences": list(SEQUENCES),
        "voxel_size": list(dataset.voxel_size),
        "digits": dataset.digits,
        "field_of_interest": dataset.field_of_interest,
        "penalize_extra_detections": dataset.penalize_extra_detections,
        "reference_note": dataset.reference_note,
        "source": {
            "kind": "zip",
            "training": urls.training.replace("{name}", name),
            "test": urls.test.replace("{name}", name),
        },
    }


def _describe(dataset: ChallengeDataset) -> str:
    """Say what is in the images, and what their recipe was checked on."""
    sentences = [f"{dataset.content} (Cell Tracking Challenge)."]
    if dataset.base:
        sentences.append(f"Segmented as {dataset.base}.")
    if not dataset.networks:
        sentences.append("No shipped network knows such images: name your own by --model.")
    if dataset.unsure:
        sentences.append(f"Unsure: {', '.join(dataset.unsure)}.")
    known = dataset.checked_on != "nothing"
    sentences.append(f"Checked on {dataset.checked_on if known else 'none of its images'}.")
    return " ".join(sentences)
