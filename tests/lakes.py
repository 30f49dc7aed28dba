"""Data lakes as Segment Data Lakes writes them: a table for each event, its properties flattened to columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import polars as pl

from audiences.events import PreparedInputs
from event_tables import everything, texts

NOON: Final = datetime(2024, 6, 1, 12, tzinfo=UTC)
DECIMAL: Final = pl.Decimal(38, 6)
PREFIXES: Final = {"properties": (), "traits": (), "context": ("context",)}
INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def snake(name: str) -> str:
    """``Page Viewed`` and ``pageViewed`` are ``page_viewed``."""
    return re.sub(r"[^A-Za-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)).strip("_").lower()


def write_lake(folder: Path, events: pl.DataFrame, *, source: str = "src1") -> Path:
    """Writes ``<folder>/<source>/segment_type=…/day=…/hr=…/part-0.parquet`` and returns ``folder``.

    In: rows with ``type``, ``event``, ``timestamp``, ids, and ``properties``, ``traits`` and ``context`` as JSON text.
    The day and hour are those of ``received_at``, else of ``timestamp``. A file has the columns in which anything is.
    """
    received = pl.coalesce(pl.col("^received_at$"), "timestamp")
    table = pl.when(pl.col("type") == "track").then("event").otherwise("type")
    placed = events.with_columns(day=received.dt.strftime("%Y-%m-%d"), hour=received.dt.strftime("%H"), table=table)
    for (name, *_), rows in placed.partition_by("table", as_dict=True).items():
        flat = flattened(rows.drop("table"))
        for (day, hour), part in flat.partition_by("day", "hour", as_dict=True, include_key=False).items():
            place = folder / source / f"segment_type={snake(str(name))}" / f"day={day}" / f"hr={hour}"
            place.mkdir(parents=True)
            seen = [column for column in part.get_columns() if column.null_count() < part.height]
            pl.DataFrame(seen).write_parquet(place / "part-0.parquet", statistics=False)
    return folder


def flattened(rows: pl.DataFrame) -> pl.DataFrame:
    """One column for each member of ``properties``, ``traits`` and ``context``, of the types that a data lake has."""
    columns: dict[str, list[Any]] = {}
    for name, prefix in PREFIXES.items():
        for number, text in enumerate(rows.get_column(name).to_list() if name in rows.columns else ()):
            for path, value in leaves(json.loads(text) if text else None, prefix):
                columns.setdefault("_".join(map(snake, path)), [None] * rows.height)[number] = value
    flat = rows.drop("type", "event", *PREFIXES, strict=False)
    return flat.with_columns(typed(name, values) for name, values in columns.items())


def leaves(value: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every value that is no array and no object, with its path; elements by their numbers."""
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield from leaves(member, (*path, str(name)))
    elif isinstance(value, list):
        for number, element in enumerate(value):
            yield from leaves(element, (*path, str(number)))
    elif value is not None:
        yield path, value


def typed(name: str, values: list[Any]) -> pl.Series:
    """bigint, boolean, decimal(38,6), timestamp or string: what holds all values."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds == {int}:
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds <= {int, float}:
        return pl.Series(name, [None if value is None else Decimal(str(value)) for value in values], dtype=DECIMAL)
    as_text = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    if all(text is None or INSTANT.fullmatch(text) for text in as_text):
        instants = [None if text is None else datetime.fromisoformat(text) for text in as_text]
        return pl.Series(name, instants, dtype=pl.Datetime("us", "UTC"))
    return pl.Series(name, as_text, dtype=pl.String)


def put(
    folder: Path, name: str, columns: Mapping[str, Any], *, day: str | None = "2024-06-01", file: str = "a"
) -> Path:
    """A file of a table, with ids and times where none are given; returns its path."""
    frame = pl.DataFrame(dict(columns))
    known = {{"id": "messageid"}.get(column.lower(), column.replace("_", "").lower()) for column in frame.columns}
    given = {
        "message_id": pl.format(f"{name}-{day}-{file}-{{}}", pl.int_range(pl.len())),
        "user_id": pl.lit("u1"),
        "timestamp": pl.lit(NOON),
        "received_at": pl.lit(NOON),
    }
    missing = [value.alias(column) for column, value in given.items() if column.replace("_", "") not in known]
    place = folder / "data" / "src1" / f"segment_type={name}" / (f"day={day}/hr=12" if day else "")
    place.mkdir(parents=True, exist_ok=True)
    frame.with_columns(missing).write_parquet(place / f"{file}.parquet")
    return place / f"{file}.parquet"


def values(inputs: PreparedInputs, column: str) -> list[Any]:
    """The texts of a column of values in the order of message ids."""
    rows = everything(inputs).events.sort("message_id")[column]
    if isinstance(rows.dtype, pl.List):
        return [[value["text"] for value in row] for row in rows.to_list()]
    return texts(rows)


def said(traits: pl.DataFrame) -> list[dict[str, Any]]:
    """The traits of profiles or accounts."""
    return [json.loads(text) for text in traits["traits"].to_list()]
