"""Bringing a store up to date: nothing where nothing is new, what is new, or all of it again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from audiences.errors import AudiencesError, StateError
from audiences.events.lake_places import lake_place
from audiences.events.store.arrivals import Arrival, Arrivals
from audiences.events.store.build import FindHomes, Ingest, write_generation
from audiences.events.store.coverage import Coverage
from audiences.events.store.deciding import Stored
from audiences.events.store.files import Files
from audiences.events.store.limits import Limits
from audiences.events.store.manifest import SourceFile, StoreManifest, commit, free_name, newest, tidy
from audiences.events.store.reading import Cut
from audiences.events.store.working import working
from audiences.events.tables import ParquetTable, Table

_FEW: Final = 500_000
"""For so many rows, who owns them is looked up in the universe that was kept."""

Open = Callable[[Sequence[ParquetTable], Coverage], Sequence[Table]]
"""Files as the tables that they are read as, for what is to be held of them."""


@dataclass(frozen=True, slots=True)
class Events:
    """The events as they are now.

    ``is_due`` says whether a file is needed yet: it may only have events that happen after the instant of the run.
    ``homes`` say where rows are put, ``homes_of_few`` the same where there are few of them.
    """

    tables: Sequence[ParquetTable]
    is_due: Callable[[ParquetTable], bool]
    open: Open
    homes: FindHomes
    homes_of_few: FindHomes
    is_lake: bool
    count: Callable[[int, int], None]  # rows done, rows in all


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A store that is up to date. ``note`` says in a sentence why all was read again, where it was."""

    manifest: StoreManifest
    note: str = ""


class EventStore:
    """A store in a folder that is kept. Only one process at a time may refresh it."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.files, self._folder, self._limits = Files(folder), folder, limits

    def refresh(self, events: Events, coverage: Coverage) -> Refreshed:
        """Reads what is new, or all again where that is the only way to be exact.

        Raises:
            InputError: for files of events that can't be read; the store stays what it was.
            StateError: if the store can't be written.
        """
        try:
            return self._refresh(events, coverage)
        except OSError as error:
            raise StateError(f"the store of events can't be written: {error}", where=str(self._folder)) from error

    def _refresh(self, events: Events, coverage: Coverage) -> Refreshed:
        found = [_source_file(table) for table in events.tables]
        known, problem = newest(self._folder)
        tidy(self._folder, known)
        due = [table for table in events.tables if events.is_due(table)]
        if known is None:
            note = f"All events were read again: the store of events was not usable, {problem}." if problem else ""
            return Refreshed(self._rebuild(events, coverage, due), note)
        reason, note = _reason(known, found, events), ""
        held = {file.name for file in known.files}
        new = [table for table in due if table.name not in held]
        lacking = known.coverage.lacks(coverage)
        if lacking and not reason:
            more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
            note = f"All events were read again: definitions use {lacking[0]}{more}, which was not needed before."
            old = [table for table in events.tables if table.name in held]
            known = self._rebuild(events, self._wider(known, coverage, events, due), old)
        if reason:
            wider = self._wider(known, coverage, events, due)
            return Refreshed(self._rebuild(events, wider, due), f"All events were read again: {reason}.")
        return Refreshed(self._append(known, events, new) if new else known, note)

    @staticmethod
    def _wider(known: StoreManifest, coverage: Coverage, events: Events, due: Sequence[ParquetTable]) -> Coverage:
        """What is to be held from now on: also what was before, unless that is in the way."""
        wider = known.coverage.union(coverage)
        try:
            events.open(due, wider)
        except AudiencesError:  # nobody asks for it any more
            return coverage
        return wider

    def up_to_date(self, events: Events, coverage: Coverage) -> StoreManifest | None:
        """The store as it is, if there is nothing to be done about it. Nothing is written."""
        known, _ = newest(self._folder)
        found = [_source_file(table) for table in events.tables]
        if known is None or known.coverage.lacks(coverage) or _reason(known, found, events):
            return None
        held = {file.name for file in known.files}
        return None if any(table.name not in held and events.is_due(table) for table in events.tables) else known

    def _rebuild(self, events: Events, coverage: Coverage, due: Sequence[ParquetTable]) -> StoreManifest:
        tables = events.open(due, coverage)
        name = free_name(self._folder, "base")
        total = sum(table.rows for table in tables)
        cut = self._limits.cut(total)
        ingest = Ingest(
            tables, coverage.needs(), events.homes, cut, kept=True, count=lambda done: events.count(done, total)
        )
        with working(self._folder, in_memory=cut.buckets == 1) as spill:
            base, counts = write_generation(self.files, name, spill, ingest)
        files = tuple(_source_file(table, name) for table in due)
        manifest = StoreManifest(coverage=coverage, files=files, arrivals=(total,), base=base, counts=counts)
        return commit(self._folder, manifest)

    def _append(self, known: StoreManifest, events: Events, new: Sequence[ParquetTable]) -> StoreManifest:
        tables = events.open(new, known.coverage)
        name = free_name(self._folder, "later")
        total = sum(table.rows for table in tables)
        cut = self._limits.cut(total)
        if cut.parts > 1:
            cut = Cut(cut.buckets, known.base.parts, cut.rows_at_once)  # parts of the same message ids
        ingest = Ingest(
            tables,
            known.coverage.needs(),
            events.homes_of_few if total <= _FEW else events.homes,
            cut,
            stored=Stored(self._folder, known.generations, _arrivals(known, events)),
            kept=True,
            count=lambda done: events.count(done, total),
        )
        with working(self._folder, in_memory=cut.buckets == 1) as spill:
            later, counts = write_generation(self.files, name, spill, ingest)
        update = {
            "files": (*known.files, *(_source_file(table, name, len(known.arrivals)) for table in new)),
            "arrivals": (*known.arrivals, total),
            "later": (*known.later, later),
            "counts": known.counts.plus(counts),
        }
        return commit(self._folder, known.model_copy(update=update))


def _source_file(table: ParquetTable, generation: str = "", arrival: int = 0) -> SourceFile:
    return SourceFile(
        name=table.name,
        path=table.path,
        size=table.size,
        version=table.fingerprint(),
        generation=generation,
        arrival=arrival,
    )


def _arrivals(known: StoreManifest, events: Events) -> Arrivals:
    """The files that a store was made of, which are as they were."""
    tables = {table.name: table for table in events.tables}

    def open_again(number: int) -> Sequence[Table]:
        return events.open([tables[file.name] for file in known.files if file.arrival == number], known.coverage)

    arrivals = [Arrival(rows, partial(open_again, number)) for number, rows in enumerate(known.arrivals)]
    return Arrivals(arrivals, known.coverage.needs())


def _reason(known: StoreManifest, found: Sequence[SourceFile], events: Events) -> str:
    """Why rows can't just be added; nothing if they can."""
    now = {file.name: file.version for file in found}
    for file in known.files:
        if file.name not in now:
            return f"the file '{file.name}' is gone"
        if file.version != now[file.name]:
            return f"the file '{file.name}' has changed"
    if events.is_lake:
        tables = {_table_of(file.path) for file in known.files}
        others = [file.name for file in found if _table_of(file.path) not in tables]
        if others:
            return f"the file '{others[0]}' is of a table that was not there before"
    return ""


def _table_of(path: str) -> tuple[str, str] | None:
    place = lake_place(path)
    return None if place is None else (place.source, place.table)
