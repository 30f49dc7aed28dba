"""Writing a generation: what some tables of events have that the store doesn't have yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from audiences.events.instants import INSTANT
from audiences.events.needs import EventNeeds
from audiences.events.rejects import Rejects
from audiences.events.rows import CALLS
from audiences.events.store.base import IDENTITIES, write_bucket
from audiences.events.store.files import Files
from audiences.events.store.homes import Homes
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
NOWHERE: Final = ""
"""The home of rows that the hash of an identity has brought to a wrong bucket: nobody's."""


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
    buckets = [writer.write(spill, number) for number in range(ingest.cut.buckets)]
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


class _Writer:
    """Writes what was put down, bucket by bucket, and sums it up by identity."""

    def __init__(self, files: Files, name: str, events: Sequence[str], lost: Lost, homes: Homes) -> None:
        self._files, self._name, self._events, self._lost, self._homes = files, name, events, lost, homes
        self._identities: list[pl.DataFrame] = [IDENTITIES.to_frame()]
        self._companions: list[pl.DataFrame] = [COMPANIONS.to_frame()]

    def write(self, spill: Spill, number: int) -> Bucket:
        frames = spill.take("rows", number)
        rows = self._lost.without(together(frames)) if frames else None
        others = [self._lost.without(frame) for frame in spill.take("others", number)]
        seen = [_seen(frame, 0) for frame in others] + ([] if rows is None else [_seen(rows, 1)])
        if not seen:
            return Bucket()
        identities = (
            pl.concat(seen)
            .group_by("identity")
            .agg(pl.col("first_seen").min(), pl.col("events").sum())
            .sort("identity")
        )
        home = self._homes.homes(identities.get_column("identity"), number).fill_null(NOWHERE)
        identities = identities.with_columns(home=home).select(list(IDENTITIES))
        self._companions += [_companions(frame) for frame in (*others, *([] if rows is None else [rows]))]
        self._identities.append(
            identities.with_columns(home=pl.when(pl.col("home") != pl.col("identity")).then("home"))
        )
        if rows is None or not rows.height:
            return Bucket(identities=identities.height)
        written = write_bucket(self._files, f"{self._name}/bucket-{number:03}", rows, identities, self._events)
        return Bucket(rows=written.rows, first=written.first, last=written.last, identities=identities.height)

    def write_sums(self, spill: Spill) -> None:
        companions = pl.concat(self._companions).group_by(list(COMPANIONS)[:3]).agg(pl.col("first_seen").min())
        calls = [self._lost.without(frame).drop("place") for frame in spill.take("calls", 0)]
        found = pl.concat([_NO_CALLS.to_frame(), *calls]).sort(
            "identity", "timestamp", "message_id", "content", nulls_last=True
        )
        self._files.write(f"{self._name}/identities", pl.concat(self._identities))
        self._files.write(f"{self._name}/companions", companions.sort(list(COMPANIONS)[:3], nulls_last=True))
        self._files.write(f"{self._name}/calls", found)


def _seen(rows: pl.DataFrame, events: int) -> pl.DataFrame:
    length = pl.len() if events else pl.lit(0)
    return rows.group_by("identity").agg(
        pl.col("timestamp").min().alias("first_seen"), length.cast(pl.UInt32).alias("events")
    )


def _companions(rows: pl.DataFrame) -> pl.DataFrame:
    named = rows.filter(pl.col("identity").str.starts_with("profile_id:"))
    if not named.height:
        return COMPANIONS.to_frame()
    return named.group_by("identity", "user_id", "anonymous_id").agg(pl.col("timestamp").min().alias("first_seen"))
