"""Counts, extremes, first and last, unique counts and most frequent values of many overlapping runs of items.

Every function costs about n log n for n items and runs, however long the runs are and however much they
overlap.
"""

from __future__ import annotations

from heapq import heappop, heappush

import polars as pl

from audiences.engines.polars_links import Runs


def in_runs(runs: Runs, values: pl.Series) -> pl.Series:
    """The values of items in the order of the runs."""
    return values.gather(runs.items)


def first(runs: Runs, values: pl.Series) -> pl.Series:
    """The value of the first item of each run; null where it is empty."""
    return at(runs, values, runs.first)


def last(runs: Runs, values: pl.Series) -> pl.Series:
    """The value of the last item of each run; null where it is empty."""
    return at(runs, values, runs.end - 1)


def at(runs: Runs, values: pl.Series, places: pl.Series) -> pl.Series:
    """The values of items at some place of each run that isn't empty."""
    there = pl.select(pl.when(runs.lengths > 0).then(places)).to_series()
    return values.gather(runs.items.gather(there))


# ── extremes ────────────────────────────────────────────────────────────────────────────────────────────────


def extreme(runs: Runs, values: pl.Series, *, greatest: bool) -> pl.Series:
    """The least or greatest value of each run; null where it is empty. ``values`` has no nulls.

    By extremes of neighbours, 1, 2, 4, 8, … at a time: two of these overlap to any length.
    """
    better = pl.max_horizontal if greatest else pl.min_horizontal
    known = in_runs(runs, values)
    lengths = runs.lengths
    result = pl.Series([None], dtype=values.dtype).new_from_index(0, len(lengths))
    size = 1
    while True:
        rows = ((lengths >= size) & (lengths < 2 * size)).arg_true()
        if len(rows):
            front = known.gather(runs.first.gather(rows))
            back = known.gather(runs.end.gather(rows) - size)
            result = result.scatter(rows, pl.select(better(front, back)).to_series())
        if 2 * size > len(runs.items):
            return result
        known = pl.select(better(known.head(len(known) - size), known.tail(len(known) - size))).to_series()
        size *= 2


def extreme_text(runs: Runs, texts: pl.Series, *, greatest: bool) -> pl.Series:
    """The first or last text of each run by code point; null where it is empty."""
    codes, different = coded(texts)
    return different.gather(extreme(runs, codes, greatest=greatest))


def coded(texts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Each text as its place (UInt32) among the different ones, and these, by code point."""
    return texts.rank("dense").cast(pl.UInt32) - 1, texts.unique().sort()


# ── how many are below ──────────────────────────────────────────────────────────────────────────────────────


def below(runs: Runs, codes: pl.Series, bounds: pl.Series) -> pl.Series:
    """How many items of each run have a code below the run's bound (Int64).

    ``codes`` (integers from 0) are per place of ``runs.items``, ``bounds`` (integers from 0) per run.

    Bit by bit from the highest: the items are dealt out into those with 0 and those with 1 at the bit, which
    keeps each run in one piece, either way. Where the bound has a 1, all with a 0 are below it and counted,
    and the search goes on among those with a 1; else it goes on among those with a 0.
    """
    codes, bounds = codes.cast(pl.Int64), bounds.cast(pl.Int64)
    start, end = runs.first, runs.end
    found = pl.zeros(len(bounds), dtype=pl.Int64, eager=True)
    for bit in reversed(range(bits(codes, bounds))):
        zero = (codes // 2**bit) % 2 == 0
        zeros = totals(zero.cast(pl.Int64))
        zero_start, zero_end = zeros.gather(start), zeros.gather(end)
        zeros_in_all = int(zeros[-1])
        step = pl.DataFrame(
            {
                "one": (bounds // 2**bit) % 2 == 1,
                "found": found,
                "counted": zero_end - zero_start,
                "start if one": start - zero_start + zeros_in_all,
                "end if one": end - zero_end + zeros_in_all,
                "start": zero_start,
                "end": zero_end,
            }
        ).select(
            pl.col("found") + pl.when("one").then("counted").otherwise(0),
            pl.when("one").then("start if one").otherwise("start").alias("start"),
            pl.when("one").then("end if one").otherwise("end").alias("end"),
        )
        found, start, end = step["found"], step["start"], step["end"]
        codes = pl.concat([codes.filter(zero), codes.filter(~zero)])
    return found


def bits(*codes: pl.Series) -> int:
    """How many binary digits the largest code has."""
    highest = pl.concat([found.alias("") for found in codes]).max()
    return highest.bit_length() if isinstance(highest, int) else 0


def totals(numbers: pl.Series) -> pl.Series:
    """The sums of the numbers before each place, and of all: one more than there are numbers."""
    return pl.concat([pl.zeros(1, dtype=numbers.dtype, eager=True), numbers.cum_sum().alias("")])


def unique_count(runs: Runs, texts: pl.Series) -> pl.Series:
    """The number of different texts of each run (Int64).

    An item counts in a run if the one before it with the same text is not in it.
    """
    frame = pl.DataFrame({"text": coded(texts)[0].gather(runs.items)}).with_row_index("place")
    before = (pl.col("place").shift(1).over("text").cast(pl.Int64) + 1).fill_null(0)
    return below(runs, frame.select(before).to_series(), runs.first + 1)


# ── most frequent ───────────────────────────────────────────────────────────────────────────────────────────


def most_frequent(runs: Runs, texts: pl.Series, minimum: int) -> pl.Series:
    """The most frequent text of each run, of several the first by code point; null if it occurs less than
    ``minimum`` times.

    Neither end of a run is before that of a run that starts earlier, so one window moves over the items.
    """
    codes, different = coded(texts)
    spans = (
        pl.DataFrame({"first": runs.first, "end": runs.end})
        .with_row_index("run")
        .filter(pl.col("first") < pl.col("end"))
        .sort("first", "end")
    )
    window = Window(codes.gather(runs.items).to_list(), len(different))
    found = [window.most_frequent(start, end, max(1, minimum)) for _, start, end in spans.iter_rows()]
    result = pl.Series([None], dtype=pl.UInt32).new_from_index(0, len(runs.first))
    return different.gather(result.scatter(spans["run"], pl.Series(found, dtype=pl.UInt32)))


class Window:
    """A window that moves over codes and knows how often each occurs in it."""

    def __init__(self, codes: list[int], different: int) -> None:
        self.codes = codes
        self.start = self.end = 0
        self.times = [0] * different
        self.most = 0
        self.with_times = [different]  # how many codes occur so often, by how often
        self.candidates: list[list[int]] = [[]]  # codes that once occurred so often: heaps, by how often

    def most_frequent(self, start: int, end: int, minimum: int) -> int | None:
        """The least code of those that occur most often from ``start`` to before ``end``."""
        for place in range(self.start, min(start, self.end)):
            self.change(self.codes[place], -1)
        for place in range(max(start, self.end), end):
            self.change(self.codes[place], 1)
        self.start, self.end = start, end
        if self.most < minimum:
            return None
        heap = self.candidates[self.most]
        while self.times[heap[0]] != self.most:
            heappop(heap)
        return heap[0]

    def change(self, code: int, by: int) -> None:
        """One more or one less of a code."""
        before = self.times[code]
        after = before + by
        self.times[code] = after
        if after == len(self.with_times):
            self.with_times.append(0)
            self.candidates.append([])
        self.with_times[before] -= 1
        self.with_times[after] += 1
        if after > self.most or (before == self.most and not self.with_times[before]):
            self.most = after
        if after:
            heappush(self.candidates[after], code)
