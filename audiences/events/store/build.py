"""Writing a generation: what some tables of events have that the store doesn't have yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import polars as pl

from audiences.events.instants import INSTANT
from audiences.events.needs import EventNeeds
from audiences.events.rejects import Rejects
from audiences.events.rows import CALLS
from audiences.events.store.base import IDENTITIES, write_bucket
from audiences.events.store.deciding import Lost, Stored, decide
from audiences.events.store.files import Files
from audiences.events.store.homes import Homes, is_profile, numbers_in
from audiences.events.store.manifest import Bucket, Counts, Generation
from audiences.events.store.message_ids import write_index
from audiences.events.store.pieces import Spill, together
from audiences.events.store.reading import CALL, Cut, Reading
from audiences.events.store.replacing import COMPANIONS, write_replaced
from audiences.events.tables import Table

_NO_CALLS: Final = pl.Schema(
    {name: CALLS if name == "type" else INSTANT if name == "timestamp" else pl.String() for name in CALL[1:]}
)
_READING: Final = 0.6  # of the time that an ingest takes
_AT_ONCE: Final = 2  # buckets in memory


FindHomes = Callable[[int], Homes]
"""Finds the homes of identities, in a number of buckets."""


@dataclass(frozen=True, slots=True)
class Ingest:
    """What is read, and for what: ``stored`` is what there is already, ``kept`` whether more can follow."""

    tables: Sequence[Table]
    needs: EventNeeds
    homes: FindHomes
    cut: Cut
    stored: Stored | None = None
    kept: bool = False
    count: Callable[[int], None] = field(default=lambda done: None)


def write_generation(files: Files, name: str, spill: Spill, ingest: Ingest) -> tuple[Generation, Counts]:
    """Reads the tables and writes the files of a generation.

    Raises:
        InputError: as reading does; and if rows that were read before must be looked at again and can't be.
    """
    rejects = Rejects()
    reading = Reading(ingest.tables, ingest.needs)
    homes = ingest.homes(ingest.cut.buckets)
    homes.put_down(spill)
    progress = _Progress(ingest.count, reading.places, ingest.cut.buckets)
    read = reading.put_down(spill, ingest.cut, homes, rejects, progress.read)
    first = ingest.stored.arrivals.places if ingest.stored else 0
    indexes: list[str] = []

    def keep(part: int, keys: pl.DataFrame) -> None:
        if ingest.kept:
            title = f"{name}/index-{part:03}.arrow"
            write_index(files.root / title, keys.with_columns(pl.col("place") + first))
            indexes.append(title)

    decided = decide(spill, ingest.cut.parts, reading, ingest.stored, keep)
    lost, replaced = decided.lost, decided.replaced.height
    writer = _Writer(files, name, sorted(ingest.needs.events), lost, homes)
    buckets = writer.write_all(spill, ingest.cut.buckets, progress.written)
    progress.written(ingest.cut.buckets)
    writer.write_sums(spill)
    if ingest.stored and replaced:
        write_replaced(files, name, ingest.stored, decided)
    generation = Generation(
        name=name, buckets=tuple(buckets), indexes=tuple(sorted(indexes)), parts=ingest.cut.parts, replaced=replaced
    )
    counts = Counts.of(read.rows, read.accepted - lost.count - replaced, lost.count + replaced, rejects)
    return generation, counts


@dataclass(frozen=True, slots=True)
class _Progress:
    """Tells ``count`` how many of the ``rows`` are done: reading them is one part of the work, writing them another."""

    count: Callable[[int], None]
    rows: int
    buckets: int

    def read(self, rows: int) -> None:
        self.count(int(rows * _READING))

    def written(self, buckets: int) -> None:
        self.count(self.rows - int(self.rows * (1 - _READING) * (1 - buckets / self.buckets)))


def no_homes() -> pl.Series:
    """The homes in a bucket without rows."""
    return pl.Series("home", dtype=pl.String)


@dataclass(frozen=True, slots=True)
class _Written:
    """A bucket, its ``IDENTITIES``, homes and ``COMPANIONS``."""

    bucket: Bucket
    identities: pl.DataFrame = field(default_factory=IDENTITIES.to_frame)
    homes: pl.Series = field(default_factory=no_homes)
    companions: Sequence[pl.DataFrame] = ()


class _Writer:
    """Writes what was put down, bucket by bucket, and sums it up by identity."""

    def __init__(self, files: Files, name: str, events: Sequence[str], lost: Lost, homes: Homes) -> None:
        self._files, self._name, self._events, self._lost, self._homes = files, name, events, lost, homes
        self._identities: list[pl.DataFrame] = [IDENTITIES.to_frame()]
        self._found_homes: list[pl.Series] = [no_homes()]
        self._companions: list[pl.DataFrame] = [COMPANIONS.to_frame()]

    def write_all(self, spill: Spill, buckets: int, done: Callable[[int], None]) -> list[Bucket]:
        """Writes all buckets, some at the same time: they have nothing to do with each other. ``done`` is called with
        how many are written.
        """
        if buckets == 1:
            return [self._added(self._write(spill, 0))]
        pool = ThreadPoolExecutor(_AT_ONCE)
        found = []
        try:
            for written in pool.map(partial(self._write, spill), range(buckets)):
                found.append(self._added(written))
                done(len(found))
        finally:
            pool.shutdown(cancel_futures=True)  # where one fails, or the user stops it, the others aren't begun
        return found

    def _added(self, written: _Written) -> Bucket:
        self._identities.append(written.identities)
        self._found_homes.append(written.homes)
        self._companions += written.companions
        return written.bucket

    def _write(self, spill: Spill, number: int) -> _Written:
        names = self._homes.named(spill, number)
        others = [_numbered(names, self._lost.without(frame)) for frame in spill.take("others", number)]
        frames = spill.take("rows", number)
        rows = _numbered(names, together(frames)) if frames else None
        del frames
        kept = None if rows is None else self._lost.kept(rows)
        seen = [_seen(frame, None, 0) for frame in others] + ([] if rows is None else [_seen(rows, kept, 1)])
        if not seen:
            return _Written(Bucket())
        found = pl.concat(seen).group_by("identity").agg(pl.col("first_seen").min(), pl.col("events").sum())
        found = found.sort("identity")
        identities = names.select(pl.col("identity", "home").gather(found.get_column("identity")))
        identities = identities.hstack(found.drop("identity")).select(list(IDENTITIES))
        texts = names.get_column("identity")
        companions = [_companions(texts, frame, None) for frame in others]
        bucket, own_homes = Bucket(identities=identities.height), no_homes()
        if rows is not None:
            companions.append(_companions(texts, rows, kept))
            if kept is None or len(kept):
                place = pl.Series([None], dtype=pl.UInt32).new_from_index(0, names.height)
                place.scatter(found.get_column("identity"), pl.int_range(found.height, dtype=pl.UInt32, eager=True))
                columns = rows.to_dict() | {"identity": place.gather(rows.get_column("identity"))}
                del rows, others
                title = f"{self._name}/bucket-{number:03}"
                written = write_bucket(self._files, title, columns, identities, self._events, kept)
                bucket, own_homes = written.bucket(identities), written.homes
        own = pl.when(pl.col("home") != pl.col("identity")).then("home").alias("home")
        return _Written(bucket, identities.with_columns(own), own_homes, companions)

    def write_sums(self, spill: Spill) -> None:
        companions = pl.concat(self._companions).group_by(list(COMPANIONS)[:3]).agg(pl.col("first_seen").min())
        calls = [self._lost.without(frame).drop("place") for frame in spill.take("calls", 0)]
        found = pl.concat([_NO_CALLS.to_frame(), *calls]).sort(
            "identity", "timestamp", "message_id", "content", nulls_last=True
        )
        self._files.write(f"{self._name}/identities", pl.concat(self._identities))
        self._files.write(f"{self._name}/homes", pl.concat(self._found_homes).to_frame())
        self._files.write(f"{self._name}/companions", companions.sort(list(COMPANIONS)[:3], nulls_last=True))
        self._files.write(f"{self._name}/calls", found)


def _numbered(names: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with the place of their ``identity`` among the names (UInt32)."""
    return rows.drop("hash", "check").with_columns(numbers_in(names, rows).alias("identity"))


def _seen(rows: pl.DataFrame, kept: pl.Series | None, events: int) -> pl.DataFrame:
    """The identities of some rows, as numbers."""
    frame = rows.select("identity", "timestamp")
    if kept is not None:
        frame = frame.select(pl.all().gather(kept))
    return frame.group_by("identity").agg(
        pl.col("timestamp").min().alias("first_seen"),
        (pl.len() if events else pl.lit(0)).cast(pl.UInt32).alias("events"),
    )


def _companions(names: pl.Series, rows: pl.DataFrame, kept: pl.Series | None) -> pl.DataFrame:
    profiles = names.to_frame().select(is_profile(pl.first())).to_series()
    if not profiles.any():
        return COMPANIONS.to_frame()
    named = profiles.gather(rows.get_column("identity"))
    numbers = named.arg_true() if kept is None else kept.filter(named.gather(kept))
    found = rows.select(
        names.gather(rows.get_column("identity").gather(numbers)).alias("identity"),
        pl.col("user_id", "anonymous_id").cast(pl.String).gather(numbers),
        pl.col("timestamp").gather(numbers),
    )
    return found.group_by("identity", "user_id", "anonymous_id").agg(pl.col("timestamp").min().alias("first_seen"))
