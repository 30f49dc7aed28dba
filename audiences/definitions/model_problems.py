"""pydantic's errors as problems of ours: a sentence, what was probably meant, and the place in the YAML."""

from __future__ import annotations

import re
import types
from collections.abc import Sequence
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from audiences.definitions import models
from audiences.definitions.structured_values import unknown_key
from audiences.definitions.yaml_nodes import YamlList, YamlMapping, YamlNode, YamlScalar, kind_of, plain
from audiences.errors import Location, Problem
from audiences.language.suggest import did_you_mean, nearest

_Place = Sequence[int | str]
_M = TypeVar("_M", bound=BaseModel)

_TYPES: Final = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_PATTERNS: Final = {
    models.KEY_PATTERN: "lower-case letters, digits and _, a letter first, at most 255 characters",
    models.DESTINATION_PATTERN: "letters, digits, '_', '-' and '.', at most 100 characters",
    models.ENVIRONMENT_PATTERN: "the name of an environment variable, such as CRM_API_KEY",
}


def validated(model: type[_M], node: YamlMapping) -> tuple[_M | None, list[Problem]]:
    """The mapping as a model, or None and everything that is wrong with it."""
    try:
        return model.model_validate(plain(node)), []
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        problems = [_problem(detail, node, model) for detail in details if not _is_misspelt(detail, details, model)]
        return None, sorted(problems, key=lambda problem: (problem.where.line, problem.where.column))


def _is_misspelt(missing: ErrorDetails, details: Sequence[ErrorDetails], model: type[BaseModel]) -> bool:
    """Whether a missing key is there under a name that is close: that has its own error, which says so."""
    *around, name = missing["loc"]
    unknown = [
        str(detail["loc"][-1])
        for detail in details
        if detail["type"] == "extra_forbidden" and list(detail["loc"][:-1]) == around
    ]
    return missing["type"] == "missing" and any(nearest(word, _keys_at(model, around)) == name for word in unknown)


def _problem(detail: ErrorDetails, node: YamlMapping, model: type[BaseModel]) -> Problem:
    path, kind, context = detail["loc"], detail["type"], detail.get("ctx", {})
    found, where = _place(node, path)
    name = next((str(part) for part in reversed(path) if isinstance(part, str) and part != "[key]"), "")
    if kind in ("wrong", "not_yet"):
        return Problem(where, context["what"], context["hint"], not_yet=kind == "not_yet")
    if kind == "missing":
        return Problem(where, f"the key '{name}' is missing")
    if kind == "extra_forbidden":
        return Problem(_key_place(node, path), *unknown_key(name, _keys_at(model, path[:-1])))
    if kind in _TYPES and isinstance(found, YamlScalar) and found.value is None:
        return Problem(where, f"'{name}' is empty", f"it takes {_TYPES[kind]}")
    if kind in _TYPES:
        hint = ""
        if kind == "string_type" and isinstance(found, YamlScalar) and found.text:
            hint = f"write '{found.text}' in quotes"
        if name == "definition" and not isinstance(found, YamlScalar):
            hint = "the structured form stands next to 'key', without 'definition'"
        if kind == "list_type" and isinstance(found, YamlScalar) and found.value is not None:
            hint = f"write [{found.text}]"
        return Problem(where, f"'{name}' must be {_TYPES[kind]}, this is {kind_of(found)}", hint)
    if kind == "literal_error":
        possible = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        text = found.text if isinstance(found, YamlScalar) else kind_of(found)
        hint = did_you_mean(text, possible) or f"possible: {', '.join(possible)}"
        return Problem(where, f"'{text}' is no value of '{name}'", hint)
    if kind == "string_pattern_mismatch":
        hint = _PATTERNS.get(str(context.get("pattern")), "")
        if path[-1] == "[key]":
            return Problem(_key_place(node, path[:-1]), f"'{name}' can't be a name in '{path[-3]}'", hint)
        text = _text(found)
        simple = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower()).strip("_")
        if context.get("pattern") == models.KEY_PATTERN and re.fullmatch(models.KEY_PATTERN, simple):
            hint = f"such as {simple}: {hint}"
        return Problem(where, f"'{text}' can't be a {name}", hint)
    if kind in ("string_too_short", "too_short"):
        return Problem(where, f"'{name}' is empty")
    return Problem(where, f"'{name}' is not valid")


def _text(node: YamlNode) -> str:
    return node.text if isinstance(node, YamlScalar) else kind_of(node)


def _place(node: YamlMapping, path: _Place) -> tuple[YamlNode, Location]:
    """The node an error is about (as deep as there are nodes), and the best place to point at."""
    found: YamlNode = node
    for number, part in enumerate(path):
        last = number == len(path) - 1
        if isinstance(found, YamlMapping) and isinstance(part, str):
            value, key = found.get(part), found.key(part)
            if value is None or key is None:
                break
            if last and (not isinstance(value, YamlScalar) or value.value is None):
                return value, key.where
            found = value
        elif isinstance(found, YamlList) and isinstance(part, int) and part < len(found.items):
            found = found.items[part]
        else:
            break
    return found, found.where


def _key_place(node: YamlMapping, path: _Place) -> Location:
    """Where the key stands that a path ends with."""
    around, where = _place(node, path[:-1])
    key = around.key(str(path[-1])) if isinstance(around, YamlMapping) else None
    return key.where if key is not None else where


def _keys_at(model: type[BaseModel], path: _Place) -> list[str]:
    """The keys that are known where a model is nested in another."""
    annotation: Any = model
    for part in path:
        if isinstance(part, int):
            annotation = _unwrapped(annotation, list)
            annotation = get_args(annotation)[0] if get_args(annotation) else annotation
        else:
            current = _unwrapped(annotation, BaseModel)
            if not (isinstance(current, type) and issubclass(current, BaseModel)):
                return []
            if part not in current.model_fields:
                return []
            annotation = current.model_fields[part].annotation
    current = _unwrapped(annotation, BaseModel)
    if isinstance(current, type) and issubclass(current, BaseModel):
        return list(current.model_fields)
    return []


def _unwrapped(annotation: Any, wanted: type) -> Any:
    """The part of ``Annotated[list[X] | None, …]`` that is the list or model that is wanted."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _unwrapped(get_args(annotation)[0], wanted)
    if origin in (Union, types.UnionType):
        for part in get_args(annotation):
            unwrapped = _unwrapped(part, wanted)
            base = get_origin(unwrapped) or unwrapped
            if isinstance(base, type) and issubclass(base, wanted):
                return unwrapped
    return annotation
