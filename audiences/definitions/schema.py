"""The JSON Schema of the YAML, for editors: what may stand in definition files and in ``space.yml``.

Entries and settings come from the pydantic models; the structured forms are described here from the same
tables as the reader uses. The schema says less than the loader, which knows what refers to what.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from audiences.definitions import models
from audiences.definitions import structured_names as names
from audiences.language.tree import Cast

DIALECT: Final = "http://json-schema.org/draft-07/schema#"
"""The dialect that editors know best."""

Schema = dict[str, Any]

_OPERATOR_DESCRIPTIONS: Final = {
    "equals": "The value is this one (as numbers, if one of them is a number).",
    "differs": "There is a value, and it is another one.",
    "greater_than": "More than this, by number or by time.",
    "at_least": "This or more.",
    "less_than": "Less than this.",
    "at_most": "This or less.",
    "exists": "true: there is a value.",
    "absent": "true: there is no value.",
    "contains": "One of these texts is in the value.",
    "omits": "None of these texts is in the value, or there is none.",
    "starts_with": "The value begins with this text.",
    "ends_with": "The value ends with this text.",
    "one_of": "The value is one of these.",
    "none_of": "There is a value, and it is none of these.",
    "before_date": "Earlier than this date.",
    "after_date": "Later than this date.",
    "within_last": "Not longer ago than this, and not in the future.",
    "within_next": "From now until this time has passed.",
    "before_last": "This long ago, or longer.",
    "after_next": "This far ahead, or farther.",
}
_LIST_DESCRIPTIONS: Final = {
    names.ALL: "All of these conditions hold.",
    names.ANY: "At least one of these conditions holds.",
    names.NONE: "None of these conditions holds.",
    names.ANY_USER: "Account level: a user of the account for whom all of these conditions hold.",
    names.ALL_USERS: "Account level: all of these conditions hold for each user, and there is one.",
    names.NO_USER: "Account level: there is no user for whom all of these conditions hold.",
}
_REDUCER_DESCRIPTIONS: Final = {
    "sum": "The sum of this property.",
    "average": "The average of this property.",
    "minimum": "The least value of this property.",
    "maximum": "The greatest value of this property.",
    names.MOST_FREQUENT: "The most frequent value of this property.",
    names.FIRST: "The earliest value of this property.",
    names.LAST: "The latest value of this property.",
    names.UNIQUE_LIST: "All different values of this property.",
    names.UNIQUE_LIST_COUNT: "How many different values this property has.",
}
_FORM_DESCRIPTIONS: Final = {
    names.EVENT_COUNTER: "The number of events.",
    names.AGGREGATION: "Sum, average, minimum or maximum of a property.",
}


def json_schema(file: str | None = None) -> Schema:
    """The schema of both kinds of files, or of one: ``definitions`` or ``space``.

    Raises ValueError for any other kind.
    """
    parts = _parts()
    roots = {"definitions": "DefinitionsFile", "space": "SpaceModel"}
    head: Schema = {"$schema": DIALECT, "title": "Audiences"}
    if file is not None:
        if file not in roots:
            raise ValueError(f"no schema of '{file}' files, only of {' and '.join(roots)}")
        return {**head, "$ref": f"#/$defs/{roots[file]}", "$defs": parts}
    definitions, space = parts["DefinitionsFile"], parts["SpaceModel"]
    return {
        **head,
        "type": ["object", "null"],
        "properties": {**definitions["properties"], **space["properties"]},
        "if": {"type": "object", "anyOf": [_required(key) for key in definitions["properties"]]},
        "then": _reference("DefinitionsFile"),
        "else": {"anyOf": [_reference("SpaceModel"), {"type": "null"}]},
        "$defs": parts,
    }


def _parts() -> dict[str, Schema]:
    described: list[type[BaseModel]] = [
        models.TraitModel,
        models.AudienceModel,
        models.SpaceModel,
        *models.DESTINATION_MODELS.values(),
    ]
    _, generated = models_json_schema([(model, "validation") for model in described])
    parts: dict[str, Schema] = {name: _tidy(part) for name, part in generated["$defs"].items()}
    parts["SpaceModel"]["properties"]["destinations"]["additionalProperties"] = {
        "oneOf": [_reference(model.__name__) for model in models.DESTINATION_MODELS.values()]
    }
    parts["SpaceModel"]["properties"]["destinations"].pop("patternProperties", None)
    parts.update(_structured_parts())
    _add_forms(parts["TraitModel"], _trait_properties(), ("definition", *names.TRAIT_FORMS))
    heads = (*names.LISTS_OF_CONDITIONS, names.EVENT, names.TRAIT, names.AUDIENCE)
    _add_forms(parts["AudienceModel"], _condition_properties(heads), ("definition", *heads))
    parts["DefinitionsFile"] = _closed(
        {
            "traits": _list_of("TraitModel", "Computed traits: a value per profile or account."),
            "audiences": _list_of("AudienceModel", "Audiences: who is in them."),
        }
    )
    return dict(sorted(parts.items()))


# ── the structured forms ────────────────────────────────────────────────────────────────────────────────────


def _structured_parts() -> dict[str, Schema]:
    audience_heads = (*names.LISTS_OF_CONDITIONS, names.EVENT, names.TRAIT, names.AUDIENCE)
    event_heads = (*names.JUNCTIONS, *names.CONDITION_HEADS[len(names.LISTS_OF_CONDITIONS) :])
    path = {"type": "string", "minLength": 1}
    return {
        "Condition": _one_of_keys(_condition_properties(audience_heads), audience_heads),
        "EventCondition": _one_of_keys(_condition_properties(event_heads), event_heads),
        "Value": {
            "description": "A text, number, true, false or date; another trait; or a property of the parent.",
            "anyOf": [
                {"type": ["string", "number", "boolean"]},
                _closed({names.TRAIT: path}, required=(names.TRAIT,)),
                _closed({names.PARENT: path}, required=(names.PARENT,)),
            ],
        },
        "Values": {
            "anyOf": [
                _reference("Value"),
                {"type": "array", "items": _reference("Value"), "minItems": 1},
            ]
        },
        "Duration": _duration("hour|day|week", "Hours, days or weeks, such as 7 days."),
        "SessionDuration": _duration("second|minute|hour|day|week", "From 30 minutes to 90 days."),
        "Bounds": {
            "type": "array",
            "items": _reference("Duration"),
            "minItems": 2,
            "maxItems": 2,
        },
        "Operand": {
            "anyOf": [path, _closed(_operand_properties())],
            "description": "A property, or {context: …}, with as: string or number where that matters.",
        },
        "Sources": _closed(
            {"exclude": {"anyOf": [path, {"type": "array", "items": path, "minItems": 1}]}},
            required=("exclude",),
        ),
        "Count": {
            **_closed({names.EXACTLY: _reference("Value"), **_operators()}),
            "minProperties": 1,
            "maxProperties": 1,
        },
        "Filter": {
            **_closed({key: _filter_properties()[key] for key in names.FILTER_KEYS}),
            "minProperties": 1,
            "maxProperties": 1,
        },
        "Then": _closed({**_nested_properties(), names.COUNT: _count()}, required=(names.EVENT,)),
        "ThenNot": _closed(
            {
                **_nested_properties(),
                names.WAIT: _described("true: only once the time for it is up.", {"type": "boolean"}),
            },
            required=(names.EVENT,),
        ),
    }


def _operators() -> dict[str, Schema]:
    properties: dict[str, Schema] = {}
    for key, operator in names.OPERATORS.items():
        if operator in names.WITHOUT_ARGUMENT:
            value: Schema = {"const": True}
        elif operator in names.RELATIVE_DATES:
            value = _reference("Duration")
        else:
            value = _reference("Values" if operator in names.TEXT_OPERATORS else "Value")
        properties[key] = _described(_OPERATOR_DESCRIPTIONS[key], value)
    return properties


def _operand_properties() -> dict[str, Schema]:
    path = {"type": "string", "minLength": 1}
    return {
        names.PROPERTY: _described("A property of the event; a.b reaches inside, a.$.b into arrays.", path),
        names.CONTEXT: _described("A context field of the event, such as page.url.", path),
        names.PARENT: _described("A property of the parent event.", path),
        names.CAST: _described("How values are compared.", {"enum": [cast.value for cast in Cast]}),
    }


def _filter_properties() -> dict[str, Schema]:
    parent_duration = _closed({names.PARENT: _reference("Duration")}, required=(names.PARENT,))
    parent_bounds = _closed({names.PARENT: _reference("Bounds")}, required=(names.PARENT,))
    within: Schema = {"anyOf": [_reference("Duration"), parent_duration]}
    between: Schema = {"anyOf": [_reference("Bounds"), parent_bounds]}
    return {
        names.WHERE: _list_of("EventCondition", "Only events for which all of these hold.", least=1),
        names.THEN: _described("And then did: after each such event.", _one_or_more("Then")),
        names.THEN_NOT: _described("And then did not: after each such event.", _one_or_more("ThenNot")),
        names.SOURCES: _described("Events of these sources don't count.", _reference("Sources")),
        names.WITHIN: _described("Only events of the last 7 days, say.", within),
        names.BETWEEN: _described("Only events that are this old: [30 days, 90 days].", between),
        names.SESSION: _described(
            "Traits only: the most recent session; a longer gap ends it.", _reference("SessionDuration")
        ),
        names.FILTERS: _list_of("Filter", "The filters in an order of one's own.", least=1),
    }


def _nested_properties() -> dict[str, Schema]:
    filters = _filter_properties()
    kept = (names.WHERE, names.SOURCES, names.THEN, names.THEN_NOT)
    return {
        names.EVENT: _event(),
        **{key: filters[key] for key in kept},
        names.WITHIN: _described("This long after the event before it.", _reference("Duration")),
        names.BETWEEN: _described("This long after the event before it.", _reference("Bounds")),
    }


def _event() -> Schema:
    return _described("The name of the event.", {"type": "string", "minLength": 1})


def _condition_properties(heads: Iterable[str]) -> dict[str, Schema]:
    path = {"type": "string", "minLength": 1}
    inside = "Condition" if names.ANY_USER in heads else "EventCondition"
    properties: dict[str, Schema] = {}
    for head in heads:
        if head in _LIST_DESCRIPTIONS:
            properties[head] = _list_of(inside, _LIST_DESCRIPTIONS[head], least=1)
    properties[names.EVENT] = _event()
    properties[names.TRAIT] = _described("A trait or computation, by its key.", path)
    properties[names.AUDIENCE] = _described("An audience of this space, by its key.", path)
    properties[names.MEMBER] = _described("false: not part of the audience.", {"type": "boolean"})
    operands = _operand_properties()
    for head in (names.PROPERTY, names.CONTEXT, names.PARENT):
        if head in heads:
            properties[head] = operands[head]
    properties.update(_filter_properties())
    properties[names.COUNT] = _count()
    for key in names.VALUE_REDUCERS:
        properties[key] = _described(_REDUCER_DESCRIPTIONS[key], _reference("Operand"))
    properties[names.MINIMUM_FREQUENCY] = _minimum_frequency()
    properties.update(_operators())
    return properties


def _trait_properties() -> dict[str, Schema]:
    properties: dict[str, Schema] = {}
    for form in names.REDUCER_FORMS:
        inside = {names.EVENT: _event(), **_filter_properties()}
        required = [names.EVENT]
        if form != names.EVENT_COUNTER:
            inside.update(_operand_properties())
        if form == names.AGGREGATION:
            inside[names.FUNCTION] = {"enum": list(names.AGGREGATES)}
            required.append(names.FUNCTION)
        if form == names.MOST_FREQUENT:
            inside[names.MINIMUM_FREQUENCY] = _minimum_frequency()
        description = _FORM_DESCRIPTIONS.get(form) or _REDUCER_DESCRIPTIONS[form]
        properties[form] = _described(description, _closed(inside, required=required))
    path = {"type": "string", "minLength": 1}
    properties[names.TRAIT] = _described("A copy of this trait.", path)
    return {**properties, **_filter_properties()}


def _count() -> Schema:
    return _described("How often; not given, at least once.", _reference("Count"))


def _minimum_frequency() -> Schema:
    return _described("Rarer values don't count; 2 if not given.", {"type": "integer", "minimum": 1})


# ── building blocks ─────────────────────────────────────────────────────────────────────────────────────────


def _reference(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _described(description: str, schema: Schema) -> Schema:
    # Next to a $ref, this dialect ignores everything else.
    return {"description": description, **({"allOf": [schema]} if "$ref" in schema else schema)}


def _closed(properties: dict[str, Schema], required: Iterable[str] = ()) -> Schema:
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**schema, "required": list(required)} if required else schema


def _list_of(name: str, description: str, *, least: int = 0) -> Schema:
    if least:
        return {
            "description": description,
            "type": "array",
            "items": _reference(name),
            "minItems": least,
        }
    return {"description": description, "type": ["array", "null"], "items": _reference(name)}


def _one_or_more(name: str) -> Schema:
    return {"anyOf": [_reference(name), {"type": "array", "items": _reference(name), "minItems": 1}]}


def _required(key: str) -> Schema:
    return {"required": [key]}


def _one_of_keys(properties: dict[str, Schema], keys: Iterable[str]) -> Schema:
    return {**_closed(properties), "oneOf": [_required(key) for key in keys]}


def _duration(units: str, description: str) -> Schema:
    return {
        "description": description,
        "type": "string",
        "pattern": rf"^\s*[0-9]{{1,9}}\s*({units})s?\s*$",
    }


def _add_forms(entry: Schema, properties: dict[str, Schema], forms: Iterable[str]) -> None:
    entry["properties"].update(properties)
    entry["oneOf"] = [_required(form) for form in forms]


def _tidy(schema: Any) -> Any:
    """Without titles and empty defaults, which editors would show."""
    if isinstance(schema, list):
        return [_tidy(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _tidy(part) for name, part in value.items()} if key == "properties" else _tidy(value)
        for key, value in schema.items()
        if key != "title" and not (key == "default" and value in (None, [], {}))
    }
