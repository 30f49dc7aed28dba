"""One column in one file that grows: Arrow streams one after another, which a reader maps into memory.

The name of a stream's only field is the column's form, so that a file may change its form on the way. Nothing is
compressed: reading a few rows costs what these rows cost.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import polars as pl

from audiences.state.columns import Column, Form, together

if TYPE_CHECKING:  # imported where it is used: what only reads the state's tables doesn't need it
    import pyarrow as pa  # type: ignore[import-untyped]

OLDEST: Final = pl.CompatLevel.oldest()
"""Strings with offsets: those of Polars' own kind would carry the texts of all rows into every slice."""


class Rows:
    """Some rows, ascending (UInt32). It remembers its parts: the columns of a sheet are cut at the same places."""

    def __init__(self, rows: pl.Series) -> None:
        self.numbers = rows
        self._parts: dict[tuple[int, int], Rows] = {}

    def within(self, start: int, size: int) -> Rows:
        """Those that are among ``size`` rows from ``start`` on, counted from there."""
        if (start, size) not in self._parts:
            first, last = (int(self.numbers.search_sorted(edge)) for edge in (start, start + size))
            self._parts[start, size] = Rows(self.numbers.slice(first, last - first) - start)
        return self._parts[start, size]

    @cached_property
    def arrow(self) -> pa.Array:
        """The same as an Arrow array."""
        return self.numbers.to_arrow()


class ColumnWriter:
    """Collects values until ``flush`` writes them as one stream.

    ``size`` is what waits, in bytes; ``rows`` how many values were added in all, the last ones in the form ``form``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: list[tuple[Form, pa.Array]] = []
        self.size = self.rows = 0
        self.form = Form.JSON

    def add(self, column: Column) -> None:
        """Adds values below the others."""
        if not len(column):
            return
        values = column.values.rechunk().to_arrow(compat_level=OLDEST)
        self._waiting.append((column.form, values))
        self.size += values.nbytes
        self.rows += len(column)
        self.form = column.form

    def flush(self) -> None:
        """Writes what was added, in as few streams as there are changes of the form."""
        import pyarrow as pa
        from pyarrow import ipc

        while self._waiting:
            form = self._waiting[0][0]
            arrays = []
            while self._waiting and self._waiting[0][0] is form:
                arrays.append(self._waiting.pop(0)[1])
            batch = pa.RecordBatch.from_arrays([pa.concat_arrays(arrays)], names=[form.value])
            with self._path.open("ab") as file, ipc.new_stream(file, batch.schema) as stream:
                stream.write_batch(batch)
        self.size = 0


def read_column(path: Path, rows: Rows | None = None) -> Column:
    """What was written to a file, or only some ``rows`` of it; a file that isn't there has no values."""
    if not path.exists():
        return together([])
    import pyarrow as pa
    from pyarrow import ipc

    source = pa.memory_map(str(path))
    found: list[Column] = []
    start = 0
    while source.tell() < source.size():
        table = ipc.open_stream(source).read_all()
        values = table.column(0)
        if rows is not None:
            values = values.take(rows.within(start, len(values)).arrow)
        start += len(table)
        found.append(Column(Form(table.schema.names[0]), cast(pl.Series, pl.from_arrow(values))))
    return together(found)
