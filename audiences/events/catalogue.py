"""What is in the inputs: names of events, and for the fields that somebody asks about what their values are like.

One pass over the events, batch by batch. Names of events are counted throughout; the properties of an event are looked
into only until all that is asked about it is known, so that data without surprises is read at the speed of two columns.
What is asked about is answered exactly, however much there is. What else there is (for "did you mean") is kept up to
``MOST_NAMES`` different names each.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import polars as pl

from audiences.events.columns import EVENT_COLUMNS, known_columns, require
from audiences.events.documents import document
from audiences.events.lake import LakeTable
from audiences.events.lake_rows import read_lake_rows
from audiences.events.member_paths import member_paths
from audiences.events.needs import EventNeeds, column_name
from audiences.events.rejects import Rejects
from audiences.events.rows import PAGE_VIEWED, SCREEN_VIEWED, kinds_and_events, property_column
from audiences.events.tables import Table
from audiences.events.values import values_from_column
from audiences.language.tree import Path

MOST_NAMES: Final = 10_000
FieldKind = Literal["property", "context", "trait", "account_trait"]
Progress = Callable[[int, int], None]
"""Called with (rows done, rows in all) after each batch of events."""

_TRAITS_OF_CALLS: Final[Mapping[str, FieldKind]] = {"identify": "trait", "group": "account_trait"}
_NAME_OF_CALLS: Final = {PAGE_VIEWED: "page_name", SCREEN_VIEWED: "screen_name"}
_EXAMPLE: Final = 40  # characters


@dataclass(frozen=True, slots=True, order=True)
class Field:
    """A property or context field of an event, a trait of profiles, or a trait of accounts."""

    kind: FieldKind
    path: Path
    event: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to know: whether events and fields are there, and whether ``numbers`` (some of the fields)
    ever hold a number.
    """

    events: frozenset[str] = frozenset()
    fields: frozenset[Field] = frozenset()
    numbers: frozenset[Field] = frozenset()


@dataclass(slots=True)
class Found:
    """What was seen of a field: the number of values, whether one is a number, and the text of one that is none."""

    values: int = 0
    has_number: bool = False
    example: str = ""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """``events``: rows by event, of all events. ``fields``: every field that was asked about; with ``values`` 0, it is
    nowhere. ``paths`` (by kind and event): the paths there are where one is missing, with their rows; of traits always.
    """

    events: Mapping[str, int]
    fields: Mapping[Field, Found]
    paths: Mapping[tuple[FieldKind, str], Mapping[Path, int]]


def read_catalogue(
    events: Iterable[Table],
    profiles: Iterable[Table],
    accounts: Iterable[Table],
    asked: Asked,
    progress: Progress | None = None,
) -> Catalogue:
    """Look for what is asked about. Events may be those of ``lake.lake_tables``, for the same needs (``needs_of``).

    Traits are those of the tables and of identify and group calls alike. Rows that a run would reject are looked at,
    too. Raises ``InputError`` for tables that can't be read.
    """
    search = _Search(asked)
    tables = list(events)
    total, done = sum(table.rows for table in tables), 0

    def count(rows: int) -> None:
        nonlocal done
        done += rows
        if progress is not None:
            progress(done, total)

    for table in tables:
        if isinstance(table, LakeTable):
            _look_into_lake(table, search)
            count(table.rows)
        else:
            _look_into_calls(table, search, count)
    for table in profiles:
        _look_into_table("trait", table, search)
    for table in accounts:
        _look_into_table("account_trait", table, search)
    return search.result()


def needs_of(asked: Asked) -> EventNeeds:
    """What is asked about, as needs of a run: what a data lake's tables are chosen by."""

    def paths(kind: FieldKind) -> frozenset[Path]:
        return frozenset(field.path for field in asked.fields if field.kind == kind)

    return EventNeeds(
        asked.events,
        paths("property"),
        paths("context"),
        traits=paths("trait"),
        account_traits=paths("account_trait"),
    )


class _Search:
    """What is known so far, and what is still to be found out."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._events: Counter[str] = Counter()
        self._found = {field: Found() for field in asked.fields}
        self._open: defaultdict[tuple[FieldKind, str], set[Field]] = defaultdict(set)
        for field in asked.fields:
            self._open[field.kind, field.event].add(field)
        self._paths: defaultdict[tuple[FieldKind, str], Counter[Path]] = defaultdict(Counter)

    def count(self, event: str, rows: int) -> None:
        """Rows of an event."""
        if event in self._events or event in self._asked.events or len(self._events) < MOST_NAMES:
            self._events[event] += rows

    def count_all(self, events: pl.Series) -> None:
        """A row of each event, null for none; the most frequent ones first."""
        counted = events.drop_nulls().alias("event").value_counts()
        for event, rows in counted.sort("count", "event", descending=[True, False]).iter_rows():
            self.count(event, rows)

    @property
    def events_asked(self) -> frozenset[str]:
        """All events that are asked about."""
        return self._asked.events

    def open(self, kind: FieldKind, event: str = "") -> list[Path]:
        """The paths of which not all is known yet."""
        return sorted(field.path for field in self._open[kind, event])

    def open_events(self) -> list[str]:
        """The events with such paths."""
        return sorted(
            {event for (kind, event), fields in self._open.items() if fields and kind in ("property", "context")}
        )

    def look(
        self,
        kind: FieldKind,
        event: str,
        values: Callable[[Path], pl.Series],
        paths: Callable[[], Mapping[Path, int]],
    ) -> None:
        """Look at the values of what is open; and at all paths, if one of them has none yet."""
        for path in self.open(kind, event):
            field = Field(kind, path, event)
            _add(self._found[field], values(path))
            found = self._found[field]
            if found.values and (found.has_number or field not in self._asked.numbers):
                self._open[kind, event].discard(field)
        if kind in _TRAITS_OF_CALLS.values() or any(not self._found[field].values for field in self._open[kind, event]):
            known = self._paths[kind, event]
            for path, rows in paths().items():
                if path in known or len(known) < MOST_NAMES:
                    known[path] += rows

    def look_into_traits(self, kind: FieldKind, column: pl.Series) -> None:
        """Traits of profiles, accounts, or identify and group calls."""
        traits = document(column)
        self.look(kind, "", traits.values, lambda: member_paths(column))

    def result(self) -> Catalogue:
        """What was found."""
        return Catalogue(dict(self._events), self._found, {key: dict(paths) for key, paths in self._paths.items()})


def _add(found: Found, values: pl.Series) -> None:
    if isinstance(values.dtype, pl.List):
        values = values.explode()
    there = values.drop_nulls()
    if not len(there):
        return
    found.values += len(there)
    numbers = there.struct.field("number").is_not_null()
    found.has_number = found.has_number or bool(numbers.any())
    if not found.example and not numbers.all():
        text = str(there.struct.field("text").filter(~numbers)[0])
        found.example = text if len(text) <= _EXAMPLE else f"{text[:_EXAMPLE]}…"


def _look_into_table(kind: FieldKind, table: Table, search: _Search) -> None:
    """The traits of a table of profiles or accounts."""
    found = known_columns(table.schema.names(), ("traits",), where=table.path, aliases={})
    for batch in table.batches(list(found.values())) if found else ():
        search.look_into_traits(kind, batch.to_series())


# ── one table of all calls ──────────────────────────────────────────────────────────────────────────────────


def _look_into_calls(table: Table, search: _Search, count: Callable[[int], None]) -> None:
    found = known_columns(table.schema.names(), EVENT_COLUMNS, where=table.path)
    if found or table.rows:
        require(found, "type", where=table.path, what="events")
    names = [name for name in ("type", "event", "name", "properties", "traits", "context") if name in found]
    for batch in table.batches([found[name] for name in names]):
        raw = batch.rename({found[name]: name for name in names})
        missing = pl.Series([None]).new_from_index(0, raw.height)
        raw = raw.with_columns(missing.alias(name) for name in EVENT_COLUMNS if name not in names)
        named = kinds_and_events(raw.to_dict())
        search.count_all(named.get_column("event"))
        for event in search.open_events():
            part = raw.filter(named.get_column("event") == event)
            if part.height:
                _look_into_event(event, part, search)
        for call, kind in _TRAITS_OF_CALLS.items():
            part = raw.filter(named.get_column("type") == call)
            if part.height:
                search.look_into_traits(kind, part.get_column("traits"))
        count(raw.height)


def _look_into_event(event: str, rows: pl.DataFrame, search: _Search) -> None:
    properties, contexts = document(rows.get_column("properties")), document(rows.get_column("context"))
    kinds = kinds_and_events(rows.to_dict()).get_column("type")
    every = pl.Series([True]).new_from_index(0, rows.height)

    def paths() -> Mapping[Path, int]:
        known = member_paths(rows.get_column("properties"))
        named = max(rows.get_column("name").count(), known.get(("name",), 0))
        if event in _NAME_OF_CALLS and named and (kinds != "track").any():
            known.update({(_NAME_OF_CALLS[event],): named})
        return known

    columns = rows.to_dict()

    def found(path: Path) -> pl.Series:
        return values_from_column(property_column(path, columns, properties, kinds, every))

    search.look("property", event, found, paths)
    search.look("context", event, contexts.values, lambda: member_paths(rows.get_column("context")))


# ── a data lake ─────────────────────────────────────────────────────────────────────────────────────────────


def _look_into_lake(table: LakeTable, search: _Search) -> None:
    """Columns are names here: only what is open is read, and only until it is known."""
    reading = table.reading
    if reading.event is not None:
        search.count(reading.event, table.rows)
    if not reading.whole:
        return
    kind = _TRAITS_OF_CALLS.get(reading.call)
    if kind is not None:
        needs = EventNeeds(
            traits=frozenset(search.open("trait")), account_traits=frozenset(search.open("account_trait"))
        )
        for batch in read_lake_rows(table, needs, Rejects(samples=0)):
            every = pl.Series([True]).new_from_index(0, batch.rows.height)
            search.look_into_traits(kind, batch.texts(every).get_column("traits"))
        return
    names = search.events_asked if reading.event is None else frozenset({reading.event})
    needs = EventNeeds(
        names,
        frozenset(path for event in names for path in search.open("property", event)),
        frozenset(path for event in names for path in search.open("context", event)),
    )
    for batch in read_lake_rows(table, needs, Rejects(samples=0)):
        rows = batch.rows
        wanted = rows.get_column("event").is_in(list(names)).fill_null(False)
        rows = rows.hstack([values_from_column(one) for one in batch.values(needs, wanted).get_columns()])
        if reading.event is None:
            search.count_all(rows.get_column("event"))
        for event in names.intersection(search.open_events()):
            _look_into_lake_event(event, rows.filter(pl.col("event") == event), table, search)
        if reading.event is not None and not names.intersection(search.open_events()):
            return


def _look_into_lake_event(event: str, rows: pl.DataFrame, table: LakeTable, search: _Search) -> None:
    def paths(columns: Mapping[str, str]) -> Mapping[Path, int]:
        return {(name,): rows.height for name in columns}

    def properties(path: Path) -> pl.Series:
        return rows.get_column(column_name("property", path))

    def contexts(path: Path) -> pl.Series:
        return rows.get_column(column_name("context", path))

    if rows.height:
        search.look("property", event, properties, lambda: paths(table.columns.properties))
        search.look("context", event, contexts, lambda: paths(table.columns.contexts))
