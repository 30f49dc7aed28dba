"""The events of all users of an account together, in buckets."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from audiences.events import Bucket, Limits, column_name
from audiences.events.accounts import GROUP_ID
from audiences.events.buckets import BucketPlan
from event_tables import AS_OF, event, needs, prepared, readable, table

NAMES = ("Bought", "Seen")
WANTED = replace(needs("p", "m", "u", events=NAMES), account_traits=frozenset({("plan",)}))
HOUR = timedelta(hours=1)


def bought(message_id: str | None, user: str, hours: int, name: str = "Bought", **more: Any) -> dict[str, Any]:
    """An event that says in its properties which it is and whose."""
    said = {"m": message_id, "u": user, **more.pop("properties", {})}
    return event(
        message_id, event=name, user_id=user, timestamp=AS_OF - hours * HOUR, properties=json.dumps(said), **more
    )


def user(id: str, *accounts: str, type: str = "user_id") -> dict[str, Any]:
    identifiers = f'[{{"type":"{type}","value":"{id}"}}]'
    return {"profile_id": f"p{id}", "external_ids": identifiers, "account_ids": list(accounts)}


USERS = table([user("u1", "a", "b"), user("u2", "a"), user("u3"), user("x", "b", type="anonymous_id")])
EVENTS = table(
    [
        bought("m4", "u1", 5),
        bought("m2", "u2", 5),
        bought(None, "u1", 5),
        bought("m1", "u2", 7, "Seen", properties={"p": 1}),
        bought("m5", "u1", 1),
        bought("m6", "u3", 2),
        bought("m7", "x", 2) | {"user_id": None, "anonymous_id": "x"},
    ]
)
ACCOUNTS = table([{"account_id": "c", "traits": '{"plan":"pro"}'}, {"account_id": "a", "traits": "{}"}])


def rows_of(bucket: Bucket) -> list[tuple[Any, ...]]:
    """Account, event, message id and user of each event, and whether it is anonymous."""
    told = [pl.col(column_name("property", (name,))).struct.field("text").alias(name) for name in ("m", "u")]
    return readable(bucket).select("profile", "event", *told, "anonymous").rows()


def test_events_are_there_for_each_account_of_their_user_in_order() -> None:
    with prepared(EVENTS, WANTED, profiles=USERS, accounts=ACCOUNTS) as inputs:
        (bucket,) = inputs.account_buckets(NAMES)
    assert bucket.profiles["id"].to_list() == ["a", "b", "c"]
    plans = bucket.profiles[column_name("trait", ("plan",))]
    assert plans.struct.field("text").to_list() == [None, None, "pro"]
    assert rows_of(bucket) == [
        ("a", "Bought", "m2", "u2", False),
        ("a", "Bought", "m4", "u1", False),
        ("a", "Bought", None, "u1", False),
        ("a", "Bought", "m5", "u1", False),
        ("b", "Bought", "m4", "u1", False),
        ("b", "Bought", None, "u1", False),
        ("b", "Bought", "m7", "x", True),
        ("b", "Bought", "m5", "u1", False),
        ("a", "Seen", "m1", "u2", False),
    ]
    assert bucket.events["place"].to_list() == [1, 2, 3, 4, 5, 6, 7, 8, 0], "in the order of time for each account"
    values = readable(bucket).filter(event="Seen")[column_name("property", ("p",))]
    assert values.struct.field("text").to_list() == ["1"]


def test_only_the_named_events_are_dealt_out() -> None:
    with prepared(EVENTS, WANTED, profiles=USERS) as inputs:
        (bucket,) = inputs.account_buckets(["Seen"])
        assert rows_of(bucket) == [("a", "Seen", "m1", "u2", False)]
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
            rows = pl.concat([readable(one).drop("place") for one in buckets])
            assert rows.sort("event", "profile", maintain_order=True).equals(readable(whole).drop("place"))
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
    rows = readable(bucket)
    assert rows["profile"].to_list() == ["7", "a", "b"]
    assert rows.filter("attributed")["profile"].to_list() == accounts


def test_a_suppressed_profile_is_no_user() -> None:
    suppressed = table([{"type": "user_id", "value": "u1"}])
    with prepared(EVENTS, WANTED, profiles=USERS, suppressed=suppressed) as inputs:
        (bucket,) = inputs.account_buckets(NAMES)
    assert sorted({(account, user) for account, _, _, user, _ in rows_of(bucket)}) == [("a", "u2"), ("b", "x")]


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
