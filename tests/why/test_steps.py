"""What an explanation takes a definition apart into, and what each step saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
import pytest

from audiences.errors import DefinitionError
from audiences.events import InputFrames
from audiences.why import Fact, StepKind, Until
from explanations import ORDERS, Event, at, evidence, explained, frames, ids, loaded, why


def test_conditions_and_what_they_saw() -> None:
    explanation = why(
        {
            "is_it": "event('Order').count() >= 2 AND (trait('plan') = 'pro' OR event('Return').count() = 1)"
            " AND NOT (event('Order').where(property('total') > 50).within(7 days).count() >= 1)"
        }
    )
    assert explanation.answer == "true"
    root = explanation.root
    assert (root.kind, root.holds) == (StepKind.ALL, True)
    orders, either, negated = root.steps
    assert (orders.kind, orders.text, orders.holds) == (StepKind.COMPARISON, "event('Order').count() >= 2", True)
    assert orders.facts == (Fact("", "3"),)
    assert ids(orders) == ["m1", "m2", "m3"]
    assert (either.kind, either.holds) == (StepKind.ANY, True)
    plan, returns = either.steps
    assert (plan.holds, plan.facts, plan.evidence) == (False, (Fact("", '"free"'),), None)
    assert (returns.holds, returns.facts, ids(returns)) == (True, (Fact("", "1"),), ["m4"])
    assert (negated.kind, negated.holds) == (StepKind.NOT, True)
    (large,) = negated.steps
    assert (large.holds, large.facts) == (False, (Fact("", "0"),))
    assert evidence(large).count == 0
    assert evidence(large).left_out == ("1 outside the window", "2 left out by the conditions")
    assert [(event.message_id, event.left_out) for event in evidence(large).events] == [
        ("m1", "outside the window"),
        ("m2", "left out by the conditions"),
        ("m3", "left out by the conditions"),
    ]
    assert evidence(large).events[0].properties == (("total", "80.5"),)
    assert evidence(large).events[0].timestamp == at("2024-03-01T10:00:00")


def test_at_most_ten_events_the_latest() -> None:
    days: list[Event] = [(f"m{day:02}", "ann", "Order", f"2024-05-{day:02}T00:00:00Z", {}) for day in range(1, 16)]
    explanation = why({"is_it": "event('Order').count() >= 1"}, events=days)
    assert evidence(explanation.root).count == 15
    assert evidence(explanation.root).what == "the latest 10"
    assert ids(explanation.root) == [f"m{day:02}" for day in range(6, 16)]


@pytest.mark.parametrize(
    ("definition", "answer", "shown", "count"),
    [
        ("event('Order').first(property('sku'))", '"a"', ["m1"], 3),
        ("event('Order').last(property('at'))", '"2024-06-12"', ["m2"], 3),
        ("event('Order').mode(property('sku'))", '"b"', ["m2", "m3"], 3),
        ("event('Order').min(property('total'))", "40", ["m2", "m3"], 3),
        ("event('Order').max(property('total'))", "80.5", ["m1"], 3),
        ("event('Order').max(property('sku') as string)", '"b"', ["m2", "m3"], 3),
        ("event('Order').unique(property('at'))", '["2024-06-12","2024-06-20"]', ["m1", "m2"], 3),
        ("event('Order').sum(property('total'))", "160.5", ["m1", "m2", "m3"], 3),
        ("event('Order').within(1 day).sum(property('total'))", None, ["m1", "m2", "m3"], 0),
        ("event('Order').expires_after(3 days).count()", "2", ["m2", "m3"], 2),
    ],
)
def test_the_events_that_made_a_value(definition: str, answer: str | None, shown: list[str], count: int) -> None:
    explanation = why({"it": definition})
    assert explanation.answer == answer
    assert (explanation.root.kind, explanation.root.holds) == (StepKind.VALUE, None)
    assert explanation.root.facts == (Fact("", answer),)
    assert ids(explanation.root) == shown
    assert evidence(explanation.root).count == count


def test_computations_that_are_used_are_taken_apart_once() -> None:
    definitions = {
        "orders": "event('Order').count()",
        "is_buyer": "trait('orders') >= 1",
        "is_fan": "trait('is_buyer') = true AND event('Order').where(property('total') > trait('orders')).count() > 0",
    }
    explanation = why(definitions)
    buyer, more = explanation.root.steps
    assert buyer.facts == (Fact("", "true"),)
    (nested,) = buyer.steps
    assert (nested.kind, nested.text, nested.holds) == (StepKind.COMPUTATION, "is_buyer", True)
    assert nested.ask == ("is_buyer", "ann")
    (condition,) = nested.steps
    assert (condition.text, condition.holds, condition.facts) == ("trait('orders') >= 1", True, (Fact("", "3"),))
    (deeper,) = condition.steps
    assert (deeper.text, deeper.facts, deeper.steps, deeper.ask) == ("orders", (Fact("", "3"),), (), ("orders", "ann"))
    assert more.facts == (Fact("", "3"), Fact("trait('orders')", "3"))
    (orders,) = more.steps
    assert (orders.text, ids(orders.steps[0])) == ("orders", ["m1", "m2", "m3"])


def test_a_default_and_an_anonymous_profile_are_said() -> None:
    orders: Mapping[str, Any] = {"definition": "event('Nothing').count()", "default": 0}
    explanation = why({"orders": orders})
    assert (explanation.answer, explanation.notes[-1]) == ("0", "the definition gives no value: this is the default")
    nested = why({"orders": orders, "is_it": "trait('orders') = 0"}).root.steps[0]
    assert (nested.facts, nested.notes) == ((Fact("", "0"),), ("no value of its own: this is the default",))
    inputs = frames(ORDERS, ())
    assert isinstance(inputs.events, pl.DataFrame)
    guests = inputs.events.rename({"profile_id": "anonymous_id"})
    found = explained(
        loaded({"is_it": "event('Order').count() >= 1"}), "is_it", "anonymous_id:ann", InputFrames(events=guests)
    )
    assert (found.root.holds, found.answer) == (True, "false")
    assert "anonymous" in found.notes[-1]


# ── whom ──


def test_by_identifier() -> None:
    assert why({"it": "event('Order').count()"}, "email:ann@x.org").id == "ann"
    shared = why({"it": "event('Order').count()"}, "email:office@x.org")
    assert (shared.id, shared.answer) == ("bob", "1")
    assert shared.notes == (
        "email:office@x.org is held by 2 profiles (bob, cleo); the lowest id, bob, gets its events",
    )


def test_a_profile_without_events() -> None:
    explanation = why({"is_it": "event('Order').count() >= 1"}, "cleo")
    assert (explanation.answer, explanation.until) == ("false", Until())
    assert explanation.notes == ("cleo has no events of those that the definition looks at",)


@pytest.mark.parametrize(
    ("who", "hint"), [("anne", "did you mean ann?"), ("ann@x.org", "did you mean email:ann@x.org?")]
)
def test_an_unknown_id(who: str, hint: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        why({"it": "event('Order').count()"}, who)
    assert caught.value.hint == hint


def test_a_disabled_computation_is_what_it_was() -> None:
    computations = loaded(
        {
            "old": {"definition": "event('Order').count()", "enabled": False},
            "is_it": "trait('old') >= 40",
        }
    )
    last = pl.DataFrame({"id": ["ann"], "value": ["41"]})
    found = explained(computations, "is_it", "ann", frames(ORDERS, ()), given={"old": last})
    assert (found.answer, found.root.facts) == ("true", (Fact("", "41"),))
    assert (found.root.steps[0].text, found.root.steps[0].ask) == ("old", None)
    assert explained(computations, "old", "ann", frames(ORDERS, ())).answer == "3", "asked for, it is computed"


def test_events_that_are_nested_in_a_funnel() -> None:
    funnel = "event('Order').where(event('Return').where(property('total') < property(parent: 'total'))"
    explanation = why({"is_it": f"{funnel}.within(parent: 2 days).count() >= 1).count() >= 1"})
    (order,) = evidence(explanation.root).events
    assert (order.message_id, order.properties) == ("m3", (("total", "40"),))
    (nested,) = order.nested
    assert (nested.name, nested.message_id, nested.properties) == ("Return", "m4", (("total", "5"),))
    none = why({"is_it": f"{funnel}.within(parent: 3 days).count() = 0).within(7 days).count() >= 1"})
    left_out = evidence(none.root).events
    assert [(event.message_id, event.left_out) for event in left_out] == [
        ("m1", "outside the window"),
        ("m2", "left out by the conditions"),
        ("m3", "left out by the conditions"),
    ]
    assert [[found.message_id for found in event.nested] for event in left_out] == [[], ["m4"], ["m4"]]
