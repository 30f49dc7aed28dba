"""Columns of one kind, which are stored as integers, and columns just next to that: against plain Python.

A property has values of one pool here, so that its column has the form that the pool is made for; random worlds mix
their values and would rarely have it. Whether conditions, reducers and what uses their results agree is asked of every
pool, with windows, a condition on the same property, and one on another.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive
from audiences.engines.polars_conditions import Rows
from audiences.engines.polars_events import EventScope
from audiences.engines.polars_funnels import Funnels
from audiences.engines.polars_known import Known
from audiences.engines.polars_owners import NamedEvents
from audiences.engines.polars_profiles import Profiles
from audiences.engines.polars_results import truth
from audiences.engines.polars_users import UserStage
from audiences.events.buckets import Coded, Form, Scaled
from audiences.events.values import VALUE
from audiences.language import tree
from audiences.language.parse import parse
from audiences.plan import make_plan
from engine_agreement import agrees, computation
from fakes import AS_OF, Event, prepared, snapshots
from naive_values import COMPARISONS
from strategies import LITERALS, World

POOLS: Final[dict[str, tuple[Any, ...]]] = {
    "whole": (0, 1, 5, -2, 100, 7.0, None),
    "cents": (0.1, 0.2, 0.3, 44.63, -0.01, 5, -0.0, None),
    "many places": (1e-7, 0.000000003, 5, 12345.123456789, None),
    "nearly too large": (999999999999999, -999999999999999, 999999999999998, None),
    "nearly too large with places": (9999999999999.99, -999999999999.99, 0.01, None),
    "too large": (10**15, 123456789012345680000, 1e21, 1e300, -1e300, 5, None),
    "not to be scaled": (0.30000000000000004, 1 / 3, 5, 2.5, None),
    "texts": ("a", "b", "B", "", "é", "\U0001f600", "\uffff", None),
    "numbers as text": ("5", "5.0", "1e2", "+5", " 5", "0.1", "1e999", None),
    "equal texts of two kinds": ("5", 5, "true", True, "[1]", [1], "0.1", 0.1, None),
    "dates": ("2024-06-14", "2024-06-14T12:00:00Z", "2024-02-30", 20240614, None),
    "one value": ("a",),
    "truths": (True, False, None),
    "nothing": (None,),
}

CONDITIONS: Final = (
    "",
    ".where(property('v') > 4)",
    ".where(property('v').absent() OR property('v').one_of('a', 5, 0.1, true))",
    ".where(NOT (property('v') = '5' OR property('v').starts_with('2')) AND property('w') != 'x')",
    ".where(property('w') = 'x').within(2 hours)",
    ".within(3 hours)",
)
REDUCERS: Final = (
    "sum(property('v'))",
    "avg(property('v'))",
    "min(property('v'))",
    "max(property('v'))",
    "min(property('v') as string)",
    "max(property('v') as string)",
    "mode(property('v'), 2)",
    "first(property('v'))",
    "last(property('v'))",
    "unique(property('v'))",
    "unique(property('v')).count()",
)
OTHERS: Final = {
    "used": "trait('sum 0') > 5 OR trait('mode 0') = '5' OR trait('first 0') = 'a' OR trait('max 0') = 5",
    "exists": "trait('last 0').exists() AND NOT trait('min 0').absent()",
    "as text": "trait('first 0').contains('5', 'a') OR trait('max 0').ends_with('.1')",
    "counted": "event('A').count() > 2 AND event('A').unique(property('v')).count() < 4",
    "funnel": "event('A').where(event('A').where(property('v') = property(parent: 'v')).count() >= 1).count() >= 1",
    "by text": "event('A').where(event('A').where(property('w') = property(parent: 'w')).count() = 0).count() < 2",
    "funnel first": "event('A').where(event('A').first(property('v')) = 5).count() >= 1",
}


def definitions() -> list[naive.Definition]:
    """Each reducer under each condition, and audiences of their results."""
    found = [
        naive.Definition(f"{reducer.split('(')[0]} {number}", parse(f"event('A'){condition}.{reducer}"), audience=False)
        for reducer in [*REDUCERS[:4], *REDUCERS[6:10]]
        for number, condition in enumerate(CONDITIONS)
    ]
    found += [
        naive.Definition(f"more {reducer}", parse(f"event('A').{reducer}"), audience=False)
        for reducer in (*REDUCERS[4:6], REDUCERS[10])
    ]
    found += [
        naive.Definition(f"defaulted {number}", parse(f"event('A').{reducer}"), audience=False, default=default)
        for number, (reducer, default) in enumerate((("count()", 0), ("first(property('v'))", "x"), (REDUCERS[0], 0)))
    ]
    return found + [naive.Definition(key, parse(text), audience=True) for key, text in OTHERS.items()]


DEFINITIONS: Final = definitions()


def event(profile: str, hours: float, value: Any, other: str) -> Event:
    properties = {"w": other} if value is None else {"v": value, "w": other}
    return {"profile": profile, "event": "A", "timestamp": AS_OF - timedelta(hours=hours), "properties": properties}


@pytest.mark.slow
@pytest.mark.parametrize("pool", POOLS)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_every_reducer_agrees_with_plain_python(pool: str, data: st.DataObject) -> None:
    one = st.tuples(
        st.sampled_from(("p1", "p2", "p4")),
        st.sampled_from((1, 1, 2, 2.5, 4)),
        st.sampled_from(POOLS[pool]),
        st.sampled_from(("x", "y")),
    )
    events = [event(*drawn) for drawn in data.draw(st.lists(one, max_size=12))]
    agrees(World(DEFINITIONS, [{"id": f"p{number}"} for number in range(1, 6)], events))


def form_of(values: Sequence[Any]) -> Form:
    """The form of the column of a property with these values."""
    events = [event("p1", 1, value, "x") for value in values]
    item = computation(naive.Definition("it", parse("event('A').last(property('v'))"), audience=False))
    (bucket,) = prepared(events, [{"id": "p1"}], make_plan({"it": item}).needs).buckets()
    return bucket.forms["property:v"]


def test_pools_have_the_forms_that_they_are_made_for() -> None:
    forms = {pool: form_of(values) for pool, values in POOLS.items()}
    scaled = {pool: form.places for pool, form in forms.items() if isinstance(form, Scaled)}
    assert scaled == {
        "whole": 0,
        "cents": 2,
        "many places": 9,
        "nearly too large": 0,
        "nearly too large with places": 2,
        "nothing": 0,
    }
    both = forms["equal texts of two kinds"]
    assert isinstance(both, Coded)
    assert both.values.struct.field("text").to_list() == ["0.1", "0.1", "5", "5", "[1]", "[1]", "true", "true"]


COMPARED: Final = [operator for operator in tree.Operator if operator.value in COMPARISONS]
WITHOUT_ARGUMENTS: Final = {tree.Operator.EXISTS, tree.Operator.ABSENT}


@pytest.mark.parametrize("pool", POOLS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_conditions_agree_with_plain_python(pool: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.sampled_from(POOLS[pool]), min_size=1, max_size=8))
    operator = data.draw(st.sampled_from(COMPARED))
    literals = [item for item in (*LITERALS, *map(literal_of, POOLS[pool])) if isinstance(item, tree.Literal)]
    literal = data.draw(st.sampled_from(literals))
    own = tree.Property(("v",))
    one = tree.Comparison(own, operator, () if operator in WITHOUT_ARGUMENTS else (literal,))
    exists = tree.Comparison(own, tree.Operator.EXISTS)
    conditions: tuple[tree.Condition, ...] = (one, tree.Not(one), tree.And((tree.Not(one), exists)))
    condition: tree.Condition = data.draw(st.sampled_from(conditions))
    events = [event("p1", 1, value, "x") for value in values]
    expression = tree.Count(tree.Stream("A", (tree.Where(condition),)))
    item = computation(naive.Definition("it", expression, audience=False))
    (bucket,) = prepared(events, [{"id": "p1"}], make_plan({"it": item}).needs).buckets()
    named = NamedEvents(bucket)
    rows = named.of("A")
    scope = EventScope(Rows(rows.frame, rows.forms), AS_OF, Profiles(bucket.profiles), Funnels(named))
    person = naive.Subject("p1")
    definition = naive.Definition("it", condition, audience=True)
    expected = [naive.Moment(person, AS_OF, definition, event=one).holds(condition) for one in events]
    assert truth(condition, scope).to_list() == expected


def literal_of(value: Any) -> tree.Literal:
    """The literal that is a value, or the one that is its text."""
    if isinstance(value, bool):
        return tree.Boolean(value)
    if isinstance(value, int | float):
        return tree.Number(value)
    return tree.Text(str(value))


def test_sums_do_not_overflow() -> None:
    events = [event("p1", 1, 999999999999999, "x") for _ in range(10_000)]
    events += [event("p2", 1, -999999999999999, "x"), event("p2", 1, 1, "x")]
    profiles = [{"id": "p1"}, {"id": "p2"}]
    item = computation(naive.Definition("it", parse("event('A').sum(property('v'))"), audience=False))
    found = snapshots([item], events, profiles)["it"]
    assert {id: float(text) for id, text in found.items()} == {"p1": 9999999999999990000.0, "p2": -999999999999998.0}


def test_a_dictionary_that_is_larger_than_the_events_of_a_name() -> None:
    """The condition is asked of the few rows, and not of the many values."""
    events = [event("p1", 1, f"value {number}", "x") for number in range(50)]
    events.append({**event("p1", 1, "value 7", "x"), "event": "B"})
    item = computation(
        naive.Definition("it", parse("event('B').where(property('v') = 'value 7').count()"), audience=False)
    )
    assert snapshots([item], [*events], [{"id": "p1"}])["it"] == {"p1": "1"}


@pytest.mark.parametrize(
    ("pool", "reducer", "dtype"),
    [
        ("cents", "sum(property('v'))", pl.Float64()),
        ("cents", "max(property('v'))", pl.Float64()),
        ("cents", "last(property('v'))", pl.Float64()),
        ("cents", "mode(property('v'))", pl.String()),
        ("texts", "first(property('v'))", pl.String()),
        ("texts", "min(property('v') as string)", pl.String()),
        ("texts", "unique(property('v')).count()", pl.Int64()),
        ("equal texts of two kinds", "first(property('v'))", VALUE),
        ("texts", "unique(property('v'))", VALUE),
        ("nothing", "mode(property('v'))", pl.String()),
    ],
)
def test_results_are_typed(pool: str, reducer: str, dtype: pl.DataType) -> None:
    """Numbers and texts stay what they are, and are VALUE only where there are several kinds."""
    events = [event("p1", 1, value, "x") for value in POOLS[pool]]
    item = computation(naive.Definition("it", parse(f"event('A').{reducer}"), audience=False))
    plan = make_plan({"it": item})
    (bucket,) = prepared(events, [{"id": "p1"}], plan.needs).buckets()
    part = UserStage(plan.stages()[0], bucket, AS_OF, Known(plan, {}))
    part.compute()
    assert part.results["it"].result().dtype == dtype
