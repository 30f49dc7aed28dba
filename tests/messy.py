"""The shop's events once more, as real files are: a file a month, none like the other, and days that overlap."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

OVERLAP: Final = timedelta(days=3)
"""The last days of a month are in the next month's file, too, under the same message ids."""

LAST: Final = datetime(2011, 1, 1, tzinfo=UTC)
TIME: Final = pl.col("timestamp")
PRODUCT: Final = pl.Struct({"sku": pl.String, "quantity": pl.Int64, "price": pl.Float64})
PROPERTIES: Final = pl.Struct(
    {
        "order_id": pl.String,
        "sku": pl.String,
        "name": pl.String,
        "quantity": pl.Int64,
        "price": pl.Float64,
        "revenue": pl.Float64,
        "total": pl.Float64,
        "num_items": pl.Int64,
        "products": pl.List(PRODUCT),
    }
)
COUNTRY: Final = pl.Struct({"country": pl.String})

Change = Callable[[pl.DataFrame], pl.DataFrame]
Writer = Callable[[pl.DataFrame, Path], None]


def write_messy_copies(folder: Path, events: pl.DataFrame) -> Path:
    """Writes a file for each month, each changed in its own way, and returns the folder.

    In: the sample's events, ``properties``, ``traits`` and ``context`` as JSON text.
    """
    folder.mkdir()
    months = events.select(pl.col("timestamp").dt.truncate("1mo").unique().sort()).to_series().to_list()
    assert len(months) == len(MONTHS)
    for number, (month, write) in enumerate(zip(months, MONTHS, strict=True)):
        end = months[number + 1] if number + 1 < len(months) else LAST
        rows = events.filter(TIME.is_between(month - OVERLAP, end, closed="left"))
        write(rows.sample(fraction=1.0, shuffle=True, seed=number), folder / f"{month:%Y-%m}.parquet")
    return folder


def file_of(change: Change) -> Writer:
    """One file of changed rows."""

    def write(rows: pl.DataFrame, path: Path) -> None:
        change(rows).write_parquet(path, statistics=False)

    return write


# ── properties, traits and context ──────────────────────────────────────────────────────────────────────────


def nothing(rows: pl.DataFrame) -> pl.DataFrame:
    """As it was, with a column more, and columns in another order."""
    return rows.with_columns(received=pl.lit("later")).select(sorted(rows.columns, reverse=True))


def prices_as_text(rows: pl.DataFrame) -> pl.DataFrame:
    """``"price": "6.95"``; traits as a struct."""
    text = pl.col("properties").str.replace_all(r'"price":(-?[0-9.]+)', '"price":"$1"')
    return rows.with_columns(text, pl.col("traits").str.json_decode(COUNTRY))


def structs(rows: pl.DataFrame) -> pl.DataFrame:
    """Properties and context as structs."""
    country = pl.col("context").str.json_decode(pl.Struct({"location": COUNTRY}))
    return rows.with_columns(pl.col("properties").str.json_decode(PROPERTIES), country)


def decimals(rows: pl.DataFrame) -> pl.DataFrame:
    """A struct whose money is decimal."""
    properties = pl.col("properties").str.json_decode(PROPERTIES)
    money = [properties.struct.field(name).round(6).cast(pl.Decimal(38, 6)) for name in ("price", "revenue", "total")]
    return rows.with_columns(properties.struct.with_fields(*money), pl.col("traits").str.json_decode(COUNTRY))


def bytes_and_categories(rows: pl.DataFrame) -> pl.DataFrame:
    """JSON text as bytes, names as categories."""
    return rows.with_columns(
        pl.col("properties", "context", "message_id").cast(pl.Binary), pl.col("type", "event").cast(pl.Categorical)
    )


def files_of_maps(rows: pl.DataFrame, path: Path) -> None:
    """Two files: lines of invoices, whose properties are a map of text, and identify calls, whose traits are a list of
    keys and values; and all else as it was.
    """
    lines = rows.filter(pl.col("event").str.starts_with("Product") | (pl.col("type") == "identify"))
    rows.join(lines, on="message_id", how="anti").write_parquet(path.with_stem(path.stem + "-orders"))
    properties = lines["properties"].str.json_decode(PROPERTIES).struct.unnest()
    names = ("order_id", "sku", "name", "quantity", "price", "revenue")
    texts = [properties[name].cast(pl.String).to_list() for name in names]
    maps = [
        [(name, value) for name, value in zip(names, row, strict=True) if value is not None]
        for row in zip(*texts, strict=True)
    ]
    entries = lines.select(
        traits=pl.when(pl.col("traits").is_not_null()).then(
            pl.concat_list(pl.struct(key=pl.lit("country"), value=pl.col("traits").str.json_path_match("$.country")))
        )
    )
    table = lines.with_columns(entries).to_arrow()
    column = pa.array(maps, pa.map_(pa.string(), pa.string()))
    pq.write_table(table.set_column(table.column_names.index("properties"), "properties", column), path)


# ── columns and timestamps ──────────────────────────────────────────────────────────────────────────────────


def renamed(names: Callable[[str], str], change: Change = nothing) -> Change:
    """Columns under other names."""

    def apply(rows: pl.DataFrame) -> pl.DataFrame:
        return change(rows).rename(names)

    return apply


def camel_case(name: str) -> str:
    """``message_id`` → ``messageId``."""
    first, *others = name.split("_")
    return first + "".join(other.title() for other in others)


def retyped(columns: Mapping[str, pl.Expr], change: Change = nothing) -> Change:
    """Columns of other types."""

    def apply(rows: pl.DataFrame) -> pl.DataFrame:
        return change(rows.with_columns(**columns))

    return apply


MONTHS: Final[tuple[Writer, ...]] = (
    file_of(nothing),
    file_of(prices_as_text),
    file_of(structs),
    file_of(renamed(camel_case)),
    file_of(decimals),
    file_of(retyped({"timestamp": TIME.dt.strftime("%Y-%m-%dT%H:%M:%SZ")})),
    file_of(retyped({"timestamp": TIME.dt.cast_time_unit("ns"), "user_id": pl.col("user_id").cast(pl.Int64)})),
    file_of(
        retyped({"timestamp": TIME.dt.replace_time_zone(None), "user_id": pl.col("user_id").cast(pl.Float64)}, structs)
    ),
    files_of_maps,
    file_of(retyped({"timestamp": TIME.dt.offset_by("2h").dt.strftime("%Y-%m-%d %H:%M:%S+02:00")}, prices_as_text)),
    file_of(
        retyped({"timestamp": TIME.dt.convert_time_zone("Europe/London").dt.cast_time_unit("ms")}, bytes_and_categories)
    ),
    file_of(renamed(str.upper, decimals)),
    file_of(nothing),
)
"""What is written of each month, from December 2009 on."""
