"""Reads configuration files: YAML into a model, all faults told in one line."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from ctc_eval.format import InputError, and_more
from efficientcellseg.frozen import Frozen

# Far more than any configuration has.
_MAX_BYTES, _MAX_NODES, _MAX_DEPTH, _MAX_DIGITS = 4 << 20, 500_000, 30, 40
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")

Model = TypeVar("Model", bound=Frozen)


def read_yaml(path: Path, model: type[Model], changes: Sequence[str] = ()) -> Model:
    """Read a YAML mapping into a model.

    Parameters
    ----------
    path : Path
        The YAML file.
    model : type of Frozen
        What it must hold.
    changes : sequence of str
        ``a.b=value``: what takes the place of single keys, values in YAML; ``null`` leaves a
        key out.

    Returns
    -------
    Frozen
        Of that model.

    Raises
    ------
    InputError
        No such file, no YAML, or anything the model refuses; the line names each key, what was
        found and what is allowed.
    """
    values = read_values(path)
    for change in changes:
        values = _change(values, change)
    return check_values(values, model, str(path))


def read_values(path: Path) -> Any:
    """Read a YAML file without checking it against a model.

    Parameters
    ----------
    path : Path

    Returns
    -------
    object

    Raises
    ------
    InputError
        No such file; not YAML, or beyond the limits that :func:`read_yaml` lists.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; expected a YAML file: check the path", code="file-missing"
        )
    if path.stat().st_size > _MAX_BYTES:
        raise InputError(
            f"{path}: {path.stat().st_size} bytes; expected a YAML file of {_MAX_BYTES} at most",
            code="yaml-malformed",
        )
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Bounded)
    except (yaml.YAMLError, ValueError) as error:  # of a date that is none, of no UTF-8
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path}: not YAML ({reason}); correct the file", code="yaml-malformed"
        ) from None


def check_values(values: Any, model: type[Model], name: str) -> Model:
    """Make a model of values as YAML gives them.

    Parameters
    ----------
    values : any
    model : type of Frozen
    name : str
        Where they come from, for the message.

    Returns
    -------
    Frozen
        Of that model.

    Raises
    ------
    InputError
        Anything the model refuses, all faults at once. Its code is that of the first one:
        ``key-unknown``, ``key-missing`` or ``value-refused``.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults: dict[tuple[str, str], list[Any]] = {}
        found = error.errors(include_url=False)
        for one in found:
            # A list with a faulty entry is not too short, though pydantic counts the sound ones.
            if one["type"] != "too_short" or _is_alone(one, found):
                faults.setdefault(_about(one, model), []).append(one)
        told = [_tell(kind, key, those, model) for (kind, key), those in faults.items()]
        code = next(iter(faults))[0]
        raise InputError(f"{name}: {'; '.join(told)}; correct the file", code=code) from None


def _is_alone(error: Any, others: Sequence[Any]) -> bool:
    """Tell whether no other fault lies within the place of this one."""
    place = error["loc"]
    return sum(other["loc"][: len(place)] == place for other in others) == 1


def _change(values: Any, change: str) -> Any:
    """Return a mapping with one key changed, as ``a.b=value`` says."""
    key, equals, text = change.partition("=")
    try:
        value = yaml.load(text, _Bounded)
    except (yaml.YAMLError, ValueError):
        equals = ""
    if not equals or not key:
        raise InputError(
            f"{change!r}; expected KEY=VALUE, for example training.seed=3", code="change-malformed"
        )
    if not isinstance(values, dict | None):
        raise InputError(
            f"{change!r} leads to {values!r}; expected keys of mappings, such as training.seed",
            code="change-malformed",
        )
    first, _, others = key.partition(".")
    inner = (values or {}).get(first)
    new = _change(inner, f"{others}={text}") if others else value
    kept = {name: old for name, old in (values or {}).items() if name != first}
    return kept if new is None else {**kept, first: new}


class _Bounded(yaml.SafeLoader):
    """The safe loader, refusing what a small file could fill the memory with, and double keys."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.depth = 0
        # Of each node: how many there are of it and below, and in how many levels.
        self.sizes: dict[int, tuple[int, int]] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()
        self.depth += 1
        self._check(event, 0, self.depth)
        node = super().compose_node(parent, index)
        self.depth -= 1
        if isinstance(event, yaml.AliasEvent):
            # What an alias stands for is counted each time: a few lines could make millions.
            self._check(event, *self.sizes.get(id(node), (_MAX_NODES + 1, 0)))
            return node
        inner = node.value if isinstance(node, yaml.CollectionNode) else ()
        if isinstance(node, yaml.MappingNode):
            inner = [part for pair in inner for part in pair]
        sizes = [self.sizes[id(part)] for part in inner]
        count = 1 + sum(size for size, _ in sizes)
        levels = 1 + max((height for _, height in sizes), default=0)
        self._check(event, count, levels)
        self.sizes[id(node)] = count, levels
        return node

    def _check(self, event: yaml.Event, count: int, levels: int) -> None:
        if count > _MAX_NODES or levels > _MAX_DEPTH:
            line = event.start_mark.line + 1 if event.start_mark else 0
            raise yaml.composer.ComposerError(
                problem=f"more than {_MAX_NODES} values or {_MAX_DEPTH} levels, line {line}"
            )

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        if node.tag in _NUMBERS and len(node.value) > _MAX_DIGITS:
            raise yaml.constructor.ConstructorError(
                problem=f"a number of {len(node.value)} digits", problem_mark=node.start_mark
            )
        return super().construct_scalar(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = Counter(str(key.value) for key, _ in node.value)
        if twice := sorted(key for key, count in keys.items() if count > 1):
            raise yaml.constructor.ConstructorError(
                problem=f"key {', '.join(twice)} appears twice", problem_mark=node.start_mark
            )
        return super().construct_mapping(node, deep)


def _about(error: Any, model: type[BaseModel]) -> tuple[str, str]:
    """Say what kind of fault it is, and of which key; alike ones are told together."""
    keys, _ = _follow(error["loc"], model)
    rule, place = error["type"], error["loc"]
    if rule in ("extra_forbidden", "invalid_key") or place[-1:] == ("[key]",):
        return "key-unknown", ".".join(keys[:-1]) or "top level"
    if rule == "missing" and isinstance(place[-1], str):
        return "key-missing", ".".join(keys[:-1]) or "top level"
    if rule == "missing":  # a list that is too short
        return "value-refused", ".".join(keys[:-1])
    if rule in ("union_tag_invalid", "union_tag_not_found"):
        keys = [*keys, error["ctx"]["discriminator"].strip("'")]
    return "value-refused", ".".join(keys) or "top level"


def _tell(kind: str, key: str, errors: list[Any], model: type[BaseModel]) -> str:
    """Put the faults of a key into words: what was found, what is allowed."""
    first, place = errors[0], errors[0]["loc"]
    if kind == "key-unknown":
        names = sorted(str(one["loc"][-2 if one["loc"][-1] == "[key]" else -1]) for one in errors)
        if place[-1] == "[key]":
            pattern = first.get("ctx", {}).get("pattern")
            allowed = f"keys like {pattern}" if pattern else "keys in quotes"
            return f"{key}: unknown key {', '.join(names)}, allowed: {allowed}"
        known = sorted(_members(_follow(place[:-1], model)[1])[0].model_fields)
        named = ", ".join(name + _nearest(name, known) for name in names[:20])
        named += and_more(len(names[20:]))
        return f"{key}: unknown key {named}, allowed: {', '.join(known)}"
    if kind == "key-missing":
        fields = _members(_follow(place[:-1], model)[1])[0].model_fields
        missing = ", ".join(str(one["loc"][-1]) for one in errors)
        required = ", ".join(name for name, field in fields.items() if field.is_required())
        return f"{key}: missing key {missing}, required: {required}"
    found = repr(_as_read(first["input"]))
    if first["type"] == "union_tag_not_found":
        found = "no such key"
    elif first["type"] == "union_tag_invalid":
        found = repr(_as_read(first["input"][key.rpartition(".")[2]]))
    if len(found) > 100:
        found = f"{found[:100]} ..."
    return f"{key}: found {found}, allowed: {_allowed(errors[-1], _follow(place, model)[1])}"


def _allowed(error: Any, kind: Any) -> str:
    """Say which values a rule allows, of a type. Validators raise ValueError with that alone."""
    rule, limits = error["type"], error.get("ctx", {})
    if rule == "literal_error":
        (literal,) = _members(kind)
        return ", ".join(map(str, get_args(literal)))
    if rule.startswith("union_tag"):
        return ", ".join(_tags(_members(kind)))
    if rule == "missing":
        return f"a list of {error['loc'][-1] + 1} or more"
    if rule in ("too_short", "too_long"):
        what = "a mapping with" if limits["field_type"] == "Dictionary" else "a list of"
        end = "more" if rule == "too_short" else "less"
        return f"{what} {limits.get('min_length', limits.get('max_length'))} or {end}"
    for name, words in _LIMITS.items():
        if name in limits:
            limit = limits[name]
            return words.format(f"{limit:g}" if isinstance(limit, float) else limit)
    if rule == "value_error":  # by a validator, which says what is allowed
        return str(limits["error"])
    allowed = _TYPES.get(rule, error["msg"])
    return allowed + " or null" * (rule in _TYPES and NoneType in get_args(kind))


def _follow(place: Sequence[int | str], kind: Any) -> tuple[list[str], Any]:
    """Follow a place that pydantic names through a model.

    Returns
    -------
    keys : list of str
        The keys as a file has them, without pydantic's steps into one of several alternatives.
    kind : type
        What must be at that place; None for an unknown key.
    """
    keys = []
    for step in place:
        if step == "[key]":
            continue
        members = _members(kind)
        if len(members) > 1:
            kind = members[list(_tags(members)).index(str(step))]
            continue
        keys.append(str(step))
        (member,) = members or (None,)
        if isinstance(member, type) and issubclass(member, BaseModel):
            field = member.model_fields.get(str(step))
            kind = field.annotation if field else None
        elif get_origin(member) is dict:
            kind = get_args(member)[1]
        elif get_origin(member) is tuple:
            inner = get_args(member)
            kind = inner[0] if inner[-1] is ... else inner[min(int(step), len(inner) - 1)]
    return keys, kind


def _members(kind: Any) -> list[Any]:
    """List what a type may be, without annotations and None."""
    if get_origin(kind) in (Union, UnionType):
        return [one for part in get_args(kind) for one in _members(part)]
    if hasattr(kind, "__metadata__"):
        return _members(kind.__origin__)
    return [] if kind in (None, NoneType) else [kind]


def _tags(members: list[type[BaseModel]]) -> list[str]:
    """Return what distinguishes alternatives: the single value of the key that is a constant."""
    constants = [
        [get_args(field.annotation) for field in member.model_fields.values()] for member in members
    ]
    return [next(values[0] for values in fields if len(values) == 1) for fields in constants]


def _as_read(values: Any) -> Any:
    """Turn tuples back into the lists that a file has."""
    if isinstance(values, dict):
        return {key: _as_read(value) for key, value in values.items()}
    return [_as_read(value) for value in values] if isinstance(values, tuple) else values


def _nearest(name: str, known: Sequence[str]) -> str:
    """Say which key was meant, if one looks much like it."""
    return "".join(f" (meant: {key}?)" for key in difflib.get_close_matches(name, known, n=1))


_TYPES = {
    **dict.fromkeys(
        ("model_type", "model_attributes_type", "dict_type"), "a mapping of keys to values"
    ),
    "tuple_type": "a list",
    "string_type": 'text (in quotes where it is a number, as "01")',
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "bool_type": "true or false",
}

_LIMITS = {
    "ge": "{} or more",
    "le": "{} or less",
    "gt": "more than {}",
    "lt": "less than {}",
    "multiple_of": "a multiple of {}",
    "pattern": "text like the pattern {}",
    "min_length": "text of {} letter or more",
}
