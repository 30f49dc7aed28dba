"""Whom messages are about: users with their own values, accounts with theirs, and the users of accounts with these.

An account-level computation can be sent as group calls, one per account, and as identify and track calls, one per
identifier of each user of an account. Both are planned by themselves, as if they were computations of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from audiences.definitions.computation import Computation, IdentifierStrategy, Kind, Level
from audiences.delivery.identifiers import Chosen, strategy_text
from audiences.delivery.messages import GROUP
from audiences.state.account_users import account_users, departures_of_users, values_of_users
from audiences.state.source import Source, reading

GROUP_ID: Final = "group_id"
"""The type of an account's identifier: its id."""

ACCOUNTS: Final = (IdentifierStrategy(GROUP_ID),)


@dataclass(frozen=True, slots=True)
class Subjects:
    """Those that some ``calls`` are about: ``snapshot`` and ``departures`` have their values by ``id``.

    ``conflicts``: users of several accounts with a value, of which only one can be theirs.
    """

    calls: tuple[str, ...]
    strategy: Chosen
    identifiers: pl.DataFrame
    snapshot: pl.DataFrame
    departures: pl.DataFrame
    conflicts: int = 0

    @property
    def are_accounts(self) -> bool:
        """Whether the calls are group calls."""
        return GROUP in self.calls


def subjects_of(
    source: Source, computation: Computation, calls: Sequence[str], strategy: Chosen, identifiers: pl.DataFrame
) -> Iterator[Subjects]:
    """Accounts first, where there are any; ``strategy`` and ``identifiers`` are those of profiles."""
    with reading(source):
        snapshot = source.scan_snapshot(computation.key).collect()
    departures = source.departures(computation.key)
    if GROUP in calls:
        yield Subjects((GROUP,), ACCOUNTS, group_ids(snapshot), snapshot, departures)
    others = tuple(call for call in calls if call != GROUP)
    if not others:
        return
    if computation.level is Level.USER:
        yield Subjects(others, strategy, identifiers, snapshot, departures)
        return
    users = account_users(source.profiles(), include_anonymous=computation.include_anonymous_users)
    with reading(source):
        values = values_of_users(snapshot.lazy(), users, computation.kind).collect()
        gone = departures_of_users(departures, users)
        several = _with_several_values(snapshot, users) if computation.kind is Kind.TRAIT else 0
    yield Subjects(others, strategy, identifiers, values, gone, several)


def group_ids(snapshot: pl.DataFrame) -> pl.DataFrame:
    """The identifiers of accounts, as ``identifiers.identifiers_of`` gives them of profiles."""
    return snapshot.select(
        "id",
        type=pl.lit(GROUP_ID),
        value="id",
        place=pl.lit(0, dtype=pl.Int64),
        last=pl.lit(True),
    )


def strategy_of_call(strategy: Chosen) -> pl.Expr:
    """The text of the strategy that a row of a ``call`` was made by; ``strategy`` is that of profiles."""
    of_accounts, of_users = pl.lit(strategy_text(ACCOUNTS)), pl.lit(strategy_text(strategy))
    return pl.when(pl.col("call") == GROUP).then(of_accounts).otherwise(of_users)


def _with_several_values(snapshot: pl.DataFrame, users: pl.LazyFrame) -> int:
    held = users.join(snapshot.lazy().select(account="id"), on="account", how="semi")
    return held.group_by("id").len().filter(pl.col("len") > 1).collect().height
