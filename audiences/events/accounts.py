"""Accounts: which there are, who their users are, and the events of all their users together, in buckets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import polars as pl

from audiences.events.buckets import BucketPlan
from audiences.events.calls import latest_traits
from audiences.events.instants import INSTANT
from audiences.events.needs import column_name
from audiences.events.shelf import Shelf, shares
from audiences.events.store.base import in_order, sorted_by
from audiences.events.text_places import joined_by_text
from audiences.language.tree import Path

GROUP_ID: Final[Path] = ("groupId",)
"""The context field that says for which account an event was made."""

ORDER: Final = ("message_id", "content")
"""The texts that say in which order events are that happened at the same time."""

_NO_EVENTS: Final = pl.Schema(
    {
        "owner": pl.UInt32(),
        "event": pl.String(),
        "timestamp": INSTANT,
        "source_id": pl.String(),
        "anonymous": pl.Boolean(),
        "attributed": pl.Boolean(),
        "user": pl.UInt32(),
    }
)
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

    Until they are more than ``rows_in_bucket`` (0: whatever they are) they stay in memory; else they are put down on
    the ``shelf``. ``weights`` finds out how many events each profile of the universe has, ``most_buckets`` bounds the
    number of buckets.
    """

    shelf: Shelf
    weights: Callable[[], pl.Series] | None = None
    rows_in_bucket: int = 0
    most_buckets: int = 1

    def cut(self, members: Members) -> BucketPlan:
        """Cuts accounts, before their events are known, by the number of all events of their users."""
        if self.weights is None:
            return BucketPlan((0,), len(members.ids))
        return self._cut(members.sums(self.weights()))

    def cut_by(self, events: pl.DataFrame, members: Members) -> BucketPlan:
        """Cuts accounts by the number of their ``events``."""
        if not self.rows_in_bucket:
            return BucketPlan((0,), len(members.ids))
        counts = events.get_column("owner").value_counts(name="events")
        weights = pl.zeros(len(members.ids), dtype=pl.Int64, eager=True)
        return self._cut(weights.scatter(counts.get_column("owner"), counts.get_column("events").cast(pl.Int64)))

    def _cut(self, weights: pl.Series) -> BucketPlan:
        return BucketPlan.cut(weights, rows=self.rows_in_bucket, most=self.most_buckets)


@dataclass(frozen=True, slots=True)
class Members:
    """The users of all accounts: of each profile of the universe the accounts, one after the other.

    ``first`` and ``number`` (UInt32, a row per profile) say where its accounts begin and how many there are;
    ``account`` (UInt32, the row of the account) has them. ``ids`` are those of all accounts, in order.
    """

    first: pl.Series
    number: pl.Series
    account: pl.Series
    anonymous: pl.Series
    ids: pl.Series

    @classmethod
    def of(cls, profiles: pl.DataFrame, ids: pl.Series) -> Members:
        """In: ``account_ids`` and ``anonymous`` of each profile; the ids of accounts: there may be others, too."""
        users = users_of_accounts(profiles)
        account = joined_by_text(users.get_column("account"), ids)
        runs = users.get_column("row").filter(account.is_not_null()).rle().struct.unnest()
        number = pl.zeros(profiles.height, dtype=pl.UInt32, eager=True)
        number = number.scatter(runs.get_column("value"), runs.get_column("len").cast(pl.UInt32))
        return cls(number.cum_sum() - number, number, account.drop_nulls(), profiles.get_column("anonymous"), ids)

    def sums(self, numbers: pl.Series) -> pl.Series:
        """The sum of numbers of profiles (Int64) for each account."""
        users = pl.DataFrame({"user": pl.int_range(len(self.number), dtype=pl.UInt32, eager=True)})
        each = users.select(pl.col("user").repeat_by(self.number)).explode(
            "user", empty_as_null=False, keep_nulls=False
        )
        user = each.get_column("user")
        frame = pl.DataFrame({"account": self.account, "number": numbers.gather(user)})
        found = frame.group_by("account").agg(pl.col("number").sum())
        zeros = pl.zeros(len(self.ids), dtype=pl.Int64, eager=True)
        return zeros.scatter(found.get_column("account"), found.get_column("number"))

    def dealt(self, events: pl.DataFrame) -> pl.DataFrame:
        """Events, whose ``owner`` is the row of the profile, once for each account of their user: the ``owner`` is the
        account then, and ``user`` the profile.
        """
        user = events.get_column("owner")
        number = self.number.gather(user)
        if number.min() != 1 or number.max() != 1:
            some = number > 0
            events, user, number = events.filter(some), user.filter(some), number.filter(some)
        first = self.first.gather(user)
        if number.max() not in (None, 1):
            starts = number.cum_sum() - number
            total = pl.zeros(int(number.sum()), dtype=pl.UInt32, eager=True)
            rows = total.scatter(starts, 1).cum_sum() - 1
            within = pl.int_range(len(rows), dtype=pl.UInt32, eager=True) - starts.gather(rows)
            events, user, first = events.select(pl.all().gather(rows)), user.gather(rows), first.gather(rows) + within
        account = self.account.gather(first)
        dealt = events.with_columns(account.alias("owner"), user.alias("user"), self.anonymous.gather(user))
        attributed = pl.lit(True)
        if column_name("context", GROUP_ID) in events.columns:
            made_for = joined_by_text(dealt.select(event_account()).to_series(), self.ids)
            attributed = pl.lit((made_for == account).fill_null(False))
        return dealt.with_columns(attributed=attributed).drop(*_LEFT_OUT, strict=False)


def deal(
    parts: Iterable[pl.DataFrame], names: Collection[str], members: Members, dealing: Dealing
) -> Iterator[tuple[tuple[int, int], pl.DataFrame]]:
    """The events with one of the ``names`` of all users of each account, bucket by bucket of accounts, of which there
    is one at least: its first row and the number of rows, and its events.

    ``parts`` are events, with ``owner`` (UInt32, the row in the universe), ``event``, ``timestamp``, ``source_id``,
    ``group_id`` and columns of values, and those of ``ORDER`` where the order matters of events of one time. The frames
    have the columns of ``Bucket.events``, values as VALUE or List(VALUE).
    """
    plan: BucketPlan | None = None
    waiting = [_NO_EVENTS.to_frame()]
    for events in parts:
        dealt = members.dealt(events.filter(pl.col("event").is_in(list(names))))
        waiting = [dealt] if waiting[0].is_empty() else [*waiting, dealt]
        if 0 < dealing.rows_in_bucket < sum(frame.height for frame in waiting):
            plan = plan or dealing.cut(members)
            _put_down(pl.concat(waiting), plan, dealing.shelf)
            waiting = [dealt.clear()]
    rest = pl.concat(waiting)
    if plan is None:
        plan = dealing.cut_by(rest, members)
        parts_of_rest = dict(_shares(rest, plan))
        for number, place in enumerate(plan.slices()):
            yield place, _in_order(parts_of_rest.get(number, rest.clear()), names, place[0])
        return
    _put_down(rest, plan, dealing.shelf)
    for number, place in enumerate(plan.slices()):
        found = dealing.shelf.take("accounts", number)
        yield place, _in_order(rest.clear() if found is None else found, names, place[0])


def _put_down(dealt: pl.DataFrame, plan: BucketPlan, shelf: Shelf) -> None:
    for number, part in _shares(dealt, plan):
        shelf.put("accounts", number, part)


def _shares(dealt: pl.DataFrame, plan: BucketPlan) -> Iterator[tuple[int, pl.DataFrame]]:
    if len(plan.firsts) == 1:
        yield 0, dealt
        return
    yield from shares(dealt.with_columns(number=plan.numbers().gather(dealt.get_column("owner"))))


def _in_order(rows: pl.DataFrame, names: Collection[str], first: int) -> pl.DataFrame:
    """Put in order on the few columns that say the order, then move the rows once; ``first`` is the first account."""
    order = in_order(
        rows.select(
            "owner",
            "timestamp",
            *(name for name in ORDER[:1] if name in rows.columns),
            "user",
            *(name for name in ORDER[1:] if name in rows.columns),
        )
    )
    event = rows.get_column("event").cast(pl.Enum(sorted(names)))
    by_event = sorted_by(event.to_physical().gather(order))
    moved = order.gather(by_event)
    return rows.select(
        (pl.col("owner") - first).gather(moved),
        pl.lit(event).gather(moved).alias("event"),
        pl.exclude("owner", "event", "user", *ORDER).gather(moved),
        pl.lit(by_event).alias("place"),
    )
