"""The accounts of a run: as they were kept where nothing can have changed them, else made from all there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import polars as pl

from audiences.events.accounts import every_account
from audiences.events.profiles import read_accounts
from audiences.events.rejects import Rejects
from audiences.events.store.current import Before, Current
from audiences.events.store.files import Files
from audiences.events.store.layout import instant
from audiences.events.store.manifest import Counts, StoreManifest
from audiences.events.store.news import Since
from audiences.events.store.replacing import calls_together
from audiences.events.tables import Table


@dataclass(frozen=True)
class Accounts:
    """``tables`` are those of accounts (None: there are none), ``table`` their fingerprint."""

    files: Files
    manifest: StoreManifest
    as_of: datetime
    tables: Sequence[Table] | None
    table: str
    current: Current
    before: Before | None
    since: Since | None
    rejects: Rejects

    @cached_property
    def rows(self) -> pl.DataFrame:
        """All accounts: ``account_id``, ``traits`` (JSON text), sorted by id."""
        known = self._known
        if known is not None and self._is_same:
            self.counts.add_to(self.rejects, {})
            return known
        own = Rejects()
        table = None if self.tables is None else read_accounts(self.tables, own)
        calls = calls_together(self.files, self.manifest.generations)
        groups = calls.filter((pl.col("timestamp") < instant(self.as_of)) & (pl.col("type") == "group"))
        found = every_account(table, groups, self.current.kept.whole())
        self._read.append(Counts.of(0, 0, 0, own))
        self.counts.add_to(self.rejects, {})
        return found

    @cached_property
    def _read(self) -> list[Counts]:
        """What was rejected, if the table was read."""
        return []

    @property
    def counts(self) -> Counts:
        """What was rejected of the table."""
        if self._read:
            return self._read[0]
        kept = self.before.basis.accounts if self.before else None
        return kept.rejects if kept else Counts()

    @property
    def were_read(self) -> bool:
        """Whether somebody asked for them."""
        return "rows" in self.__dict__

    @cached_property
    def changes(self) -> pl.Series | None:
        """The accounts (ids) that came, went or have other traits than when they were kept; None: nothing is known."""
        known = self._known
        if known is None:
            return None
        if known is self.rows:
            return known.get_column("account_id").clear()
        both = known.join(self.rows, on="account_id", how="full", coalesce=True, suffix="_now")
        return both.filter(pl.col("traits").ne_missing(pl.col("traits_now"))).get_column("account_id")

    @cached_property
    def _known(self) -> pl.DataFrame | None:
        kept = self.before.basis.accounts if self.before and self.current.news else None
        return self.before.files.mapped(f"{kept.folder}/accounts") if self.before and kept else None

    @property
    def _is_same(self) -> bool:
        """Whether nothing that accounts are made of has changed since they were kept."""
        kept = self.before.basis.accounts if self.before else None
        news = self.current.news
        if (
            self.before is None
            or kept is None
            or news is None
            or self.since is None
            or kept.table != self.table
            or kept.run < self.before.basis.run
        ):
            return False
        moves = news.before.join(news.changed, on="id", how="full", suffix="_now", coalesce=True)
        if moves.filter(_lists("account_ids").ne_missing(_lists("account_ids_now"))).height:
            return False
        calls = self.since.tables("calls", "timestamp")
        return not any((rows.get_column("type") == "group").any() for rows in calls)


def _lists(name: str) -> pl.Expr:
    return pl.col(name).fill_null(pl.lit(pl.Series([[]], dtype=pl.List(pl.String))))
