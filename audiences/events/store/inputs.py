"""What a run computes from, out of a store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import polars as pl

from audiences.events.accounts import Dealing
from audiences.events.buckets import Bucket, BucketPlan
from audiences.events.identifiers import is_anonymous
from audiences.events.needs import EventNeeds
from audiences.events.prepared import PreparedInputs, Statistics
from audiences.events.rejects import Rejects
from audiences.events.store.affected import Affected
from audiences.events.store.base import TEXTS
from audiences.events.store.bucket_rows import BucketReader
from audiences.events.store.keeping import Keeper
from audiences.events.store.kept_universe import KeptUniverse
from audiences.events.store.rows import Part, ProfileRows
from audiences.events.universe import UNIVERSE
from audiences.events.values import value_expression


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
        profiles: Callable[[], pl.DataFrame],
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
            profiles,
            rejects,
            statistics,
            needs=needs,
            plan=None,
            events=lambda number: self._joined(self._parts(texts=TEXTS)),
            accounts=accounts,
            close=close,
            dealing=dealing,
        )
        self._store, self.note = rows, note

    @cached_property
    def _rows(self) -> ProfileRows:
        return self._store.of(self.profiles)

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
        rows = self._store.kept.some(profiles).select(list(UNIVERSE))
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

    @cached_property
    def _members(self) -> pl.DataFrame:
        return self.profiles.select("account_ids", anonymous=is_anonymous()).with_row_index("row")

    def _dealt(self, names: Collection[str]) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        for part in self._parts(events=names, texts=TEXTS):
            yield _as_read(part), self._members.select(pl.all().gather(part.rows))

    def _profile_rows(self, rows: pl.Series) -> pl.DataFrame:
        return self._of_universe(self.profiles.select(pl.all().gather(rows)))


def _as_read(part: Part) -> pl.DataFrame:
    """The events of a part as they were read: with values, and the owner's row in the universe."""
    owner = part.rows.gather(part.events.get_column("owner"))
    event = part.events.get_column("event").cast(pl.String)
    return part.with_values().with_columns(owner=owner, event=event).drop("place")
