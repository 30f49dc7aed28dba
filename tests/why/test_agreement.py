"""An explanation never disagrees with a run, nor does its ``until`` with what runs would say later."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import funnel_strategies
import naive
import strategies
from audiences.definitions.computation import NO_DEFAULT, Computation, Kind
from audiences.engines.polars import PolarsEngine
from audiences.events import InputFrames, open_inputs
from audiences.plan import make_plan
from explanations import AS_OF, MICROSECOND, Definitions, Event, explained, frames, loaded
from strategies import World

DEFINITIONS: Definitions = {
    "orders": {"definition": "event('Order').within(30 days).count()", "default": 0},
    "last_sku": "event('Order').within(20 days).last(property('sku'))",
    "spent": "event('Order').within(14 days).sum(property('total'))",
    "is_active": "trait('orders') >= 2 OR event('Return').between(2 days, 9 days).count() = 1",
    "is_slipping": "event('Order').count() >= 1 AND NOT (event('Order').within(10 days).count() >= 1)",
    "is_ending": "trait('trial_ends').within_next(3 days) OR trait('last_sku') = 'a'",
    "is_back": "event('Order').where(event('Return').within(parent: 2 days).count() > 0).within(25 days).count() > 0",
}


def random_world(seed: int) -> tuple[list[Event], list[Mapping[str, object]]]:
    """Events of 50 profiles in the last 40 days, at whole hours, so that some are as old as a window is long."""
    chosen = random.Random(seed)  # noqa: S311 — the same each time
    profiles: list[Mapping[str, object]] = [
        {
            "profile_id": f"p{number:02}",
            "traits": {"trial_ends": (AS_OF + timedelta(hours=chosen.randrange(-50, 200))).isoformat()},
            "email": f"{number}@x.org",
        }
        for number in range(50)
    ]
    events: list[Event] = [
        (
            f"m{number}",
            f"p{chosen.randrange(50):02}",
            chosen.choice(["Order", "Order", "Return"]),
            (AS_OF - timedelta(hours=chosen.randrange(1, 960), microseconds=chosen.choice([0, 0, 1]))).isoformat(),
            {"sku": chosen.choice("abc"), "total": chosen.randrange(100)},
        )
        for number in range(300)
    ]
    return events, profiles


def snapshots(inputs: InputFrames, computations: Mapping[str, Computation], as_of: datetime) -> dict[str, Any]:
    """What a run gives: by key, then by id."""
    plan = make_plan(computations)
    with open_inputs(inputs).prepare(plan.needs, as_of=as_of) as prepared:
        found = PolarsEngine().compute(plan, prepared, as_of)
    return {key: dict(frame.iter_rows()) for key, frame in found.items()}


@pytest.mark.slow
def test_the_same_answer_as_a_run_and_another_one_from_then_on() -> None:
    events, profiles = random_world(7)
    inputs, computations = frames(events, profiles), loaded(DEFINITIONS)
    now = snapshots(inputs, computations, AS_OF)
    changes = 0
    for number, profile in enumerate(profiles):
        key, who = [*DEFINITIONS][number % len(DEFINITIONS)], str(profile["profile_id"])
        explanation = explained(computations, key, who, inputs)
        audience = key.startswith("is_")
        assert explanation.answer == now[key].get(who, "false" if audience else None), (key, who)
        assert explanation.root.holds == (explanation.answer == "true" if audience else None)
        change = explanation.until.change
        if change is not None:
            changes += 1
            before = snapshots(inputs, computations, change - MICROSECOND)[key].get(who)
            assert before == now[key].get(who), (key, who)
            after = snapshots(inputs, computations, change)[key].get(who, "false" if audience else None)
            assert after == explanation.until.answer != explanation.answer, (key, who)
    assert changes > 10


@settings(max_examples=40, deadline=None, suppress_health_check=[*HealthCheck])
@given(strategies.worlds() | funnel_strategies.worlds(), st.data())
def test_until_the_first_instant_at_which_plain_python_says_something_else(world: World, data: st.DataObject) -> None:
    events = [
        {**event, "message_id": f"m{number:02}"}
        for number, event in enumerate(world.events)
        if event["timestamp"] < AS_OF
    ]
    instants = [AS_OF, *sorted(moment for moment in edges_of(world) if moment > AS_OF)]
    found = [naive.evaluate(world.definitions, world.profiles, events, instant) for instant in instants]

    def first_change(key: str, who: str) -> datetime | None:
        answers = [repr(values[key].get(who)) for values in found]
        return next((at for at, answer in zip(instants, answers, strict=True) if answer != answers[0]), None)

    expected = {(item.key, who["id"]): None for item in world.definitions for who in world.profiles}
    changes = {pair: change for pair in expected if (change := first_change(*pair)) is not None}
    key, who = data.draw(st.sampled_from([*(changes or expected)]))
    computations = {item.key: as_computation(item) for item in world.definitions}
    until = explained(computations, key, who, world_frames(world, events)).until
    assert (until.change, until.checked) == (changes.get((key, who)), None)


def edges_of(world: World) -> set[datetime]:
    """Every instant at which a window or a comparison of the strategies may change, and its neighbours."""
    moments = {event["timestamp"] for event in world.events}
    dates = (*strategies.DATES, *funnel_strategies.DATES)
    moments |= {moment for date in dates if (moment := naive.instant(date)) is not None}
    durations = {*strategies.DURATIONS, *funnel_strategies.DURATIONS, *funnel_strategies.LOOKBACKS}
    lengths = {naive.length(duration) for duration in durations}
    return {
        moment + sign * length + offset
        for moment in moments
        for length in lengths
        for sign in (-1, 1)
        for offset in (-MICROSECOND, timedelta(), MICROSECOND)
    }


def world_frames(world: World, events: Sequence[Mapping[str, Any]]) -> InputFrames:
    """A world as a run reads it."""
    rows = [
        {
            "message_id": event["message_id"],
            "type": "track",
            "event": event["event"],
            "profile_id": event["profile"],
            "timestamp": event["timestamp"].isoformat(),
            "source_id": event["source_id"],
            "properties": json.dumps(event["properties"]),
            "context": json.dumps(event["context"]),
        }
        for event in events
    ]
    columns = ("message_id", "type", "event", "profile_id", "timestamp", "source_id", "properties", "context")
    profiles = [
        {
            "profile_id": profile["id"],
            "traits": json.dumps(profile["traits"]),
            "external_ids": json.dumps([{"type": "anonymous_id", "value": "x"}] if profile.get("anonymous") else []),
        }
        for profile in world.profiles
    ]
    return InputFrames(
        events=pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String())), profiles=pl.DataFrame(profiles)
    )


def as_computation(definition: naive.Definition) -> Computation:
    return Computation(
        key=definition.key,
        kind=Kind.AUDIENCE if definition.audience else Kind.TRAIT,
        expression=definition.expression,
        default=NO_DEFAULT if definition.default is None else definition.default,
        events_since=definition.since,
        include_anonymous_users=definition.include_anonymous,
    )
