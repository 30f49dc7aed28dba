"""JSON text: each row is parsed once, then each path is one walk over the parsed objects."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import methodcaller
from typing import Final

import orjson
import polars as pl

from audiences.events.values import VALUE, json_text, value_expression, values_from_column
from audiences.language.tree import EACH, Path

NOT_OBJECT: Final = object()
"""Stands for a text that is there but isn't a JSON object."""

_EXACT_BELOW: Final = 2**53  # whole numbers below are the same as a float
_SAMPLE: Final = 1_000  # rows looked at to see whether texts repeat


def parse_objects(column: pl.Series) -> list[object]:
    """One element per row: the parsed object, ``None`` where it is missing or ``null``, else ``NOT_OBJECT``.

    JSON is what RFC 8259 says: no NaN, nothing after the object, no lone surrogates, no number beyond a
    double.
    """
    sample = column.head(_SAMPLE)
    with _without_garbage_collection():
        if column.len() > _SAMPLE and sample.n_unique() * 2 < _SAMPLE:  # parse each different text once
            different = column.unique().to_list()
            parsed = dict(zip(different, _parsed(different), strict=True))
            return [parsed[text] for text in column.to_list()]
        return _parsed(column.to_list())


def _parsed(texts: Sequence[str | None]) -> list[object]:
    result: list[object] = []
    for text in texts:
        if text is None:
            result.append(None)
            continue
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            value = NOT_OBJECT
        result.append(value if type(value) is dict or value is None else NOT_OBJECT)
    return result


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Parsed JSON has no cycles: looking for them again and again while it grows doubles the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def values_at(objects: Sequence[dict[str, object]], path: Path) -> pl.Series:
    """The values at a path of objects: ``VALUE``, or ``List(VALUE)`` where the path has ``EACH``."""
    return values_from_column(column_at(objects, path))


def column_at(objects: Sequence[dict[str, object]], path: Path) -> pl.Series:
    """The values at a path of objects, in a column of one type where they all have one (text, numbers, booleans), else
    of ``VALUE``; ``List(VALUE)`` where the path has ``EACH``.
    """
    with _without_garbage_collection():
        found: Sequence[object] = objects
        rows: list[int] | None = None
        for depth, segment in enumerate(path):
            if segment == EACH:
                rows, found = _elements(rows, found)
            elif depth == 0:
                found = list(map(methodcaller("get", segment), found))  # all are dicts: no test is needed
            else:
                found = [value.get(segment) if type(value) is dict else None for value in found]
        column = _column_from_objects(found)
    if rows is None:
        return column
    return lists_of(len(objects), pl.Series(rows, dtype=pl.UInt32), values_from_column(column))


def _elements(rows: list[int] | None, found: Sequence[object]) -> tuple[list[int], list[object]]:
    places: list[int] = []
    elements: list[object] = []
    for place, value in enumerate(found):
        if type(value) is list:
            places.extend([place if rows is None else rows[place]] * len(value))
            elements.extend(value)
    return places, elements


def lists_of(height: int, rows: pl.Series, values: pl.Series) -> pl.Series:
    """Values and the rows they belong to (ascending) as one list a row; missing values are dropped."""
    present = values.is_not_null()
    lists = (
        pl.DataFrame({"row": rows.filter(present), "value": values.filter(present)})
        .group_by("row", maintain_order=True)
        .agg("value")
    )
    frame = pl.DataFrame({"row": pl.int_range(height, dtype=pl.UInt32, eager=True)})
    joined = frame.join(lists, on="row", how="left", maintain_order="left")
    empty = pl.lit(pl.Series([[]], dtype=pl.List(VALUE)))
    return joined.select(pl.col("value").fill_null(empty)).to_series()


def values_from_objects(objects: Sequence[object]) -> pl.Series:
    """JSON values as Python has them (of any mix of types) to a column of ``VALUE``."""
    return values_from_column(_column_from_objects(objects))


def _column_from_objects(objects: Sequence[object]) -> pl.Series:
    types = set(map(type, objects)) - {type(None)}
    if not types:
        return pl.Series([None], dtype=pl.Null).new_from_index(0, len(objects))
    if types == {int, float}:
        floats = pl.Series(objects, dtype=pl.Float64, strict=False)
        if (floats.abs() < _EXACT_BELOW).all():  # so is every integer among them, exactly
            return floats
    if len(types) == 1:
        return _of_one_type(objects, types.pop())
    parts = [
        values_from_column(_of_one_type([value if type(value) is one else None for value in objects], one))
        for one in sorted(types, key=lambda one: one.__name__)
    ]
    return pl.select(pl.coalesce(parts)).to_series()


def _of_one_type(objects: Sequence[object], one: type) -> pl.Series:
    """Values of one JSON type, or ``None``."""
    if one is str:
        return pl.Series(objects, dtype=pl.String)
    if one is bool:
        return pl.Series(objects, dtype=pl.Boolean)
    if one is float:
        return pl.Series(objects, dtype=pl.Float64)
    if one is int:
        return _integers(objects)
    texts = [None if value is None else json_text(value) for value in objects]
    return (
        pl.DataFrame({"text": texts}, schema={"text": pl.String})
        .select(value_expression("json", pl.col("text")))
        .to_series()
    )


def _integers(objects: Sequence[object]) -> pl.Series:
    try:
        return pl.Series(objects, dtype=pl.Int64)
    except (OverflowError, TypeError):  # beyond 64 bits with a sign
        return pl.Series(objects, dtype=pl.Int128)
