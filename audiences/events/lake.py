"""The data lake layout: ``…/segment_type=<table>/day=YYYY-MM-DD/hr=HH/*.parquet``, a table for each event and call.

What is read of a table depends on what the definitions use:

- Calls that say who somebody is (identify, group) are read whole.
- Tables of events that a definition uses are read whole, too: the bytes of a row decide between two copies.
- Of all other tables only ids and times are read: every accepted event makes its profile exist, and copies and
  rejects are counted wherever they are.

A folder's day is when its events were received. When they happened, it says only to somebody who knows how far the two
can be apart: with ``max_clock_skew``, days that no window reaches are read for their ids and times only, and days that
can only have events at or after as-of not at all. Neither changes a result, as long as the setting is true.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from itertools import groupby
from typing import Final

import polars as pl

from audiences.errors import InputError
from audiences.events.lake_columns import LakeColumns, call_of_table
from audiences.events.lake_names import FlatNames, events_of_tables, snake
from audiences.events.lake_places import LakePlace
from audiences.events.needs import EventNeeds
from audiences.events.rows import PAGE_VIEWED, SCREEN_VIEWED
from audiences.events.tables import BATCH_ROWS, LazyTable, ParquetTable, Table

_SAID_WHOLE: Final = ("identify", "group")
_EVENTS_OF_CALLS: Final = {"page": PAGE_VIEWED, "screen": SCREEN_VIEWED}
_DAY: Final = timedelta(days=1)
_FOOTERS_AT_ONCE: Final = 16  # of files in an object store
_CELLS_AT_ONCE: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class LakeReading:
    """How a table is read.

    ``call``: what its rows are. ``event``: the one event they are, by the name that definitions use, else the table's;
    ``None`` where there is none, or each row names its own. ``whole``: all columns, or ids and times only.
    """

    source: str
    table: str
    call: str
    event: str | None
    whole: bool


class LakeTable(LazyTable):
    """Files of one table of a data lake that are read in the same way, as one table with the columns of all of them."""

    def __init__(self, files: Sequence[ParquetTable], schema: pl.Schema, reading: LakeReading, what: str) -> None:
        scan = pl.scan_parquet(
            [file.path for file in files], glob=False, hive_partitioning=False, schema=schema, missing_columns="insert"
        )
        super().__init__(scan, what)
        self._files, self._schema, self.reading = files, schema, reading

    @property
    def path(self) -> str:
        """Where it is, for messages: the first file."""
        return self._files[0].path

    @property
    def files(self) -> int:
        """How many files."""
        return len(self._files)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self._files)

    @property
    def schema(self) -> pl.Schema:
        """Columns and types."""
        return self._schema

    @cached_property
    def columns(self) -> LakeColumns:
        """Which column is which."""
        return LakeColumns(self.schema.names(), self.path)

    @cached_property
    def properties(self) -> FlatNames:
        """Where the properties are."""
        return FlatNames(self.columns.properties, "properties", self.path)

    @cached_property
    def traits(self) -> FlatNames:
        """Where the traits are."""
        return FlatNames(self.columns.traits, "traits", self.path)

    @cached_property
    def contexts(self) -> FlatNames:
        """Where the fields of the context are."""
        return FlatNames(self.columns.contexts, "context fields", self.path)

    def batches(
        self, columns: Sequence[str], rows: int = BATCH_ROWS, first: int = 0, count: int | None = None
    ) -> Iterator[pl.DataFrame]:
        """The rows of some columns, in order, in batches of at most so many; fewer of many columns."""
        return super().batches(columns, max(1, min(rows, _CELLS_AT_ONCE // max(1, len(columns)))), first, count)

    def place(self, row: int) -> tuple[str, int]:
        """The file of a row, and its number there."""
        for file in self._files:
            if row < file.rows:
                return file.path, row
            row -= file.rows
        raise IndexError(row)

    def fingerprint(self) -> str:
        """Changes whenever the content does."""
        return "\n".join(file.fingerprint() for file in self._files)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            with super()._reading():
                yield
        except InputError:
            for file in self._files:  # the message must name the one that it is
                for _ in file.batches(file.schema.names()):
                    pass
            raise


def lake_tables(
    tables: Sequence[Table], needs: EventNeeds, as_of: datetime, max_clock_skew: timedelta | None = None
) -> list[Table]:
    """The same tables, those of a data lake put together and told how they are to be read; others are kept as they are.

    Raises ``InputError`` for files that can't be read, and where an event may be one of two tables or a path one of two
    columns; ``DefinitionError`` where two names that the definitions use are one table, or one column.
    """
    found = [table for table in tables if not isinstance(table, ParquetTable) or table.lake_place is None]
    choice = _Choice(needs, as_of, max_clock_skew)
    files = _files(tables, choice)
    events = _events(files, needs)
    together: dict[LakeReading, list[_Group]] = {}
    for file in files:
        reading = choice.reading(file, events.get((file.place.source, file.place.table)))
        groups = together.setdefault(reading, [])
        if not any(group.takes(file.table) for group in groups):
            groups.append(_Group(file.table))
    for reading, groups in together.items():
        for group in groups:
            table = LakeTable(group.files, pl.Schema(group.types), reading, "events")
            _check_names(table, needs)
            found.append(table)
    return found


# ── files, and what their folders say ───────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _File:
    """``is_event``: all rows are one event, which the table is named after."""

    table: ParquetTable
    place: LakePlace
    call: str
    is_event: bool


def _files(tables: Sequence[Table], choice: _Choice) -> list[_File]:
    placed = [
        (table, place)
        for table in tables
        if isinstance(table, ParquetTable) and (place := table.lake_place) and choice.may_have_events(place.day)
    ]
    with ThreadPoolExecutor(_FOOTERS_AT_ONCE) as pool:
        schemas = list(pool.map(lambda one: one[0].schema, placed))
    return [
        _File(table, place, *call_of_table(place.table, schema.names()))
        for (table, place), schema in zip(placed, schemas, strict=True)
    ]


class _Group:
    """Files whose columns fit together: what is read of all of them at once is what is read of each."""

    def __init__(self, first: ParquetTable) -> None:
        self.files = [first]
        self._last = first.schema
        self.types = dict(first.schema)
        self._columns = LakeColumns(tuple(first.schema), first.path)
        self._known = dict(self._columns.known)
        self._names = {_letters(name): name for name in first.schema}

    def takes(self, table: ParquetTable) -> bool:
        """Add a file if it fits: no column has another type, or another spelling, and each id is in the same one."""
        if table.schema == self._last:
            self.files.append(table)
            return True
        columns = LakeColumns(tuple(table.schema), table.path)
        fits = (
            columns.shape == self._columns.shape
            and all(self.types.get(name, dtype) == dtype for name, dtype in table.schema.items())
            and all(self._names.get(_letters(name), name) == name for name in table.schema)
            and all(self._known.get(name, column) == column for name, column in columns.known.items())
        )
        if fits:
            self.files.append(table)
            self._last = table.schema
            self.types.update(table.schema)
            self._known.update(columns.known)
            self._names.update({_letters(name): name for name in table.schema})
        return fits


def _letters(name: str) -> str:
    """What is the same in all spellings of a name."""
    return snake(name).replace("_", "") or name


def _events(files: Sequence[_File], needs: EventNeeds) -> dict[tuple[str, str], str]:
    """The needed events by source and table."""
    found: dict[tuple[str, str], str] = {}
    by_source = sorted((file for file in files if file.is_event), key=lambda file: file.place.source)
    for source, group in groupby(by_source, key=lambda file: file.place.source):
        paths = {file.place.table: file.table.path for file in group}
        where = next(iter(paths.values())).rpartition("/segment_type=")[0]
        events = events_of_tables(needs.events, paths, where)
        found.update({(source, table): event for table, event in events.items()})
    return found


def _check_names(table: LakeTable, needs: EventNeeds) -> None:
    """Raise where the paths that are used of an event don't each have a column of their own."""
    uses = [use for use in needs.uses if use.event == table.reading.event]
    if table.reading.whole:
        table.properties.check({path for use in uses for path in use.properties})
        table.contexts.check({path for use in uses for path in use.contexts})


# ── how files are read ──────────────────────────────────────────────────────────────────────────────────────


class _Choice:
    """Which files are read, and how much of them."""

    def __init__(self, needs: EventNeeds, as_of: datetime, max_clock_skew: timedelta | None) -> None:
        self._needs, self._as_of, self._skew = needs, as_of, max_clock_skew
        self._oldest = {event: self._oldest_of(event) for event in needs.events}

    def may_have_events(self, day: date | None) -> bool:
        """Whether something received that day may have happened before as-of."""
        return may_have_events(day, self._as_of, self._skew)

    def reading(self, file: _File, event: str | None) -> LakeReading:
        """How a file is read; ``event`` is the needed event whose table it is in, if there is one."""
        place, call = file.place, file.call
        if file.is_event:
            used = frozenset({event} if event else ())
        elif call in _EVENTS_OF_CALLS:
            used = self._needs.events & {_EVENTS_OF_CALLS[call]}
        else:
            used = self._needs.events if call == "track" else frozenset()
        whole = call in _SAID_WHOLE or any(self._reaches(place.day, name) for name in used)
        name = (event or place.table) if file.is_event else _EVENTS_OF_CALLS.get(call)
        return LakeReading(place.source, place.table, call, name, whole)

    def _reaches(self, day: date | None, event: str) -> bool:
        """Whether an event received that day may be in a window of those that are used."""
        oldest = self._oldest[event]
        if self._skew is None or day is None or oldest is None:
            return True
        return _start(day) - oldest > -self._skew - _DAY

    def _oldest_of(self, event: str) -> datetime | None:
        """The earliest instant at which an event can count; ``None``: any."""
        oldest = [
            max(filter(None, (self._back(use.oldest), use.since)), default=None)
            for use in self._needs.uses
            if use.event == event
        ]
        known = [one for one in oldest if one is not None]
        return min(known) if known and len(known) == len(oldest) else None

    def _back(self, age: int | None) -> datetime | None:
        if age is None or age >= (self._as_of - datetime.min.replace(tzinfo=UTC)) / timedelta(microseconds=1):
            return None
        return self._as_of - timedelta(microseconds=age)


def may_have_events(day: date | None, as_of: datetime, max_clock_skew: timedelta | None) -> bool:
    """Whether something that was received on a day may have happened before an instant."""
    return max_clock_skew is None or day is None or _start(day) - as_of < max_clock_skew


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
