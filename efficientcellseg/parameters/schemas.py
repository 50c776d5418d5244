"""JSON schemas of the configuration files, for editors and Snakemake; made from the models."""

from __future__ import annotations

import json

from pydantic.json_schema import GenerateJsonSchema

from efficientcellseg.frozen import Frozen
from efficientcellseg.parameters.challenge import ChallengeTable
from efficientcellseg.parameters.locations import ROOT
from efficientcellseg.parameters.recipe import Recipe
from efficientcellseg.parameters.run import RunConfiguration
from efficientcellseg.parameters.scene import Scene
from efficientcellseg.parameters.submission import SubmissionPlan
from efficientcellseg.parameters.training import TrainingConfiguration

FOLDER = ROOT / "config" / "schemas"
SCHEMAS: dict[str, type[Frozen]] = {
    "recipe": Recipe,
    "challenge": ChallengeTable,
    "training": TrainingConfiguration,
    "run": RunConfiguration,
    "submission": SubmissionPlan,
    "scene": Scene,
}


class _Untitled(GenerateJsonSchema):
    """Leaves out titles, which only repeat the keys."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False


def schema_texts() -> dict[str, str]:
    """Write the JSON schema of each kind of configuration.

    Returns
    -------
    dict of str to str
        By the name of its file.
    """
    texts = {}
    for name, model in SCHEMAS.items():
        schema = model.model_json_schema(schema_generator=_Untitled)
        schema = {"$schema": _Untitled.schema_dialect, **schema}
        texts[f"{name}.schema.json"] = json.dumps(schema, indent=2) + "\n"
    return texts
