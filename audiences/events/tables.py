"""One way to read a table in batches, whether it is a Parquet file or a frame in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

import polars as pl

from audiences.events.files import FoundFile, find_files, footer_digest, unreadable
from audiences.events.lake_places import LakePlace, lake_place
from audiences.events.values import json_text, values_from_column

Source = str | Path | pl.DataFrame | pl.LazyFrame
"""A folder, file, glob or URL of Parquet, or the table itself."""

BATCH_ROWS: Final = 32_768  # parsed JSON of that many rows stays in the tens of megabytes
TYPED_BATCH_ROWS: Final = 131_072  # columns need less room than objects
_LARGE_FILE: Final = 2**24  # bytes


@dataclass(frozen=True, slots=True)
class InputFrames:
    """The inputs, each a Polars frame or a path. Columns as in Parquet files; ``None``: there is no such
    table.
    """

    events: Source | None = None
    profiles: Source | None = None
    accounts: Source | None = None
    suppressed: Source | None = None


class Table(Protocol):
    """A table that is read in batches."""

    @property
    def path(self) -> str:
        """Where it is, for messages."""
        ...

    @property
    def files(self) -> int:
        """How many files it is; a frame counts as one."""
        ...

    @property
    def size(self) -> int:
        """Bytes; 0 where that is not known."""
        ...

    @property
    def schema(self) -> pl.Schema:
        """Columns and types."""
        ...

    @property
    def rows(self) -> int:
        """The number of rows."""
        ...

    def batches(
        self, columns: Sequence[str], rows: int = BATCH_ROWS, first: int = 0, count: int | None = None
    ) -> Iterator[pl.DataFrame]:
        """The rows of some columns, in order, in batches of at most so many; only ``count`` from the ``first`` on."""
        ...

    def place(self, row: int) -> tuple[str, int]:
        """Where a row is, for messages: the path, and the number of the row there, from 0."""
        ...

    def fingerprint(self) -> str:
        """Changes whenever the content does."""
        ...


class LazyTable:
    """A lazy Polars frame. Everything that Polars raises becomes an ``InputError`` that names the table."""

    def __init__(self, frame: pl.LazyFrame, what: str) -> None:
        self._lazy, self._what = frame, what

    @property
    def path(self) -> str:
        """Where it is, for messages."""
        return f"<{self._what} frame>"

    @property
    def files(self) -> int:
        """How many files it is; a frame counts as one."""
        return 1

    def place(self, row: int) -> tuple[str, int]:
        """Where a row is, for messages."""
        return self.path, row

    @property
    def size(self) -> int:
        """Bytes; 0 where that is not known."""
        return 0

    @cached_property
    def schema(self) -> pl.Schema:
        """Columns and types."""
        with self._reading():
            return self._lazy.collect_schema()

    @cached_property
    def rows(self) -> int:
        """The number of rows."""
        with self._reading():
            return int(self._lazy.select(pl.len()).collect().item())

    def batches(
        self, columns: Sequence[str], rows: int = BATCH_ROWS, first: int = 0, count: int | None = None
    ) -> Iterator[pl.DataFrame]:
        """The rows of some columns, in order, in batches of at most so many; only ``count`` from the ``first`` on."""
        found = self._lazy.select(columns)
        with self._reading():
            for batch in (found.slice(first, count) if first or count is not None else found).collect_batches(
                chunk_size=rows
            ):
                yield from batch.iter_slices(rows)

    def fingerprint(self) -> str:
        """Changes whenever the content does."""
        with self._reading():
            return FrameTable(self._lazy.collect(), self._what).fingerprint()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            raise unreadable(self.path, self._what, str(error)) from error


class ParquetTable(LazyTable):
    """A Parquet file."""

    def __init__(self, file: FoundFile, what: str) -> None:
        super().__init__(pl.scan_parquet(file.path, glob=False, hive_partitioning=False), what)
        self._file = file

    @property
    def name(self) -> str:
        """Where it is inside the source."""
        return self._file.name

    @cached_property
    def lake_place(self) -> LakePlace | None:
        """Where it is in a data lake; ``None`` if it isn't in one."""
        return lake_place(self._file.path)

    @property
    def path(self) -> str:
        """Where it is, for messages."""
        return self._file.path

    @property
    def size(self) -> int:
        """Bytes; 0 where that is not known."""
        return self._file.size

    @cached_property
    def schema(self) -> pl.Schema:
        """Columns and types."""
        footer_digest(self._file, self._what)  # says what is wrong with a file better than Polars does
        with self._reading():
            return self._lazy.collect_schema()

    def batches(
        self, columns: Sequence[str], rows: int = BATCH_ROWS, first: int = 0, count: int | None = None
    ) -> Iterator[pl.DataFrame]:
        """The rows of some columns, in order, in batches of at most so many; only ``count`` from the ``first`` on.

        Of a large file some row groups are in memory at a time, not all that is decoded ahead.
        """
        groups = self._row_groups if not first and count is None else []
        if not groups:
            yield from super().batches(columns, rows, first, count)
            return
        found = self._lazy.select(columns)
        for start, length in _spans(groups):
            with self._reading():
                part = found.slice(start, length).collect(engine="streaming")
            yield from part.iter_slices(rows)

    @cached_property
    def _row_groups(self) -> list[int]:
        """The rows of each row group, if it is worth while to know: not of small files, nor of large groups."""
        if self._file.is_remote or self._file.size < _LARGE_FILE:
            return []
        from pyarrow.parquet import read_metadata  # type: ignore[import-untyped]

        try:
            footer = read_metadata(self._file.path)
        except (OSError, ValueError):  # what is wrong with it, the reading of it says
            return []
        groups = [int(footer.row_group(number).num_rows) for number in range(footer.num_row_groups)]
        return groups if max(groups, default=0) <= 2 * TYPED_BATCH_ROWS else []

    @cached_property
    def _fingerprint(self) -> str:
        file = self._file
        return f"{file.name}\0{file.size}\0{file.modified}\0{footer_digest(file, self._what)}"

    def fingerprint(self) -> str:
        """Changes whenever the content does."""
        return self._fingerprint


class FrameTable:
    """A Polars frame in memory."""

    def __init__(self, frame: pl.DataFrame, what: str) -> None:
        self._frame, self._what = frame, what

    @property
    def path(self) -> str:
        """Where it is, for messages."""
        return f"<{self._what} frame>"

    @property
    def files(self) -> int:
        """How many files it is; a frame counts as one."""
        return 1

    def place(self, row: int) -> tuple[str, int]:
        """Where a row is, for messages."""
        return self.path, row

    @property
    def size(self) -> int:
        """Bytes; 0 where that is not known."""
        return int(self._frame.estimated_size())

    @property
    def schema(self) -> pl.Schema:
        """Columns and types."""
        return self._frame.schema

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self._frame.height

    def batches(
        self, columns: Sequence[str], rows: int = BATCH_ROWS, first: int = 0, count: int | None = None
    ) -> Iterator[pl.DataFrame]:
        """The rows of some columns, in order, in batches of at most so many; only ``count`` from the ``first`` on."""
        found = self._frame.select(columns).slice(first, count)
        if found.height:
            yield from found.iter_slices(rows)

    def fingerprint(self) -> str:
        """Changes whenever the content does."""
        frame = self._frame
        digest = hashlib.sha256(f"{frame.schema}\0{frame.height}".encode())
        for column in frame.get_columns():
            texts = values_from_column(column).struct.field("text")
            digest.update(json_text(texts.to_list()).encode())
        return f"{self.path}\0{digest.hexdigest()}"


def _spans(groups: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Row groups one after the other, small ones together: where they begin and how many rows they have."""
    start = length = 0
    for rows in groups:
        if length and length + rows > TYPED_BATCH_ROWS:
            yield start, length
            start, length = start + length, 0
        length += rows
    if length:
        yield start, length


def open_tables(source: Source | None, what: str) -> list[Table]:
    """The tables of a source, sorted by path: one per Parquet file, or the frame; none where there is no
    source.

    Raises as ``find_files`` does.
    """
    if source is None:
        return []
    if isinstance(source, pl.DataFrame):
        return [FrameTable(source, what)]
    if isinstance(source, pl.LazyFrame):
        return [LazyTable(source, what)]
    return [ParquetTable(file, what) for file in find_files(str(source), what)]
