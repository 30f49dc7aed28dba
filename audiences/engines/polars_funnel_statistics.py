"""The statistic of a nested measure: of runs of items, and of several runs of one parent put together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Final

import polars as pl

from audiences.engines import polars_run_sums, polars_runs
from audiences.engines.polars_links import PARENT, Items, Runs, for_all
from audiences.errors import NotYetError
from audiences.language.selections import Measure, Statistic

ADDITIVE: Final = frozenset({Statistic.COUNT, Statistic.SUM, Statistic.AVERAGE})
"""Statistics that can be subtracted."""

GREATEST: Final = frozenset({Statistic.MAXIMUM, Statistic.GREATEST_TEXT, Statistic.LAST})
CHOSEN: Final = frozenset({Statistic.MINIMUM, Statistic.LEAST_TEXT, Statistic.FIRST}) | GREATEST
"""Statistics of two sets of items that are those of one of them."""

FOUND: Final = "found"


@dataclass(frozen=True)
class Part:
    """Runs that count (``sign`` 1), or are subtracted (-1): one for each parent, or for each of ``parents``.

    ``parents`` has rows of parents (UInt32), some several times.
    """

    runs: Runs
    sign: int = 1
    parents: pl.Series | None = None


@dataclass
class Reducer:
    """The statistic of a measure of ``items``."""

    item: Measure
    items: Items

    @cached_property
    def valued(self) -> pl.Series:
        """The values of the items of a measure with an operand."""
        if self.items.values is None:
            raise TypeError(f"{self.item.statistic.value} needs an operand")
        return self.items.values

    @cached_property
    def numbers(self) -> polars_run_sums.Numbers:
        """The numbers of the items, to be added up."""
        return polars_run_sums.numbers_of(self.valued)

    # ── single runs ─────────────────────────────────────────────────────────────────────────────────────────

    def of_runs(self, found: Runs) -> pl.Series:
        """The statistic of each run; null, or a count of 0, where it is empty."""
        match self.item.statistic:
            case Statistic.COUNT:
                return found.lengths
            case Statistic.SUM | Statistic.AVERAGE:
                return self.finished(polars_run_sums.run_sums(found, self.numbers))
        values = self.valued
        texts, numbers = values.struct.field("text"), values.struct.field("number")
        match self.item.statistic:
            case Statistic.MINIMUM | Statistic.MAXIMUM as statistic:
                return polars_runs.extreme(found, numbers, greatest=statistic in GREATEST)
            case Statistic.LEAST_TEXT | Statistic.GREATEST_TEXT as statistic:
                return polars_runs.extreme_text(found, texts, greatest=statistic in GREATEST)
            case Statistic.FIRST:
                return polars_runs.first(found, values)
            case Statistic.LAST:
                return polars_runs.last(found, values)
            case Statistic.UNIQUE_COUNT:
                return polars_runs.unique_count(found, texts)
            case Statistic.MOST_FREQUENT:
                return polars_runs.most_frequent(found, texts, self.item.minimum_frequency)
        raise NotYetError(f"{self.item.statistic.value} of nested events: not yet")

    def finished(self, sums: polars_run_sums.RunSums) -> pl.Series:
        """The sums or averages."""
        return polars_run_sums.finished(sums, self.numbers, average=self.item.statistic is Statistic.AVERAGE)

    # ── several runs of one parent ──────────────────────────────────────────────────────────────────────────

    def together(self, parts: Iterable[Part], height: int) -> pl.Series:
        """The statistic of each of ``height`` parents, of ``ADDITIVE`` or ``CHOSEN``, over all of its runs.

        No item is in two of them, unless it is subtracted. What is chosen isn't subtracted.
        """
        if self.item.statistic is Statistic.COUNT:
            return self.counted(parts, height)
        if self.item.statistic in ADDITIVE:
            return self.added(parts, height)
        return self.best(parts, height)

    def counted(self, parts: Iterable[Part], height: int) -> pl.Series:
        """The numbers of items (Int64)."""
        numbers = pl.zeros(height, dtype=pl.Int64, eager=True)
        for part in parts:
            found = part.runs.lengths
            if part.parents is not None:
                sums = pl.DataFrame({PARENT: part.parents, FOUND: found}).group_by(PARENT).sum()
                found = for_all(sums[PARENT], sums[FOUND], height)
            numbers = numbers + found * part.sign
        return numbers

    def added(self, parts: Iterable[Part], height: int) -> pl.Series:
        """The sums or averages."""
        nowhere = pl.zeros(height, dtype=pl.Int64, eager=True)
        nothing = Part(Runs(pl.Series([], dtype=pl.UInt32), nowhere, nowhere), sign=0)
        sums = ((part.sign, self.sums_of(part, height)) for part in chain([nothing], parts))
        return self.finished(polars_run_sums.together(sums))

    def sums_of(self, part: Part, height: int) -> polars_run_sums.RunSums:
        """The sum of each parent."""
        found = polars_run_sums.run_sums(part.runs, self.numbers)
        return found if part.parents is None else polars_run_sums.of_parents(found, part.parents, height)

    def best(self, parts: Iterable[Part], height: int) -> pl.Series:
        """The value of one item, the best of all."""
        greatest = self.item.statistic in GREATEST
        keys, results = self.keys_and_results()
        nothing = pl.Series([None], dtype=keys.dtype).new_from_index(0, height)
        better = pl.max_horizontal if greatest else pl.min_horizontal
        best = nothing
        for part in parts:
            found = polars_runs.extreme(part.runs, keys, greatest=greatest)
            if part.parents is not None:
                groups = pl.DataFrame({PARENT: part.parents, FOUND: found}).group_by(PARENT)
                of_each = groups.agg(pl.col(FOUND).max() if greatest else pl.col(FOUND).min())
                found = nothing.clone().scatter(of_each[PARENT], of_each[FOUND])
            best = pl.select(better(best, found)).to_series()
        return best if results is None else results.gather(best)

    def keys_and_results(self) -> tuple[pl.Series, pl.Series | None]:
        """What is least or greatest, per item, and the results by it, where it isn't the result itself."""
        match self.item.statistic:
            case Statistic.MINIMUM | Statistic.MAXIMUM:
                return self.valued.struct.field("number"), None
            case Statistic.LEAST_TEXT | Statistic.GREATEST_TEXT:
                return polars_runs.coded(self.valued.struct.field("text"))
        return pl.int_range(len(self.valued), dtype=pl.UInt32, eager=True), self.valued
