"""Stored snapshots out of a sheet: the rows that have a value, sorted by id."""

from __future__ import annotations

from functools import cached_property

import polars as pl

from audiences.state.columns import Column
from audiences.state.sheets import Sheet


class SheetReader:
    """Keeps the ids of a sheet, and their order, from one computation to the next."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet

    @cached_property
    def ids(self) -> pl.Series:
        """The id of each row."""
        return self.sheet.ids()

    @cached_property
    def _order(self) -> pl.Series | None:
        """The rows in the order of ids; None: they are."""
        return None if self.ids.is_sorted() else self.ids.arg_sort()

    @cached_property
    def _sorted_ids(self) -> pl.Series:
        return self.ids if self._order is None else self.ids.gather(self._order).rechunk()

    def snapshot(self, key: str) -> pl.DataFrame:
        """A computation's stored snapshot: ``id``, ``value`` (JSON text)."""
        column = self.sheet.column(key).gather(self._order)
        there = column.values.is_not_null()
        if not there.all():
            column = Column(column.form, column.values.filter(there))
        ids = self._sorted_ids if len(column) == len(there) else self._sorted_ids.filter(there)
        return pl.DataFrame({"id": ids, "value": column.json()})
