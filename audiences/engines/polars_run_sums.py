"""Sums and averages of many overlapping runs of items: of the numbers as written, rounded once.

A run's sum is the difference of two running totals. These are integers, at a scale that fits most numbers;
what doesn't fit is added up apart, in integers of any size.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from audiences.engines.exact_sums import addable, quotients, scaled_column
from audiences.engines.polars_links import Runs
from audiences.engines.polars_runs import in_runs, totals


@dataclass(frozen=True)
class Numbers:
    """The numbers of items: ``scaled`` times ``10**places`` (0 where that isn't exact), and those that don't
    fit as ``rest`` times ``10**rest_places``, one for each true in ``misfits``.
    """

    scaled: pl.Series
    places: int
    misfits: pl.Series
    rest: list[int]
    rest_places: int


def numbers_of(values: pl.Series) -> Numbers:
    """The numbers of values (VALUE) that all have one."""
    texts = values.struct.field("text")
    scaled, places = scaled_column(values.struct.field("number"), texts)
    misfits = scaled.is_null()
    decimals = [written(text) for text in texts.filter(misfits).to_list()]
    rest_places = max([places, *(-exponent for _, exponent in decimals)])
    return Numbers(
        scaled.fill_null(0),
        places,
        misfits,
        [digits * 10 ** (exponent + rest_places) for digits, exponent in decimals],
        rest_places,
    )


def written(text: str) -> tuple[int, int]:
    """A finite number as an integer times a power of ten; what reads as 0 in Float64 is 0."""
    if float(text) == 0.0:  # 1e-999999999 would need a billion digits
        return 0, 0
    sign, digits, exponent = Decimal(text).as_tuple()
    if not isinstance(exponent, int):
        raise TypeError(f"{text} is not finite")
    number = int(Decimal((sign, digits, 0)))
    return number, exponent


@dataclass(frozen=True)
class RunSums:
    """How many numbers each run has, and their sum: ``total`` at the numbers' scale, and ``rest``, by run, of
    those that don't fit.
    """

    present: pl.Series
    total: pl.Series
    rest: dict[int, int]


def run_sums(runs: Runs, numbers: Numbers) -> RunSums:
    """The sums of the runs of items with these numbers."""
    running = totals(addable(in_runs(runs, numbers.scaled)))
    total = running.gather(runs.end) - running.gather(runs.first)
    if not numbers.rest:
        return RunSums(runs.lengths, total, {})
    misfits = in_runs(runs, numbers.misfits)
    ranks = (numbers.misfits.cast(pl.Int64).cum_sum() - 1).gather(runs.items).filter(misfits)
    rest = [0]
    for rank in ranks.to_list():
        rest.append(rest[-1] + numbers.rest[rank])
    before = totals(misfits.cast(pl.Int64))
    spans = (
        pl.DataFrame({"first": before.gather(runs.first), "end": before.gather(runs.end)})
        .with_row_index("run")
        .filter(pl.col("first") < pl.col("end"))
    )
    return RunSums(runs.lengths, total, {run: rest[end] - rest[first] for run, first, end in spans.iter_rows()})


def of_parents(sums: RunSums, parents: pl.Series, height: int) -> RunSums:
    """The sums of all runs of each of ``height`` parents; ``parents`` has the row of the parent of each run."""
    frame = pl.DataFrame({"parent": parents, "present": sums.present, "total": sums.total.cast(pl.Int128)})
    frame = frame.group_by("parent").sum()
    every = pl.DataFrame({"parent": pl.int_range(height, dtype=pl.UInt32, eager=True)})
    every = every.join(frame, on="parent", how="left", maintain_order="left")
    rest: dict[int, int] = {}
    if sums.rest:
        rows = parents.to_list()
        for run, number in sums.rest.items():
            rest[rows[run]] = rest.get(rows[run], 0) + number
    return RunSums(every["present"].fill_null(0), every["total"].fill_null(0), rest)


def together(sums: Iterable[tuple[int, RunSums]]) -> RunSums:
    """The sums of the same parents' runs, at least one, added (1) and subtracted (-1)."""
    rest: dict[int, int] = {}
    present = total = None
    for sign, found in sums:
        if present is None or total is None:
            present = pl.zeros(len(found.present), dtype=pl.Int64, eager=True)
            total = present.cast(pl.Int128)
        present += found.present * sign
        more = found.total.cast(pl.Int128)  # which Polars doesn't multiply by a Python number
        total = total + more if sign == 1 else total - more if sign == -1 else total
        for run, number in found.rest.items():
            rest[run] = rest.get(run, 0) + sign * number
    if present is None or total is None:
        raise ValueError("there are no sums")
    return RunSums(present, total, rest)


def finished(sums: RunSums, numbers: Numbers, *, average: bool) -> pl.Series:
    """The sums or averages (Float64), null where there is no number or the result is too large."""
    scale = 10**numbers.places
    divisors = sums.present * scale if average else sums.present * 0 + scale
    exact = quotients(sums.total, divisors)
    exact = pl.select(pl.when(sums.present > 0).then(exact)).to_series()
    large = ((sums.present > 0) & exact.is_null()).arg_true().to_list()
    rows = sorted({*large, *(run for run in sums.rest if sums.present[run] > 0)})
    if not rows:
        return exact
    more = 10 ** (numbers.rest_places - numbers.places)
    results = [
        rounded(
            int(total) * more + sums.rest.get(row, 0),
            (int(present) if average else 1) * 10**numbers.rest_places,
        )
        for row, total, present in zip(
            rows, sums.total.gather(rows).to_list(), sums.present.gather(rows).to_list(), strict=True
        )
    ]
    return exact.scatter(rows, pl.Series(results, dtype=pl.Float64))


def rounded(numerator: int, denominator: int) -> float | None:
    """The nearest Float64 of a fraction; None where it is too large for one."""
    try:
        return numerator / denominator + 0.0
    except OverflowError:
        return None
