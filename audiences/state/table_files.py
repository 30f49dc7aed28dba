"""Parquet files of Delta tables: written as their rows come, by Polars, and named to a transaction afterwards."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import obstore
import polars as pl
from deltalake.transaction import AddAction

from audiences import clock
from audiences.state.storage import Storage

Frame = pl.DataFrame | pl.LazyFrame

ROWS_PER_GROUP: Final = 131_072  # small enough that a range of ids is read without the whole table
LEVEL: Final = 1  # of compression: higher ones take longer and save next to nothing here


def write_file(
    storage: Storage, table: str, rows: Frame, columns: Mapping[str, pl.DataType], partition: Mapping[str, str]
) -> AddAction | None:
    """Writes one file of a table; None, and nothing is left, if there are no rows.

    ``columns`` are those that the file has, in this order; ``partition`` the values of those that it doesn't have.
    """
    if isinstance(rows, pl.DataFrame) and rows.is_empty():
        return None
    wanted = rows.lazy().select(pl.col(name).cast(dtype) for name, dtype in columns.items())
    name = "/".join([*(f"{column}={value}" for column, value in partition.items()), f"{uuid.uuid4().hex}.parquet"])
    path = f"{table}/{name}"
    if storage.folder is None:
        count, size = _put(storage, path, wanted)
    else:
        count, size = _write(storage.folder / path, wanted)
    if count == 0:
        return None
    written = int(clock.now().timestamp() * 1000)
    return AddAction(name, size, dict(partition), written, True, json.dumps({"numRecords": count}))


def _write(path: Path, rows: pl.LazyFrame) -> tuple[int, int]:
    """Writes a local file; how many rows, and how many bytes it has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.sink_parquet(path, compression="zstd", compression_level=LEVEL, row_group_size=ROWS_PER_GROUP)
    count = _count(path)
    size = path.stat().st_size
    if count == 0:
        path.unlink()
    return count, size


def _put(storage: Storage, path: str, rows: pl.LazyFrame) -> tuple[int, int]:
    """The same in an object store: compressed, one computation's values fit into memory."""
    content = io.BytesIO()
    rows.sink_parquet(content, compression="zstd", compression_level=LEVEL, row_group_size=ROWS_PER_GROUP)
    count, size = _count(content), content.getbuffer().nbytes
    if count:
        content.seek(0)
        obstore.put(storage.store(), path, content)
    return count, size


def _count(source: Path | io.BytesIO) -> int:
    if isinstance(source, io.BytesIO):
        source.seek(0)
    counted = pl.scan_parquet(source, glob=False, hive_partitioning=False).select(pl.len()).collect()
    return int(counted.item())
