"""Where the nested events of each parent are: one run of neighbouring entries, found by sorted search.

The nested events of an owner are put in order of time; those that are later than a parent by something
between two bounds are neighbours then. A value that must be equal on both sides splits an owner into several:
each value that parents have gets the nested events that equal it, in order of time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from audiences.engines.polars_columns import Column
from audiences.engines.polars_events import OWNER, TIME
from audiences.events.buckets import Coded
from audiences.events.values import VALUE, explode_lists, values_from_column
from audiences.language.selections import Selection

ITEM: Final = "item"
"""The place of what is reduced among the items (UInt32)."""

EVENT: Final = "row of the nested event"
PARENT: Final = "row of the parent"
GROUP: Final = "group"
"""Entries and parents meet in a group (Int64): the same owner, and equal values where they must be."""

KEY: Final = "key"
TEXT: Final = "text"
NUMBER: Final = "number"
IS_NUMBER: Final = "is number"

FEW: Final = 1_000
"""As many bounds are searched one by one sooner than they are joined."""

LONGEST: Final = 2**61
"""Microseconds; a longer time after a parent is as good as for ever, and a sum with a time fits 64 bits."""


@dataclass(frozen=True)
class Items:
    """What is reduced, in order of time within each owner: nested events, or the values that they have.

    ``frame`` has EVENT (the row of the event in its frame), OWNER and TIME. ``values`` (VALUE) has as many
    rows, or is None where only events are counted.
    """

    frame: pl.DataFrame
    values: pl.Series | None = None


@dataclass(frozen=True)
class Runs:
    """A run of items for each parent, from ``first`` to before ``end`` (Int64) of ``items`` (UInt32).

    There are as many runs as parents; that of a parent with nothing nested is empty. Items are in order of
    time in each run, and may occur in runs of several groups.
    """

    items: pl.Series
    first: pl.Series
    end: pl.Series

    @property
    def lengths(self) -> pl.Series:
        """The number of items of each run."""
        return self.end - self.first


@dataclass(frozen=True)
class Equal:
    """Values that must be equal: of each nested event, and of each parent; VALUE or List(VALUE).

    Of lists one element must do. They may be on one side only. If both are UInt32, they are codes of the same
    strings.
    """

    own: pl.Series
    theirs: pl.Series


@dataclass(frozen=True)
class Question:
    """Which items belong to which parents.

    ``counted`` (Boolean, per nested event; None: all) says which events count, ``wanted`` (Boolean, per
    parent) which parents have a run; ``parents`` has OWNER and TIME. The window after the parent is that of
    ``window``.
    """

    items: Items
    counted: pl.Series | None
    parents: pl.DataFrame
    wanted: pl.Series | None
    equal: Sequence[Equal]
    window: Selection


def items_of(frame: pl.DataFrame, operand: pl.Series | None, *, numeric: bool) -> Items:
    """The items of nested events: each event, or each value of the operand; ``numeric``: each number.

    ``operand`` is VALUE or List(VALUE), through ``$``, per row of ``frame``.
    """
    events = frame.select(OWNER, TIME).with_row_index(EVENT)
    if operand is None:
        return Items(events)
    if operand.dtype == pl.List(VALUE):
        rows, operand = explode_lists(operand)
        events = events.select(pl.all().gather(rows))
    there = operand.struct.field("number" if numeric else "text").is_not_null()
    return Items(events.filter(there), operand.filter(there))


def runs(question: Question) -> Runs:
    """The run of items of each parent. Its values that must be equal are no lists."""
    entries, askers = met(question)
    first, end = located(entries, askers, question.window)
    rows, height = askers[PARENT], question.parents.height
    return Runs(entries[ITEM], for_all(rows, first, height), for_all(rows, end, height))


def run_lengths(question: Question) -> pl.Series:
    """The number of items (Int64) that belong to each parent, whose values may be lists."""
    entries, askers = met(question)
    first, end = located(entries, askers, question.window)
    rows, lengths = askers[PARENT], end - first
    if any(values.theirs.dtype == pl.List(VALUE) for values in question.equal):
        found = pl.DataFrame({PARENT: rows, "length": lengths}).group_by(PARENT).sum()
        rows, lengths = found[PARENT], found["length"]
    return for_all(rows, lengths, question.parents.height)


def for_all(rows: pl.Series, numbers: pl.Series, height: int) -> pl.Series:
    """The numbers at these rows, and 0 at the others."""
    return pl.zeros(height, dtype=pl.Int64, eager=True).scatter(rows, numbers)


def met(question: Question) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The entries (ITEM, EVENT, TIME, GROUP), in order of both, and the askers (PARENT, TIME, GROUP)."""
    group = pl.col(OWNER).cast(pl.Int64).alias(GROUP)
    entries = question.items.frame.select(EVENT, TIME, group).with_row_index(ITEM)
    if question.counted is not None:
        entries = entries.filter(question.counted.gather(entries[EVENT]))
    askers = question.parents.select(TIME, group).with_row_index(PARENT)
    if question.wanted is not None:
        askers = askers.filter(question.wanted)
    for values in question.equal:
        own, theirs = values.own.gather(entries[EVENT]), values.theirs.gather(askers[PARENT])
        if own.dtype == theirs.dtype == pl.UInt32:
            entries, askers = by_codes(entries, askers, own, theirs)
            continue
        if theirs.dtype == pl.List(VALUE):
            entries, keys = keyed(entries, own)
            askers = matched(askers, theirs, keys, PARENT)
        else:
            askers, keys = keyed(askers, theirs)
            entries = matched(entries, own, keys, ITEM)
    if question.equal or not entries[GROUP].is_sorted():
        entries = entries.sort(GROUP, ITEM)
    return entries, askers


def located(entries: pl.DataFrame, askers: pl.DataFrame, window: Selection) -> tuple[pl.Series, pl.Series]:
    """Where the run of each asker begins and ends among the entries (Int64)."""
    nearest = min(max(1, window.parent_nearest), LONGEST)
    farthest = LONGEST if window.parent_farthest is None else min(window.parent_farthest, LONGEST)
    keys, earliest, latest = placed(entries, askers, nearest, farthest)
    found = pl.DataFrame({"first": below(keys, earliest, or_equal=False), "end": below(keys, latest, or_equal=True)})
    return found["first"], found.select(pl.max_horizontal("first", "end")).to_series()


def placed(
    entries: pl.DataFrame, askers: pl.DataFrame, nearest: int, farthest: int
) -> tuple[pl.Series, pl.Series, pl.Series]:
    """The entries' groups and times as one number each, in the order of both, and where the askers' windows begin and
    end as such numbers.
    """
    times = [entries.get_column(TIME).min(), entries.get_column(TIME).max()]
    low, high = (time if isinstance(time, int) else 0 for time in times)
    groups = [group for frame in (entries, askers) if isinstance(group := frame.get_column(GROUP).max(), int)]
    span = high - low + 2
    dtype = pl.Int64 if (max(groups, default=0) + 1) * span < 2**63 else pl.Int128

    def place(time: pl.Expr, earliest: int) -> pl.Expr:
        # Nothing is just before or just after all entries, so whatever is outside of these counts as being there.
        moment = time.clip(earliest, high + 1).cast(dtype) - low
        return (pl.col(GROUP).cast(dtype) * pl.lit(span, dtype) + moment).alias(KEY)

    return (
        entries.select(place(pl.col(TIME), low)).to_series(),
        askers.select(place(pl.col(TIME) + nearest, low)).to_series(),
        askers.select(place(pl.col(TIME) + farthest, low - 1)).to_series(),
    )


def below(keys: pl.Series, bounds: pl.Series, *, or_equal: bool) -> pl.Series:
    """How many of the sorted keys are below each bound, or equal to it (Int64)."""
    if len(bounds) < FEW or not (bounds.dtype == pl.Int64 and bounds.is_sorted()):
        return keys.search_sorted(bounds, side="right" if or_equal else "left").cast(pl.Int64)
    numbered = keys.set_sorted().alias(KEY).to_frame().with_row_index("number")
    found = bounds.set_sorted().alias(KEY).to_frame().join_asof(numbered, on=KEY, allow_exact_matches=or_equal)
    return found.select(pl.col("number").cast(pl.Int64).fill_null(-1) + 1).to_series()


# ── equal values ────────────────────────────────────────────────────────────────────────────────────────────


def equal(own: Column, theirs: Column) -> Equal:
    """Values that must be equal, as codes where these say the same."""
    if isinstance(own.form, Coded) and own.form is theirs.form and own.form.only_strings:
        return Equal(own.values, theirs.values)
    return Equal(own.plain(), theirs.plain())


def by_codes(
    entries: pl.DataFrame, askers: pl.DataFrame, own: pl.Series, theirs: pl.Series
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The entries and askers in a group for each code in a group; those without a code equal nothing."""
    codes = 1 + max(code for side in (own, theirs, pl.Series([0])) if isinstance(code := side.max(), int))
    key = (pl.col(GROUP) * codes + pl.col(KEY)).alias(KEY)
    asked = askers.with_columns(theirs.alias(KEY)).select(PARENT, TIME, key).drop_nulls(KEY)
    known = asked.select(pl.col(KEY).unique(maintain_order=True)).with_row_index(GROUP).cast({GROUP: pl.Int64})
    entries = entries.with_columns(own.alias(KEY)).select(ITEM, EVENT, TIME, key).join(known, on=KEY).drop(KEY)
    return entries, asked.join(known, on=KEY).drop(KEY)


def keyed(frame: pl.DataFrame, values: pl.Series) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows in new groups, one for each different value in a group, and these: GROUP, TEXT, NUMBER, KEY.

    A number by kind has no TEXT there; rows without a value are gone, and so are numbers that aren't finite,
    which equal nothing. A row of several values is there for each of them.
    """
    if values.dtype == pl.List(VALUE):
        rows, values = explode_lists(values)
        frame = frame.select(pl.all().gather(rows))
    frame = frame.with_columns(fields(values))
    frame = frame.filter(~pl.col(IS_NUMBER) | pl.col(NUMBER).is_not_null())
    frame = frame.with_columns(pl.when(~pl.col(IS_NUMBER)).then(pl.col(TEXT)).alias(TEXT))
    keys = frame.select(GROUP, TEXT, NUMBER).unique().with_row_index(KEY)
    frame = frame.join(keys, on=[GROUP, TEXT, NUMBER], nulls_equal=True)
    return regrouped(frame), keys


def matched(frame: pl.DataFrame, values: pl.Series, keys: pl.DataFrame, row: str) -> pl.DataFrame:
    """The rows in the groups of ``keys`` whose value equals their own; ``row`` tells them apart.

    If either side is a number, values are equal as numbers, and text that is a number counts as one; else as
    text. So a number meets every value that is that number, and a text meets the same text, and numbers by
    kind that are the number which it spells. A row is in as many groups as it meets: one, unless a number is
    spelt in several ways or there are several values.
    """
    several = values.dtype == pl.List(VALUE)
    if several:
        rows, values = explode_lists(values)
        frame = frame.select(pl.all().gather(rows))
    frame = frame.with_columns(fields(values))
    a_number = pl.col(IS_NUMBER) & pl.col(NUMBER).is_not_null()
    numbers, texts = keys.filter(pl.col(TEXT).is_null()), keys.filter(pl.col(TEXT).is_not_null())
    found = pl.concat(
        [
            joined(frame.filter(pl.col(NUMBER).is_not_null()), numbers, NUMBER),
            joined(frame.filter(~pl.col(IS_NUMBER)), texts, TEXT),
            joined(frame.filter(a_number), texts.filter(pl.col(NUMBER).is_not_null()), NUMBER),
        ]
    )
    return regrouped(found.unique([KEY, row]) if several else found)


def joined(frame: pl.DataFrame, keys: pl.DataFrame, by: str) -> pl.DataFrame:
    """The rows that have a key of their group, by text or number."""
    return frame.join(keys.select(GROUP, by, KEY), on=[GROUP, by])


def regrouped(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows with the key as their group."""
    return frame.drop(TEXT, NUMBER, IS_NUMBER, GROUP).rename({KEY: GROUP}).cast({GROUP: pl.Int64})


def fields(values: pl.Series) -> list[pl.Series]:
    """What decides whether values are equal; all null where a value is missing, which equals nothing."""
    if values.dtype != VALUE:
        values = values_from_column(values)
    return [
        values.struct.field("text").alias(TEXT),
        values.struct.field("number").alias(NUMBER),
        (values.struct.field("kind").cast(pl.String) == "number").alias(IS_NUMBER),
    ]
