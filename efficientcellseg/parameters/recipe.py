"""Recipes: all parameters of a data set, read from config/datasets/<NAME>.yaml."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ctc_eval.format import InputError
from efficientcellseg.chain.labeling import NEEDED
from efficientcellseg.parameters.locations import RECIPES, SCHEMAS
from efficientcellseg.parameters.locations import ROOT as ROOT

SCHEMA = SCHEMAS / "dataset.schema.yaml"


@dataclass(frozen=True)
class Pseudocolor:
    """Parameters of :mod:`efficientcellseg.chain.pseudocolor`; the schema says what each means."""

    clip_limit: float = 10.0
    grid: int = 16
    bits: int = 16
    blur: int = 8
    threshold: float = 0.2
    step: float = 0.01
    steps: int = 30
    adjacent_mean: float = 0.03
    normalize: str = "channel"
    smoothing: tuple[float, float, float] = (0.0, 0.0, 0.0)
    context: str = "highlight"
    distance: int = 1


@dataclass(frozen=True)
class Tiling:
    """Parameters of :mod:`efficientcellseg.chain.tiling`; the schema says what each means."""

    rows: int = 1
    columns: int = 1
    overlap: float = 0.0


@dataclass(frozen=True)
class Labeling:
    """Parameters of :mod:`efficientcellseg.chain.labeling`; the schema says what each means."""

    method: str = "components"
    threshold: float = 0.5
    center_threshold: float = 0.2
    smoothing: float = 1.0
    min_distance: float = 5.0
    anisotropy: float | None = None
    min_size: int = 0
    fill_holes: bool = True
    per_slice: bool = False
    distance_threshold: float = 0.07
    seed_threshold: float = 0.5


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
    mirrored: bool = False

    @property
    def anisotropy(self) -> float:
        """Distance of two planes in in-plane pixels."""
        return self.voxel_size[0] / self.voxel_size[1]


def read_yaml(path: Path, schema: Path, changes: Sequence[str] = ()) -> dict[str, Any]:
    """Read a YAML mapping and check it against a JSON schema.

    Parameters
    ----------
    path : Path
        The YAML file.
    schema : Path
        The schema, in YAML.
    changes : sequence of str
        ``a.b=value``: what takes the place of single keys, values in YAML; ``null`` leaves a
        key out.

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
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a YAML file: check the path")
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not YAML ({reason}); correct the file") from None
    for change in changes:
        values = _changed(values, change)
    check_values(values, schema, str(path))
    return values


def check_values(values: Any, schema: Path, name: str, section: str = "") -> None:
    """Check values against a JSON schema.

    Parameters
    ----------
    values : any
        As YAML gives them.
    schema : Path
        The schema, in YAML.
    name : str
        Where they come from, for the message.
    section : str
        The one key of the schema that the values belong to; by default they are all of it.

    Raises
    ------
    InputError
        Anything the schema does not allow; one line with each key, what was found and what is
        allowed.
    """
    import jsonschema

    rules = yaml.safe_load(schema.read_text(encoding="utf-8"))
    rules = rules["properties"][section] if section else rules
    # JSON knows neither 3.0 as different from 3 nor NaN and infinity; YAML does.
    types = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": _is_integer, "number": _is_number}
    )
    checker = jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=types)
    faults = [fault for error in checker(rules).iter_errors(values) for fault in _explain(error)]
    if faults:
        raise InputError(f"{name}: {'; '.join(faults)}; correct the file")


def _changed(values: Any, change: str) -> Any:
    """Give a mapping with one key changed, as ``a.b=value`` says."""
    key, equals, text = change.partition("=")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        equals = ""
    if not equals or not key:
        raise InputError(f"{change!r}; expected KEY=VALUE, for example training.seed=3")
    if not isinstance(values, dict | None):
        raise InputError(
            f"{change!r} leads into {values!r}; expected keys of mappings, such as training.seed"
        )
    first, _, others = key.partition(".")
    inner = (values or {}).get(first)
    new = _changed(inner, f"{others}={text}") if others else value
    kept = {name: old for name, old in (values or {}).items() if name != first}
    return kept if new is None else {**kept, first: new}


class _UniqueKeys(yaml.SafeLoader):
    """The safe loader, refusing a key that stands twice instead of dropping one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        if twice := sorted({str(key) for key in keys if keys.count(key) > 1}):
            raise yaml.constructor.ConstructorError(
                problem=f"key {', '.join(twice)} stands twice", problem_mark=node.start_mark
            )
        return super().construct_mapping(node, deep)


def _is_integer(_: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_: Any, value: Any) -> bool:
    return _is_integer(_, value) or (isinstance(value, float) and math.isfinite(value))


def _explain(error: Any) -> list[str]:
    """Put a schema violation into words: each key, what was found, what is allowed."""
    key = ".".join(map(str, error.absolute_path)) or "top level"
    rule, value, found = error.validator, error.validator_value, error.instance
    if rule == "oneOf" and isinstance(found, dict):
        # The alternatives are told apart by their `kind`; only the one meant is of interest.
        kinds = [alternative["$ref"].rpartition("/")[2] for alternative in value]
        meant = {other.schema_path[0] for other in error.context} - {
            other.schema_path[0] for other in error.context if other.validator == "const"
        }
        if "kind" not in found or not meant:
            kind = repr(found["kind"]) if "kind" in found else "no such key"
            return [f"{key}.kind: found {kind}, allowed: {', '.join(kinds)}"]
        chosen = [other for other in error.context if other.schema_path[0] in meant]
        return [fault for other in chosen for fault in _explain(other)]
    if rule == "additionalProperties":
        known = sorted(error.schema.get("properties", ()))
        like = sorted(error.schema.get("patternProperties", ()))
        unknown = sorted(
            str(name)
            for name in found
            if name not in known and not any(re.search(one, str(name)) for one in like)
        )
        allowed = ", ".join([*known, *(f"keys like {one}" for one in like)])
        named = ", ".join(name + _nearest(name, known) for name in unknown)
        return [f"{key}: unknown key {named}, allowed: {allowed}"]
    if rule == "required":
        missing = [name for name in value if name not in found]
        return [f"{key}: missing key {', '.join(missing)}, required: {', '.join(value)}"]
    if rule == "enum":
        return [f"{key}: found {found!r}, allowed: {', '.join(map(str, value))}"]
    if rule == "type":
        return [f"{key}: found {found!r}, allowed: {_TYPES.get(value, value)}"]
    if rule in _LIMITS:
        return [f"{key}: found {found!r}, allowed: {_LIMITS[rule].format(value)}"]
    if rule == "oneOf":
        return [f"{key}: found {found!r}, allowed: a mapping with the key kind"]
    return [f"{key}: found {found!r}, allowed: {rule} {value}"]


def _nearest(name: str, known: Sequence[str]) -> str:
    """Say which key was meant, if one looks much like it."""
    return "".join(f" (meant: {key}?)" for key in difflib.get_close_matches(name, known, n=1))


_TYPES = {
    "object": "a mapping of keys to values",
    "array": "a list",
    "string": 'text (in quotes where it is a number, as "01")',
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}

_LIMITS = {
    "minimum": "{} or more",
    "maximum": "{} or less",
    "exclusiveMinimum": "more than {}",
    "minItems": "a list of {} or more",
    "maxItems": "a list of {} or less",
    "uniqueItems": "no entry twice",
    "pattern": "text like the pattern {}",
    "contains": "a list with {0[const]} in it",
}


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
        What :func:`read_yaml` refuses; a labeling that needs a network which is not listed.
    """
    values = read_yaml(path, SCHEMA)
    values["sequences"] = tuple(values["sequences"])
    values["voxel_size"] = tuple(values["voxel_size"])
    if "networks" in values:
        values["networks"] = tuple(values["networks"])
    if "smoothing" in values.get("pseudocolor", {}):
        values["pseudocolor"]["smoothing"] = tuple(values["pseudocolor"]["smoothing"])
    for key, section in (("pseudocolor", Pseudocolor), ("tiling", Tiling), ("labeling", Labeling)):
        if key in values:
            values[key] = section(**values[key])
    recipe = Recipe(**values)
    needed = NEEDED.get(recipe.labeling.method, ("cells",))
    if missing := [name for name in needed if name not in recipe.networks]:
        raise InputError(
            f"{path}: networks: found {', '.join(recipe.networks)}, allowed with labeling.method "
            f"{recipe.labeling.method}: {', '.join(needed)}; add {', '.join(missing)} or choose "
            "another method"
        )
    if recipe.labeling.method == "offset_voting" and recipe.labeling.anisotropy:
        raise InputError(
            f"{path}: labeling.anisotropy: found {recipe.labeling.anisotropy}, allowed with "
            "offset_voting: null, since offsets were learnt with that of voxel_size; remove it"
        )
    return recipe


def find_recipe(dataset: str) -> Path:
    """Find the recipe of a data set by the name of its folder.

    Raises
    ------
    InputError
        There is none; the line lists those that there are.
    """
    path = RECIPES / f"{dataset}.yaml"
    # A name, not a path: "../schemas/x" must not lead out of the folder.
    if Path(dataset).name != dataset or not path.is_file():
        known = ", ".join(sorted(file.stem for file in RECIPES.glob("*.yaml")))
        raise InputError(
            f"{dataset}: no recipe of that name; known: {known}: use one of these "
            "names for the data set's folder, or give the file of a recipe of your own"
        )
    return path


def open_recipe(name: str) -> Recipe:
    """Load a recipe by the name of its data set, or from a file that ends in .yaml or .yml.

    Raises
    ------
    InputError
        What :func:`find_recipe` and :func:`load_recipe` refuse.
    """
    given = Path(name)
    return load_recipe(given if given.suffix in {".yaml", ".yml"} else find_recipe(name))
