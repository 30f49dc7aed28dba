"""A plan as people read it: what is read once, what is shared, and what it cost."""

from __future__ import annotations

from audiences.costs import Costs, EventCost
from audiences.definitions.computation import Computation, Level
from audiences.explain import Branch, explained
from audiences.plan import make_plan
from fakes import computation


def lines(branches: tuple[Branch, ...], depth: int = 0) -> list[str]:
    """The tree as indented text, with the number of those that share a line behind it."""
    found = []
    for branch in branches:
        found.append("  " * depth + branch.text + (f" [{branch.shared}]" if branch.shared else ""))
        found += lines(branch.below, depth + 1)
    return found


def tree_of(*items: Computation, costs: Costs | None = None) -> tuple[Branch, ...]:
    return explained(make_plan({item.key: item for item in items}), costs)


ORDERS = computation("orders", "event('Order').within(30 days).count()")
SAME = computation("same", "event('Order').within(720 hours).count() > 2")
REVENUE = computation("revenue", "event('Order').sum(property('total.net'))")
BIG = computation("big", "trait('revenue') > 5")


def test_equal_questions_are_asked_once() -> None:
    assert lines(tree_of(ORDERS, SAME, REVENUE, BIG)) == [
        "pass over users: 4 definitions from 2 measures of 1 event",
        "  event 'Order', read once [3]",
        "    last 30 days: count → orders, same [2]",
        "    all history: sum of total.net → revenue",
        "  definitions, step 1 of 2",
        "    orders = event('Order').within(30 days).count()",
        "    same = event('Order').within(720 hours).count() > 2",
        "    revenue = event('Order').sum(property('total.net')), used by big",
        "  definitions, step 2 of 2",
        "    big = trait('revenue') > 5",
    ]


def test_funnels_say_what_is_looked_for_after_each_event() -> None:
    text = (
        "event('Added').where(property('price') > 20 AND event('Order').within(parent: 1 day).count() = 0)"
        ".between(1 day, 36 hours).count() >= 1"
    )
    assert lines(tree_of(computation("cart", text)))[1:-2] == [
        "  event 'Added', read once",
        "    1 day to 36 hours old, where property('price') > 20",
        "      after each: count of 'Order', within 1 day after",
        "      count → cart",
    ]


def test_accounts_are_a_pass_of_their_own() -> None:
    busy = computation("busy", "event('A').count() > 1 AND ANY (event('B').count() >= 1)", level=Level.ACCOUNT)
    assert lines(tree_of(busy)) == [
        "pass over users: 0 definitions and 1 question of account-level definitions from 1 measure of 1 event",
        "  event 'B', read once",
        "    all history: count → the accounts of the users",
        "  definitions",
        "    of each user: event('B').count() >= 1",
        "pass over accounts: 1 definition from 1 measure of 1 event",
        "  event 'A', read once",
        "    all history: count → busy",
        "  definitions",
        "    busy = event('A').count() > 1 AND ANY (event('B').count() >= 1)",
    ]


def test_costs_stand_where_they_were_spent() -> None:
    costs = Costs(
        events=(EventCost(level=Level.USER, event="Order", rows=7, bytes=90, seconds=2.0),),
        definitions={"orders": 1.5, "revenue": 0.5},
    )
    ((stage,)) = tree_of(ORDERS, REVENUE, costs=costs)
    event, definitions = stage.below
    assert event.cost is not None
    assert (event.cost.rows, event.cost.bytes, event.cost.seconds) == (7, 90, 2.0)
    assert [(branch.share, branch.cost.seconds if branch.cost else None) for branch in definitions.below] == [
        (0.75, 1.5),
        (0.25, 0.5),
    ]
