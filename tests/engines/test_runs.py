"""Statistics of overlapping runs are those of each run by itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiences.engines.polars_links import Runs
from audiences.engines.polars_run_sums import RunSums, finished, numbers_of, run_sums, together
from audiences.engines.polars_runs import (
    below,
    extreme,
    extreme_text,
    first,
    last,
    most_frequent,
    unique_count,
)
from audiences.events.values import values_from_column

TEXTS = ["", "a", "b", "ab", "é", "\U0001f600", "B"]
NUMBERS = ["5", "0.1", "0.2", "-7.25", "0.30000000000000004", "1e300", "-1e300", "9007199254740993", "1e-20"]


@dataclass(frozen=True)
class Case:
    """Items in the order of runs, and where each run begins and ends."""

    runs: Runs
    spans: list[tuple[int, int]]
    order: list[int]

    def of(self, values: list[str]) -> list[list[str]]:
        """The values in each run."""
        return [[values[item] for item in self.order[start:end]] for start, end in self.spans]


@st.composite
def cases(draw: st.DrawFn, *, moving: bool = False) -> Case:
    """``moving``: the ends of runs are in the order of their beginnings."""
    size = draw(st.integers(0, 20))
    order = draw(st.permutations(range(size)))
    places = st.integers(0, size)
    spans = [tuple(sorted(pair)) for pair in draw(st.lists(st.tuples(places, places), max_size=12))]
    if moving:
        starts, ends = sorted(start for start, _ in spans), sorted(end for _, end in spans)
        spans = draw(st.permutations(list(zip(starts, ends, strict=True))))
    runs = Runs(
        pl.Series(order, dtype=pl.UInt32),
        pl.Series([start for start, _ in spans], dtype=pl.Int64),
        pl.Series([end for _, end in spans], dtype=pl.Int64),
    )
    return Case(runs, [(start, end) for start, end in spans], list(order))


def drawn(data: st.DataObject, case: Case, pool: list[str]) -> list[str]:
    size = len(case.order)
    return data.draw(st.lists(st.sampled_from(pool), min_size=size, max_size=size))


@settings(deadline=None)
@given(cases(), st.data())
def test_texts_of_runs(case: Case, data: st.DataObject) -> None:
    texts = drawn(data, case, TEXTS)
    series, found = pl.Series(texts, dtype=pl.String), case.of(texts)
    assert first(case.runs, series).to_list() == [run[0] if run else None for run in found]
    assert last(case.runs, series).to_list() == [run[-1] if run else None for run in found]
    assert extreme_text(case.runs, series, greatest=False).to_list() == [min(run, default=None) for run in found]
    assert extreme_text(case.runs, series, greatest=True).to_list() == [max(run, default=None) for run in found]
    assert unique_count(case.runs, series).to_list() == [len(set(run)) for run in found]


@settings(deadline=None)
@given(cases(moving=True), st.data(), st.integers(1, 4))
def test_most_frequent_texts_of_moving_runs(case: Case, data: st.DataObject, minimum: int) -> None:
    texts = drawn(data, case, TEXTS)
    expected = []
    for run in case.of(texts):
        times = Counter(run)
        most = max(times.values(), default=0)
        expected.append(min(text for text in run if times[text] == most) if most >= minimum else None)
    assert most_frequent(case.runs, pl.Series(texts, dtype=pl.String), minimum).to_list() == expected


@settings(deadline=None)
@given(cases(), st.data())
def test_numbers_of_runs(case: Case, data: st.DataObject) -> None:
    texts = drawn(data, case, NUMBERS)
    numbers = pl.Series([float(text) for text in texts], dtype=pl.Float64)
    for greatest, best in ((False, min), (True, max)):
        expected = [best(map(float, run), default=None) for run in case.of(texts)]
        assert extreme(case.runs, numbers, greatest=greatest).to_list() == expected


@settings(deadline=None)
@given(cases(), st.data())
def test_how_many_are_below(case: Case, data: st.DataObject) -> None:
    codes = data.draw(st.lists(st.integers(0, 9), min_size=len(case.order), max_size=len(case.order)))
    bounds = data.draw(st.lists(st.integers(0, 11), min_size=len(case.spans), max_size=len(case.spans)))
    expected = [
        sum(code < bound for code in codes[start:end]) for (start, end), bound in zip(case.spans, bounds, strict=True)
    ]
    codes_in_order, bounds_of_runs = pl.Series(codes, dtype=pl.UInt32), pl.Series(bounds, dtype=pl.Int64)
    assert below(case.runs, codes_in_order, bounds_of_runs).to_list() == expected


@settings(deadline=None)
@given(cases(), st.data(), st.booleans())
def test_exact_sums_of_runs(case: Case, data: st.DataObject, average: bool) -> None:
    texts = drawn(data, case, data.draw(st.sampled_from([NUMBERS, NUMBERS[:4]])))
    numbers = numbers_of(values_from_column(pl.Series(texts, dtype=pl.String)))
    sums = run_sums(case.runs, numbers)
    expected = [
        float(sum(map(Fraction, run)) / (len(run) if average else 1)) if run else None for run in case.of(texts)
    ]
    assert finished(sums, numbers, average=average).to_list() == expected
    assert finished(together([(1, sums)]), numbers, average=average).to_list() == expected
    nothing = finished(together([(1, sums), (-1, sums)]), numbers, average=average)
    assert nothing.to_list() == [None] * len(case.spans)
    twice = finished(together([(1, sums), (1, sums), (0, sums)]), numbers, average=True)
    assert twice.to_list() == finished(sums, numbers, average=True).to_list()


@pytest.mark.parametrize("number", [10**14, 123_456_789_012_345])
def test_sums_beyond_64_bits(number: int) -> None:
    texts = pl.Series([str(number)] * 100_000, dtype=pl.String)
    runs = Runs(pl.int_range(100_000, dtype=pl.UInt32, eager=True), pl.Series([0, 5]), pl.Series([100_000, 6]))
    numbers = numbers_of(values_from_column(texts))
    sums = run_sums(runs, numbers)
    assert isinstance(sums, RunSums)
    assert finished(sums, numbers, average=False).to_list() == [float(number * 100_000), float(number)]
    assert finished(sums, numbers, average=True).to_list() == [float(number), float(number)]
