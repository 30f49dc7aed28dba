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
from audiences.events.store.files import Files
from audiences.events.store.homes import NAMES, Homes, is_profile, numbers_in
from audiences.events.store.manifest import Bucket, Counts, Generation
from audiences.events.store.message_ids import Lost, copies_in_index, find_copies, write_index
from audiences.events.store.pieces import Spill, together
from audiences.events.store.reading import CALL, Cut, Reading
from audiences.events.tables import Table

COMPANIONS: Final = pl.Schema(
    {"identity": pl.String(), "user_id": pl.String(), "anonymous_id": pl.String(), "first_seen": INSTANT}
)
_NO_CALLS: Final = pl.Schema(
    {name: CALLS if name == "type" else INSTANT if name == "timestamp" else pl.String() for name in CALL[1:]}
)
_AT_ONCE: Final = 2  # buckets in memory


@dataclass(frozen=True, slots=True)
class Ingest:
    """What is read, and for what: ``known`` are the generations there are already, ``kept`` whether more can follow."""

    tables: Sequence[Table]
    needs: EventNeeds
    identifiers: pl.DataFrame
    cut: Cut
    known: Sequence[Generation] = ()
    kept: bool = False
    count: Callable[[int], None] = field(default=lambda done: None)


def write_generation(files: Files, name: str, spill: Spill, ingest: Ingest) -> tuple[Generation, Counts]:
    """Reads the tables and writes the files of a generation.

    Raises:
        UndecidedError: if a copy of a row of a generation before may be the one that counts.
        InputError: as reading does.
    """
    rejects = Rejects()
    reading = Reading(ingest.tables, ingest.needs)
    homes = Homes(ingest.identifiers, ingest.cut.buckets)
    read = reading.put_down(spill, ingest.cut, homes, rejects, ingest.count)
    indexes: list[str] = []

    def settle(part: int, keys: pl.DataFrame) -> pl.Series:
        lost = _known_copies(files, ingest.known, part, ingest.cut.parts, keys)
        if ingest.kept:
            title = f"{name}/index-{part:03}.arrow"
            write_index(files.root / title, keys.filter(~pl.col("place").is_in(lost.implode())))
            indexes.append(title)
        return lost

    lost = Lost(find_copies(spill, ingest.cut.parts, reading.again, settle), reading.places)
    writer = _Writer(files, name, sorted(ingest.needs.events), lost, homes)
    buckets = writer.write_all(spill, ingest.cut.buckets)
    writer.write_sums(spill)
    generation = Generation(name=name, buckets=tuple(buckets), indexes=tuple(indexes), parts=ingest.cut.parts)
    return generation, Counts.of(read.rows, read.accepted - lost.count, lost.count, rejects)


def _known_copies(files: Files, known: Sequence[Generation], part: int, parts: int, keys: pl.DataFrame) -> pl.Series:
    """The places of rows that are copies of what is there already."""
    lost = [pl.Series("place", dtype=pl.UInt64)]
    for generation in known:
        for title in generation.indexes:
            number = int(title.removesuffix(".arrow").rpartition("-")[2])
            if generation.parts == parts and number != part:
                continue
            here = keys if generation.parts in (1, parts) else keys.filter(pl.col("hash") % generation.parts == number)
            if here.height:
                lost.append(copies_in_index(files.root / title, here))
    return pl.concat(lost).unique()


@dataclass(frozen=True, slots=True)
class _Written:
    """A bucket, its ``IDENTITIES`` and ``COMPANIONS``."""

    bucket: Bucket
    identities: pl.DataFrame = field(default_factory=IDENTITIES.to_frame)
    companions: Sequence[pl.DataFrame] = ()


class _Writer:
    """Writes what was put down, bucket by bucket, and sums it up by identity."""

    def __init__(self, files: Files, name: str, events: Sequence[str], lost: Lost, homes: Homes) -> None:
        self._files, self._name, self._events, self._lost, self._homes = files, name, events, lost, homes
        self._identities: list[pl.DataFrame] = [IDENTITIES.to_frame()]
        self._companions: list[pl.DataFrame] = [COMPANIONS.to_frame()]

    def write_all(self, spill: Spill, buckets: int) -> list[Bucket]:
        """Writes all buckets, some at the same time: they have nothing to do with each other."""
        if buckets == 1:
            written = [self._write(spill, 0)]
        else:
            pool = ThreadPoolExecutor(_AT_ONCE)
            try:
                written = list(pool.map(partial(self._write, spill), range(buckets)))
            finally:
                pool.shutdown(cancel_futures=True)  # where one fails, or the user stops it, the others aren't begun
        for one in written:
            self._identities.append(one.identities)
            self._companions += one.companions
        return [one.bucket for one in written]

    def _write(self, spill: Spill, number: int) -> _Written:
        names = self._homes.named(pl.concat([NAMES.to_frame(), *spill.take("names", number)]), number)
        others = [_numbered(names, self._lost.without(frame)) for frame in spill.take("others", number)]
        frames = spill.take("rows", number)
        rows = _numbered(names, together(frames)) if frames else None
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
        bucket = Bucket(identities=identities.height)
        if rows is not None:
            companions.append(_companions(texts, rows, kept))
            if kept is None or len(kept):
                place = pl.Series([None], dtype=pl.UInt32).new_from_index(0, names.height)
                place.scatter(found.get_column("identity"), pl.int_range(found.height, dtype=pl.UInt32, eager=True))
                rows = rows.with_columns(place.gather(rows.get_column("identity")).alias("identity"))
                title = f"{self._name}/bucket-{number:03}"
                written = write_bucket(self._files, title, rows, identities, self._events, kept)
                bucket = Bucket(rows=written.rows, first=written.first, last=written.last, identities=found.height)
        own = pl.when(pl.col("home") != pl.col("identity")).then("home").alias("home")
        return _Written(bucket, identities.with_columns(own), companions)

    def write_sums(self, spill: Spill) -> None:
        companions = pl.concat(self._companions).group_by(list(COMPANIONS)[:3]).agg(pl.col("first_seen").min())
        calls = [self._lost.without(frame).drop("place") for frame in spill.take("calls", 0)]
        found = pl.concat([_NO_CALLS.to_frame(), *calls]).sort(
            "identity", "timestamp", "message_id", "content", nulls_last=True
        )
        self._files.write(f"{self._name}/identities", pl.concat(self._identities))
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
