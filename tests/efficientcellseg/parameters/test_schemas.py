"""JSON schemas: those in config/schemas are what the models say, and allow what these allow."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from efficientcellseg.__main__ import main
from efficientcellseg.parameters.locations import ROOT
from efficientcellseg.parameters.schemas import FOLDER, schema_texts

TEXTS = {name.removesuffix(".schema.json"): text for name, text in schema_texts().items()}
RUNS = ["config", "demo", "compare", "paper"]
FILES = [
    *(("recipe", path) for path in sorted((ROOT / "config" / "datasets").rglob("*.yaml"))),
    *(("training", path) for path in sorted((ROOT / "config" / "training").glob("*.yaml"))),
    *(("training", path) for path in sorted((ROOT / "config" / "ablation").glob("*.yaml"))),
    *(("scene", path) for path in sorted((ROOT / "config" / "scenes").glob("*.yaml"))),
    *(("run", ROOT / "config" / f"{name}.yaml") for name in RUNS),
    ("challenge", ROOT / "config" / "challenge.yaml"),
]
# What the challenge's table may say in a recipe's place.
IN_TABLE = {"description", "sequences", "voxel_size", "source"}


def keys(schema: dict) -> list[tuple[str, str, dict, bool]]:
    """List all keys of all mappings, with their rules and whether they are required."""
    return [
        (name, key, rules, key in mapping.get("required", ()))
        for name, mapping in {"": schema, **schema.get("$defs", {})}.items()
        for key, rules in mapping["properties"].items()
    ]


def test_the_committed_schemas_are_current(tmp_path):
    assert main(["schemas", "--output", str(tmp_path)]) == 0
    committed = {path.name: path.read_text() for path in FOLDER.iterdir()}
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == committed, (
        "make them again: python -m efficientcellseg schemas"
    )


@pytest.mark.parametrize("name", TEXTS)
def test_every_key_says_what_it_is_and_its_default(name):
    schema = json.loads(TEXTS[name])
    jsonschema.Draft202012Validator.check_schema(schema)
    assert len(schema["description"]) > 5
    for mapping, key, rules, required in keys(schema):
        # Where a key has a mapping of its own, that may say it.
        inner = schema["$defs"].get(rules.get("$ref", "").rpartition("/")[2], {})
        assert len(rules.get("description") or inner["description"]) > 5, (mapping, key)
        left_to_the_table = name == "recipe" and not mapping and key in IN_TABLE
        assert (required or left_to_the_table) != ("default" in rules), (mapping, key)


@pytest.mark.parametrize("name", TEXTS)
def test_unknown_keys_are_refused_everywhere(name):
    schema = json.loads(TEXTS[name])
    for mapping in (schema, *schema["$defs"].values()):
        assert mapping["additionalProperties"] is False
    for mapping, key, rules, _ in keys(schema):
        if rules.get("type") == "object":
            assert "additionalProperties" in rules, (mapping, key)


@pytest.mark.parametrize(
    ("name", "path"), FILES, ids=lambda part: getattr(part, "stem", None) or part
)
def test_shipped_files_are_what_the_schemas_allow(name, path: Path):
    jsonschema.validate(yaml.safe_load(path.read_text()), json.loads(TEXTS[name]))


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("training", {"model": {"filters": [4, 8]}}),
        ("training", {"model": {"kind": "unet", "encoder": "x"}}),
        ("training", {"encoder_weights": {"hub": True}}),
        ("training", {"pseudocolor": {"contxt": "none"}}),
        ("recipe", {"source": {}}),
        ("recipe", {"labeling": {"min_size": 3}}),
        ("recipe", {"labeling": {"method": "mask", "smoothing": 3}}),
        ("recipe", {"maps": ["cells", "cells"]}),
        ("recipe", {"source": {"kind": "simulation", "scene": "a scene"}}),
        ("scene", {"microscope": {"bits": 12}}),
        ("scene", {"cell_shape": {"kind": "protruding", "width": [14.0, 20.0]}}),
        ("run", {"datasets": [{"name": "A", "sequences": {"1": 3}}]}),
        ("challenge", {"datasets": {"A": {"content": "x", "voxel_size": [1, 1], "unsure": ["E"]}}}),
    ],
)
def test_editors_see_faults(name, changes):
    path = next(path for kind, path in FILES if kind == name)
    values = {**yaml.safe_load(path.read_text()), **changes}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values, json.loads(TEXTS[name]))
