"""``properties``, ``traits`` and ``context``: one face for JSON text, structs and maps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import Final, Protocol

import polars as pl

from audiences.events.json_columns import (
    NOT_OBJECT,
    column_at,
    lists_of,
    parse_objects,
    values_at,
    values_from_objects,
)
from audiences.events.texts import is_text, texts
from audiences.events.typed_columns import as_map, is_entries, member_counts, typed_column_at
from audiences.events.values import values_from_column
from audiences.language.tree import EACH, Path

_EMPTY: Final[dict[str, object]] = {}


class Document(Protocol):
    """A column of objects, one a row. A missing object is not wrong."""

    def is_wrong(self) -> pl.Series:
        """``Boolean``: there, but not an object."""
        ...

    def sizes(self) -> pl.Series:
        """``UInt32``: the number of top-level members, 0 where the object is missing."""
        ...

    def texts(self, wanted: pl.Series | None = None) -> pl.Series:
        """``String``: the object as JSON text; as it was given where it was text.

        Rows that are not ``wanted`` (``Boolean``) may be left out: they are null then.
        """
        ...

    def column(self, path: Path, wanted: pl.Series | None = None) -> pl.Series:
        """A column from which ``values_from_column`` makes ``values``: of any type, where that is less work."""
        ...

    def values(self, path: Path, wanted: pl.Series | None = None) -> pl.Series:
        """The values at a path: ``VALUE``, or ``List(VALUE)`` through ``EACH``.

        Rows that are not ``wanted`` (``Boolean``) may be left out: they have no value then.
        """
        ...


def document(column: pl.Series) -> Document:
    """The document of a column of any type."""
    dtype = column.dtype
    if is_text(dtype):
        return JsonDocument(column)
    if is_entries(dtype):
        return TypedDocument(as_map(column))
    if isinstance(dtype, pl.Struct | pl.Map):
        return TypedDocument(column)
    if dtype == pl.Object:
        return ObjectDocument(column.to_list())
    return WrongDocument(column)


class ObjectDocument:
    """Objects that Python has already: ``None`` is missing, what isn't a ``dict`` is wrong."""

    def __init__(self, objects: Sequence[object]) -> None:
        self._objects = objects
        self._wanted: pl.Series | None = None
        self._wanted_objects: Sequence[dict[str, object]] = ()

    def is_wrong(self) -> pl.Series:
        """Which rows are there without being an object."""
        wrong = [not (value is None or type(value) is dict) for value in self._objects]
        return pl.Series(wrong, dtype=pl.Boolean)

    def sizes(self) -> pl.Series:
        """How many members each object has."""
        sizes = [len(value) if type(value) is dict else 0 for value in self._objects]
        return pl.Series(sizes, dtype=pl.UInt32)

    def texts(self, wanted: pl.Series | None = None) -> pl.Series:
        """Each object as JSON text."""
        return values_from_objects(self._objects).struct.field("text")

    def column(self, path: Path, wanted: pl.Series | None = None) -> pl.Series:
        """The values at a path, in a column of one type where they all have one."""
        return column_at(self._of(wanted), path)

    def values(self, path: Path, wanted: pl.Series | None = None) -> pl.Series:
        """The values at a path."""
        return values_at(self._of(wanted), path)

    def _of(self, wanted: pl.Series | None) -> Sequence[dict[str, object]]:
        if not self._wanted_objects or wanted is not self._wanted:  # the same rows are asked for every path
            self._wanted = wanted
            keep = repeat(True, len(self._objects)) if wanted is None else wanted.to_list()
            self._wanted_objects = [
                value if kept and type(value) is dict else _EMPTY
                for value, kept in zip(self._objects, keep, strict=True)
            ]
        return self._wanted_objects


class JsonDocument(ObjectDocument):
    """Objects as JSON text, each parsed once."""

    def __init__(self, column: pl.Series) -> None:
        self._texts = texts(column)
        super().__init__(parse_objects(self._texts))
        if column.dtype == pl.Binary:  # bytes that aren't UTF-8 are there, but no object
            undecodable = (column.is_not_null() & self._texts.is_null()).to_list()
            self._objects = [
                NOT_OBJECT if wrong else value for value, wrong in zip(self._objects, undecodable, strict=True)
            ]

    def texts(self, wanted: pl.Series | None = None) -> pl.Series:
        """Each object as JSON text."""
        return self._texts


class TypedDocument:
    """Objects as a struct or a map."""

    def __init__(self, column: pl.Series) -> None:
        self._column = column

    def is_wrong(self) -> pl.Series:
        """Which rows are there without being an object."""
        return _all_false(len(self._column))

    def sizes(self) -> pl.Series:
        """How many members each object has."""
        return member_counts(self._column)

    def texts(self, wanted: pl.Series | None = None) -> pl.Series:
        """Each object as JSON text."""
        if wanted is None:
            return values_from_column(self._column).struct.field("text")
        return spread(values_from_column(self._column.filter(wanted)).struct.field("text"), wanted)

    def column(self, path: Path, wanted: pl.Series | None = None) -> pl.Series:
        """The values at a path, as the struct or map has them."""
        return typed_column_at(self._column, path)

    def values(self, path: Path, wanted: pl.Series | None = None) -> pl.Series:
        """The values at a path."""
        return values_from_column(self.column(path))


class WrongDocument:
    """A column of a type that no object has: every row that isn't null is wrong."""

    def __init__(self, column: pl.Series) -> None:
        self._column = column

    def is_wrong(self) -> pl.Series:
        """Which rows are there without being an object."""
        return self._column.is_not_null()

    def sizes(self) -> pl.Series:
        """How many members each object has."""
        return pl.Series([0], dtype=pl.UInt32).new_from_index(0, len(self._column))

    def texts(self, wanted: pl.Series | None = None) -> pl.Series:
        """Each object as JSON text."""
        return pl.Series([None], dtype=pl.String).new_from_index(0, len(self._column))

    def column(self, path: Path, wanted: pl.Series | None = None) -> pl.Series:
        """The values at a path."""
        if EACH in path:
            return self.values(path)
        return pl.Series([None], dtype=pl.Null).new_from_index(0, len(self._column))

    def values(self, path: Path, wanted: pl.Series | None = None) -> pl.Series:
        """The values at a path."""
        values = values_from_column(pl.Series([None], dtype=pl.Null).new_from_index(0, len(self._column)))
        if EACH not in path:
            return values
        return lists_of(len(values), pl.Series([], dtype=pl.UInt32), values.clear())


def spread(found: pl.Series, wanted: pl.Series) -> pl.Series:
    """What was found for the rows that are wanted, as a column of all rows; null for the others."""
    places = pl.select(pl.when(wanted).then(wanted.cast(pl.UInt32).cum_sum() - 1)).to_series()
    return found.gather(places)


def _all_false(height: int) -> pl.Series:
    return pl.Series([False], dtype=pl.Boolean).new_from_index(0, height)
