"""From tables to prepared inputs, in steps that never hold all events when there are many.

1. read: every row normalised or rejected, put down by a hash of its message id;
2. settle: copies dropped, what is not before as-of left out, and what is left summed up by identity;
3. own: who exists, and who owns which identity;
4. share out: rows put down by their owner's bucket.

Up to ``Limits.rows_in_memory`` rows stay in memory; beyond, each step writes Parquet files to a temporary
folder.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from math import ceil
from pathlib import Path
from typing import Final

import polars as pl

from audiences.events.accounts import Dealing, every_account
from audiences.events.buckets import BucketPlan
from audiences.events.copies import content, without_copies
from audiences.events.instants import INSTANT
from audiences.events.lake import LakeTable
from audiences.events.lake_rows import read_lake_rows
from audiences.events.needs import EventNeeds, column_name
from audiences.events.prepared import PreparedInputs, Statistics
from audiences.events.profiles import read_accounts, read_profiles, read_suppressed
from audiences.events.rejects import Rejects
from audiences.events.rows import CALLS, CONTENT, read_rows
from audiences.events.shelf import Shelf, shares
from audiences.events.tables import Table
from audiences.events.universe import Seen, Universe, make_universe
from audiences.events.values import VALUE
from audiences.language.tree import EACH

Progress = Callable[[int, int], None]
"""Called with (rows done, rows in all) after each batch."""

_KEPT: Final = ("event", "timestamp", "message_id", "source_id", "group_id", "user_id", "anonymous_id")
_CALL: Final = ("identity", "type", "timestamp", "message_id", "group_id", "traits")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is held in memory at once, in rows of events."""

    rows_in_memory: int = 1_500_000
    rows_in_bucket: int = 1_000_000
    most_parts: int = 200  # memory and open files grow with them


@dataclass(frozen=True, slots=True)
class Tables:
    """The opened inputs; ``unreadable`` of them were left out."""

    events: Sequence[Table]
    profiles: Sequence[Table]
    accounts: Sequence[Table] | None
    suppressed: Sequence[Table]


def prepare(
    tables: Tables,
    needs: EventNeeds,
    as_of: datetime,
    rejects: Rejects,
    progress: Progress | None = None,
    limits: Limits | None = None,
) -> PreparedInputs:
    """See ``Inputs.prepare``."""
    limits = limits or Limits()
    total = sum(table.rows for table in tables.events)
    spill = total > limits.rows_in_memory
    folder = tempfile.TemporaryDirectory(prefix="audiences-") if spill else None
    try:
        shelf = Shelf(Path(folder.name) if folder else None)
        parts = min(max(1, ceil(total / limits.rows_in_bucket)), limits.most_parts) if spill else 1
        suppressed = read_suppressed(tables.suppressed)
        table = read_profiles(tables.profiles, rejects)
        count = _counted(progress, total)
        read = _read(tables.events, needs, rejects, shelf, parts, limits.rows_in_bucket, count)
        seen, accepted = _settle(shelf, parts, needs, as_of)
        universe = make_universe(table, seen, suppressed)
        weights = _weights(universe, seen)
        plan = BucketPlan.cut(weights, rows=limits.rows_in_bucket, most=limits.most_parts)
        _share_out(shelf, parts, universe, plan)
    except BaseException:
        if folder:
            folder.cleanup()
        raise
    statistics = Statistics(
        rows_read=read.rows,
        rows_accepted=accepted,
        duplicates=read.accepted - accepted,
        identifier_conflicts=universe.conflicts,
        bytes_read=sum(table.size for table in tables.events),
        files=sum(table.files for table in tables.events),
    )

    def events(number: int) -> pl.DataFrame:
        frame = shelf.get("bucket", number)
        return _no_rows(needs).select(*_KEPT, "content", "owner", *_paths(needs)) if frame is None else frame

    groups = universe.calls.filter(pl.col("type") == "group")

    @cache
    def accounts() -> pl.DataFrame:
        table = None if tables.accounts is None else read_accounts(tables.accounts, rejects)
        return every_account(table, groups, universe.profiles)

    return PreparedInputs(
        universe.profiles,
        rejects,
        statistics,
        needs=needs,
        plan=plan,
        events=events,
        accounts=accounts,
        close=folder.cleanup if folder else _nothing,
        dealing=Dealing(shelf, weights, limits.rows_in_bucket, limits.most_parts),
    )


def _nothing() -> None:
    """There is no folder to remove."""


def _counted(progress: Progress | None, total: int) -> Callable[[int], None]:
    def count(done: int) -> None:
        if progress:
            progress(done, total)

    return count


# ── 1. read ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Read:
    rows: int
    accepted: int


def _read(
    tables: Sequence[Table],
    needs: EventNeeds,
    rejects: Rejects,
    shelf: Shelf,
    parts: int,
    rows_at_once: int,
    count: Callable[[int], None],
) -> _Read:
    rows = accepted = 0
    waiting: list[pl.DataFrame] = []
    for table in tables:
        batches = (
            read_lake_rows(table, needs, rejects) if isinstance(table, LakeTable) else read_rows(table, needs, rejects)
        )
        for height, frame in batches:
            waiting.append(frame)
            if parts == 1 or sum(one.height for one in waiting) >= rows_at_once:
                _put_down(shelf, waiting, parts)
            rows += height
            accepted += frame.height
            count(rows)
    _put_down(shelf, waiting, parts)
    return _Read(rows, accepted)


def _put_down(shelf: Shelf, waiting: list[pl.DataFrame], parts: int) -> None:
    """Many batches at once: a file for each batch and part would be very many files."""
    if waiting:
        for number, part in _by_message_id(pl.concat(waiting), parts):
            shelf.put("read", number, part)
        waiting.clear()


def _by_message_id(frame: pl.DataFrame, parts: int) -> Iterator[tuple[int, pl.DataFrame]]:
    """Copies must meet in one part; rows without a message id may be anywhere."""
    if parts == 1:
        yield 0, frame
        return
    part = pl.coalesce("message_id", "identity").hash(seed=1) % parts
    yield from shares(frame.with_columns(number=part))


# ── 2. settle ───────────────────────────────────────────────────────────────────────────────────────────────


def _settle(shelf: Shelf, parts: int, needs: EventNeeds, as_of: datetime) -> tuple[Seen, int]:
    """What was seen before as-of, and how many rows were accepted (whenever they happened)."""
    sums = [_sums(_no_rows(needs))]
    accepted = 0
    for number in range(parts):
        rows = shelf.take("read", number)
        if rows is None:
            continue
        rows, _ = without_copies(rows)
        accepted += rows.height
        rows = rows.filter(pl.col("timestamp") < pl.lit(as_of).cast(INSTANT))
        wanted = pl.col("event").is_in(list(needs.events)).fill_null(False)
        rows = rows.with_columns(wanted=wanted)
        sums.append(_sums(rows))
        for part in _with_ties(rows.filter("wanted")):
            shelf.put("settled", number, part.select("identity", *_KEPT, "content", *_paths(needs)))
    identities, companions, calls = (pl.concat(frames) for frames in zip(*sums, strict=True))
    return (
        Seen(
            identities.group_by("identity").agg(pl.col("events").sum(), pl.col("first_seen").min()),
            companions.group_by("profile_id", "user_id", "anonymous_id").agg(pl.col("first_seen").min()),
            calls,
        ),
        accepted,
    )


def _with_ties(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The same rows with ``content``, which only rows without a message id need to be put in order."""
    without = rows.get_column("message_id").is_null()
    yield rows.filter(~without).with_columns(content=pl.lit(None, dtype=pl.String))
    yield rows.filter(without).with_columns(content=content())


def _sums(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    first_seen = pl.col("timestamp").min().alias("first_seen")
    identities = rows.group_by("identity").agg(pl.col("wanted").sum().cast(pl.Int64).alias("events"), first_seen)
    named = rows.filter(pl.col("profile_id").is_not_null())
    companions = named.group_by("profile_id", "user_id", "anonymous_id").agg(first_seen)
    calls = rows.filter(pl.col("type").is_in(["identify", "group"])).select(*_CALL, content().alias("content"))
    return identities, companions, calls


def _paths(needs: EventNeeds) -> list[str]:
    return [column_name("property", path) for path in sorted(needs.properties)] + [
        column_name("context", path) for path in sorted(needs.contexts)
    ]


def _no_rows(needs: EventNeeds) -> pl.DataFrame:
    """No rows of the columns that the steps use."""
    texts = (*_KEPT, *_CALL, *CONTENT, "profile_id", "content")
    schema: dict[str, pl.DataType] = {name: pl.String() for name in texts}
    schema |= {"type": CALLS, "timestamp": INSTANT, "wanted": pl.Boolean(), "owner": pl.UInt32()}
    for path in needs.properties:
        schema[column_name("property", path)] = pl.List(VALUE) if EACH in path else VALUE
    for path in needs.contexts:
        schema[column_name("context", path)] = pl.List(VALUE) if EACH in path else VALUE
    return pl.DataFrame(schema=schema)


# ── 4. share out ────────────────────────────────────────────────────────────────────────────────────────────


def _weights(universe: Universe, seen: Seen) -> pl.Series:
    """How many needed events each profile has, by row of the universe (Int64)."""
    events = universe.owners.join(seen.identities, on="identity").group_by("owner").agg(pl.col("events").sum())
    every = pl.DataFrame({"owner": pl.int_range(universe.profiles.height, dtype=pl.UInt32, eager=True)})
    counted = every.join(events, on="owner", how="left", maintain_order="left").get_column("events")
    return counted.fill_null(0).cast(pl.Int64)


def _share_out(shelf: Shelf, parts: int, universe: Universe, plan: BucketPlan) -> None:
    firsts = pl.Series("first", plan.firsts, dtype=pl.UInt32)
    numbers = pl.DataFrame({"first": firsts}).with_row_index("number").cast({"number": pl.Int64})
    owners = universe.owners.sort("owner").join_asof(numbers, left_on="owner", right_on="first")
    for part in range(parts):
        rows = shelf.take("settled", part)
        if rows is None:
            continue
        rows = rows.join(owners.select("identity", "owner", "number"), on="identity").drop("identity")
        for number, shared in shares(rows):
            shelf.put("bucket", number, shared)
