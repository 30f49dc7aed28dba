"""Whom a run has to compute anew: those whose inputs changed, and those for whom the passing of time may count."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from audiences.events.accounts import users_of_accounts
from audiences.events.documents import JsonDocument
from audiences.events.instants import instant_of_text
from audiences.events.store.basis import Touched
from audiences.events.store.crossing import Crossing, Span
from audiences.events.store.current import Before
from audiences.events.store.kept_universe import KeptUniverse
from audiences.events.store.news import News
from audiences.language.tree import Path

_AT_ONCE: Final = 200_000  # profiles whose traits are looked at together


@dataclass(frozen=True)
class Affected:
    """Against the run before, and against earlier ones.

    ``account_changes`` finds the accounts (ids) whose traits are others than when they were looked at last; None where
    that isn't known.
    """

    before: Before
    kept: KeptUniverse
    news: News
    crossing: Crossing
    account_changes: Callable[[], pl.Series | None]

    @property
    def run(self) -> int:
        """The run before."""
        return self.before.basis.run

    def profiles(self, run: int, names: Collection[str], spans: Mapping[str, Sequence[Span]]) -> pl.Series | None:
        """The profiles (ids, sorted) whose values may not be those of a run; None where that isn't known any more.

        The values are made of events with some ``names``; ``spans`` are the events, by name, that count at one of the
        two instants and not at the other. Some profiles are no longer there.
        """
        earlier, came = self._earlier(run, "profiles"), self._earlier(run, "arrived")
        if earlier is None or came is None:
            return None
        touched = [*(one.get_column("id") for one in earlier), self.news.touched]
        rows = pl.concat([*came, self.news.arrived])
        owners = rows.filter(pl.col("event").is_in(list(names))).get_column("id")
        crossed = self.crossing.owners(spans) if spans else pl.Series("id", dtype=pl.String)
        known = self.kept.some(pl.concat([crossed, owners])).get_column("id")
        return pl.concat([*touched, known]).unique().sort()

    def with_dates(self, path: Path, spans: Sequence[Span]) -> pl.Series:
        """The profiles (ids) whose custom trait is a date in one of some spans, their ends included."""
        everyone = self.kept.whole().select("id", "traits")
        found = [pl.Series("id", dtype=pl.String)]
        for part in everyone.iter_slices(_AT_ONCE):
            texts = JsonDocument(part.get_column("traits")).values(path).struct.field("text")
            found.append(part.get_column("id").filter(dates_in(texts, spans)))
        return pl.concat(found)

    def accounts(self, run: int) -> pl.Series | None:
        """The accounts (ids, sorted) whose users or traits may not be those of a run; None as above."""
        earlier, changed = self._earlier(run, "accounts"), self.account_changes()
        if earlier is None or changed is None:
            return None
        touched = [one.get_column("id") for one in earlier]
        return pl.concat([*touched, accounts_of_news(self.news), changed]).unique().sort()

    def accounts_of(self, profiles: pl.Series) -> pl.Series:
        """The accounts that some profiles belong to now (ids, sorted)."""
        return accounts_in(self.kept.some(profiles)).unique().sort()

    def users_of(self, accounts: pl.Series) -> pl.Series:
        """The users that some accounts have now (ids, sorted)."""
        everyone = self.kept.whole()
        members = users_of_accounts(everyone.select("account_ids"))
        rows = members.filter(pl.col("account").is_in(accounts.implode())).get_column("row").unique().sort()
        return everyone.get_column("id").gather(rows)

    def _earlier(self, run: int, table: str) -> list[pl.DataFrame] | None:
        found: Sequence[Touched] | None = self.before.basis.touched_since(run)
        if found is None:
            return None
        return [self.before.files.mapped(f"{one.folder}/{table}") for one in found]


def dates_in(texts: pl.Series, spans: Sequence[Span]) -> pl.Series:
    """Which texts are dates or timestamps in one of some spans, their ends included (Boolean)."""
    micros = texts.alias("text").to_frame().select(instant_of_text(pl.col("text")).dt.timestamp("us")).to_series()
    inside = pl.repeat(False, len(texts), dtype=pl.Boolean, eager=True)
    for span in spans:
        inside = inside | micros.is_between(pl.lit(span.start), pl.lit(span.end)).fill_null(False)
    return inside


def accounts_of_news(news: News) -> pl.Series:
    """The accounts (ids) of profiles that changed, as they are and as they were."""
    return accounts_in(pl.concat([news.before, news.changed])).unique().sort()


def accounts_in(profiles: pl.DataFrame) -> pl.Series:
    """The accounts of profiles (with ``account_ids``), as ids."""
    return profiles.get_column("account_ids").explode(empty_as_null=False, keep_nulls=False).alias("id")
