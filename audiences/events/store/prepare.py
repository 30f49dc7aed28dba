"""From tables to what a run computes from, through a store: one that is kept, or one for this run only."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import polars as pl

from audiences.events.accounts import Dealing
from audiences.events.lake import lake_tables, may_have_events
from audiences.events.needs import EventNeeds
from audiences.events.prepared import Statistics
from audiences.events.profiles import ProfilesTable, read_profiles, read_suppressed
from audiences.events.rejects import Rejects
from audiences.events.shelf import Shelf
from audiences.events.store.account_tables import Accounts
from audiences.events.store.affected import Affected
from audiences.events.store.basis import Bases
from audiences.events.store.bucket_rows import BucketReader
from audiences.events.store.build import FindHomes, Ingest, write_generation
from audiences.events.store.coverage import Coverage
from audiences.events.store.crossing import Crossing
from audiences.events.store.current import Before, Current, Made, current_universe, new_generations
from audiences.events.store.files import Files
from audiences.events.store.homes import Homes
from audiences.events.store.inputs import StoredInputs, StoreRows
from audiences.events.store.keeping import Keeper
from audiences.events.store.kept_homes import KeptHomes
from audiences.events.store.limits import Limits
from audiences.events.store.manifest import Counts, StoreManifest
from audiences.events.store.news import Since
from audiences.events.store.pieces import Spill
from audiences.events.store.refresh import Events, EventStore
from audiences.events.store.replacing import seen_together
from audiences.events.tables import ParquetTable, Table

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
    """Where the store is kept, and whether it may be written.

    ``keeps``: what is seen is to be kept for the next run; ``run_id``: of the state's newest run, from which this one
    goes on (None: from nothing).
    """

    folder: Path
    writable: bool = True
    keeps: bool = False
    run_id: str | None = None


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
    return _Preparation(tables, needs, as_of, rejects, progress or _no_progress, limits or Limits(), place).inputs()


def ingest(
    tables: Tables, needs: EventNeeds, as_of: datetime, progress: Progress | None, place: Place
) -> tuple[StoreManifest, str] | None:
    """Brings a store that is kept up to date: its manifest, and a note; None where there can be none."""
    rejects = Rejects()
    preparation = _Preparation(tables, needs, as_of, rejects, progress or _no_progress, Limits(), place)
    store = preparation._kept()
    return None if store is None else (store.manifest, store.note)


def _no_progress(done: int, total: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class _Store:
    files: Files
    manifest: StoreManifest
    size: int  # bytes of the inputs
    sources: int  # files of the inputs
    note: str = ""
    is_kept: bool = False  # and may be written


@dataclass(frozen=True)
class _Preparation:
    tables: Tables
    needs: EventNeeds
    as_of: datetime
    rejects: Rejects
    progress: Progress
    limits: Limits
    place: Place | None

    def inputs(self) -> StoredInputs:
        folder = tempfile.TemporaryDirectory(prefix="audiences-") if self._is_much else None
        temporary = None if folder is None else Path(folder.name)
        close = folder.cleanup if folder else _nothing
        try:
            return self._inputs(temporary, close)
        except BaseException:
            close()
            raise

    def _inputs(self, temporary: Path | None, close: Callable[[], None]) -> StoredInputs:
        store = self._kept() or self._for_this_run(temporary)
        store.manifest.counts.add_to(self.rejects, _where_now(store.manifest, self.tables))
        current = self._current(store, temporary)
        self._profile_counts.add_to(self.rejects, {})
        accounts = self._accounts(store, current)
        reader = BucketReader(store.files, store.manifest, self.needs, self.as_of)
        dealing = Dealing(
            Shelf(temporary),
            lambda: _weights(store.files, store.manifest, current),
            self.limits.rows_in_bucket,
            self.limits.most_parts,
        )
        inputs = StoredInputs(
            lambda: current.kept.whole(),
            self.rejects,
            _statistics(store, current),
            needs=self.needs,
            rows=StoreRows(reader, current.kept, self.limits.rows_in_bucket),
            accounts=lambda: accounts.rows,
            close=close,
            dealing=dealing,
            note=store.note,
        )
        inputs.affected = self._affected(store, current, accounts)
        inputs.keeper = self._keeper(store, current, accounts)
        return inputs

    # ── the tables beside the events ────────────────────────────────────────────────────────────────────────

    @cached_property
    def _before(self) -> Before | None:
        """What the newest run left, if it can be told."""
        if self.place is None or not self.place.keeps or self.place.run_id is None:
            return None
        bases = Bases(self.place.folder)
        basis = bases.load(self.place.run_id)
        return None if basis is None else Before(bases, basis)

    @cached_property
    def _table(self) -> str:
        """Fingerprint of the tables of profiles and suppressed identifiers."""
        return _fingerprint([*self.tables.profiles, *self.tables.suppressed])

    @property
    def _same_tables(self) -> bool:
        return self._before is not None and self._before.basis.profiles == self._table

    @cached_property
    def _profiles(self) -> ProfilesTable:
        return read_profiles(self.tables.profiles, self._own_rejects)

    @cached_property
    def _own_rejects(self) -> Rejects:
        return Rejects()

    @property
    def _profile_counts(self) -> Counts:
        """What was rejected of the table of profiles, now or when it was read."""
        if "_profiles" in self.__dict__ or self._before is None:
            return Counts.of(0, 0, 0, self._own_rejects)
        return self._before.basis.rejects

    def _homes(self, buckets: int) -> Homes:
        return Homes(self._profiles.named_identifiers(), buckets)

    @cached_property
    def _homes_of_few(self) -> FindHomes:
        if self._before is None or not self._same_tables:
            return self._homes
        kept = self._before.universe()
        return lambda buckets: KeptHomes(kept, buckets)

    def _current(self, store: _Store, temporary: Path | None) -> Current:
        kept = store.is_kept and self.place is not None and self.place.keeps
        made = Made(Bases(self.place.folder).files(), Bases.new_folder()) if kept and self.place else None
        return current_universe(
            store.files,
            store.manifest,
            self.as_of,
            profiles=lambda: self._profiles,
            suppressed=read_suppressed(self.tables.suppressed),
            before=self._before if kept else None,
            same_tables=self._same_tables,
            made=made or Made(Files(temporary)),
        )

    def _accounts(self, store: _Store, current: Current) -> Accounts:
        before = self._before if current.news is not None else None
        return Accounts(
            store.files,
            store.manifest,
            self.as_of,
            self.tables.accounts,
            _fingerprint(self.tables.accounts or []),
            current,
            before,
            None if before is None else self._since(store, before),
            self.rejects,
        )

    def _since(self, store: _Store, before: Before) -> Since:
        new = new_generations(store.manifest, before.basis.files) or ()
        return Since(store.files, store.manifest, new, before.basis.as_of, self.as_of)

    def _affected(self, store: _Store, current: Current, accounts: Accounts) -> Affected | None:
        if self._before is None or current.news is None:
            return None
        crossing = Crossing(store.files, store.manifest, current.kept)
        return Affected(self._before, current.kept, current.news, crossing, lambda: accounts.changes)

    def _keeper(self, store: _Store, current: Current, accounts: Accounts) -> Keeper | None:
        if self.place is None or not store.is_kept or not self.place.keeps:
            return None
        return Keeper(
            folder=self.place.folder,
            files=store.files,
            manifest=store.manifest,
            current=current,
            before=self._before,
            accounts=accounts,
            as_of=self.as_of,
            profiles=self._table,
            rejects=self._profile_counts,
            limits=self.limits,
        )

    # ── the store of events ─────────────────────────────────────────────────────────────────────────────────

    @property
    def _is_much(self) -> bool:
        """Whether what is put down for this run only is put into files."""
        return sum(table.rows for table in self.tables.events) > self.limits.rows_in_memory

    def _kept(self) -> _Store | None:
        """The store that is kept, up to date; ``None`` where there can be none, or it must not be written."""
        files = [table for table in self.tables.events if isinstance(table, ParquetTable)]
        if self.place is None or len(files) < len(self.tables.events):
            return None
        is_lake = any(table.lake_place is not None for table in files)

        def open_tables(some: Sequence[ParquetTable], coverage: Coverage) -> Sequence[Table]:
            return lake_tables(some, coverage.needs(), datetime.max.replace(tzinfo=UTC))

        def is_due(table: ParquetTable) -> bool:
            day = table.lake_place.day if table.lake_place else None
            return may_have_events(day, self.as_of, self.tables.max_clock_skew)

        few: FindHomes = lambda buckets: self._homes_of_few(buckets)  # noqa: E731
        events = Events(files, is_due, open_tables, self._homes, few, is_lake, self.progress)
        store = EventStore(self.place.folder, self.limits)
        coverage = Coverage.of(self.needs, is_lake=is_lake)
        if self.place.writable:
            refreshed = store.refresh(events, coverage)
            return _of_manifest(store.files, refreshed.manifest, refreshed.note, is_kept=True)
        manifest = store.up_to_date(events, coverage)
        return None if manifest is None else _of_manifest(store.files, manifest)

    def _for_this_run(self, folder: Path | None) -> _Store:
        events = lake_tables(self.tables.events, self.needs, self.as_of, self.tables.max_clock_skew)
        total = sum(table.rows for table in events)
        files, cut = Files(folder), self.limits.cut(total)
        ingest = Ingest(events, self.needs, self._homes, cut, count=lambda done: self.progress(done, total))
        base, counts = write_generation(files, "base", Spill(folder), ingest)
        coverage = Coverage.of(self.needs, is_lake=False)
        return _Store(
            files,
            StoreManifest(coverage=coverage, base=base, counts=counts),
            sum(table.size for table in events),
            sum(table.files for table in events),
        )


def _nothing() -> None:
    """There is no folder to remove."""


def _fingerprint(tables: Sequence[Table]) -> str:
    digest = hashlib.sha256()
    for table in tables:
        digest.update(f"{table.fingerprint()}\n".encode())
    return digest.hexdigest()


def _where_now(manifest: StoreManifest, tables: Tables) -> dict[str, str]:
    """Where files are now, by where they were when they were read: a project may have moved."""
    paths = {table.name: table.path for table in tables.events if isinstance(table, ParquetTable)}
    return {file.path: paths.get(file.name, file.path) for file in manifest.files}


def _of_manifest(files: Files, manifest: StoreManifest, note: str = "", *, is_kept: bool = False) -> _Store:
    size = sum(file.size for file in manifest.files)
    return _Store(files, manifest, size, len(manifest.files), note, is_kept)


def _statistics(store: _Store, current: Current) -> Statistics:
    counts = store.manifest.counts
    return Statistics(
        rows_read=counts.read,
        rows_accepted=counts.accepted,
        duplicates=counts.duplicates,
        identifier_conflicts=current.kept.conflicts,
        bytes_read=store.size,
        files=store.sources,
    )


def _weights(files: Files, manifest: StoreManifest, current: Current) -> pl.Series:
    """How many needed events each profile has, by row of the universe (Int64)."""
    every = seen_together(files, manifest.generations).filter(pl.col("events") > 0)
    owner = current.kept.owners(every.get_column("identity")).profiles
    events = every.select(id=owner, events=pl.col("events").cast(pl.Int64)).group_by("id").sum()
    counted = current.kept.whole().select("id").join(events, on="id", how="left", maintain_order="left")
    return counted.get_column("events").fill_null(0)
