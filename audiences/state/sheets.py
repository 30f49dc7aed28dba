"""Values of several computations side by side: one row per profile (or account), one file per column.

A sheet is a folder that is written once. What the values of a computation are is said by a chain of sheets: the first
has a row for everyone, each later one has the rows that a later run computed anew, in full.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from audiences.definitions.computation import Level
from audiences.state.column_files import ColumnWriter, Rows, read_column
from audiences.state.columns import Column, Form, empty_column, together

WAITING_BYTES: Final = 48 * 1024 * 1024
"""So much waits in memory before it is written: fewer and longer streams are read faster."""

IDS_FILE: Final = "ids.arrows"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A written sheet. ``whole``: it has everyone; else it has those that a run computed anew.

    ``files`` says which file has which computation's values. Every column has a value, or null, for every row.
    """

    folder: Path
    level: Level
    rows: int
    whole: bool
    files: Mapping[str, str] = field(compare=False)

    def ids(self) -> pl.Series:
        """The id of each row (String), in no particular order."""
        return read_column(self.folder / IDS_FILE).values.alias("id")

    def column(self, key: str, rows: Rows | None = None) -> Column:
        """The value of each row, or of some ``rows``."""
        return read_column(self.folder / self.files[key], rows)


class SheetWriter:
    """Writes a sheet part by part."""

    def __init__(self, folder: Path, level: Level, keys: Iterable[str], *, whole: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.level, self.whole = folder, level, whole
        self.files = {key: f"{number}.arrows" for number, key in enumerate(sorted(keys))}
        self.rows = 0
        self._ids = ColumnWriter(folder / IDS_FILE)
        self._columns = {key: ColumnWriter(folder / name) for key, name in self.files.items()}

    def add(self, ids: pl.Series, columns: Mapping[str, Column]) -> None:
        """Adds rows: the values of all computations of the sheet."""
        self.add_ids(ids)
        for key, column in columns.items():
            self.add_column(key, column)
        if self._ids.size + sum(column.size for column in self._columns.values()) > WAITING_BYTES:
            self._flush()

    def add_ids(self, ids: pl.Series) -> None:
        """Adds the ids of rows whose values come apart from them."""
        self._ids.add(Column(Form.TEXT, ids.cast(pl.String)))
        self.rows += len(ids)

    def add_column(self, key: str, column: Column) -> None:
        """Adds values of one computation for the next rows."""
        self._columns[key].add(column)

    def flush_column(self, key: str) -> None:
        """Writes what waits of one computation."""
        self._columns[key].flush()

    def finish(self) -> Sheet:
        """Writes what still waits. The last rows have no value of a computation that has values for fewer."""
        for column in self._columns.values():
            column.add(empty_column(column.form, self.rows - column.rows))
        self._flush()
        return Sheet(self.folder, self.level, self.rows, self.whole, self.files)

    def _flush(self) -> None:
        self._ids.flush()
        for column in self._columns.values():
            column.flush()


@dataclass(frozen=True, slots=True)
class Chain:
    """Sheets whose rows follow one another; of an id that several have, the last row is valid."""

    sheets: tuple[Sheet, ...]

    def ids(self) -> pl.Series:
        """The ids of all rows, in the order of the sheets."""
        found = [sheet.ids() for sheet in self.sheets]
        return pl.concat(found, rechunk=False) if len(found) > 1 else found[0]

    def column(self, key: str, rows: Rows | None = None) -> Column:
        """The value of each row, or of some ``rows``."""
        found, start = [], 0
        for sheet in self.sheets:
            found.append(sheet.column(key, None if rows is None else rows.within(start, sheet.rows)))
            start += sheet.rows
        return together(found)
