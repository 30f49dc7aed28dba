"""Texts that repeat, each kept once while rows wait: the rows have small numbers instead of them."""

from __future__ import annotations

from typing import Final

import polars as pl

_LONGEST: Final = 256  # bytes; with at most 65,535 different texts a column takes a few megabytes
_IDS: Final = ("source_id", "group_id")


class Interned:
    """Makes ``Categorical`` columns of texts, as long as a column has few different ones.

    Which numbers stand for which texts depends on the order in which they come: only the texts may be looked at.
    """

    def __init__(self) -> None:
        self._categories: dict[str, pl.Categories] = {}
        self._given_up: set[str] = set()

    def of(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows with columns of values, and some of ids, as ``Categorical``; ``Null`` where there is no text."""
        if not frame.height:
            return frame
        texts = [column for column in frame.get_columns() if column.dtype == pl.String]
        return frame.with_columns(self._of(column) for column in texts)

    def _of(self, column: pl.Series) -> pl.Series:
        name = column.name
        if column.null_count() == len(column):
            return pl.Series(name, [None], dtype=pl.Null).new_from_index(0, len(column))
        if name in self._given_up or not (name in _IDS or ":" in name):
            return column
        try:
            if int(column.str.len_bytes().max()) <= _LONGEST:  # type: ignore[arg-type]
                return column.cast(pl.Categorical(self._categories_of(name)))
        except pl.exceptions.ComputeError:  # more different texts than small numbers
            pass
        self._given_up.add(name)
        return column

    def _categories_of(self, name: str) -> pl.Categories:
        if name not in self._categories:
            self._categories[name] = pl.Categories.random(namespace="audiences", physical=pl.UInt16)
        return self._categories[name]
