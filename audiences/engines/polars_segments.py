"""Rows of one owner after the other: what is added up, or found first or last, in the rows of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import polars as pl


class Segments:
    """The runs of equal ``rows`` (UInt32, ascending): the rows of each owner; there are ``owners`` in all."""

    def __init__(self, rows: pl.Series, owners: int) -> None:
        runs = rows.rle().struct.unnest()
        self.lengths = runs.get_column("len").cast(pl.UInt32)
        self.owners = runs.get_column("value")
        self._number = owners

    @cached_property
    def last(self) -> pl.Series:
        """The last row of each segment (UInt32)."""
        return self.lengths.cum_sum() - 1

    @cached_property
    def first(self) -> pl.Series:
        """The first row of each segment (UInt32)."""
        return self.last + 1 - self.lengths

    @cached_property
    def _of_owners(self) -> pl.Series | None:
        """The segment of each owner (UInt32), null for one without rows; None if each owner has its own."""
        if len(self.owners) == self._number:
            return None
        numbers = pl.int_range(len(self.owners), dtype=pl.UInt32, eager=True)
        return pl.repeat(None, self._number, dtype=pl.UInt32, eager=True).scatter(self.owners, numbers)

    def for_all(self, values: pl.Series) -> pl.Series:
        """One value per owner instead of per segment; null for an owner without rows."""
        return values if self._of_owners is None else values.gather(self._of_owners)

    def all_of(self, several: Sequence[pl.Series]) -> list[pl.Series]:
        """The same of several values for each segment."""
        if self._of_owners is None:
            return list(several)
        frame = pl.DataFrame([values.alias(str(number)) for number, values in enumerate(several)])
        return frame.select(pl.all().gather(self._of_owners)).get_columns()

    def sums(self, frame: pl.DataFrame, expressions: Mapping[str, pl.Expr]) -> pl.DataFrame:
        """The sums of integers (never null, none of their sums overflows) of the rows of each segment."""
        if not expressions:
            return pl.DataFrame(height=len(self.owners))
        running = frame.select(made.cum_sum().alias(name) for name, made in expressions.items())
        return running.select(pl.all().gather(self.last)).select(pl.all() - pl.all().shift(1, fill_value=0))

    def greatest(self, numbers: pl.Series) -> pl.Series:
        """The greatest of integers from 0 (Int64) in the rows of each segment."""
        most = numbers.max()
        step = (most if isinstance(most, int) else 0) + 1
        if step * len(self.owners) >= 2**63:
            frame = pl.DataFrame({"segment": self._of_rows, "number": numbers})
            return frame.group_by("segment", maintain_order=True).max().get_column("number")
        # All numbers of a segment are raised above those of the ones before it, so one running maximum does.
        raised = (self._of_rows.cast(pl.Int64) * step + numbers).cum_max()
        return raised.gather(self.last) - pl.int_range(len(self.owners), eager=True) * step

    @property
    def _of_rows(self) -> pl.Series:
        """The number of each row's segment (UInt32)."""
        starts = pl.zeros(int(self.lengths.sum()), dtype=pl.UInt32, eager=True)
        return starts.scatter(self.first, 1).cum_sum() - 1 if len(self.owners) else starts

    def latest(self, frame: pl.DataFrame, there: Mapping[str, pl.Expr]) -> pl.DataFrame:
        """The last row (UInt32) of each segment in which an expression (Boolean) is true; null if there is none."""
        row = pl.int_range(pl.len(), dtype=pl.UInt32)
        found = frame.select(pl.when(made).then(row).forward_fill().alias(name) for name, made in there.items())
        found = found.select(pl.all().gather(self.last))
        return found.select(pl.when(pl.all() >= self.first).then(pl.all()))

    def earliest(self, frame: pl.DataFrame, there: Mapping[str, pl.Expr]) -> pl.DataFrame:
        """The first row (UInt32) of each segment in which an expression (Boolean) is true; null if there is none."""
        row = pl.int_range(pl.len(), dtype=pl.UInt32)
        found = frame.select(pl.when(made).then(row).backward_fill().alias(name) for name, made in there.items())
        found = found.select(pl.all().gather(self.first))
        return found.select(pl.when(pl.all() <= self.last).then(pl.all()))
