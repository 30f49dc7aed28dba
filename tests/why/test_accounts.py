"""Explanations of account-level computations, and of what users see of them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from audiences.errors import DefinitionError
from audiences.why import Explanation, Fact, StepKind
from explanations import ORDERS, Definitions, Event, at, evidence, ids, why

EVENTS: tuple[Event, ...] = (*ORDERS, ("m7", "dan", "Order", "2024-06-13T00:00:00Z", {"total": 3}))
USERS: tuple[Mapping[str, object], ...] = (
    {"profile_id": "ann", "traits": {"plan": "free"}, "email": "ann@x.org", "accounts": ["a1"]},
    {"profile_id": "bob", "traits": {}, "email": "bob@x.org", "accounts": ["a1", "a2"]},
    {"profile_id": "cleo", "traits": {}, "email": "cleo@x.org", "accounts": ["a3"]},
    {"profile_id": "dan", "traits": {"plan": "free"}, "email": "dan@x.org", "accounts": ["a1"]},
)

DEFINITIONS: Definitions = {
    "orders": {"definition": "event('Order').count()", "default": 0},
    "is_it_of_accounts": "ANY (event('Order').within(7 days).count() >= 2 AND trait('orders') > 1)"
    " AND event('Order').count() >= 3 AND trait('tier') = 'gold' AND NOT (ALL (trait('plan').exists()))",
}


def of(definitions: Definitions, who: str) -> Explanation:
    return why(definitions, who, events=EVENTS, profiles=USERS)


def test_an_account_and_the_users_who_decide() -> None:
    explanation = of(DEFINITIONS, "a1")
    assert (explanation.id, explanation.level.value, explanation.answer) == ("a1", "account", "true")
    any_user, orders, tier, negated = explanation.root.steps
    assert (any_user.kind, any_user.holds, any_user.notes) == (
        StepKind.ANY_USER,
        True,
        ("1 of the account's 3 profiles",),
    )
    (ann,) = any_user.steps
    assert (ann.kind, ann.text, ann.holds) == (StepKind.USER, "ann", True)
    recent, trait = ann.steps[0].steps
    assert (recent.facts, ids(recent)) == ((Fact("", "2"),), ["m2", "m3"])
    assert (trait.facts, trait.steps[0].ask) == ((Fact("", "3"),), ("orders", "ann"))
    assert ids(trait.steps[0].steps[0]) == ["m1", "m2", "m3"]
    assert (orders.facts, ids(orders)) == ((Fact("", "5"),), ["m1", "m2", "m5", "m3", "m7"])
    assert {event.profile for event in evidence(orders).events} == {"ann", "bob", "dan"}
    assert tier.facts == (Fact("", '"gold"'),)
    (every,) = negated.steps
    assert (every.kind, every.holds, [user.text for user in every.steps]) == (StepKind.ALL_USERS, False, ["bob"])
    assert explanation.until.change == at("2024-06-17T10:00:00.000251")


def test_only_events_that_were_made_for_the_account() -> None:
    settings = {"definition": "ANY (event('Order').count() >= 1)", "attribute_events_by": "group_id"}
    explanation = of({"is_it_of_accounts": settings}, "a1")
    assert (explanation.answer, explanation.root.holds) == ("false", False)
    assert [user.steps[0].facts for user in explanation.root.steps] == [(Fact("", "0"),)] * 3


def test_a_user_sees_an_audience_of_its_accounts() -> None:
    definitions = {**DEFINITIONS, "is_user": "trait('is_it_of_accounts') = true AND event('Order').count() >= 1"}
    explanation = of(definitions, "bob")
    assert explanation.answer == "true"
    (seen,) = explanation.root.steps[0].steps
    assert (seen.holds, seen.facts) == (True, (Fact("a1", "true"), Fact("a2", "false")))
    assert seen.ask == ("is_it_of_accounts", "a1")
    assert ids(explanation.root.steps[1]) == ["m5"], "the events of the others in the account aren't bob's"
    assert explanation.until.change == at("2024-06-17T10:00:00.000251"), "when an event of ann leaves the window"


def test_an_account_without_users() -> None:
    events = (*EVENTS, ("m8", "eve", "Order", "2024-06-13T00:00:00Z", {}))
    explanation = why(DEFINITIONS, "a3", events=events, profiles=USERS)
    assert explanation.notes == ("a3 has no events of those that the definition looks at",)
    assert [user.text for user in explanation.root.steps[0].steps] == ["cleo"]


def test_a_profile_is_no_account() -> None:
    with pytest.raises(DefinitionError, match="is a profile") as caught:
        of(DEFINITIONS, "bob")
    assert caught.value.hint == "its accounts: a1, a2"
    with pytest.raises(DefinitionError) as caught:
        of(DEFINITIONS, "a11")
    assert caught.value.hint == "did you mean a1?"
