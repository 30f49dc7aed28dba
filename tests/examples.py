"""How many examples Hypothesis tries where the engine is compared with the naive evaluator, and how it compares."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import polars as pl
from hypothesis import HealthCheck, settings
from hypothesis.strategies import SearchStrategy

import audiences
from audiences.definitions.structured_print import plain_of
from audiences.language.print import query
from choices import Choices, made_of
from definition_strategies import definitions
from fakes import AS_OF
from file_strategies import File, accounts, accounts_frame, files, frame, profiles, profiles_frame, write
from naive import Definition, compute
from naive_inputs import population
from naive_values import typed

PROFILE: Final = os.environ.get("HYPOTHESIS_PROFILE", "ci")
EXAMPLES: Final = 2_000
"""In all tests together, for each of the parts."""

PARTS: Final = range(25 if PROFILE == "long" else 1)
"""As which each test runs: each part has other examples, so ``long`` has 50,000. One that fails stops no other."""

SIZE: Final = 5_500
"""Bytes that a world is made of, at most."""


def examples(share: float) -> settings:
    """A share of the examples of a part."""
    # A world is thousands of bytes at the least, and the time that one takes says nothing of the code under test.
    checks = list(HealthCheck)
    return settings(max_examples=round(EXAMPLES * share), deadline=None, suppress_health_check=checks)


@dataclass(frozen=True)
class World:
    """All that an evaluation is given."""

    definitions: Sequence[Definition]
    structured: frozenset[str]  # the keys of those that are written so
    places: Sequence[int]  # in which order they are written
    files: Sequence[File]
    on_disk: bool
    profiles: Sequence[Mapping[str, Any]] | None
    accounts: Sequence[Mapping[str, Any]] | None


def worlds(*, accounts_too: bool) -> SearchStrategy[World]:
    """Any world; without accounts, all definitions are about users."""
    return made_of(partial(world, accounts_too=accounts_too), SIZE)


def world(draw: Choices, *, accounts_too: bool) -> World:
    found = definitions(draw, accounts=accounts_too)
    structured = frozenset(item.key for item in found if draw.chance(1, 4))
    places = sorted(range(len(found)), key=lambda number: (draw.place(3), number))
    return World(
        found,
        structured,
        places,
        files(draw),
        draw.chance(1, 2),
        profiles(draw),
        accounts(draw) if accounts_too else draw.one_of((None, [])),
    )


def written(definition: Definition, *, structured: bool) -> dict[str, Any]:
    """The mapping that ``evaluate`` takes."""
    form = plain_of(definition.expression) if structured else {"definition": query(definition.expression)}
    found: dict[str, Any] = {
        "key": definition.key,
        "kind": "audience" if definition.audience else "trait",
        "level": "account" if definition.account else "user",
        "include_anonymous_users": definition.include_anonymous,
        **form,
    }
    if definition.default is not None:
        found["default"] = definition.default
    if definition.since is not None:
        found["events_since"] = definition.since.isoformat()
    if definition.by_group:
        found["attribute_events_by"] = "group_id"
    return found


def evaluated(world: World) -> dict[str, dict[str, Any]]:
    """What the package says, by key."""
    mappings = [written(item, structured=item.key in world.structured) for item in world.definitions]
    tables = {
        "profiles": None if world.profiles is None else profiles_frame(world.profiles),
        "accounts": None if world.accounts is None else accounts_frame(world.accounts),
    }
    shuffled = [mappings[number] for number in world.places]
    if len(world.files) == 1 and not world.on_disk:
        return by_key(audiences.evaluate(shuffled, events=frame(world.files[0]), as_of=AS_OF, **tables))
    with tempfile.TemporaryDirectory() as folder:
        write(world.files, Path(folder))
        return by_key(audiences.evaluate(shuffled, events=folder, as_of=AS_OF, **tables))


def by_key(frames: Mapping[str, pl.DataFrame]) -> dict[str, dict[str, Any]]:
    return {key: dict(found.iter_rows()) for key, found in frames.items()}


def expected(world: World) -> dict[str, dict[str, Any]]:
    """What the naive evaluator says, by key."""
    calls = [call for file in world.files for call in file.calls]
    people, made = population(calls, world.profiles, world.accounts, AS_OF)
    found = compute(world.definitions, people, made, AS_OF)
    return {
        item.key: typed(
            item.expression, {id: value for id, value in found[item.key].items() if value not in (math.inf, -math.inf)}
        )
        for item in world.definitions
    }


def agrees(world: World) -> None:
    """The same ids, the same values, of the same types, to the last bit."""
    said = evaluated(world)
    wanted = expected(world)
    assert set(said) == set(wanted)
    for item in world.definitions:
        shown = f"{item.key}: {query(item.expression)}"
        assert said[item.key] == wanted[item.key], shown
        assert list(said[item.key]) == sorted(said[item.key]), shown
        assert types(said[item.key]) == types(wanted[item.key]), shown


def types(found: Mapping[str, Any]) -> dict[str, str]:
    return {id: type(value).__name__ for id, value in found.items()}
