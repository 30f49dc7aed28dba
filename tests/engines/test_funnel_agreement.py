"""Funnels: computed once, without pairs of events, and as an evaluator in plain Python says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

import naive
from audiences.definitions.computation import Computation, Kind
from audiences.engines import polars_funnels, polars_pairs
from audiences.engines.polars_funnels import Funnel
from audiences.engines.polars_links import PARENT
from audiences.language import tree
from audiences.language.parse import parse
from audiences.language.selections import Measure, measure
from fakes import AS_OF, computation, snapshots
from funnel_events import HOUR, ONE, event
from funnel_strategies import linked_worlds, worlds
from strategies import World


def nested_measure(chain: str) -> Measure:
    condition = parse(f"event('A').where({chain} >= 1).count()")
    assert isinstance(condition, tree.Count)
    kept = condition.stream.filters[0]
    assert isinstance(kept, tree.Where) and isinstance(kept.condition, tree.Comparison)
    assert isinstance(kept.condition.left, tree.Count)
    return measure(kept.condition.left)


def test_nested_measures_are_the_same_however_windows_are_written() -> None:
    day = nested_measure("event('B').within(parent: 1 day).within(7 days).count()")
    assert day == nested_measure("event('B').within(168 hours).within(parent: 24 hours).count()")
    assert hash(day) == hash(nested_measure("event('B').within(parent: 24 hours).within(7 days).count()"))
    assert day == nested_measure("event('B').within(7 days).between(parent: 1 day, 0 hours).count()")
    assert day != nested_measure("event('B').within(7 days).within(1 day).count()")
    assert day != nested_measure("event('B').within(parent: 25 hours).within(7 days).count()")


def test_equal_nested_measures_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Measure] = []
    values_of = Funnel.values

    def noted(funnel: Funnel) -> Any:
        asked.append(funnel.item)
        return values_of(funnel)

    monkeypatch.setattr(Funnel, "values", noted)
    snapshots(
        [
            computation("a", "event('A').where(event('B').within(parent: 1 day).count() >= 1).count()"),
            computation("b", "event('A').where(event('B').within(parent: 24 hours).count() = 0).count() >= 1"),
        ],
        [event("A", HOUR)],
        ONE,
    )
    assert len(asked) == 1


WITHOUT_PAIRS = [
    "event('B').count() = 0",
    "event('B').where(property('v') = property(parent: 'v')).count() = 0",
    "event('B').where(property('v') != property(parent: 'v')).count() = 0",
    "event('B').where(property('v').one_of('a', property(parent: 'v'), property(parent: 'w'))).count() = 0",
    "event('B').where(property('v') = property(parent: 'v') OR NOT property(parent: 'w') = 1).sum(property('w')) = 0",
    "event('B').where(property('v') = property(parent: 'v')).last(property('w')) = 'a'",
    "event('B').where(property('v') = property(parent: 'v')).mode(property('w')) = 'a'",
    "event('B').where(property('v') = property(parent: 'v')).unique(property('w')).count() = 1",
    "event('B').where(property('l.$') = property(parent: 'v')).max(property('w')) = 1",
    "event('B').where(property('v') = property(parent: 'l.$')).count() = 1",
    "event('B').where(property('v') >= property(parent: 'v') AND property('w') = property(parent: 'w')).count() = 1",
    "event('B').where(event('A').count() = property(parent: 'v')).count() = 1",
    "event('B').where(property('v').starts_with(property(parent: 'v'), 'x')).count() = 1",
    "event('B').where(NOT property('v').ends_with(property(parent: 'v'))).sum(property('w')) = 1",
    "event('B').where(property('v') != property(parent: 'v')).last(property('w')) = 1",
    "event('B').where(NOT property('v').one_of(property(parent: 'v'), property(parent: 'w'))).max(property('w')) = 1",
    "event('B').where(property('v') = property(parent: 'v') OR property('w') > property(parent: 'w'))"
    ".first(property('w')) = 1",
    "event('B').where(property('l.$') = property(parent: 'l.$')).last(property('w')) = 1",
    "event('B').where(property('v').starts_with(property(parent: 'v'))).min(property('w') as string) = '1'",
]


@pytest.mark.parametrize("condition", WITHOUT_PAIRS)
def test_pairs_are_not_looked_at(condition: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise AssertionError("pairs of a parent and a nested event")

    monkeypatch.setattr(Funnel, "by_values", refused)
    events = [event(name, HOUR * age, v=age % 3, w=age % 2, l=[age % 2]) for name in "AB" for age in range(1, 9)]
    snapshots([computation("it", f"event('A').where({condition}).count()")], events, ONE)


def agrees(world: World) -> None:
    """All definitions are counters with 0 as their default."""
    computations = [
        Computation(key=item.key, kind=Kind.TRAIT, expression=item.expression, default=0, events_since=item.since)
        for item in world.definitions
    ]
    result = snapshots(computations, world.events, world.profiles)
    numbers = {key: {id: int(value) for id, value in found.items()} for key, found in result.items()}
    assert numbers == naive.evaluate(world.definitions, world.profiles, world.events, AS_OF)


@pytest.mark.slow
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(worlds())
def test_funnels_agree_with_plain_python(world: World) -> None:
    agrees(world)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(linked_worlds())
def test_one_of_those_that_are_linked_agrees_with_plain_python(world: World) -> None:
    agrees(world)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(worlds())
def test_pairs_a_few_at_a_time_agree_with_plain_python(world: World) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(polars_pairs, "AT_ONCE", 3)
        patch.setattr(polars_funnels, "worthwhile", lambda entries, askers: askers[PARENT] < 0)
        patch.setattr(Funnel, "values", Funnel.by_values)
        agrees(world)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(worlds())
def test_combinations_of_values_agree_with_plain_python(world: World) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(polars_pairs, "AT_ONCE", 3)
        patch.setattr(polars_funnels, "worthwhile", lambda entries, askers: askers[PARENT] >= 0)
        patch.setattr(Funnel, "values", Funnel.by_values)
        agrees(world)
