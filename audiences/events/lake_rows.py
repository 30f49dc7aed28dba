"""From a table of a data lake to the same rows that a table of all calls gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import polars as pl

from audiences.events.columns import EVENT_COLUMNS, require
from audiences.events.documents import Document, document
from audiences.events.lake import LakeTable
from audiences.events.lake_documents import FlatDocument, member_of, places_of
from audiences.events.lake_names import needed_event
from audiences.events.needs import EventNeeds
from audiences.events.rejects import Rejects
from audiences.events.rows import MOST_PROPERTIES, Accepted, Calls, accepted_rows
from audiences.events.texts import is_text, texts
from audiences.events.values import values_from_column

_WITH_PROPERTIES: Final = ("track", "page", "screen")
_WITH_TRAITS: Final = ("identify", "group")


def read_lake_rows(
    table: LakeTable, needs: EventNeeds, rejects: Rejects, first: int = 0, count: int | None = None
) -> Iterator[Accepted]:
    """As ``rows.read_rows``, of a table of a data lake.

    Rows of a table that is read for its ids and times only have no event: they make their profile exist, and nothing
    else. Raises ``InputError`` where the table has no timestamp or no id column at all.
    """
    reader = _Reader(table, needs)
    for batch in table.batches(reader.columns, first=first, count=count):
        found = accepted_rows(reader.calls(batch), rejects, table, first)
        if not table.reading.whole:
            found.rows = found.rows.with_columns(event=pl.lit(None, dtype=pl.String))
        yield found
        first += batch.height


class _Reader:
    """What is read of a table, and what it is in a table of all calls."""

    def __init__(self, table: LakeTable, needs: EventNeeds) -> None:
        self._table, self._reading, self._needs = table, table.reading, needs
        self._known = table.columns.known
        if self._known or table.rows:
            require(self._known, "timestamp", where=table.path, what="events")
        call, find = self._reading.call, table.columns.name_of
        self._name = find("name") if call in ("page", "screen") else None
        self._event_text = find("event_text") if call == "track" and self._reading.event is None else None
        self._properties = self._property_columns()
        self._traits = table.columns.traits if call in _WITH_TRAITS else {}
        traits = needs.traits if call == "identify" else needs.account_traits
        self._trait_places = places_of(table.traits.find_all(traits)) if self._traits else {}
        self._contexts = self._context_columns()

    @property
    def columns(self) -> list[str]:
        """The columns that are read."""
        more = [name for name in (self._name, self._event_text) if name is not None]
        documents = (*self._properties.values(), *self._traits.values(), *self._contexts.values())
        return list(dict.fromkeys((*self._known.values(), *more, *documents)))

    def calls(self, batch: pl.DataFrame) -> Calls:
        """A batch as calls."""
        missing = pl.Series([None]).new_from_index(0, batch.height)
        columns = {name: missing.alias(name) for name in EVENT_COLUMNS}
        columns |= {name: batch.get_column(column) for name, column in self._known.items()}
        columns["type"] = _same("type", self._reading.call, batch.height)
        columns["event"] = self._events(batch)
        given = values_from_column(columns["source_id"]).struct.field("text")
        columns["source_id"] = given.fill_null(self._reading.source) if self._reading.source else given
        if self._name is not None:
            columns["name"] = batch.get_column(self._name)
        documents = dict.fromkeys(("properties", "traits", "context"), document(missing)) | self._documents(batch)
        return Calls(columns, documents, batch)

    def _documents(self, batch: pl.DataFrame) -> dict[str, Document]:
        def flat(columns: Mapping[str, str]) -> list[pl.Series]:
            return [batch.get_column(column).alias(name) for name, column in columns.items()]

        table, height = self._table, batch.height
        found: dict[str, Document] = {}
        if self._reads_properties:
            found["properties"] = FlatDocument(flat(self._properties), height, table.properties)
        if self._reading.call in _WITH_TRAITS:
            found["traits"] = FlatDocument(flat(self._traits), height, table.traits, self._trait_places)
        if self._contexts:
            found["context"] = FlatDocument(flat(self._contexts), height, table.contexts)
        return found

    @property
    def _reads_properties(self) -> bool:
        return self._reading.call in _WITH_PROPERTIES and (self._reading.whole or bool(self._properties))

    def _property_columns(self) -> Mapping[str, str]:
        """All properties, or none; they also have to be counted where they may be too many."""
        columns = self._table.columns.properties
        too_many = len(set(map(member_of, columns))) > MOST_PROPERTIES
        return columns if self._reading.call in _WITH_PROPERTIES and (self._reading.whole or too_many) else {}

    def _context_columns(self) -> Mapping[str, str]:
        """The fields that are used."""
        is_event = self._reading.whole and self._reading.call in _WITH_PROPERTIES
        found = self._table.contexts.find_all(self._needs.contexts) if is_event else {}
        used = {name for several in found.values() for one in several for _, name in one.columns}
        return {name: column for name, column in self._table.columns.contexts.items() if name in used}

    def _events(self, batch: pl.DataFrame) -> pl.Series:
        """The event's name, as definitions say it, where they do."""
        if self._reading.call != "track":
            return _same("event", None, batch.height)
        if self._reading.event is not None:
            return _same("event", self._reading.event, batch.height)
        columns = [name for name in (self._event_text, self._known.get("event")) if name is not None]
        given = batch.select(columns).get_columns()
        if not all(is_text(one.dtype) for one in given):
            return given[-1]
        names = pl.select(pl.coalesce([texts(one) for one in given])).to_series()
        different = names.drop_nulls().unique()
        known = [needed_event(name, self._needs.events, self._table.path) for name in different.to_list()]
        return names.replace_strict(different, pl.Series(known, dtype=pl.String), default=None)


def _same(name: str, value: str | None, height: int) -> pl.Series:
    return pl.Series(name, [value], dtype=pl.String).new_from_index(0, height)
