"""Recipes: all parameters of a data set, read from config/datasets/<NAME>.yaml."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ctc_eval.sequence import InputError

ROOT = Path(__file__).resolve().parent.parent
RECIPES = ROOT / "config" / "datasets"
SCHEMA = ROOT / "config" / "schemas" / "dataset.schema.yaml"


@dataclass(frozen=True)
class Pseudocolor:
    """Parameters of :mod:`efficientcellseg.pseudocolor`; the schema says what each means."""

    clip_limit: float = 10.0
    grid: int = 16
    bits: int = 16
    blur: int = 8
    threshold: float = 0.2
    step: float = 0.01
    steps: int = 30
    adjacent_mean: float = 0.03
    normalize: str = "channel"


@dataclass(frozen=True)
class Tiling:
    """Parameters of :mod:`efficientcellseg.tiling`; the schema says what each means."""

    rows: int = 1
    columns: int = 1
    overlap: float = 0.0


@dataclass(frozen=True)
class Labeling:
    """Parameters of :mod:`efficientcellseg.labeling`; the schema says what each means."""

    method: str = "components"
    threshold: float = 0.5
    center_threshold: float = 0.3
    smoothing: float = 1.0
    min_distance: float = 5.0
    min_size: int = 0
    fill_holes: bool = True
    per_slice: bool = False


@dataclass(frozen=True)
class Recipe:
    """One data set: what it is, where it comes from, how it is segmented and scored."""

    name: str
    description: str
    sequences: tuple[str, ...]
    voxel_size: tuple[float, float, float]
    source: dict[str, Any]
    labeling: Labeling
    digits: int = 3
    field_of_interest: int = 0
    penalize_extra_detections: bool = True
    reference: str = "GT"
    reference_note: str = "gold truth"
    pseudocolor: Pseudocolor = field(default_factory=Pseudocolor)
    tiling: Tiling = field(default_factory=Tiling)
    model: str = "resources/weights/generalist"
    networks: tuple[str, ...] = ("cells",)

    @property
    def anisotropy(self) -> float:
        """Distance of two planes in in-plane pixels."""
        return self.voxel_size[0] / self.voxel_size[1]


def read_yaml(path: Path, schema: Path) -> dict[str, Any]:
    """Read a YAML mapping and check it against a JSON schema.

    Parameters
    ----------
    path : Path
        The YAML file.
    schema : Path
        The schema, in YAML.

    Returns
    -------
    dict
        As the file has it, defaults not filled in.

    Raises
    ------
    InputError
        No such file, no YAML, or anything the schema does not allow; the line names each
        key, what was found and what is allowed.
    """
    import jsonschema

    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a YAML file: check the path")
    try:
        values = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not YAML ({reason}); correct the file") from None
    rules = yaml.safe_load(schema.read_text())
    validator = jsonschema.Draft202012Validator(rules)
    faults = [_explain(error) for error in validator.iter_errors(values)]
    if faults:
        raise InputError(f"{path}: {'; '.join(faults)}; correct the file")
    return values


def _explain(error: Any) -> str:
    """Put one schema violation into words: the key, what was found, what is allowed."""
    key = ".".join(map(str, error.absolute_path)) or "top level"
    if error.validator == "oneOf" and isinstance(error.instance, dict):
        # Only the alternative of the same kind is of interest to the reader.
        kinds = [
            other.validator_value
            for other in error.context
            if other.validator == "const" and list(other.path) == ["kind"]
        ]
        if error.instance.get("kind") in kinds or len(kinds) == 4:
            return f"{key}.kind: found {error.instance.get('kind')!r}, allowed: {', '.join(kinds)}"
        wrong = {other.schema_path[0] for other in error.context if other.validator == "const"}
        return "; ".join(
            _explain(other) for other in error.context if other.schema_path[0] not in wrong
        )
    if error.validator == "additionalProperties":
        allowed = sorted(error.schema["properties"])
        unknown = sorted(set(error.instance) - set(allowed))
        return f"{key}: unknown key {', '.join(unknown)}, allowed: {', '.join(allowed)}"
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        return f"{key}: missing key {', '.join(missing)}"
    if error.validator == "enum":
        allowed = ", ".join(map(str, error.validator_value))
        return f"{key}: found {error.instance!r}, allowed: {allowed}"
    return f"{key}: found {error.instance!r}, expected {error.validator} {error.validator_value}"


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
        What :func:`read_yaml` refuses.
    """
    values = read_yaml(path, SCHEMA)
    values["sequences"] = tuple(values["sequences"])
    values["voxel_size"] = tuple(values["voxel_size"])
    if "networks" in values:
        values["networks"] = tuple(values["networks"])
    for key, section in (("pseudocolor", Pseudocolor), ("tiling", Tiling), ("labeling", Labeling)):
        if key in values:
            values[key] = section(**values[key])
    return Recipe(**values)


def find_recipe(dataset: str) -> Path:
    """Find the recipe of a data set by the name of its folder.

    Raises
    ------
    InputError
        There is none; the line lists those that there are.
    """
    path = RECIPES / f"{dataset}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in RECIPES.glob("*.yaml")))
        raise InputError(
            f"{dataset}: no recipe of that name; known: {known}: rename the folder, or give a "
            "recipe of your own with --recipe FILE"
        )
    return path
