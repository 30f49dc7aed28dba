"""From tables to what a run computes from, through a store: one that is kept, or one for this run only."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Final

import polars as pl

from audiences.events.accounts import Dealing, every_account
from audiences.events.instants import INSTANT
from audiences.events.lake import lake_tables, may_have_events
from audiences.events.needs import EventNeeds
from audiences.events.people import ROWS_AT_ONCE
from audiences.events.prepared import Statistics
from audiences.events.profiles import ProfilesTable, read_accounts, read_profiles, read_suppressed
from audiences.events.rejects import Rejects
from audiences.events.shelf import Shelf
from audiences.events.store.build import Ingest, write_generation
from audiences.events.store.compact import compact
from audiences.events.store.coverage import Coverage
from audiences.events.store.files import Files
from audiences.events.store.inputs import StoredInputs
from audiences.events.store.layout import Layout, make_layout, read_known
from audiences.events.store.limits import Limits
from audiences.events.store.manifest import StoreManifest
from audiences.events.store.pieces import Spill
from audiences.events.store.refresh import Events, EventStore
from audiences.events.store.rows import StoredRows
from audiences.events.tables import ParquetTable, Table
from audiences.events.universe import Universe, make_universe

_OUT_OF_PLACE: Final = 0.15  # of all rows
_MOST_GENERATIONS: Final = 64

Progress = Callable[[int, int], None]
"""Called with (rows done, rows in all) after each batch."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The opened inputs; unreadable ones were left out."""

    events: Sequence[Table]
    profiles: Sequence[Table]
    accounts: Sequence[Table] | None
    suppressed: Sequence[Table]
    max_clock_skew: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where the store is kept, and whether it may be written."""

    folder: Path
    writable: bool = True


def prepare(
    tables: Tables,
    needs: EventNeeds,
    as_of: datetime,
    rejects: Rejects,
    *,
    progress: Progress | None = None,
    limits: Limits | None = None,
    place: Place | None = None,
) -> StoredInputs:
    """See ``Inputs.prepare``."""
    limits = limits or Limits()
    suppressed = read_suppressed(tables.suppressed)
    profiles = read_profiles(tables.profiles, rejects)
    folder = tempfile.TemporaryDirectory(prefix="audiences-") if _is_much(tables, limits, place) else None
    temporary = None if folder is None else Path(folder.name)
    try:
        store = _kept(tables, needs, as_of, profiles, progress, limits, place)
        if store is None:
            store = _for_this_run(tables, needs, as_of, profiles, progress, limits, temporary)
        store.manifest.counts.add_to(rejects, _where_now(store.manifest, tables))
        known = read_known(store.files, store.manifest)
        most = min(ROWS_AT_ONCE, max(1, limits.rows_in_memory))
        version = None if place is None else _version(tables.profiles)
        universe = make_universe(profiles, known.seen(pl.lit(as_of).cast(INSTANT)), suppressed, version, most)
        del profiles
        layout = make_layout(known, universe, store.manifest)
        if store.folder is not None and _is_scattered(layout, store.manifest, limits):
            manifest = compact(store.files, store.folder, store.manifest, known, universe, limits)
            store = replace(store, manifest=manifest)
            known = read_known(store.files, store.manifest)
            layout = make_layout(known, universe, store.manifest)
    except BaseException:
        if folder:
            folder.cleanup()
        raise
    spill = Spill(temporary)
    rows = StoredRows(store.files, store.manifest, known, universe, layout, needs, as_of, spill, limits.rows_in_bucket)

    @cache
    def accounts() -> pl.DataFrame:
        table = None if tables.accounts is None else read_accounts(tables.accounts, rejects)
        return every_account(table, universe.calls.filter(pl.col("type") == "group"), universe.profiles)

    return StoredInputs(
        universe,
        rejects,
        _statistics(store, universe),
        needs=needs,
        rows=rows,
        accounts=accounts,
        close=folder.cleanup if folder else _nothing,
        dealing=Dealing(
            Shelf(temporary), partial(_weights, universe, known.identities), limits.rows_in_bucket, limits.most_parts
        ),
        note=store.note,
    )


def _version(tables: Sequence[Table]) -> str | None:
    """Tells tables in files from others; frames would have to be read for it."""
    if not all(isinstance(table, ParquetTable) for table in tables):
        return None
    return "\0".join(table.fingerprint() for table in tables)


def _where_now(manifest: StoreManifest, tables: Tables) -> dict[str, str]:
    """Where files are now, by where they were when they were read: a project may have moved."""
    paths = {table.name: table.path for table in tables.events if isinstance(table, ParquetTable)}
    return {file.path: paths.get(file.name, file.path) for file in manifest.files}


def _nothing() -> None:
    """There is no folder to remove."""


@dataclass(frozen=True, slots=True)
class _Store:
    files: Files
    manifest: StoreManifest
    size: int  # bytes of the inputs
    sources: int  # files of the inputs
    note: str = ""
    folder: Path | None = None  # where it is kept, if it may be written


def _is_scattered(layout: Layout, manifest: StoreManifest, limits: Limits) -> bool:
    """Whether so much is out of place that putting the store in order costs less than reading it as it is."""
    rows = manifest.base.rows + sum(generation.rows for generation in manifest.later)
    out_of_place = max(_OUT_OF_PLACE * rows, limits.rows_in_bucket / 10)
    return layout.moved_rows > out_of_place or len(manifest.later) > _MOST_GENERATIONS


def _is_much(tables: Tables, limits: Limits, place: Place | None) -> bool:
    """Whether what is put down for this run only is put into files."""
    return sum(table.rows for table in tables.events) > limits.rows_in_memory


def _kept(
    tables: Tables,
    needs: EventNeeds,
    as_of: datetime,
    profiles: ProfilesTable,
    progress: Progress | None,
    limits: Limits,
    place: Place | None,
) -> _Store | None:
    """The store that is kept, up to date; ``None`` where there can be none, or it must not be written."""
    files = [table for table in tables.events if isinstance(table, ParquetTable)]
    if place is None or len(files) < len(tables.events):
        return None
    is_lake = any(table.lake_place is not None for table in files)

    def open_tables(some: Sequence[ParquetTable], coverage: Coverage) -> Sequence[Table]:
        return lake_tables(some, coverage.needs(), datetime.max.replace(tzinfo=UTC))

    def is_due(table: ParquetTable) -> bool:
        day = table.lake_place.day if table.lake_place else None
        return may_have_events(day, as_of, tables.max_clock_skew)

    events = Events(files, is_due, open_tables, profiles.named_identifiers(), is_lake, progress or _no_progress)
    store = EventStore(place.folder, limits)
    coverage = Coverage.of(needs, is_lake=is_lake)
    if place.writable:
        refreshed = store.refresh(events, coverage)
        return replace(_of_manifest(store.files, refreshed.manifest, refreshed.note), folder=place.folder)
    manifest = store.up_to_date(events, coverage)
    return None if manifest is None else _of_manifest(store.files, manifest)


def _of_manifest(files: Files, manifest: StoreManifest, note: str = "") -> _Store:
    return _Store(files, manifest, sum(file.size for file in manifest.files), len(manifest.files), note)


def _no_progress(done: int, total: int) -> None:
    """Nobody watches."""


def _for_this_run(
    tables: Tables,
    needs: EventNeeds,
    as_of: datetime,
    profiles: ProfilesTable,
    progress: Progress | None,
    limits: Limits,
    folder: Path | None,
) -> _Store:
    events = lake_tables(tables.events, needs, as_of, tables.max_clock_skew)
    total = sum(table.rows for table in events)
    files, cut = Files(folder), limits.cut(total)

    def count(done: int) -> None:
        if progress:
            progress(done, total)

    ingest = Ingest(events, needs, profiles.named_identifiers(), cut, count=count)
    base, counts = write_generation(files, "base", Spill(folder), ingest)
    coverage = Coverage.of(needs, is_lake=False)
    return _Store(
        files,
        StoreManifest(coverage=coverage, base=base, counts=counts),
        sum(table.size for table in events),
        sum(table.files for table in events),
    )


def _statistics(store: _Store, universe: Universe) -> Statistics:
    counts = store.manifest.counts
    return Statistics(
        rows_read=counts.read,
        rows_accepted=counts.accepted,
        duplicates=counts.duplicates,
        identifier_conflicts=universe.conflicts,
        bytes_read=store.size,
        files=store.sources,
    )


def _weights(universe: Universe, identities: Sequence[pl.DataFrame]) -> pl.Series:
    """How many needed events each profile has, by row of the universe (Int64)."""
    every = pl.concat([one.select("identity", "events") for one in identities]).filter(pl.col("events") > 0)
    owners = universe.owners
    events = every.join(owners, on="identity").group_by("owner").agg(pl.col("events").cast(pl.Int64).sum())
    rows = pl.DataFrame({"owner": pl.int_range(universe.profiles.height, dtype=pl.UInt32, eager=True)})
    counted = rows.join(events, on="owner", how="left", maintain_order="left").get_column("events")
    return counted.fill_null(0)
