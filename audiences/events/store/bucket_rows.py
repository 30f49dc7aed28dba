"""Reading rows of one bucket of a store: those of some homes, or all of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Final

import polars as pl

from audiences.clock import microseconds_since_epoch
from audiences.events.accounts import GROUP_ID
from audiences.events.instants import INSTANT
from audiences.events.needs import EventNeeds, column_name
from audiences.events.store.base import SOURCE, TEXTS, Dictionary, bucket_forms
from audiences.events.store.files import Files
from audiences.events.store.manifest import Generation, StoreManifest
from audiences.events.store.merging import Piece
from audiences.events.store.reading import told_ids, value_columns
from audiences.events.store.replacing import Replaced
from audiences.events.values import VALUE
from audiences.language.tree import EACH

_NO_EXCEPTIONS: Final = pl.Schema({"identity": pl.UInt32(), "to": pl.UInt32()})
RANGES: Final = pl.Schema({"first": pl.UInt32(), "end": pl.UInt32(), "owner": pl.UInt32(), "event": pl.UInt32()})
"""Rows from the ``first`` up to the ``end``; ``event`` is the number among those of the store."""

_MOST: Final = 0.5
"""Where more than this share of the homes of a bucket is wanted, its rows are read and then chosen."""


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket of a generation."""

    generation: Generation
    number: int

    @property
    def title(self) -> str:
        """The name of its table of rows."""
        return f"{self.generation.name}/bucket-{self.number:03}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of a bucket: the rows of some homes (``code``, sorted, and ``owner``, null: nobody who is wanted)
    with some names; of identities that are ``exceptions`` (``identity``, sorted, ``to``) another one is the owner.
    ``ranges``: where the rows are (see ``BucketReader.ranges``), if that is known.
    """

    place: Place
    codes: pl.DataFrame
    names: Collection[str]
    exceptions: pl.DataFrame = field(default_factory=_NO_EXCEPTIONS.to_frame)
    ranges: pl.DataFrame | None = None

    def found(self, reader: BucketReader) -> Wanted:
        """The same, with where the rows are, which is found once then."""
        return replace(self, ranges=reader.ranges(self))

    def sizes(self) -> pl.DataFrame:
        """About how many rows each owner has there, once found: ``owner``, ``size`` (Int64)."""
        ranges = RANGES.to_frame() if self.ranges is None else self.ranges
        counted = ranges.select("owner", size=(pl.col("end") - pl.col("first")).cast(pl.Int64))
        return counted.drop_nulls("owner")


class BucketReader:
    """Reads rows that are needed, before an instant."""

    def __init__(self, files: Files, manifest: StoreManifest, needs: EventNeeds, as_of: datetime) -> None:
        self._files, self.manifest, self.needs = files, manifest, needs
        self._as_of = as_of
        self.columns = value_columns(needs)
        self._lists = {column_name("property", path) for path in needs.properties if EACH in path}
        self._lists |= {column_name("context", path) for path in needs.contexts if EACH in path}
        self._names = sorted(needs.events)
        self._replaced = Replaced(files, manifest.generations)
        self._homes: dict[str, pl.Series] = {}
        self._first_homes = {
            one.name: _offsets([bucket.homes for bucket in one.buckets]) for one in manifest.generations
        }

    def needing(self, needs: EventNeeds) -> BucketReader:
        """A reader of the same store that needs less."""
        return BucketReader(self._files, self.manifest, needs, self._as_of)

    def homes(self, generation: str, number: int) -> pl.Series:
        """The homes in a bucket, in the order of their numbers."""
        if generation not in self._homes:
            self._homes[generation] = self._files.mapped(f"{generation}/homes").get_column("home")
        first, end = self._first_homes[generation][number : number + 2]
        return self._homes[generation].slice(first, end - first)

    def read(self, wanted: Wanted, texts: Collection[str] = (), *, located: bool = False) -> Piece:
        """The rows that are wanted, in their order: ``owner``, ``event`` (UInt32, the number among the needed ones),
        ``timestamp``, ``place``, ``source_id``, texts and columns of values; ``located``: also ``at``, the row, and
        ``home``.
        """
        table = self._files.mapped(wanted.place.title)
        forms = bucket_forms(self._files, wanted.place.title)
        columns = ["timestamp", "place", SOURCE, *self.columns]
        rows = self._all(wanted, table) if self._is_most(wanted) else self._some(wanted)
        rows = self._before(wanted, table, self._excepted(wanted, table, rows))
        at = rows.get_column("at")
        found = table.select(columns)
        if rows.height < table.height:
            found = found.select(pl.all().gather(at))
        source = forms[SOURCE]
        if isinstance(source, Dictionary):
            names = source.gather(found.get_column(SOURCE).cast(pl.UInt32)).get_column("text")
        else:
            names = pl.Series([None], dtype=pl.String).new_from_index(0, found.height)
        found = rows.select("owner", "event").hstack(found).with_columns(names.alias(SOURCE))
        own = self._texts(texts)
        if own:
            found = found.hstack(self.texts(wanted.place, at, own))
        if located:
            found = found.with_columns(at=at, home=table.get_column("home").gather(at))
        return Piece(found, {name: forms[name] for name in self.columns if name in forms})

    def ranges(self, wanted: Wanted) -> pl.DataFrame:
        """Where the rows are (``RANGES``), in their order."""
        table = self._files.mapped(wanted.place.title)
        homes, codes = table.get_column("home"), wanted.codes.get_column("code")
        events = self._event_ranges(table, wanted.names)
        if not events or not len(codes):
            return RANGES.to_frame()
        rows = [homes.slice(start, end - start) for _, start, end in events]
        first = pl.concat([own.search_sorted(codes, side="left") for own in rows])
        after = pl.concat([own.search_sorted(codes, side="right") for own in rows])
        each = pl.DataFrame(
            {"event": [event for event, _, _ in events], "start": [start for _, start, _ in events]},
            schema={"event": pl.UInt32, "start": pl.UInt32},
        ).select(pl.all().repeat_by(len(codes)).explode(empty_as_null=False, keep_nulls=False))
        found = each.with_columns(
            (first.cast(pl.UInt32) + each.get_column("start")).alias("first"),
            (after.cast(pl.UInt32) + each.get_column("start")).alias("end"),
            pl.concat([wanted.codes.get_column("owner")] * len(events)).alias("owner"),
        )
        return found.filter(first < after).select(list(RANGES))

    def texts(self, place: Place, at: pl.Series, names: Sequence[str]) -> pl.DataFrame:
        """Some of ``TEXTS`` of some rows (UInt32)."""
        if not len(at):
            return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
        first, end = int(at.min()), int(at.max()) + 1  # type: ignore[arg-type]
        part = self._files.scan_apart(f"{place.title}-texts").slice(first, end - first)
        ids = [name for name in names if name in ("user_id", "anonymous_id")]
        found = part.select(names).collect().select(pl.all().gather(at - first))
        if not ids:
            return found
        numbers = self._files.mapped(place.title).get_column("identity").gather(at)
        identity = self._identities(place).gather(numbers)
        return found.with_columns(one for one in told_ids(pl.lit(identity)) if one.meta.output_name() in ids)

    def no_events(self, texts: Collection[str] = ()) -> pl.DataFrame:
        """The columns of a part, without rows; values as ``VALUE`` or ``List(VALUE)``."""
        schema: dict[str, pl.DataType] = {
            "owner": pl.UInt32(),
            "event": pl.Enum(self._names),
            "timestamp": INSTANT,
            "place": pl.UInt32(),
            "source_id": pl.String(),
        }
        schema |= {name: pl.String() for name in self._texts(texts)}
        schema |= {name: pl.List(VALUE) if name in self._lists else VALUE for name in self.columns}
        return pl.DataFrame(schema=schema)

    def as_events(self, rows: pl.DataFrame, texts: Collection[str]) -> pl.DataFrame:
        """The rows, of which there are some, as ``Bucket`` has them."""
        event = rows.get_column("event").cat.to(pl.Enum(self._names))
        return rows.with_columns(event).select(self.no_events(texts).columns)

    # ── which rows ──────────────────────────────────────────────────────────────────────────────────────────

    def _is_most(self, wanted: Wanted) -> bool:
        bucket = wanted.place.generation.buckets[wanted.place.number]
        return wanted.codes.height > _MOST * bucket.homes

    def _all(self, wanted: Wanted, table: pl.DataFrame) -> pl.DataFrame:
        """``at``, ``owner``, ``event`` of the rows whose homes are wanted, by way of all rows with these names."""
        bucket = wanted.place.generation.buckets[wanted.place.number]
        codes = wanted.codes
        whose = pl.Series([None], dtype=pl.UInt32).new_from_index(0, bucket.homes)
        whose = whose.scatter(codes.get_column("code"), codes.get_column("owner"))
        owner = whose.gather(table.get_column("home")).alias("owner")
        rows = pl.DataFrame(
            [owner, self._event_numbers.gather(table.get_column("event").cast(pl.UInt32)).alias("event")]
        )
        rows = rows.with_row_index("at")
        keep = []
        if not frozenset(self.manifest.coverage.events) <= frozenset(wanted.names):
            numbers = [number for number, name in enumerate(self.manifest.coverage.events) if name in wanted.names]
            keep.append(pl.lit(table.get_column("event")).is_in(numbers))
        if codes.height < bucket.homes:
            chosen = pl.zeros(bucket.homes, dtype=pl.Boolean, eager=True).scatter(codes.get_column("code"), True)
            keep.append(pl.lit(chosen.gather(table.get_column("home"))))
        return rows.filter(*keep) if keep else rows

    def _some(self, wanted: Wanted) -> pl.DataFrame:
        """The same by way of looking up where they are."""
        ranges = self.ranges(wanted) if wanted.ranges is None else wanted.ranges
        rows = ranges.select(
            pl.int_ranges("first", "end", dtype=pl.UInt32).alias("at"),
            "owner",
            self._event_numbers.gather(ranges.get_column("event")).alias("event"),
        )
        return rows.explode("at", empty_as_null=False, keep_nulls=False)

    def _excepted(self, wanted: Wanted, table: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows that somebody who is wanted owns."""
        if wanted.exceptions.height:
            identity = table.get_column("identity").gather(rows.get_column("at"))
            others = wanted.exceptions.with_columns(other=pl.lit(True))
            rows = (
                rows.with_columns(identity=identity)
                .join(others, on="identity", how="left", maintain_order="left")
                .with_columns(owner=pl.when(pl.col("other").is_null()).then("owner").otherwise("to"))
                .select("at", "owner", "event")
            )
        return rows.drop_nulls("owner") if rows.get_column("owner").null_count() else rows

    def _before(self, wanted: Wanted, table: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows that count, before as-of."""
        gone = self._replaced.of(wanted.place.generation.name, wanted.place.number)
        if gone is not None:
            rows = rows.filter(~pl.col("at").is_in(gone.implode()))
        last = wanted.place.generation.buckets[wanted.place.number].last
        if last is None or last < microseconds_since_epoch(self._as_of):
            return rows
        times = table.get_column("timestamp").gather(rows.get_column("at"))
        return rows.filter(times < pl.lit(self._as_of).cast(INSTANT))

    def _event_ranges(self, table: pl.DataFrame, names: Collection[str]) -> Sequence[tuple[int, int, int]]:
        """The number of each of some events among those of the store, and where its rows begin and end."""
        wanted = [number for number, name in enumerate(self.manifest.coverage.events) if name in names]
        events = table.get_column("event")
        numbers = pl.Series(wanted, dtype=pl.UInt16)
        firsts, ends = events.search_sorted(numbers, side="left"), events.search_sorted(numbers, side="right")
        return [one for one in zip(wanted, firsts, ends, strict=True) if one[1] < one[2]]

    @cached_property
    def _event_numbers(self) -> pl.Series:
        """The number among the needed events of each event of the store; null for one that isn't needed."""
        numbers = {name: number for number, name in enumerate(self._names)}
        return pl.Series([numbers.get(name) for name in self.manifest.coverage.events], dtype=pl.UInt32)

    def _identities(self, place: Place) -> pl.Series:
        first, end = place.generation.offsets[place.number : place.number + 2]
        table = self._files.mapped(f"{place.generation.name}/identities")
        return table.get_column("identity").slice(first, end - first)

    def _texts(self, texts: Collection[str]) -> list[str]:
        needed = {*texts, "group_id"} if column_name("context", GROUP_ID) in self.columns else set(texts)
        return [name for name in TEXTS if name in needed]


def _offsets(sizes: Sequence[int]) -> list[int]:
    found = [0]
    for size in sizes:
        found.append(found[-1] + size)
    return found
