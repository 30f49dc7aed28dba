"""Nested events compared with their parent by each different combination of values, instead of by each pair.

Within a group (an owner's events, with equal values where they must be), parents with the same values ask the
same question. Each of these different questions is asked once of each different combination of values of the
nested events. Then the nested events for which the answer is yes are put in order of time, where the window of
each parent is one run again: all of a question in a group of its own (``by_combinations``), or, for statistics
that can be put together, in few groups that the questions share (``by_sets``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import polars as pl

from audiences.engines.polars_events import TIME
from audiences.engines.polars_links import EVENT, GROUP, ITEM, PARENT, Runs, located
from audiences.engines.polars_pairs import END, FIRST, VALUE, PairConditions, portions
from audiences.engines.polars_sides import Side, of_column
from audiences.language.selections import Selection

OWN: Final = "row of a nested event with these values"
THEIRS: Final = "row of a parent with these values"
KEY: Final = "key"
SIZE: Final = "size"
NODE: Final = "node"
ASKER: Final = "asker"
ORDER: Final = "order"

ROWS: Final = 2**32
"""More than there are rows."""


def grouped_by_values(
    conditions: PairConditions, entries: pl.DataFrame, askers: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The entries with OWN, the askers with THEIRS: the first row with the same values."""
    return (
        entries.with_columns(first_alike(list(conditions.own.values()), entries[EVENT]).alias(OWN)),
        askers.with_columns(first_alike(list(conditions.theirs.values()), askers[PARENT]).alias(THEIRS)),
    )


def worthwhile(entries: pl.DataFrame, askers: pl.DataFrame) -> pl.Series:
    """Which askers (Boolean) are in groups with fewer combinations than pairs.

    ``askers`` have THEIRS, and their run from FIRST to before END. A combination is of different values of
    the parents and each entry.
    """
    sizes = entries.group_by(GROUP).agg(pl.len().alias(SIZE))
    pairs = (pl.col(END) - pl.col(FIRST)).sum()
    groups = askers.group_by(GROUP).agg(pl.col(THEIRS).n_unique().cast(pl.Int64), pairs.alias("pairs"))
    fewer = pl.col(THEIRS) * pl.col(SIZE) < pl.col("pairs")
    chosen = groups.join(sizes, on=GROUP).filter(fewer)
    return askers[GROUP].is_in(chosen[GROUP].implode())


def by_combinations(
    conditions: PairConditions,
    entries: pl.DataFrame,
    askers: pl.DataFrame,
    window: Selection,
    reduced: Callable[[Runs], pl.Series],
) -> Iterator[pl.DataFrame]:
    """The measure of those items for which the conditions hold: PARENT and VALUE.

    Entries have OWN, askers THEIRS; ``reduced`` makes a value of each run of items.
    """
    if askers.is_empty():
        return
    sizes = entries.group_by(GROUP).agg(pl.len().alias(SIZE))
    questions = askers.select(GROUP, THEIRS).unique(maintain_order=True).join(sizes, on=GROUP, maintain_order="left")
    kinds = entries.select(GROUP, OWN).unique()
    for portion in portions(questions, pl.col(SIZE)):
        keys = portion.with_row_index(KEY)
        matches = conditions.holding(keys.join(kinds, on=GROUP), OWN, THEIRS)
        asking = askers.join(keys.select(GROUP, THEIRS, KEY), on=[GROUP, THEIRS])
        yield asking.select(PARENT, reduced(written_out(entries, asking, matches, window)).alias(VALUE))


def by_sets(
    conditions: PairConditions, entries: pl.DataFrame, askers: pl.DataFrame, window: Selection
) -> Iterator[tuple[pl.Series, pl.Series, Runs]]:
    """Some parents; places among them, some several times; and as many runs of the items for which the conditions
    hold.

    Each parent is there once, and none has an item twice. The combinations of values of a group's nested events
    are numbered, and a set of numbers is put together from ranges of 1, 2, 4, 8, … numbers: nearly all of them,
    or few, are few ranges.
    Where writing out the nested events of a set is less, that is done instead.
    """
    if askers.is_empty():
        return
    # In the order of texts: those that begin alike are next to each other.
    place = pl.col(ORDER) * ROWS + pl.col(OWN)
    entries = entries.with_columns(text_order(conditions.own.values(), entries[OWN]).alias(ORDER))
    entries = entries.with_columns(place.rank("dense").over(GROUP).cast(pl.Int64).alias(NODE) - 1).drop(ORDER)
    kinds = entries.group_by(GROUP, OWN, NODE).agg(pl.len().alias("entries"))
    number_of_kinds = kinds.group_by(GROUP).agg(pl.len().alias(SIZE))
    questions = (
        askers.group_by(GROUP, THEIRS, maintain_order=True)
        .agg(pl.len().alias("times"))
        .join(number_of_kinds, on=GROUP, maintain_order="left")
    )
    for portion in portions(questions, pl.col(SIZE).cast(pl.Int64)):
        keys = portion.select(GROUP, THEIRS, "times").with_row_index(KEY)
        matches = conditions.holding(keys.join(kinds, on=GROUP), OWN, THEIRS)
        ranges = pl.concat(largest_ranges(matches.select(KEY, NODE)))
        costs = matches.group_by(KEY, maintain_order=True).agg(pl.col("entries").sum().cast(pl.Int64))
        costs = costs.join(ranges.group_by(KEY).agg(pl.len().cast(pl.Int64).alias("ranges")), on=KEY)
        keys = keys.join(costs, on=KEY, maintain_order="left")
        written, asked = pl.col("entries"), pl.col("ranges") * pl.col("times")
        for some in portions(keys.filter(asked <= written), asked):
            asking = askers.join(some.select(GROUP, THEIRS, KEY), on=[GROUP, THEIRS]).with_row_index(ASKER)
            asked_for = some.select(GROUP, KEY).join(ranges, on=KEY)
            yield asking[PARENT], *all_in_ranges(entries, asking, asked_for, window)
        for some in portions(keys.filter(asked > written), written):
            asking = askers.join(some.select(GROUP, THEIRS, KEY), on=[GROUP, THEIRS]).with_row_index(ASKER)
            yield asking[PARENT], asking[ASKER], written_out(entries, asking, matches, window)


def all_in_ranges(
    entries: pl.DataFrame, asking: pl.DataFrame, ranges: pl.DataFrame, window: Selection
) -> tuple[pl.Series, Runs]:
    """Askers, and runs of the entries of the ranges (GROUP, SIZE, NODE) of each asker's KEY."""
    numbers = ranges.select(GROUP, SIZE, NODE).unique(maintain_order=True).with_row_index("number")
    nodes = [
        renumbered(entries.with_columns(pl.col(NODE) // size, pl.lit(size, dtype=pl.Int64).alias(SIZE)), numbers)
        for size in ranges[SIZE].unique().sort()
    ]
    met = (pl.concat(nodes) if nodes else entries.head(0)).sort(GROUP, ITEM)
    found = asking.select(ASKER, KEY, TIME).join(renumbered(ranges, numbers).select(KEY, GROUP), on=KEY)
    return found[ASKER], Runs(met[ITEM], *located(met, found, window))


def written_out(entries: pl.DataFrame, asking: pl.DataFrame, matches: pl.DataFrame, window: Selection) -> Runs:
    """The run of each asker, of the entries with the combinations that match its KEY: GROUP, OWN, KEY."""
    wanted = matches.select(GROUP, OWN, KEY).join(asking, on=KEY, how="semi")
    met = regrouped(entries.join(wanted, on=[GROUP, OWN])).sort(GROUP, ITEM)
    return Runs(met[ITEM], *located(met, regrouped(asking), window))


def text_order(columns: Iterable[pl.Series], rows: pl.Series) -> pl.Series:
    """The place (Int64) of each of ``rows`` by the text of the first column; 0 where there is no single text."""
    for column in columns:
        side = of_column("it", column.dtype)
        if isinstance(side, Side):
            texts = column.to_frame("it").with_columns(side.text.alias("text")).get_column("text").gather(rows)
            return texts.rank("dense").cast(pl.Int64).fill_null(0)
    return rows.cast(pl.Int64) * 0


def largest_ranges(sets: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Sets of numbers (KEY, NODE) as ranges of 1, 2, 4, … numbers that begin at a multiple of their size.

    KEY, SIZE, and NODE, the beginning divided by the size.
    """
    size = 1
    while True:
        whole = pl.len().over(KEY, pl.col(NODE) // 2) == 2
        yield sets.filter(~whole).select(KEY, NODE, pl.lit(size, dtype=pl.Int64).alias(SIZE))
        sets = sets.filter(whole & (pl.col(NODE) % 2 == 0)).with_columns(pl.col(NODE) // 2)
        size *= 2
        if sets.is_empty():
            return


def regrouped(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows with the key as their group."""
    return frame.with_columns(pl.col(KEY).cast(pl.Int64).alias(GROUP))


def renumbered(frame: pl.DataFrame, numbers: pl.DataFrame) -> pl.DataFrame:
    """The rows whose group and range have a number, with it as their group."""
    return frame.join(numbers, on=[GROUP, SIZE, NODE]).with_columns(pl.col("number").cast(pl.Int64).alias(GROUP))


def first_alike(columns: Sequence[pl.Series], rows: pl.Series) -> pl.Series:
    """For each of ``rows`` of the columns the first row that is the same in all, as comparisons see values."""
    if not columns:
        return rows * 0
    parts: list[pl.Series] = []
    for number, column in enumerate(columns):
        side = of_column("it", column.dtype)
        if isinstance(side, Side):
            text, is_number = side.text.alias(f"text {number}"), side.is_number.alias(f"is number {number}")
            parts += column.to_frame("it").with_columns(text, is_number).drop("it").get_columns()
        else:
            parts.append(column.alias(f"list {number}"))
    frame = pl.DataFrame(parts).with_row_index("row")
    return frame.select(pl.col("row").min().over([part.name for part in parts])).to_series().gather(rows)
