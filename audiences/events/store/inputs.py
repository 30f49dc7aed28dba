"""What a run computes from, out of a store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Final

import polars as pl

from audiences.events.accounts import ORDER, Dealing
from audiences.events.buckets import Bucket, BucketPlan
from audiences.events.needs import EventNeeds, column_name
from audiences.events.people import People
from audiences.events.prepared import PreparedInputs, Statistics, with_traits
from audiences.events.rejects import Rejects
from audiences.events.store.rows import TEXTS, Part, StoredRows, with_values
from audiences.events.universe import Universe
from audiences.events.values import value_expression

_OF_VALUES: Final = (column_name("property", ()), column_name("context", ()))


class StoredInputs(PreparedInputs):
    """``PreparedInputs`` whose events are in a store: a bucket of it is read when it is its turn."""

    def __init__(
        self,
        universe: Universe,
        rejects: Rejects,
        statistics: Statistics,
        *,
        needs: EventNeeds,
        rows: StoredRows,
        accounts: Callable[[], pl.DataFrame],
        close: Callable[[], None],
        dealing: Dealing,
        note: str = "",
    ) -> None:
        super().__init__(
            universe.people,
            rejects,
            statistics,
            needs=needs,
            plan=BucketPlan((0,), universe.profiles.height),
            events=lambda number: self._joined(self._parts()),
            accounts=accounts,
            close=close,
            dealing=dealing,
        )
        self._universe, self._rows, self.note = universe, rows, note

    @property
    def members(self) -> pl.DataFrame:
        """``id``, ``account_ids`` and ``anonymous`` of all profiles."""
        return self._universe.profiles.select("id", "account_ids", "anonymous")

    def buckets(self) -> Iterator[Bucket]:
        """Every profile in exactly one bucket; at least one bucket, even if it is empty."""
        some = False
        for number in self._rows.numbers:
            part = self._rows.part(number)
            if len(part.rows):
                some = True
                yield Bucket(part.events, self._profile_rows(part.rows), part.forms)
        if not some:
            yield Bucket(self._rows.no_events(), self._profile_rows(pl.Series([], dtype=pl.UInt32)), {})

    def only(self, profiles: Collection[str], accounts: Collection[str], *, mark: str | None = None) -> PreparedInputs:
        """Some profiles with all their events, and some accounts, by their ids: in memory, in one bucket.

        Only the files that may have rows of one of the profiles are read. Events keep their order; with ``mark`` each
        gets a number, as text in a column of this name (``VALUE``).
        """
        wanted = self.members.get_column("id").is_in(list(profiles))
        places = wanted.arg_true().cast(pl.UInt32)
        events = self._joined(self._parts(wanted))
        events = events.with_columns(owner=places.search_sorted(events.get_column("owner")).cast(pl.UInt32))
        if mark is not None:
            numbers = pl.int_range(pl.len()).cast(pl.String)
            events = events.with_columns(value_expression("string", numbers).alias(mark))
        return PreparedInputs(
            People(self.people.scan().filter(pl.col("id").is_in(list(profiles))).collect()),
            self.rejects,
            self.statistics,
            needs=self._needs,
            plan=BucketPlan((0,), len(places)),
            events=lambda number: events,
            accounts=lambda: self.accounts().filter(pl.col("account_id").is_in(list(accounts))),
            close=lambda: None,
            shows=True,
        )

    def _parts(self, wanted: pl.Series | None = None, events: Collection[str] | None = None) -> Iterator[Part]:
        for number in self._rows.numbers:
            yield self._rows.part(number, events=events, wanted=wanted, texts=TEXTS)

    def _joined(self, parts: Iterator[Part]) -> pl.DataFrame:
        """Events with values; ``owner`` is the row in the universe."""
        empty = _as_read(Part(pl.Series([], dtype=pl.UInt32), self._rows.no_events(TEXTS), {}))
        return pl.concat([empty, *(_as_read(part).select(empty.columns) for part in parts)])

    def _dealt(self, names: Collection[str], columns: Collection[str] | None, in_order: bool) -> Iterator[pl.DataFrame]:
        for number in self._rows.numbers:
            part = self._rows.part(number, events=names, texts=ORDER if in_order else ())
            yield _as_read(part if columns is None else _only(part, columns))

    def _profile_rows(self, rows: pl.Series) -> pl.DataFrame:
        """Profiles as a bucket has them."""
        people = self.members.select(pl.all().gather(rows))
        return with_traits(people, lambda: self.people.traits.gather(rows), self._needs.traits)


def _only(part: Part, columns: Collection[str]) -> Part:
    """A part with these columns of values only."""
    left_out = [name for name in part.events.columns if name.startswith(_OF_VALUES) and name not in columns]
    forms = {name: form for name, form in part.forms.items() if name in columns}
    return Part(part.rows, part.events.drop(left_out), forms)


def _as_read(part: Part) -> pl.DataFrame:
    """The events of a part as they were read: with values, and the owner's row in the universe."""
    owner = part.rows.gather(part.events.get_column("owner"))
    return (
        with_values(part).with_columns(owner=owner, event=part.events.get_column("event").cast(pl.String)).drop("place")
    )
