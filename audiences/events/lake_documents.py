"""``properties``, ``traits`` and ``context`` whose members are columns of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import orjson
import polars as pl

from audiences.events.documents import WrongDocument, spread
from audiences.events.json_columns import lists_of, values_at
from audiences.events.lake_names import FlatNames, FlatPath
from audiences.events.texts import is_text, texts
from audiences.events.typed_columns import as_map, is_entries, typed_values_at
from audiences.events.value_texts import json_text
from audiences.events.values import VALUE, json_of_value, values_from_column
from audiences.language.tree import EACH, Path

_CELLS: Final = pl.Schema({"row": pl.UInt32(), "column": pl.UInt32(), "value": VALUE})
_FEW_COLUMNS: Final = 50
_WRAPPED: Final = "value"
_NUMBER: Final = re.compile(r"_[0-9]+(?=_|$).*")

Place = tuple[str | int, ...]
"""Where a value goes in an object: names of members, and numbers of elements."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a column's value goes; ``opened``: as the array or object that it is the JSON text of."""

    place: Place
    opened: bool = False


class FlatDocument:
    """Objects, one a row, each column a member of its name; null is missing. No row is wrong.

    ``height`` is the number of rows, also where there are no columns. ``names`` finds the columns of a path.
    ``places`` says which columns go where in the object as text, if not just under their own names.
    """

    def __init__(
        self,
        columns: Sequence[pl.Series],
        height: int,
        names: FlatNames,
        places: Mapping[str, Sequence[Placed]] | None = None,
    ) -> None:
        self._columns = {column.name: column for column in columns}
        self._height, self._names, self._places = height, names, places or {}

    @cached_property
    def _filled(self) -> list[pl.Series]:
        """The columns in which anything is, by name."""
        return [column for _, column in sorted(self._columns.items()) if column.null_count() < self._height]

    def is_wrong(self) -> pl.Series:
        """Never: what is no object has no columns."""
        return pl.Series([False], dtype=pl.Boolean).new_from_index(0, self._height)

    def sizes(self) -> pl.Series:
        """How many members each object has; the elements of an array are one."""
        members = [member_of(column.name) for column in self._filled]
        numbers = {member: number for number, member in enumerate(dict.fromkeys(members))}
        there = [
            pl.DataFrame({"row": column.is_not_null().arg_true()}).with_columns(member=pl.lit(numbers[member]))
            for column, member in zip(self._filled, members, strict=True)
        ]
        if not there:
            return pl.Series([0], dtype=pl.UInt32).new_from_index(0, self._height)
        counted = pl.concat(there).unique().group_by("row").agg(size=pl.len().cast(pl.UInt32))
        rows = pl.DataFrame({"row": pl.int_range(self._height, dtype=pl.UInt32, eager=True)})
        return rows.join(counted, on="row", how="left", maintain_order="left").get_column("size").fill_null(0)

    def texts(self, wanted: pl.Series | None = None) -> pl.Series:
        """Each object as JSON text, members by name."""
        if wanted is not None and not wanted.all():
            some = [column.filter(wanted) for column in self._columns.values()]
            return spread(FlatDocument(some, int(wanted.sum()), self._names, self._places).texts(), wanted)
        if len(self._filled) > _FEW_COLUMNS and not self._places:
            return _flat_texts(self._filled, self._height)
        root = _Branch()
        for column in self._filled:
            for placed in self._places.get(column.name, [Placed((column.name,))]):
                root.put(placed.place, _opened_texts(column) if placed.opened else _value_texts(column))
        found = root.texts()
        return pl.Series(["{}"]).new_from_index(0, self._height) if found is None else found.fill_null("{}")

    def column(self, path: Path, wanted: pl.Series | None = None) -> pl.Series:
        """The values at a path, as the column has them where it is one."""
        places = self._names.find(path)
        if len(places) == 1 and EACH not in path and not places[0].rest:
            return self._columns[places[0].columns[0][1]]
        return self.values(path, wanted)

    def values(self, path: Path, wanted: pl.Series | None = None) -> pl.Series:
        """The values at a path."""
        found = [self._values(place, EACH in path, wanted) for place in self._names.find(path)]
        if not found:
            return WrongDocument(pl.Series([None]).new_from_index(0, self._height)).values(path)
        values = found.pop()
        for better in reversed(found):
            there = better.list.len() > 0 if EACH in path else better.is_not_null()
            values = pl.select(pl.when(there).then(better).otherwise(values)).to_series()
        return values

    def _values(self, place: FlatPath, through_arrays: bool, wanted: pl.Series | None) -> pl.Series:
        columns = [self._columns[name] for _, name in place.columns]
        if place.rest:
            return _inside(columns[0], place.rest, wanted)
        if not through_arrays:
            return values_from_column(columns[0])
        found = _cells(columns)
        return lists_of(self._height, found.get_column("row"), found.get_column("value"))


def member_of(name: str) -> str:
    """The top-level member that a column belongs to, as far as its name tells: ``products`` of ``products_0_sku``."""
    return _NUMBER.sub("", name) or name


def places_of(found: Mapping[Path, Sequence[FlatPath]]) -> dict[str, list[Placed]]:
    """Where columns go in an object, so that each path leads to its values: column → places."""
    places: dict[str, list[Placed]] = {}
    for path, one in ((path, one) for path, several in found.items() for one in several):
        for numbers, column in one.columns:
            left = iter(numbers)
            outer = path[: len(path) - len(one.rest)]
            place = tuple(next(left) if segment == EACH else segment for segment in outer)
            places.setdefault(column, []).append(Placed(place, opened=bool(one.rest)))
    return places


def _inside(column: pl.Series, rest: Path, wanted: pl.Series | None) -> pl.Series:
    """The values at a path of what a column holds: a typed value, or the JSON text of an array or object."""
    path = (_WRAPPED, *rest)
    if not is_text(column.dtype):
        column = as_map(column) if is_entries(column.dtype) else column
        return typed_values_at(column.alias(_WRAPPED).to_frame().to_struct(), path)
    shown = texts(column) if wanted is None else pl.select(pl.when(wanted).then(texts(column))).to_series()
    return values_at([{_WRAPPED: _parsed(text)} for text in shown.to_list()], path)


def _parsed(text: str | None) -> object:
    """The array or object that a text is, else ``None``."""
    if text is None or not text.lstrip().startswith(("[", "{")):
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


# ── many columns, most of them empty ────────────────────────────────────────────────────────────────────────


def _cells(columns: Sequence[pl.Series]) -> pl.DataFrame:
    """What is there, as ``_CELLS``, in the order of rows and columns. Columns of a type are read in one go."""
    by_type: dict[pl.DataType, list[tuple[int, pl.Series]]] = {}
    for number, column in enumerate(columns):
        if column.null_count() < len(column):
            by_type.setdefault(column.dtype, []).append((number, column))
    parts = [_CELLS.to_frame()]
    for several in by_type.values():
        rows = [column.is_not_null().arg_true() for _, column in several]
        heights = pl.Series([len(one) for one in rows], dtype=pl.UInt32)
        numbers = pl.select(pl.lit(pl.Series([number for number, _ in several], dtype=pl.UInt32)).repeat_by(heights))
        part = {
            "row": pl.concat(rows).cast(pl.UInt32),
            "column": numbers.to_series().explode(),
            "value": values_from_column(pl.concat([column.drop_nulls().alias("value") for _, column in several])),
        }
        parts.append(pl.DataFrame(part).drop_nulls("value"))
    return pl.concat(parts).sort("row", "column")


def _flat_texts(columns: Sequence[pl.Series], height: int) -> pl.Series:
    """Objects with the columns as members, as JSON text."""
    names = pl.Series([json_text(column.name) + ":" for column in columns], dtype=pl.String)
    found = _cells(columns).select("row", member=pl.lit(names).gather("column") + json_of_value(pl.col("value")))
    joined = found.group_by("row", maintain_order=True).agg(pl.col("member").str.join(","))
    rows = pl.DataFrame({"row": pl.int_range(height, dtype=pl.UInt32, eager=True)})
    whole = rows.join(joined, on="row", how="left", maintain_order="left")
    return whole.select("{" + pl.col("member").fill_null("") + "}").to_series()


# ── objects in objects ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Branch:
    """A value as JSON text (null: missing): of members or elements, and where there are none, ``own``."""

    own: pl.Series | None = None
    inner: dict[str | int, _Branch] = field(default_factory=dict)

    def put(self, place: Place, found: pl.Series) -> None:
        """Add the texts of a value. Where there are some already, they are the better ones."""
        if not place:
            self.own = found if self.own is None else pl.select(pl.coalesce(self.own, found)).to_series()
        elif not any(type(key) is not type(place[0]) for key in self.inner):  # an object is no array
            self.inner.setdefault(place[0], _Branch()).put(place[1:], found)

    def texts(self) -> pl.Series | None:
        """The texts; ``None`` where there is nothing."""
        members = [
            json_text(name) + ":" + found if isinstance(name, str) else found
            for name in sorted(self.inner, key=lambda key: (str(type(key)), key))
            if (found := self.inner[name].texts()) is not None
        ]
        if not members:
            return self.own
        frame = pl.DataFrame([member.alias(str(number)) for number, member in enumerate(members)])
        opening, closing = ("{", "}") if isinstance(next(iter(self.inner)), str) else ("[", "]")
        body = pl.concat_str(pl.all(), separator=",", ignore_nulls=True)
        found = frame.select(pl.when(body != "").then(opening + body + closing)).to_series()
        return found if self.own is None else pl.select(pl.coalesce(found, self.own)).to_series()


def _value_texts(column: pl.Series) -> pl.Series:
    values = values_from_column(column).alias("value").to_frame()
    return values.select(json_of_value(pl.col("value"))).to_series()


def _opened_texts(column: pl.Series) -> pl.Series:
    """As ``_value_texts``, but the text of an array or object is that array or object."""
    if not is_text(column.dtype):
        return _value_texts(column)
    opened = [None if (value := _parsed(text)) is None else json_text(value) for text in texts(column).to_list()]
    return pl.select(pl.coalesce(pl.Series(opened, dtype=pl.String), _value_texts(column))).to_series()
