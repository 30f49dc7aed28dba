"""From the tables of events to rows that wait, by bucket, until it is known which copies count."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import polars as pl

from audiences.events.columns import known_columns
from audiences.events.copies import content
from audiences.events.instants import INSTANT
from audiences.events.lake import LakeTable
from audiences.events.lake_rows import read_lake_rows
from audiences.events.needs import EventNeeds, column_name
from audiences.events.rejects import Rejects
from audiences.events.rows import CALLS, IDS, OWNERS, Accepted, read_identities, read_rows
from audiences.events.store.homes import Homes
from audiences.events.store.interned import Interned
from audiences.events.store.message_ids import keys_of
from audiences.events.store.pieces import Spill, keepable, together
from audiences.events.tables import Table

ROW: Final = (
    "place",
    "identity",
    "event",
    "timestamp",
    "message_id",
    "user_id",
    "anonymous_id",
    "group_id",
    "source_id",
    "content",
)
"""What is kept of a row of a needed event, next to its values. ``event`` is an Enum of the needed names; the user id
and the anonymous id are null where the identity tells them."""

OTHER: Final = ("place", "identity", "timestamp", "user_id", "anonymous_id")
"""What is kept of another row: that somebody was seen. The ids only where a profile id is with them."""

CALL: Final = ("place", "identity", "type", "timestamp", "message_id", "group_id", "traits", "content")
"""What is kept of an identify or group call, besides."""


_SPAN: Final = 32_768  # rows that are read for one of them
AGAIN: Final = pl.Schema(
    {
        "place": pl.UInt64(),
        "type": CALLS,
        **dict.fromkeys(
            ("event", *IDS, "source_id", "identity", "name", "properties", "traits", "context"), pl.String()
        ),
        "timestamp": INSTANT,
        "received_at": INSTANT,
    }
)
"""Rows that are read again, because something is to be decided about them."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Into how many parts the rows are put down: ``buckets`` by their owner, ``parts`` by their message id; and how
    many rows are put down at once.
    """

    buckets: int
    parts: int
    rows_at_once: int


@dataclass(frozen=True, slots=True)
class Read:
    """How many rows were read, and how many of them were accepted (copies with them)."""

    rows: int
    accepted: int


class Reading:
    """Reads tables once. A row's place is its number among the rows of all tables, from 0."""

    def __init__(self, tables: Sequence[Table], needs: EventNeeds) -> None:
        self._tables, self._needs = tables, needs
        self._firsts = [0]
        for table in tables:
            self._firsts.append(self._firsts[-1] + table.rows)

    @property
    def places(self) -> int:
        """One more than the last place."""
        return self._firsts[-1]

    def put_down(self, spill: Spill, cut: Cut, homes: Homes, rejects: Rejects, count: Callable[[int], None]) -> Read:
        """Puts all rows down: ``rows`` and ``others`` by bucket, ``calls`` under 0, ``keys`` by part."""
        rows = accepted = 0
        with _Waiting(spill, cut, homes) as waiting:
            for table, first in zip(self._tables, self._firsts, strict=False):
                for batch in _batches(table, self._needs, rejects):
                    waiting.add(self._frames(batch, first))
                    rows += batch.height
                    accepted += batch.rows.height
                    count(rows)
        return Read(rows, accepted)

    def again(self, places: pl.Series) -> Iterator[pl.DataFrame]:
        """The rows at some places (sorted UInt64) that were accepted, with all their texts (``AGAIN``), in order.

        Only the parts of tables in which one of them is are read.
        """
        for table, first, end in zip(self._tables, self._firsts, self._firsts[1:], strict=False):
            here = places.filter((places >= first) & (places < end)) - first
            for start, rows in _spans(here):
                for batch in _batches(table, self._needs, Rejects(), start, rows):
                    wanted = batch.rows.get_column("row").is_in(here.implode())
                    if wanted.any():
                        texts = batch.texts(wanted).with_columns(place=(pl.col("row") + first).cast(pl.UInt64))
                        yield texts.select(list(AGAIN))

    def places_of(self, identities: pl.Series) -> pl.Series:
        """The places (UInt64) of all rows that may have one of some identities. Only columns of ids are read."""
        found = [pl.Series("place", [], dtype=pl.UInt64)]
        for table, first in zip(self._tables, self._firsts, strict=False):
            for row, identity in read_identities(table, _ids(table)):
                there = identity.is_in(identities.implode()).fill_null(value=False)
                found.append((there.arg_true().cast(pl.UInt64) + row + first).alias("place"))
        return pl.concat(found)

    def _frames(self, batch: Accepted, first: int) -> dict[str, pl.DataFrame]:
        place = (pl.col("row") + first).alias("place")
        events = batch.rows.get_column("event").cast(pl.Enum(sorted(self._needs.events)), strict=False)
        is_needed = events.is_not_null()
        is_call = batch.rows.get_column("type").is_in(["identify", "group"])
        without_id = batch.rows.get_column("message_id").is_null()
        told = is_call | (without_id & is_needed)
        texts = batch.texts(told).select(
            place, "traits", content=pl.when(pl.col("message_id").is_null()).then(content())
        )
        calls = batch.rows.filter(told).hstack(texts).filter(is_call.filter(told)).select(CALL)
        needed = batch.rows.select(place, events, *ROW[1:2], *ROW[3:-1], "profile_id").filter(is_needed)
        needed = needed.with_columns(_untold(needed)).drop("profile_id")
        if (without_id & is_needed).any():
            needed = needed.join(texts.select("place", "content"), on="place", how="left", maintain_order="left")
        else:
            needed = needed.with_columns(content=pl.lit(None, dtype=pl.String))
        values = batch.values(self._needs, is_needed).filter(is_needed)
        others = batch.rows.select(place, *OTHER[1:], "profile_id").filter(~is_needed)
        named = pl.col("profile_id").is_not_null()
        ids = [pl.when(named).then(name).alias(name) for name in ("user_id", "anonymous_id")]
        return {
            "rows": needed.select(ROW).hstack([keepable(column) for column in values.get_columns()]),
            "others": others.with_columns(ids).drop("profile_id"),
            "calls": calls,
            "keys": keys_of(batch, first, self._needs),
        }


def _untold(rows: pl.DataFrame) -> list[pl.Series]:
    """The user id and the anonymous id where the identity doesn't tell them already."""
    has_profile, has_user = (rows.get_column(name).is_not_null() for name in ("profile_id", "user_id"))
    return rows.select(
        pl.when(has_profile).then("user_id").alias("user_id"),
        pl.when(has_profile | has_user).then("anonymous_id").alias("anonymous_id"),
    ).get_columns()


def told_ids(identity: pl.Expr) -> list[pl.Expr]:
    """``user_id`` and ``anonymous_id`` of rows as ``put_down`` leaves them, with what their identity tells."""
    return [
        pl.coalesce(name, pl.when(identity.str.starts_with(f"{name}:")).then(identity.str.strip_prefix(f"{name}:")))
        for name in ("user_id", "anonymous_id")
    ]


def _batches(
    table: Table, needs: EventNeeds, rejects: Rejects, first: int = 0, count: int | None = None
) -> Iterator[Accepted]:
    if isinstance(table, LakeTable):
        return read_lake_rows(table, needs, rejects, first, count)
    return read_rows(table, needs, rejects, first, count)


def _ids(table: Table) -> Mapping[str, str]:
    """Which columns are ids."""
    if isinstance(table, LakeTable):
        return table.columns.known
    return known_columns(table.schema.names(), OWNERS, where=table.path)


def _spans(rows: pl.Series) -> Iterator[tuple[int, int]]:
    """The parts of a table in which some rows (sorted) are: where each begins, and how long it is."""
    start = end = 0
    for number in (rows // _SPAN).unique(maintain_order=True).to_list():
        if number * _SPAN > end or start == end:
            if end > start:
                yield start, end - start
            start = number * _SPAN
        end = (number + 1) * _SPAN
    if end > start:
        yield start, end - start


class _Waiting:
    """Many batches at once: a file for each batch and bucket would be very many files.

    They are put down by a thread, while the next ones are read; one after the other, so that their order stays.
    """

    def __init__(self, spill: Spill, cut: Cut, homes: Homes) -> None:
        self._spill, self._cut, self._homes = spill, cut, homes
        self._frames: dict[str, list[pl.DataFrame]] = {}
        self._rows = 0
        self._interned = Interned()
        self._worker = ThreadPoolExecutor(1) if cut.buckets > 1 else None
        self._last: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._hand_over()
                self._wait()
        finally:
            if self._worker:
                self._worker.shutdown(cancel_futures=True)

    def add(self, frames: dict[str, pl.DataFrame]) -> None:
        for name, frame in frames.items():
            self._frames.setdefault(name, []).append(frame)
        self._rows += frames["rows"].height + frames["others"].height
        if self._rows >= self._cut.rows_at_once:
            self._hand_over()

    def _hand_over(self) -> None:
        self._wait()
        frames, self._frames, self._rows = self._frames, {}, 0
        if self._worker is None:
            self.put_down(frames)
        else:
            self._last = self._worker.submit(self.put_down, frames)

    def _wait(self) -> None:
        if self._last is not None:
            self._last.result()

    def put_down(self, frames: dict[str, list[pl.DataFrame]]) -> None:
        for name in list(frames):
            frame = together(frames.pop(name))
            if name == "calls":
                self._spill.put(name, 0, frame)
                continue
            if name == "keys":
                part = (pl.col("hash") % self._cut.parts).alias("number")
                self._share(name, frame.with_columns(part), self._cut.parts)
            else:
                rows, names = self._homes.sorted_out(self._interned.of(frame))
                self._share(name, rows, self._cut.buckets)
                self._share("names", names, self._cut.buckets)

    def _share(self, name: str, frame: pl.DataFrame, parts: int) -> None:
        if parts == 1:
            self._spill.put(name, 0, frame.drop("number"))
        else:
            self._spill.share(name, frame, "number")


def value_columns(needs: EventNeeds) -> list[str]:
    """The columns of values of a row, in order."""
    return [column_name("property", path) for path in sorted(needs.properties)] + [
        column_name("context", path) for path in sorted(needs.contexts)
    ]
