"""Whether the engine gives what an evaluator in plain Python gives, to the last bit."""

from __future__ import annotations

import json
import math
from typing import Any

import naive
from audiences.definitions.computation import NO_DEFAULT, Computation, Kind
from fakes import AS_OF, snapshots
from strategies import World


def computation(definition: naive.Definition) -> Computation:
    return Computation(
        key=definition.key,
        kind=Kind.AUDIENCE if definition.audience else Kind.TRAIT,
        expression=definition.expression,
        default=NO_DEFAULT if definition.default is None else definition.default,
        events_since=definition.since,
        include_anonymous_users=definition.include_anonymous,
    )


def same(stored: str, expected: Any) -> bool:
    """Whether JSON text is a value, with its type, to the last bit."""
    value = json.loads(stored)
    if isinstance(expected, bool) or isinstance(value, bool):
        return value is expected
    if isinstance(value, int | float) and isinstance(expected, int | float):
        return float(value) == float(expected)
    if isinstance(value, list) and isinstance(expected, list):
        return len(value) == len(expected) and all(map(same, map(json.dumps, value), expected))
    return type(value) is type(expected) and bool(value == expected)


def agrees(world: World) -> None:
    expected = naive.evaluate(world.definitions, world.profiles, world.events, AS_OF)
    for key, found in expected.items():  # what JSON can't hold is no value
        expected[key] = {id: value for id, value in found.items() if value not in (math.inf, -math.inf)}
    result = snapshots([computation(item) for item in world.definitions], world.events, world.profiles)
    assert list(result) == [item.key for item in world.definitions]
    for key, values in expected.items():
        assert sorted(result[key]) == sorted(values), key
        for id, value in values.items():
            assert same(result[key][id], value), (key, id, result[key][id], value)
