"""Which computations share a pass over users or accounts, and what is asked in it."""

from __future__ import annotations

from audiences.definitions.computation import Computation, Level
from audiences.plan import Plan, make_plan
from audiences.stages import Stage, UserQuestion
from fakes import computation


def plan_of(*items: Computation) -> Plan:
    return make_plan({item.key: item for item in items})


def of_account(key: str, definition: str) -> Computation:
    return computation(key, definition, level=Level.ACCOUNT)


def names(stage: Stage) -> list[list[str]]:
    return [["?" if isinstance(step, UserQuestion) else step.key for step in layer] for layer in stage.layers]


def stages(*items: Computation) -> list[tuple[str, list[list[str]], tuple[str, ...]]]:
    return [(stage.level.value, names(stage), stage.uses) for stage in plan_of(*items).stages()]


ORDERS = computation("orders", "event('A').count()")
BUYERS = computation("buyers", "trait('orders') >= 1")
LOGINS = of_account("logins", "event('A').count()")
BUSY = of_account("busy", "trait('logins') > 2 AND NOT ANY (event('B').count() >= 1)")


def test_users_alone_are_one_stage() -> None:
    assert stages(BUYERS, ORDERS) == [("user", [["orders"], ["buyers"]], ())]


def test_accounts_that_ask_nothing_need_no_users() -> None:
    assert stages(LOGINS) == [("account", [["logins"]], ())]


def test_what_is_asked_of_users_is_answered_with_their_own_computations() -> None:
    any_buyer = of_account("any_buyer", "ANY (trait('buyers') = true) OR ANY (event('B').count() >= 1)")
    assert stages(ORDERS, BUYERS, LOGINS, BUSY, any_buyer) == [
        ("user", [["orders", "?"], ["buyers"], ["?"]], ()),
        ("account", [["logins", "any_buyer"], ["busy"]], ()),
    ]


def test_users_of_busy_accounts_come_after_the_accounts() -> None:
    in_busy = computation("in_busy", "trait('busy') = true AND trait('orders') >= 1")
    all_busy = of_account("all_busy", "ALL (trait('in_busy') = true) AND trait('logins') > 3")
    assert stages(all_busy, in_busy, BUSY, LOGINS, ORDERS) == [
        ("user", [["orders", "?"]], ()),
        ("account", [["logins"], ["busy"]], ()),
        ("user", [["in_busy"], ["?"]], ("busy", "orders")),
        ("account", [["all_busy"]], ("logins",)),
    ]


def test_the_same_question_is_asked_once() -> None:
    later = of_account("later", "ANY (trait('busy') = true) AND ALL (event('B').count() >= 1)")
    assert stages(later, BUSY, LOGINS) == [
        ("user", [["?"]], ()),
        ("account", [["logins"], ["busy"]], ()),
        ("user", [["?"]], ("busy",)),
        ("account", [["later"]], ()),
    ]


def test_last_snapshots_are_used_by_the_stage_that_needs_them() -> None:
    off = computation("busy", "trait('x') = 1", level=Level.ACCOUNT, enabled=False)
    in_busy = computation("in_busy", "trait('busy') = true")
    assert stages(off, in_busy, ORDERS) == [("user", [["in_busy", "orders"]], ("busy",))]


def test_what_is_needed_is_told_apart_by_level() -> None:
    asks = of_account("asks", "trait('plan') = 'pro' AND ANY (trait('role') = 'admin' OR trait('orders') > 1)")
    needs = plan_of(asks, ORDERS, computation("copy", "trait('name.first')")).needs
    assert needs.account_traits == {("plan",)}
    assert needs.traits == {("role",), ("name", "first")}
    assert needs.contexts == frozenset()
    by_group = computation("it", "event('A').count()", level=Level.ACCOUNT, attribute_events_by="group_id")
    assert plan_of(by_group).needs.contexts == {("groupId",)}
