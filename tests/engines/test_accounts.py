"""Account level: every expectation is worked out by hand from the small tables of each test.

Users are profiles ``u1``, ``u2``, …; accounts ``a``, ``b``, …; ages are hours before as-of.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

import audiences
from audiences.definitions.computation import Level
from audiences.engines.polars import PolarsEngine
from audiences.events import InputFrames, Limits, open_inputs
from audiences.language.parse import parse
from audiences.plan import make_plan
from fakes import computation

AS_OF = datetime(2024, 6, 15, 12, tzinfo=UTC)
CONDITIONS = {"Comparison", "And", "Or", "Not", "AnyUser", "AllUsers"}
COLUMNS = ("profile_id", "anonymous_id", "type", "event", "message_id", "timestamp", "group_id")

Row = dict[str, Any]
Definition = Mapping[str, Any]


def happened(user: str, event: str | None = "A", hours: float = 1, **more: Any) -> Row:
    """A track call. ``properties`` and ``context`` may be given, and any column."""
    return {"profile_id": user, "type": "track", "event": event, "timestamp": AS_OF - timedelta(hours=hours)} | more


def joined(user: str, account: str, hours: float = 1, **traits: Any) -> Row:
    """A group call."""
    return happened(user, hours=hours, type="group", event=None, group_id=account, traits=traits)


def events_table(rows: Iterable[Row]) -> pl.DataFrame:
    numbered = [{"message_id": f"m{number}"} | dict(row) for number, row in enumerate(rows)]
    frame = {name: pl.Series([row.get(name) for row in numbered]) for name in COLUMNS}
    for name in ("properties", "context", "traits"):
        frame[name] = pl.Series([json.dumps(row.get(name) or {}) for row in numbered], dtype=pl.String)
    texts = [pl.col(name).cast(pl.String) for name in COLUMNS if name != "timestamp"]
    return pl.DataFrame(frame).with_columns(*texts, pl.col("timestamp").cast(pl.Datetime("us", "UTC")))


def user(id: str, *accounts: str, anonymous: bool = False, **traits: Any) -> Row:
    """A row of the profiles table; ``accounts`` are the account ids."""
    identifier = {"type": "anonymous_id" if anonymous else "user_id", "value": f"x{id}"}
    return {"profile_id": id, "account_ids": list(accounts), "external_ids": [identifier], "traits": traits}


def profiles_table(rows: Iterable[Row]) -> pl.DataFrame:
    found = list(rows)
    return pl.DataFrame(
        {
            "profile_id": pl.Series([row["profile_id"] for row in found], dtype=pl.String),
            "account_ids": pl.Series([row["account_ids"] for row in found], dtype=pl.List(pl.String)),
            "external_ids": [json.dumps(row["external_ids"]) for row in found],
            "traits": [json.dumps(row["traits"]) for row in found],
        }
    )


def accounts_table(accounts: Mapping[str, Mapping[str, Any]]) -> pl.DataFrame:
    traits = [json.dumps(found) for found in accounts.values()]
    schema = {"account_id": pl.String, "traits": pl.String}
    return pl.DataFrame({"account_id": list(accounts), "traits": traits}, schema=schema)


def define(key: str, definition: str, *, level: str = "account", **settings: Any) -> Definition:
    kind = "audience" if type(parse(definition)).__name__ in CONDITIONS else "trait"
    return {"key": key, "kind": kind, "definition": definition, "level": level} | settings


def evaluated(
    definitions: Sequence[Definition],
    events: Iterable[Row] = (),
    users: Iterable[Row] | None = None,
    accounts: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, dict[str, Any]]:
    """By key: id → value."""
    found = audiences.evaluate(
        definitions,
        events=events_table(events),
        profiles=None if users is None else profiles_table(users),
        accounts=None if accounts is None else accounts_table(accounts),
        as_of=AS_OF,
    )
    return {key: dict(frame.iter_rows()) for key, frame in found.items()}


def values(definition: str, *tables: Any, **settings: Any) -> dict[str, Any]:
    """id → value of one account-level definition."""
    return evaluated([define("it", definition, **settings)], *tables)["it"]


def members(definition: str, *tables: Any, **settings: Any) -> list[str]:
    return list(values(definition, *tables, **settings))


# ── who exists, and who belongs to what ─────────────────────────────────────────────────────────────────────


def test_accounts_of_the_table_have_its_traits() -> None:
    accounts: dict[str, dict[str, Any]] = {"a": {"plan": "pro", "size": {"seats": 5}}, "b": {"plan": "free"}, "c": {}}
    calls = [joined("u1", "b", plan="pro")]
    assert members("trait('plan') = 'pro'", calls, None, accounts) == ["a"]
    assert values("trait('size.seats')", calls, None, accounts) == {"a": 5}
    assert members("trait('plan').absent()", calls, None, accounts) == ["c"]


def test_without_a_table_accounts_are_made_from_group_calls() -> None:
    calls = [
        joined("u1", "a", 3, plan="free", seats=2),
        joined("u2", "a", 2, plan="pro"),
        joined("u2", "a", 0, plan="gold"),  # not before as-of
        joined("u2", "z", 0),
        joined("u2", "b"),
    ]
    assert values("trait('plan')", calls) == {"a": "pro"}
    assert values("trait('seats')", calls, default=0) == {"a": 2, "b": 0}
    assert members("NOT (trait('plan') = 'pro')", calls) == ["b"]


def test_an_account_with_users_exists_without_a_row() -> None:
    users = [user("u1", "a", "b")]
    assert members("event('A').count() = 0", [], users, {"c": {}}) == ["a", "b", "c"]
    assert members("event('A').count() = 0", [], users) == ["a", "b"]


def test_group_calls_make_users_unless_the_table_says_otherwise() -> None:
    users = [
        user("u1") | {"account_ids": None},
        user("u2", "b"),
        user("u3"),
    ]
    calls = [joined("u1", "a"), joined("u1", "b", hours=0), joined("u2", "a"), joined("u3", "a"), joined("u4", "a")]
    events = [happened(name) for name in ("u1", "u2", "u3", "u4", "u5")]
    assert values("event('A').unique(property('x')).count()", [*calls, *events], users, {"a": {}, "b": {}}) == {}
    assert values("event('A').count()", [*calls, *events], users, {"a": {}, "b": {}}) == {"a": 2, "b": 1}


def test_a_user_without_accounts_counts_nowhere() -> None:
    assert values("event('A').count()", [happened("u1")], [user("u1")], {"a": {}}) == {}
    assert members("NOT ANY (event('A').count() >= 1)", [happened("u1")], [user("u1")], {"a": {}}) == ["a"]


# ── events of all users together ────────────────────────────────────────────────────────────────────────────

TWO = [user("u1", "a"), user("u2", "a"), user("u3", "b")]
SEEN = [
    happened("u1", hours=5, properties={"p": 4, "t": "x"}),
    happened("u2", hours=9, properties={"p": "2.5", "t": "y"}),
    happened("u2", hours=2, properties={"p": 4, "t": "x"}),
    happened("u1", hours=3, properties={"t": "z"}),
    happened("u3", hours=1, properties={"p": 7}),
    happened("u2", "B", hours=1, properties={"p": 100}),
]


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("event('A').count()", {"a": 4, "b": 1}),
        ("event('A').sum(property('p'))", {"a": 10.5, "b": 7.0}),
        ("event('A').avg(property('p'))", {"a": 3.5, "b": 7.0}),
        ("event('A').min(property('p'))", {"a": 2.5, "b": 7.0}),
        ("event('A').max(property('p'))", {"a": 4.0, "b": 7.0}),
        ("event('A').max(property('t') as string)", {"a": "z"}),
        ("event('A').mode(property('t'), 2)", {"a": "x"}),
        ("event('A').mode(property('p'), 1)", {"a": "4", "b": "7"}),
        ("event('A').first(property('t'))", {"a": "y"}),
        ("event('A').last(property('t'))", {"a": "x"}),
        ("event('A').unique(property('t'))", {"a": ["x", "y", "z"]}),
        ("event('A').unique(property('p')).count()", {"a": 2, "b": 1}),
        ("event('A').within(4 hours).count()", {"a": 2, "b": 1}),
        ("event('A').between(4 hours, 9 hours).last(property('t'))", {"a": "x"}),
        ("event('A').where(property('t') = 'x').count()", {"a": 2}),
    ],
)
def test_traits_over_the_events_of_all_users(definition: str, expected: dict[str, Any]) -> None:
    assert values(definition, SEEN, TWO, {"a": {}, "b": {}, "c": {}}) == expected


def test_first_and_last_order_by_message_id_across_users() -> None:
    events = [
        happened("u2", message_id="m1", properties={"t": "first"}),
        happened("u1", message_id="m2", properties={"t": "second"}),
        happened("u1", message_id=None, properties={"t": "none"}),
    ]
    assert values("event('A').first(property('t'))", events, TWO) == {"a": "first"}
    assert values("event('A').last(property('t'))", events, TWO) == {"a": "none"}


def test_any_user_keeps_a_session_alive() -> None:
    users = [user("u1", "a", "b"), user("u2", "a")]
    events = [happened("u1", hours=3), happened("u2", hours=2.5), happened("u1", hours=2)]
    assert values("event('A').expires_after(30 minutes).count()", events, users) == {"a": 3, "b": 1}


def test_a_funnel_of_an_account_goes_over_the_events_of_all_users() -> None:
    users = [user("u1", "a"), user("u2", "a"), user("u3", "b"), user("u4", "b")]
    events = [
        happened("u1", "Trial", 9, properties={"seat": 1}),
        happened("u2", "Invite", 8, properties={"seat": 1}),
        happened("u3", "Trial", 9, properties={"seat": 1}),
        happened("u4", "Invite", 8, properties={"seat": 2}),
    ]
    later = "event('Trial').where(event('Invite').within(parent: 1 hour).count() >= 1).count() >= 1"
    same = "event('Trial').where(event('Invite').where(property('seat') = property(parent: 'seat')).count() >= 1)"
    assert members(later, events, users) == ["a", "b"]
    assert members(f"{same}.count() >= 1", events, users) == ["a"]
    assert members(f"ANY ({later})", events, users) == []
    own = [*events, happened("u3", "Invite", 8.5)]
    assert members(f"ANY ({later})", own, users) == ["b"]


def test_a_user_of_several_accounts_counts_for_each() -> None:
    users = [user("u1", "a", "b"), user("u2", "b")]
    assert values("event('A').count()", [happened("u1"), happened("u2")], users) == {"a": 1, "b": 2}


def test_counts_of_nothing() -> None:
    assert values("event('A').count()", [], TWO) == {}
    assert values("event('A').count()", [happened("u3")], TWO, default=0) == {"a": 0, "b": 1}
    assert members("event('A').count() < 1 AND event('A').unique(property('x')).count() = 0", [], TWO) == ["a", "b"]
    assert members("event('A').sum(property('x')) < 1", [], TWO) == []


def test_events_since() -> None:
    events = [happened("u1", hours=30), happened("u1", hours=2), happened("u3", hours=30)]
    settings = {"events_since": "2024-06-15"}
    assert values("event('A').count()", events, TWO, **settings) == {"a": 1}
    assert members("ANY (event('A').count() >= 1)", events, TWO, **settings) == ["a"]


# ── traits ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_traits_outside_any_are_the_accounts_and_inside_the_users() -> None:
    users = [user("u1", "a", plan="pro"), user("u2", "b", plan="free")]
    accounts = {"a": {"plan": "free"}, "b": {"plan": "pro"}}
    events = [happened(name, properties={"plan": "pro"}) for name in ("u1", "u2")]
    assert members("trait('plan') = 'pro'", events, users, accounts) == ["b"]
    assert members("ANY (trait('plan') = 'pro')", events, users, accounts) == ["a"]
    bought = "event('A').where(property('plan') = trait('plan')).count() >= 1"
    assert members(bought, events, users, accounts) == ["b"]
    assert members(f"ANY ({bought})", events, users, accounts) == ["a"]


def test_account_level_definitions_use_each_other_by_key() -> None:
    definitions = [
        define("busy", "trait('logins') >= 2 AND trait('logins') > trait('limit')"),
        define("logins", "event('A').count()"),
        define("quiet", "NOT (trait('busy') = true)"),
        define("copy", "trait('busy')"),
    ]
    accounts = {"a": {"limit": 3, "logins": 0}, "b": {"limit": 0}, "c": {"limit": 0, "logins": 9}}
    found = evaluated(definitions, SEEN, TWO, accounts)
    assert found["busy"] == {"a": True}
    assert list(found["quiet"]) == ["b", "c"]
    assert found["copy"] == {"a": True, "b": False, "c": False}


def test_user_level_definitions_inside_any_and_all() -> None:
    definitions = [
        define("visits", "event('A').count()", level="user"),
        define("regulars", "trait('visits') >= 2", level="user"),
        define("any_regular", "ANY (trait('regulars') = true)"),
        define("all_regular", "ALL (trait('visits') >= 2)"),
        define("none_visits", "NOT ANY (trait('visits') >= 1)"),
    ]
    users = [user("u1", "a"), user("u2", "a", "b"), user("u3", "c"), user("u4", "d")]
    events = [happened("u1"), happened("u1"), happened("u2"), happened("u3"), happened("u3")]
    found = evaluated(definitions, events, users)
    assert list(found["any_regular"]) == ["a", "c"]
    assert list(found["all_regular"]) == ["c"]
    assert list(found["none_visits"]) == ["d"]


# ── ANY and ALL ─────────────────────────────────────────────────────────────────────────────────────────────


def test_any_and_all_over_no_users_are_false() -> None:
    accounts: dict[str, dict[str, Any]] = {"a": {}, "none": {}}
    users = [user("u1", "a")]
    true = "event('A').count() >= 0"
    assert members(f"ANY ({true})", [], users, accounts) == ["a"]
    assert members(f"ALL ({true})", [], users, accounts) == ["a"]
    assert members("ALL NOT event('A').count() >= 1", [], users, accounts) == ["a"]
    assert members("NOT ANY (event('A').count() >= 1)", [], users, accounts) == ["a", "none"]
    assert members(f"NOT ALL ({true})", [], users, accounts) == ["none"]


def test_one_user_must_meet_all_conditions_of_one_any() -> None:
    users = [user("u1", "a", role="admin"), user("u2", "a"), user("u3", "b", role="admin")]
    events = [happened("u2"), happened("u3")]
    assert members("ANY (trait('role') = 'admin' AND event('A').count() >= 1)", events, users) == ["b"]
    assert members("ANY (trait('role') = 'admin') AND ANY (event('A').count() >= 1)", events, users) == ["a", "b"]
    assert members("ALL (trait('role') = 'admin') OR NOT ANY (event('A').count() = 0)", events, users) == ["b"]


def test_the_same_question_twice() -> None:
    events = [happened("u1")]
    asked = "event('A').count() >= 1"
    assert members(f"ANY ({asked}) AND NOT ALL ({asked})", events, TWO) == ["a"]


# ── events of one account ───────────────────────────────────────────────────────────────────────────────────

BOTH = [user("u1", "1", "2"), user("u2", "2")]
MADE_FOR = [
    happened("u1", context={"groupId": "1"}),
    happened("u1", context={"groupId": "1"}, group_id="2"),  # the context comes first
    happened("u1", group_id="2"),
    happened("u1", context={"groupId": None}, group_id="2"),
    happened("u1", context={"groupId": ""}, group_id="2"),
    happened("u1", context={"groupId": 2}),
    happened("u1", context={"groupId": {"id": "1"}}, group_id="1"),
    happened("u1"),  # for no account
    happened("u1", context={"groupId": "3"}),  # not an account of the user
    happened("u2", context={"groupId": "1"}),  # nor is this
    happened("u2", context={"groupId": "2"}),
]


def test_attribute_events_by_group_id() -> None:
    definitions = [
        define("for_it", "event('A').count()", attribute_events_by="group_id"),
        define("of_users", "event('A').count()"),
        define("by_user", "ANY (event('A').count() >= 4)", attribute_events_by="group_id"),
        define("by_all", "ALL (event('A').count() >= 1)", attribute_events_by="group_id"),
        define("less", "trait('for_it') < trait('of_users')"),
    ]
    found = evaluated(definitions, MADE_FOR, BOTH, {"1": {}, "2": {}, "3": {}})
    assert found["for_it"] == {"1": 3, "2": 5}
    assert found["of_users"] == {"1": 9, "2": 11}
    assert list(found["by_user"]) == ["2"]
    assert list(found["by_all"]) == ["1", "2"]
    assert list(found["less"]) == ["1", "2"]


def test_attributed_events_in_funnels_and_with_traits() -> None:
    users = [user("u1", "1", "2", plan="pro"), user("u2", "2")]
    events = [
        happened("u1", "Trial", 9, group_id="1"),
        happened("u1", "Invite", 8, group_id="2"),
        happened("u1", "Trial", 9, group_id="2", properties={"plan": "pro"}),
        happened("u2", "Trial", 7, group_id="2"),
    ]
    invited = "event('Trial').where(event('Invite').count() >= 1).count() >= 1"
    by_group = {"attribute_events_by": "group_id"}
    assert members(invited, events, users) == ["1", "2"]
    assert members(invited, events, users, **by_group) == ["2"]
    assert members(f"ANY ({invited})", events, users, **by_group) == ["2"]
    own = "ANY (event('Trial').where(property('plan') = trait('plan')).count() = 1 AND trait('plan') = 'pro')"
    assert members(own, events, users) == ["1", "2"]
    assert members(own, events, users, **by_group) == ["2"]


def test_attribution_inside_any_leaves_user_level_values_alone() -> None:
    definitions = [
        define("visits", "event('A').count()", level="user"),
        define("busy", "ANY (trait('visits') >= 9)", attribute_events_by="group_id"),
    ]
    assert list(evaluated(definitions, MADE_FOR, BOTH)["busy"]) == ["1", "2"]


# ── anonymous users ─────────────────────────────────────────────────────────────────────────────────────────


def test_anonymous_users_count_only_where_they_are_included() -> None:
    users = [user("u1", "a"), user("v1", "a", "b", anonymous=True)]
    events = [happened("u1"), happened("v1"), happened("v1")]
    definitions = [
        define("known", "event('A').count()"),
        define("every", "event('A').count()", include_anonymous_users=True),
        define("any_known", "ANY (event('A').count() >= 2)"),
        define("any_every", "ANY (event('A').count() >= 2)", include_anonymous_users=True),
        define("all_known", "ALL (event('A').count() = 1)"),
        define("all_every", "ALL (event('A').count() = 1)", include_anonymous_users=True),
        define("none_known", "NOT ANY (event('A').count() >= 1)"),
    ]
    found = evaluated(definitions, events, users)
    assert found["known"] == {"a": 1}
    assert found["every"] == {"a": 3, "b": 2}
    assert list(found["any_known"]) == []
    assert list(found["any_every"]) == ["a", "b"]
    assert list(found["all_known"]) == ["a"]
    assert list(found["all_every"]) == []
    assert list(found["none_known"]) == ["b"]


def test_an_implicit_anonymous_profile() -> None:
    call = joined("", "a") | {"profile_id": None, "anonymous_id": "cookie"}
    visit = happened("") | {"profile_id": None, "anonymous_id": "cookie"}
    assert values("event('A').count()", [call, visit]) == {}
    assert values("event('A').count()", [call, visit], include_anonymous_users=True) == {"a": 1}


# ── user level uses account level ───────────────────────────────────────────────────────────────────────────


def test_a_user_is_in_an_account_audience_if_an_account_is() -> None:
    definitions = [
        define("software", "trait('industry') = 'software'"),
        define("admins", "trait('role') = 'admin' AND trait('software') = true", level="user"),
        define("outside", "NOT (trait('software') = true)", level="user"),
        define("copy", "trait('software')", level="user"),
    ]
    users = [
        user("u1", "a", "b", role="admin"),
        user("u2", "b", role="admin"),
        user("u3", role="admin"),
        user("u4", "a"),
    ]
    found = evaluated(definitions, [], users, {"a": {"industry": "software"}, "b": {}})
    assert list(found["admins"]) == ["u1"]
    assert list(found["outside"]) == ["u2", "u3"]
    assert found["copy"] == {"u1": True, "u2": False, "u3": False, "u4": True}


def test_an_account_audience_reaches_anonymous_users_of_audiences_that_include_them() -> None:
    definitions = [
        define("some", "trait('x') = 1"),
        define("known", "trait('some') = true", level="user"),
        define("every", "trait('some') = true", level="user", include_anonymous_users=True),
        define("copy", "trait('some')", level="user"),
    ]
    found = evaluated(definitions, [], [user("u1", "a"), user("v1", "a", anonymous=True)], {"a": {"x": 1}})
    assert list(found["known"]) == ["u1"]
    assert list(found["every"]) == ["u1", "v1"]
    assert found["copy"] == {"u1": True, "v1": True}  # traits are computed for anonymous users all the same


def test_levels_that_take_turns() -> None:
    definitions = [
        define("end", "ANY (trait('again') = true AND event('B').count() >= 1) AND trait('last') >= 1"),
        define("again", "trait('big') = true AND trait('visits') >= 1", level="user"),
        define("big", "ANY (trait('visits') >= 2)"),
        define("visits", "event('A').count()", level="user"),
        define("last", "event('B').count()"),
        define("inside", "ALL (trait('big') = true)"),
    ]
    users = [user("u1", "a"), user("u2", "a"), user("u3", "b"), user("u4", "a", "b")]
    events = [
        *(happened("u1") for _ in range(2)),
        happened("u2"),
        happened("u2", "B"),
        happened("u3"),
        happened("u3", "B"),
        happened("u4", "B"),
    ]
    found = evaluated(definitions, events, users)
    assert list(found["big"]) == ["a"]
    assert list(found["again"]) == ["u1", "u2"]
    assert list(found["end"]) == ["a"]
    assert list(found["inside"]) == ["a"]


def test_a_disabled_account_audience_keeps_its_last_snapshot() -> None:
    items = [
        computation("big", "trait('x') = 1", enabled=False, level=Level.ACCOUNT),
        computation("in_big", "trait('big') = true"),
        computation("users_in_big", "ANY (trait('in_big') = true)", level=Level.ACCOUNT),
        computation("too", "trait('big') = true", level=Level.ACCOUNT),
    ]
    plan = make_plan({item.key: item for item in items})
    frames = InputFrames(events_table([]), profiles_table([user("u1", "a"), user("u2", "b")]))
    given = {"big": pl.DataFrame({"id": ["b"], "value": ["true"]})}
    with open_inputs(frames).prepare(plan.needs, as_of=AS_OF) as prepared:
        found = PolarsEngine().compute(plan, prepared, AS_OF, given=given)
    assert {key: frame["id"].to_list() for key, frame in found.items()} == {
        "in_big": ["u2"],
        "users_in_big": ["b"],
        "too": ["b"],
    }


# ── buckets ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("rows_in_bucket", [1, 3, 10])
def test_buckets_change_nothing(rows_in_bucket: int) -> None:
    users = [user(f"u{number}", f"a{number % 4}", f"b{number % 3}", n=number) for number in range(12)]
    users += [user("v", "a1", anonymous=True)]
    events = [
        happened(
            f"u{number % 12}",
            "AB"[number % 2],
            number % 7,
            group_id=f"a{number % 4}",
            message_id=None if number % 3 else f"m{number}",
            properties={"p": number % 5},
        )
        for number in range(60)
    ]
    items = [
        computation("total", "event('A').count()", level=Level.ACCOUNT),
        computation("own", "event('A').sum(property('p'))", level=Level.ACCOUNT, attribute_events_by="group_id"),
        computation("last", "event('B').last(property('p'))", level=Level.ACCOUNT, include_anonymous_users=True),
        computation("any", "ANY (event('A').count() > 3 AND trait('n') > 2)", level=Level.ACCOUNT),
        computation("all", "ALL (event('B').count() >= 2)", level=Level.ACCOUNT, attribute_events_by="group_id"),
        computation("in_any", "trait('any') = true"),
        computation("back", "ALL (trait('in_any') = true) OR trait('total') > 20", level=Level.ACCOUNT),
    ]
    plan = make_plan({item.key: item for item in items})
    frames = InputFrames(events_table(events), profiles_table(users))

    def computed(limits: Limits) -> tuple[dict[str, list[Any]], tuple[int, int]]:
        steps: list[tuple[int, int]] = []
        with open_inputs(frames).prepare(plan.needs, as_of=AS_OF, limits=limits) as prepared:
            found = PolarsEngine().compute(plan, prepared, AS_OF, lambda done, total: steps.append((done, total)))
        return {key: frame.rows() for key, frame in found.items()}, steps[-1]

    at_once = computed(Limits())
    assert at_once == computed(Limits(rows_in_memory=0, rows_in_bucket=rows_in_bucket))
    assert all(at_once[0].values())
    assert at_once[1] == (40, 40)  # 13 users and 7 accounts, twice
