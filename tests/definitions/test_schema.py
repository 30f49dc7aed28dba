"""The JSON Schema: it knows the keys that the loader knows, and agrees with it on examples."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from audiences.definitions import models
from audiences.definitions import structured_names as names
from audiences.definitions.schema import json_schema

Schema = dict[str, Any]
EXAMPLES = Path(__file__).parent


class Validator:
    """As much of JSON Schema as ours uses; a keyword it doesn't know fails the test."""

    IGNORED = frozenset({"$schema", "$defs", "title", "description", "default"})
    TYPES: ClassVar[dict[str, tuple[type, ...]]] = {
        "object": (dict,),
        "array": (list,),
        "string": (str,),
        "integer": (int,),
        "number": (int, float),
        "boolean": (bool,),
        "null": (type(None),),
    }

    def __init__(self, root: Schema) -> None:
        self.root = root

    def fits(self, value: object, schema: Schema) -> bool:
        return all(
            self.keyword(name, part, value, schema)
            for name, part in schema.items()
            if name not in self.IGNORED and name not in ("then", "else")
        )

    def keyword(self, name: str, part: Any, value: Any, schema: Schema) -> bool:
        mapping = value if isinstance(value, dict) else {}
        items = value if isinstance(value, list) else []
        match name:
            case "$ref":
                return self.fits(value, self.root["$defs"][part.removeprefix("#/$defs/")])
            case "type":
                return any(self.is_type(value, kind) for kind in ([part] if isinstance(part, str) else part))
            case "properties":
                return all(self.fits(mapping[key], inner) for key, inner in part.items() if key in mapping)
            case "additionalProperties":
                others = [item for key, item in mapping.items() if key not in schema.get("properties", {})]
                return not others if part is False else all(self.fits(item, part) for item in others)
            case "propertyNames":
                return all(self.fits(key, part) for key in mapping)
            case "required":
                return not isinstance(value, dict) or all(key in value for key in part)
            case "items":
                return all(self.fits(item, part) for item in items)
            case "minItems":
                return not isinstance(value, list) or len(value) >= part
            case "maxItems":
                return not isinstance(value, list) or len(value) <= part
            case "minProperties":
                return not isinstance(value, dict) or len(value) >= part
            case "maxProperties":
                return not isinstance(value, dict) or len(value) <= part
            case "minLength":
                return not isinstance(value, str) or len(value) >= part
            case "minimum":
                return not isinstance(value, int) or value >= part
            case "pattern":
                return not isinstance(value, str) or re.search(part, value) is not None
            case "enum":
                return value in part
            case "const":
                return bool(value == part)
            case "anyOf":
                return any(self.fits(value, inner) for inner in part)
            case "oneOf":
                return sum(self.fits(value, inner) for inner in part) == 1
            case "allOf":
                return all(self.fits(value, inner) for inner in part)
            case "if":
                return self.fits(value, schema["then"] if self.fits(value, part) else schema["else"])
            case _:
                raise AssertionError(f"the keyword {name} is not known here")

    def is_type(self, value: object, kind: str) -> bool:
        if isinstance(value, bool):
            return kind == "boolean"
        return isinstance(value, self.TYPES[kind])


def _fits(text: str, file: str | None = None) -> bool:
    schema = json_schema(file)
    return Validator(schema).fits(_read(text), schema)


def _read(text: str) -> object:
    """The text as editors read it: dates are texts."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return yaml.load(text, Loader=Loader)  # noqa: S506


def _parts(schema: Any) -> Iterator[Schema]:
    if isinstance(schema, dict):
        yield schema
        for part in schema.values():
            yield from _parts(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _parts(part)


@pytest.mark.parametrize("file", [None, "definitions", "space"])
def test_every_reference_leads_somewhere(file: str | None) -> None:
    schema = json_schema(file)

    references = [part["$ref"] for part in _parts(schema) if isinstance(part.get("$ref"), str)]
    assert references
    for reference in references:
        assert reference.removeprefix("#/$defs/") in schema["$defs"]


def test_it_knows_the_keys_that_the_loader_knows() -> None:
    parts = json_schema()["$defs"]

    trait_keys = {*models.TraitModel.model_fields, *names.TRAIT_KEYS}
    audience_keys = {*models.AudienceModel.model_fields, *names.AUDIENCE_KEYS}
    assert set(parts["TraitModel"]["properties"]) == trait_keys
    assert set(parts["AudienceModel"]["properties"]) == audience_keys
    assert set(parts["SpaceModel"]["properties"]) == set(models.SpaceModel.model_fields)
    assert set(parts["EventCondition"]["properties"]) == {
        *names.JUNCTIONS,
        *names.EVENT_LEAF_KEYS,
        names.TRAIT,
        names.AUDIENCE,
        names.MEMBER,
        names.PROPERTY,
        names.CONTEXT,
        names.PARENT,
    }


def test_every_key_is_described() -> None:
    for name, part in json_schema()["$defs"].items():
        for key, schema in part.get("properties", {}).items():
            described = "description" in schema or part.get("maxProperties") == 1
            assert described or key in ("type", "exclude", "parent", "traits", "trait"), f"{name}.{key}"


def _good_examples() -> list[tuple[str, str]]:
    text = (EXAMPLES / "structured_pairs.txt").read_text(encoding="utf-8")
    examples = []
    for block in re.split(r"^=== ", text, flags=re.MULTILINE)[1:]:
        name, _, rest = block.partition("\n")
        written = rest.partition("--- ")[0]
        kind = "traits" if re.match(r"\w+:", written) and written.split(":")[0] in names.REDUCER_FORMS else ""
        if name == "= a copy of a trait":
            kind = "traits"
        indented = "".join(f"    {line}\n" for line in written.rstrip().split("\n"))
        examples.append((name, f"{kind or 'audiences'}:\n  - key: a\n{indented}"))
    return examples


GOOD = _good_examples()


@pytest.mark.parametrize("text", [example[1] for example in GOOD], ids=[example[0] for example in GOOD])
def test_it_accepts_what_the_loader_accepts(text: str) -> None:
    assert _fits(text)
    assert _fits(text, "definitions")


@pytest.mark.parametrize(
    "text",
    [
        "traits:\n",
        "traits: [{key: a, definition: x, default: 0, schedule: '0 6 * * *', destinations: [crm, {destination: x}]}]",
        "audiences: [{key: a, definition: x, events_since: 2010-01-31, owner: 'team:x', level: account}]",
        "audiences: [{key: a, definition: x, destinations: [{destination: c, send: track, identifiers: [email]}]}]",
    ],
)
def test_it_accepts_entries(text: str) -> None:
    assert _fits(text)


@pytest.mark.parametrize(
    "text",
    [
        "audience: []",
        "traits: [{key: a}]",
        "traits: [{key: a, definition: x, first: {event: A, property: p}}]",
        "traits: [{key: A, definition: x}]",
        "traits: [{key: a, definition: x, colour: red}]",
        "traits: [{key: a, event_counter: {event: A}, within: 7}]",
        "traits: [{key: a, event_counter: {event: A}, within: 7 months}]",
        "traits: [{key: a, aggregation: {event: A, property: p}}]",
        "audiences: [{key: a, default: 0, definition: x}]",
        "audiences: [{key: a, all: []}]",
        "audiences: [{key: a, all: [{event: A, wihtin: 7 days}]}]",
        "audiences: [{key: a, all: [{property: p, equals: 1}]}]",
        "audiences: [{key: a, all: [{trait: p, event: A}]}]",
        "audiences: [{key: a, all: [{trait: p, exists: false}]}]",
        "audiences: [{key: a, all: [{event: A, count: 5}]}]",
        "audiences: [{key: a, all: [{event: A, count: {at_least: 1, at_most: 5}}]}]",
        "traits: []\nstate: x",
    ],
)
def test_it_refuses_what_the_loader_refuses(text: str) -> None:
    assert not _fits(text)


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("", True),
        ("space: {id: a, slug: b}\nsources: {events: x}\nas_of: 2010-12-10T00:00:00Z\nkeep_history: 400 days", True),
        ("destinations: {crm: {type: jsonl, path: x, confirmed: true}}", True),
        ("destinations: {crm: {type: jsonl}}", False),
        ("destinations: {crm: {type: unheard, path: x}}", False),
        ("identifers: []", False),
        ("state: 5", False),
    ],
)
def test_settings(text: str, accepted: bool) -> None:
    assert _fits(text) == accepted


def test_other_files_have_no_schema() -> None:
    with pytest.raises(ValueError, match="no schema of 'other' files"):
        json_schema("other")
