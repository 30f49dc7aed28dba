"""What a run computes from, out of a store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import polars as pl

from audiences.events.accounts import ORDER, Dealing
from audiences.events.buckets import Bucket, BucketPlan
from audiences.events.needs import EventNeeds, column_name
from audiences.events.people import UNIVERSE
from audiences.events.prepared import PreparedInputs, Statistics, with_traits
from audiences.events.rejects import Rejects
from audiences.events.store.affected import Affected
from audiences.events.store.base import TEXTS
from audiences.events.store.bucket_rows import BucketReader
from audiences.events.store.keeping import Keeper
from audiences.events.store.kept_universe import KeptUniverse
from audiences.events.store.rows import Part, ProfileRows
from audiences.events.values import value_expression

_OF_VALUES: Final = (column_name("property", ()), column_name("context", ()))


@dataclass(frozen=True, slots=True)
class StoreRows:
    """The rows of a store: how they are read, whose they are, and how many of them make a bucket."""

    reader: BucketReader
    kept: KeptUniverse
    rows_in_bucket: int

    def of(self, profiles: pl.DataFrame) -> ProfileRows:
        """Those of some profiles (with ``id``, sorted)."""
        return ProfileRows(self.reader, self.kept, profiles, self.rows_in_bucket)

    def needing(self, needs: EventNeeds) -> StoreRows:
        """The same, of which less is needed."""
        return replace(self, reader=self.reader.needing(needs))

    @property
    def rows_of_profile(self) -> int:
        """How many rows a profile has on average, at least one."""
        manifest = self.reader.manifest
        rows = manifest.base.rows + sum(generation.rows for generation in manifest.later)
        return max(1, rows // max(sum(bucket.homes for bucket in manifest.base.buckets), 1))


class StoredInputs(PreparedInputs):
    """``PreparedInputs`` whose events are in a store: a bucket of it is read when it is its turn.

    ``affected`` says whom the run has to compute anew, if the run before is known; ``keeper`` keeps what is seen now.
    """

    affected: Affected | None = None
    keeper: Keeper | None = None

    def __init__(
        self,
        everyone: Callable[[], pl.DataFrame],
        rejects: Rejects,
        statistics: Statistics,
        *,
        needs: EventNeeds,
        rows: StoreRows,
        accounts: Callable[[], pl.DataFrame],
        dealing: Dealing,
        close: Callable[[], None] = lambda: None,
        note: str = "",
    ) -> None:
        super().__init__(
            lambda: self.everyone.select(list(UNIVERSE)),
            rejects,
            statistics,
            needs=needs,
            plan=None,
            events=lambda number: self._joined(self._parts(texts=TEXTS)),
            accounts=accounts,
            close=close,
            dealing=dealing,
        )
        self._everyone, self._store, self.note = everyone, rows, note

    @cached_property
    def everyone(self) -> pl.DataFrame:
        """All profiles: ``PROFILES``, sorted by id."""
        return self._everyone()

    @property
    def members(self) -> pl.DataFrame:
        """``id``, ``account_ids`` and ``anonymous`` of all profiles."""
        return self.everyone.select("id", "account_ids", "anonymous")

    @cached_property
    def _rows(self) -> ProfileRows:
        return self._store.of(self.everyone)

    def buckets(self) -> Iterator[Bucket]:
        """Every profile in exactly one bucket; at least one bucket, even if it is empty."""
        for part in self._parts():
            yield Bucket(part.events, self._profile_rows(part.rows), part.forms)

    def only(self, profiles: Collection[str], accounts: Collection[str], *, mark: str | None = None) -> PreparedInputs:
        """Some profiles with all their events, and some accounts, by their ids: in memory, in one bucket.

        Only the rows of these profiles are read. Events keep their order; with ``mark`` each gets a number, as text in
        a column of this name (``VALUE``).
        """
        few = self.few(pl.Series(sorted(profiles), dtype=pl.String), pl.Series(list(accounts), dtype=pl.String))
        events = few._joined(few._parts(texts=TEXTS))
        if mark is not None:
            numbers = pl.int_range(pl.len()).cast(pl.String)
            events = events.with_columns(value_expression("string", numbers).alias(mark))
        return PreparedInputs(
            lambda: few.profiles,
            self.rejects,
            self.statistics,
            needs=self._needs,
            plan=BucketPlan((0,), few.profiles.height),
            events=lambda number: events,
            accounts=few.accounts,
            close=lambda: None,
            shows=True,
        )

    def few(self, profiles: pl.Series, accounts: pl.Series, needs: EventNeeds | None = None) -> StoredInputs:
        """Some profiles and accounts, by their ids; those that don't exist are left out.

        ``needs`` are, if given, no more than those of these inputs.
        """
        rows = self._store.kept.some(profiles)
        return StoredInputs(
            lambda: rows,
            self.rejects,
            self.statistics,
            needs=self._needs if needs is None else needs,
            rows=self._store if needs is None else self._store.needing(needs),
            accounts=lambda: self.accounts().filter(pl.col("account_id").is_in(accounts.implode())),
            dealing=self._dealing.evenly(self._store.rows_of_profile),
        )

    def _parts(self, events: Collection[str] | None = None, texts: Collection[str] = ()) -> Iterator[Part]:
        """At least one part, even if it is empty."""
        if not self._rows.numbers:
            yield Part(pl.Series([], dtype=pl.UInt32), self._rows.no_events(texts), {})
        for number in self._rows.numbers:
            yield self._rows.part(number, events=events, texts=texts)

    def _joined(self, parts: Iterator[Part]) -> pl.DataFrame:
        """Events with values; ``owner`` is the row in the universe."""
        empty = _as_read(Part(pl.Series([], dtype=pl.UInt32), self._rows.no_events(TEXTS), {}))
        return pl.concat([empty, *(_as_read(part).select(empty.columns) for part in parts)])

    def _dealt(self, names: Collection[str], columns: Collection[str] | None, in_order: bool) -> Iterator[pl.DataFrame]:
        for part in self._parts(events=names, texts=ORDER if in_order else ()):
            yield _as_read(part if columns is None else _only(part, columns))

    def _profile_rows(self, rows: pl.Series) -> pl.DataFrame:
        """Profiles as a bucket has them."""
        traits = self.everyone.get_column("traits")
        return with_traits(self.members.select(pl.all().gather(rows)), lambda: traits.gather(rows), self._needs.traits)


def _only(part: Part, columns: Collection[str]) -> Part:
    """A part with these columns of values only."""
    left_out = [name for name in part.events.columns if name.startswith(_OF_VALUES) and name not in columns]
    forms = {name: form for name, form in part.forms.items() if name in columns}
    return Part(part.rows, part.events.drop(left_out), forms)


def _as_read(part: Part) -> pl.DataFrame:
    """The events of a part as they were read: with values, and the owner's row in the universe."""
    owner = part.rows.gather(part.events.get_column("owner"))
    event = part.events.get_column("event").cast(pl.String)
    return part.with_values().with_columns(owner=owner, event=event).drop("place")
