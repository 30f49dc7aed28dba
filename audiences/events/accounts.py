"""Accounts: which there are, who their users are, and the events of all their users together, in buckets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from audiences.events.buckets import BucketPlan
from audiences.events.calls import latest_traits
from audiences.events.instants import INSTANT
from audiences.events.needs import column_name
from audiences.events.shelf import Shelf, shares
from audiences.language.tree import Path

GROUP_ID: Final[Path] = ("groupId",)
"""The context field that says for which account an event was made."""

_NO_EVENTS: Final = pl.Schema(
    {
        "owner": pl.UInt32(),
        "event": pl.String(),
        "timestamp": INSTANT,
        "source_id": pl.String(),
        "anonymous": pl.Boolean(),
        "attributed": pl.Boolean(),
        "message_id": pl.String(),
        "user": pl.UInt32(),
        "content": pl.String(),
    }
)
_ORDER: Final = ("owner", "timestamp", "message_id", "user", "content")
_LEFT_OUT: Final = ("group_id", "user_id", "anonymous_id")


def every_account(table: pl.DataFrame | None, groups: pl.DataFrame, profiles: pl.DataFrame) -> pl.DataFrame:
    """Who exists at account level: ``account_id``, ``traits`` (JSON text), sorted by id.

    These are the rows of the accounts table, else the accounts that group calls name; and, as a user without a row in
    the profiles table exists all the same, every account that a user belongs to. An account of the table has the
    traits of the table, another one those of its group calls.

    In: ``table`` ``account_id``, ``traits``; ``groups`` accepted group calls with ``group_id``; ``profiles`` with
    ``account_ids``.
    """
    named = [users_of_accounts(profiles).select(account_id="account")]
    if table is None:
        table = pl.DataFrame(schema={"account_id": pl.String, "traits": pl.String})
        named.append(groups.select(account_id="group_id").drop_nulls())
    others = pl.concat(named).unique().join(table, on="account_id", how="anti")
    calls = groups.join(others, left_on="group_id", right_on="account_id", how="semi")
    traits = latest_traits(calls, "group_id").rename({"group_id": "account_id"})
    made = others.join(traits, on="account_id", how="left").with_columns(pl.col("traits").fill_null("{}"))
    return pl.concat([table.select("account_id", "traits"), made.select("account_id", "traits")]).sort("account_id")


def users_of_accounts(profiles: pl.DataFrame) -> pl.DataFrame:
    """A row for each profile and account of it: ``row`` (of the profile, UInt32), ``account``; in this order.

    In: ``account_ids``, sorted lists without duplicates.
    """
    return (
        profiles.select(account=pl.col("account_ids"))
        .with_row_index("row")
        .explode("account", empty_as_null=False, keep_nulls=False)
    )


def event_account() -> pl.Expr:
    """The account that an event was made for: its ``context.groupId``, else its ``group_id``, else null.

    An id is text that isn't empty, or a whole number; anything else in the context is no id. The context path
    ``GROUP_ID`` must be among the needed ones.
    """
    value = pl.col(column_name("context", GROUP_ID)).struct
    text, kind = value.field("text"), value.field("kind")
    is_id = ((kind == "string") & (text != "")) | ((kind == "number") & text.str.contains(r"^-?[0-9]+$"))
    return pl.coalesce(pl.when(is_id).then(text), "group_id")


@dataclass(frozen=True, slots=True)
class Dealing:
    """How much is held in memory while the events of users are dealt out to buckets of accounts.

    ``shelf`` is where they are put down; ``weights`` say how many events each profile of the universe has (None: not
    known, one bucket for all), or about how many everyone has; ``rows_in_bucket`` and ``most_buckets`` bound the
    buckets.
    """

    shelf: Shelf
    weights: Callable[[], pl.Series] | int | None = None
    rows_in_bucket: int = 0
    most_buckets: int = 1

    def evenly(self, events: int) -> Dealing:
        """The same, where everyone has about so many events."""
        return replace(self, weights=None if self.weights is None else events)

    def cut(self, profiles: pl.DataFrame, accounts: pl.Series) -> BucketPlan:
        """Cuts accounts, ids in order, by the number of events of their users. ``profiles`` is the universe."""
        if self.weights is None:
            return BucketPlan((0,), len(accounts))
        users = users_of_accounts(profiles)
        if isinstance(self.weights, int):
            events = users.with_columns(events=pl.lit(self.weights, pl.Int64))
        else:
            events = users.with_columns(events=self.weights().gather(users.get_column("row")))
        sizes = (
            accounts.alias("account")
            .to_frame()
            .join(
                events.group_by("account").agg(pl.col("events").sum()), on="account", how="left", maintain_order="left"
            )
        )
        weights = sizes.get_column("events").fill_null(0)
        return BucketPlan.cut(weights, rows=self.rows_in_bucket, most=self.most_buckets)


def deal(
    parts: Iterable[tuple[pl.DataFrame, pl.DataFrame]],
    names: Collection[str],
    accounts: pl.Series,
    plan: BucketPlan,
    shelf: Shelf,
) -> Iterator[pl.DataFrame]:
    """The events with one of the ``names`` of all users of each account, for each bucket of accounts.

    ``parts`` are events, with ``owner`` (UInt32, the row in the universe), ``event``, ``timestamp``, ``message_id``,
    ``content``, ``source_id``, ``group_id`` and columns of values, and the profiles that they belong to, with ``row``
    (in the universe), ``account_ids`` and ``anonymous``. ``accounts`` are the ids of all accounts, in order, which
    ``plan`` cuts into buckets. The frames have the columns of ``Bucket.events``, values as VALUE or List(VALUE).
    """
    places = pl.DataFrame({"account": accounts, "number": plan.numbers()}).with_row_index("owner")
    empty = _NO_EVENTS.to_frame()
    for events, profiles in parts:
        rows = _of_accounts(events.filter(pl.col("event").is_in(list(names))), profiles, places)
        empty = rows.drop("number").clear()
        for number, part in shares(rows):
            shelf.put("accounts", number, part)
    for number, (first, _) in enumerate(plan.slices()):
        dealt = shelf.take("accounts", number)
        yield _in_order(empty if dealt is None else dealt, names, first)


def _of_accounts(events: pl.DataFrame, profiles: pl.DataFrame, places: pl.DataFrame) -> pl.DataFrame:
    """Events once for each account of their user, with the account's row and bucket."""
    users = users_of_accounts(profiles).join(places, on="account")
    who = profiles.select(user="row", anonymous="anonymous").select(pl.all().gather(users.get_column("row")))
    users = users.select("account", "owner", "number").hstack(who)
    dealt = events.rename({"owner": "user"}).join(users, on="user")
    attributed = (event_account() == pl.col("account")).fill_null(False) if _says_account(dealt) else pl.lit(True)
    return dealt.with_columns(attributed=attributed).drop("account", *_LEFT_OUT)


def _says_account(events: pl.DataFrame) -> bool:
    """Whether it was asked for, for which account events were made."""
    return column_name("context", GROUP_ID) in events.columns


def _in_order(rows: pl.DataFrame, names: Collection[str], first: int) -> pl.DataFrame:
    """Put in order on the few columns that say the order, then move the rows once; ``first`` is the first account."""
    keys = rows.select(*_ORDER, pl.col("event").cast(pl.Enum(sorted(names)))).with_row_index("row")
    ordered = (
        keys.sort(*_ORDER, nulls_last=True)
        .select("row", "event", pl.col("owner") - first)
        .with_row_index("place")
        .sort("event", "owner", "place")
    )
    moved = rows.drop("message_id", "user", "content").select(pl.all().gather(ordered.get_column("row")))
    return moved.with_columns(ordered.drop("row"))
