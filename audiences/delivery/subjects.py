"""Whom messages are about: users with their own values, accounts with theirs, and the users of accounts with these.

An account-level computation can be sent as group calls, one per account, and as identify and track calls, one per
identifier of each user of an account. Both are planned by themselves, as if they were computations of their own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

import polars as pl

from audiences.definitions.computation import Computation, IdentifierStrategy, Kind, Level
from audiences.delivery.directory import Directory
from audiences.delivery.directory_files import PROFILES_PER_PART
from audiences.delivery.identifiers import Chosen, strategy_text
from audiences.delivery.messages import GROUP
from audiences.state.account_users import account_users, departures_of_users, values_of_users
from audiences.state.selections import Selection
from audiences.state.since import Changing, departed
from audiences.state.source import reading

GROUP_ID: Final = "group_id"
"""The type of an account's identifier: its id."""

ACCOUNTS: Final = (IdentifierStrategy(GROUP_ID),)


class Subjects(ABC):
    """Those that some ``calls`` are about. ``identified`` by a ``strategy``; ``temporary`` is a folder for files."""

    strategy: Chosen

    def __init__(self, source: Changing, computation: Computation, calls: tuple[str, ...], temporary: Path) -> None:
        self.source, self.computation, self.calls = source, computation, calls
        self.temporary = temporary

    @property
    def are_accounts(self) -> bool:
        """Whether the calls are group calls."""
        return GROUP in self.calls

    @property
    def called(self) -> pl.Expr:
        """Whether a message, or what was acknowledged, is about them: an account may have the id of a profile."""
        return (pl.col("call") == GROUP) == pl.lit(self.are_accounts)

    @property
    @abstractmethod
    def edges(self) -> Sequence[str]:
        """Ids that cut all of them into parts which fit into memory."""

    @abstractmethod
    def values(self, selection: Selection) -> pl.DataFrame:
        """The values of some of them: ``id``, ``value``, ``as_of``."""

    @abstractmethod
    def identifiers(self, selection: Selection, values: pl.DataFrame) -> pl.DataFrame:
        """The identifiers of some of them, who have these ``values``; see ``planner.Situation``."""

    @abstractmethod
    def changed_since(self, run: int) -> pl.Series | None:
        """The ids of those who, whatever their values, aren't what they were after an earlier run; None: not known."""

    def departures(self, selection: Selection) -> pl.DataFrame:
        """When some of them last lost their value: ``id``, ``as_of``."""
        with reading(self.source):
            return pl.scan_parquet(self._departures).filter(selection.of()).collect()

    def conflicts(self, selection: Selection) -> int:
        """How many of some of them have several values of which only one can be theirs."""
        return 0

    @cached_property
    def _departures(self) -> Path:
        """A file with all departures: their history is in no order, and is read once."""
        path = self.temporary / f"departures-{self.computation.key}-{self.calls[0]}.parquet"
        with reading(self.source):
            self._all_departures().sink_parquet(path, row_group_size=PROFILES_PER_PART, compression="lz4")
        return path

    def _all_departures(self) -> pl.LazyFrame:
        """Sorted by id."""
        return departed(self.source.changes_since(self.computation.key, 0)).sort("id")


class Users(Subjects):
    """Users with their own values."""

    def __init__(
        self,
        source: Changing,
        computation: Computation,
        calls: tuple[str, ...],
        temporary: Path,
        strategy: Chosen,
        directory: Directory,
    ) -> None:
        super().__init__(source, computation, calls, temporary)
        self.strategy, self.directory = strategy, directory

    @property
    def edges(self) -> Sequence[str]:
        """Those of all profiles."""
        return self.directory.edges

    def values(self, selection: Selection) -> pl.DataFrame:
        """The snapshot's."""
        with reading(self.source):
            return self.source.scan_snapshot(self.computation.key).filter(selection.of()).collect()

    def identifiers(self, selection: Selection, values: pl.DataFrame) -> pl.DataFrame:
        """Those in the directory."""
        return self.directory.held(selection)

    def changed_since(self, run: int) -> pl.Series | None:
        """Those with other identifiers."""
        return self.directory.changed_since(run)


class UsersOfAccounts(Users):
    """Users with the values of their accounts. What accounts have is in memory as a whole."""

    def values(self, selection: Selection) -> pl.DataFrame:
        """Of several accounts with a value, one; see ``account_users.values_of_users``."""
        with reading(self.source):
            return values_of_users(self._snapshot.lazy(), self._users(selection), self.computation.kind).collect()

    def conflicts(self, selection: Selection) -> int:
        """Users of several accounts that have a value."""
        if self.computation.kind is Kind.AUDIENCE:
            return 0
        having = self._snapshot.lazy().select(account="id")
        held = self._users(selection).join(having, on="account", how="semi")
        with reading(self.source):
            return held.group_by("id").len().filter(pl.col("len") > 1).collect().height

    def changed_since(self, run: int) -> pl.Series | None:
        """All profiles that changed: their accounts may be others."""
        return self.directory.touched_since(run)

    def _users(self, selection: Selection) -> pl.LazyFrame:
        profiles = self.source.profiles().filter(selection.of())
        return account_users(profiles, include_anonymous=self.computation.include_anonymous_users)

    @cached_property
    def _snapshot(self) -> pl.DataFrame:
        with reading(self.source):
            return self.source.scan_snapshot(self.computation.key).collect()

    def _all_departures(self) -> pl.LazyFrame:
        users = account_users(self.source.profiles(), include_anonymous=self.computation.include_anonymous_users)
        of_accounts = departed(self.source.changes_since(self.computation.key, 0)).collect()
        return departures_of_users(of_accounts, users).lazy()


class Accounts(Subjects):
    """Accounts with their own values."""

    strategy = ACCOUNTS

    @cached_property
    def edges(self) -> Sequence[str]:
        """Those of all accounts that have a value."""
        with reading(self.source):
            ids = self.source.scan_snapshot(self.computation.key).select("id").collect().to_series().sort()
        found: list[str] = ids.gather_every(PROFILES_PER_PART, offset=PROFILES_PER_PART).to_list()
        return found

    def values(self, selection: Selection) -> pl.DataFrame:
        """The snapshot's."""
        with reading(self.source):
            return self.source.scan_snapshot(self.computation.key).filter(selection.of()).collect()

    def identifiers(self, selection: Selection, values: pl.DataFrame) -> pl.DataFrame:
        """Their ids."""
        return group_ids(values)

    def changed_since(self, run: int) -> pl.Series | None:
        """None: all that is known of them is their id."""
        return pl.Series([], dtype=pl.String)


def subjects_of(
    source: Changing,
    computation: Computation,
    calls: Sequence[str],
    strategy: Chosen,
    directory: Directory,
    folder: Path,
) -> Iterator[Subjects]:
    """Accounts first, where there are any; ``strategy`` is that of profiles."""
    if GROUP in calls:
        yield Accounts(source, computation, (GROUP,), folder)
    others = tuple(call for call in calls if call != GROUP)
    if others:
        kind = Users if computation.level is Level.USER else UsersOfAccounts
        yield kind(source, computation, others, folder, strategy, directory)


def group_ids(values: pl.DataFrame) -> pl.DataFrame:
    """The identifiers of accounts, as ``identifiers.identifiers_of`` gives them of profiles."""
    return values.select(
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
