"""The events of all users of an account together, in buckets."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from audiences.events import Limits, column_name
from audiences.events.accounts import GROUP_ID
from audiences.events.buckets import BucketPlan
from event_tables import AS_OF, event, needs, prepared, table

NAMES = ("Bought", "Seen")
WANTED = replace(needs("p", events=NAMES), account_traits=frozenset({("plan",)}))
HOUR = timedelta(hours=1)


def bought(message_id: str | None, user: str, hours: int, name: str = "Bought", **more: Any) -> dict[str, Any]:
    return event(message_id, event=name, user_id=user, timestamp=AS_OF - hours * HOUR, **more)


def user(id: str, *accounts: str, type: str = "user_id") -> dict[str, Any]:
    identifiers = f'[{{"type":"{type}","value":"{id}"}}]'
    return {"profile_id": f"p{id}", "external_ids": identifiers, "account_ids": list(accounts)}


USERS = table([user("u1", "a", "b"), user("u2", "a"), user("u3"), user("x", "b", type="anonymous_id")])
EVENTS = table(
    [
        bought("m4", "u1", 5),
        bought("m2", "u2", 5),
        bought(None, "u1", 5),
        bought("m1", "u2", 7, "Seen", properties='{"p":1}'),
        bought("m5", "u1", 1),
        bought("m6", "u3", 2),
        bought("m7", "u2", 2) | {"user_id": None, "anonymous_id": "x"},
    ]
)
ACCOUNTS = table([{"account_id": "c", "traits": '{"plan":"pro"}'}, {"account_id": "a", "traits": "{}"}])


def test_events_are_there_for_each_account_of_their_user_in_order() -> None:
    with prepared(EVENTS, WANTED, profiles=USERS, accounts=ACCOUNTS) as inputs:
        (bucket,) = inputs.account_buckets(NAMES)
    assert bucket.profiles["id"].to_list() == ["a", "b", "c"]
    plans = bucket.profiles[column_name("trait", ("plan",))]
    assert plans.struct.field("text").to_list() == [None, None, "pro"]
    rows = bucket.events.select("profile", "event", "message_id", "user", "anonymous").rows()
    assert rows == [
        ("a", "Bought", "m2", "pu2", False),
        ("a", "Bought", "m4", "pu1", False),
        ("a", "Bought", None, "pu1", False),
        ("a", "Bought", "m5", "pu1", False),
        ("a", "Seen", "m1", "pu2", False),
        ("b", "Bought", "m4", "pu1", False),
        ("b", "Bought", None, "pu1", False),
        ("b", "Bought", "m7", "px", True),
        ("b", "Bought", "m5", "pu1", False),
    ]
    values = bucket.events.filter(event="Seen")[column_name("property", ("p",))]
    assert values.struct.field("text").to_list() == ["1"]


def test_only_the_named_events_are_dealt_out() -> None:
    with prepared(EVENTS, WANTED, profiles=USERS) as inputs:
        (bucket,) = inputs.account_buckets(["Seen"])
        assert bucket.events["message_id"].to_list() == ["m1"]
        (bucket,) = inputs.account_buckets([])
        assert bucket.events.is_empty()
        assert bucket.profiles["id"].to_list() == ["a", "b"]


def test_no_accounts_at_all() -> None:
    with prepared(table([bought("m1", "u1", 1)]), WANTED) as inputs:
        (bucket,) = inputs.account_buckets(NAMES)
    assert bucket.events.is_empty()
    assert bucket.profiles.is_empty()


@pytest.mark.parametrize("rows_in_bucket", [1, 3, 6])
def test_many_buckets_have_the_same_rows(rows_in_bucket: int) -> None:
    with prepared(EVENTS, WANTED, profiles=USERS, accounts=ACCOUNTS) as inputs:
        (whole,) = inputs.account_buckets(NAMES)
    limits = Limits(rows_in_memory=0, rows_in_bucket=rows_in_bucket)
    with prepared(EVENTS, WANTED, profiles=USERS, accounts=ACCOUNTS, limits=limits) as inputs:
        for _ in range(2):
            buckets = list(inputs.account_buckets(NAMES))
            assert len(buckets) > 1
            assert all(set(one.events["profile"]) <= set(one.profiles["id"]) for one in buckets)
            assert pl.concat([one.events for one in buckets]).equals(whole.events)
            assert pl.concat([one.profiles for one in buckets]).equals(whole.profiles)


@pytest.mark.parametrize(
    ("context", "group_id", "accounts"),
    [
        ('{"groupId":"a"}', None, ["a"]),
        ('{"groupId":"a"}', "b", ["a"]),
        ('{"groupId":7}', "b", ["7"]),
        ('{"groupId":7.0}', "b", ["7"]),
        ('{"groupId":7.5}', "b", ["b"]),
        ('{"groupId":""}', "b", ["b"]),
        ('{"groupId":null}', "b", ["b"]),
        ('{"groupId":true}', "b", ["b"]),
        ('{"groupId":["a"]}', "b", ["b"]),
        (None, "b", ["b"]),
        (None, None, []),
        ('{"groupId":"z"}', "b", []),
    ],
)
def test_the_account_that_an_event_was_made_for(context: str | None, group_id: str | None, accounts: list[str]) -> None:
    wanted = replace(WANTED, contexts=frozenset({GROUP_ID}))
    rows = table([bought("m1", "u1", 1, context=context, group_id=group_id)], context=pl.String, group_id=pl.String)
    with prepared(rows, wanted, profiles=table([user("u1", "a", "b", "7")])) as inputs:
        (bucket,) = inputs.account_buckets(NAMES)
    assert bucket.events["profile"].to_list() == ["7", "a", "b"]
    assert bucket.events.filter("attributed")["profile"].to_list() == accounts


def test_a_suppressed_profile_is_no_user() -> None:
    suppressed = table([{"type": "user_id", "value": "u1"}])
    with prepared(EVENTS, WANTED, profiles=USERS, suppressed=suppressed) as inputs:
        (bucket,) = inputs.account_buckets(NAMES)
    assert bucket.events.select("profile", "user").unique().sort("profile").rows() == [("a", "pu2"), ("b", "px")]


def test_buckets_are_cut_by_weight() -> None:
    def sizes(*weights: int, rows: int = 10, most: int = 100) -> list[int]:
        plan = BucketPlan.cut(pl.Series(weights, dtype=pl.Int64), rows=rows, most=most)
        expected = [number for number, (_, size) in enumerate(plan.slices()) for _ in range(size)]
        assert plan.numbers().to_list() == expected
        return [size for _, size in plan.slices()]

    assert sizes() == [0]
    assert sizes(1, 1, 1) == [3]
    assert sizes(4, 4, 4, 4) == [2, 2]
    assert sizes(100, 0, 0) == [1, 2]
    assert sizes(*(9,) * 6, most=2) == [3, 3]
