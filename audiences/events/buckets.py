"""Buckets: groups of profiles, or of accounts, that are computed one after another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil

import polars as pl


@dataclass(frozen=True, slots=True)
class Scaled:
    """The form of a column of numbers only (Int64): each is exactly the integer divided by ``10**places``.

    A number has at most 15 digits; null is a missing value.
    """

    places: int


@dataclass(frozen=True, eq=False)
class Coded:
    """The form of a column of any values (UInt32): each is a row of ``values``; null is a missing value.

    ``values`` (VALUE, no nulls) are different from each other and in the order of text by code point, then kind.
    """

    values: pl.Series

    @cached_property
    def texts(self) -> pl.Series:
        """The text of each value."""
        return self.values.struct.field("text")

    @cached_property
    def only_strings(self) -> bool:
        """Whether no value is of another kind."""
        kinds = self.values.struct.field("kind")
        return bool((kinds.cast(pl.String) == "string").all())

    @cached_property
    def text_numbers(self) -> pl.Series | None:
        """Which of the different texts each value has (UInt32); None if each has its own."""
        new = self.texts.ne_missing(self.texts.shift(1))
        return None if new.all() else new.cast(pl.UInt32).cum_sum() - 1


Form = Scaled | Coded


@dataclass(frozen=True, slots=True)
class Bucket:
    """Some profiles, and all their events.

    ``events``, sorted by event, owner, place:

    - ``owner`` UInt32: the row of ``profiles``;
    - ``event``: Enum of the needed names, sorted;
    - ``timestamp`` Datetime(us, UTC);
    - ``place`` UInt32, unique in the bucket: the order of all events of an owner by timestamp, message id (null
      last) and content, the same whatever files the rows are in;
    - ``source_id`` String or null; ``group_id`` String or null, which may be left out where nothing needs it;
    - ``message_id``, ``user_id``, ``anonymous_id`` String or null, in a bucket of ``PreparedInputs.only``;
    - for each needed path a column ``column_name("property" | "context", path)``: Int64 or UInt32 where ``forms`` has
      its form, else ``VALUE`` or ``List(VALUE)``.

    Only needed events before as-of, each once.

    ``profiles``: ``id`` (sorted), a column ``column_name("trait", path)`` for each needed trait path,
    ``anonymous`` (has an anonymous_id and no other identifier), ``account_ids`` List(String).

    A bucket of accounts is the same with accounts as owners: an event is there once for each account of its user.
    Events also have ``anonymous`` (Boolean: their user is) and ``attributed`` (Boolean: the event was made for this
    account); accounts have no ``anonymous`` and ``account_ids``.
    """

    events: pl.DataFrame
    profiles: pl.DataFrame
    forms: Mapping[str, Form] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BucketPlan:
    """Buckets are runs of rows of a sorted frame: the first row of each, and one past the last."""

    firsts: tuple[int, ...]
    end: int

    @classmethod
    def cut(cls, weights: pl.Series, *, rows: int, most: int) -> BucketPlan:
        """As many rows in a bucket as weigh about ``rows`` together, in at most about ``most`` buckets.

        ``weights`` is the number of events of each row (Int64); a row itself weighs 1. There is at least one bucket.
        """
        frame = weights.alias("weight").to_frame().select(pl.col("weight").cast(pl.Int64) + 1)
        size = max(rows, ceil(int(frame.get_column("weight").sum()) / most))
        numbers = frame.select(bucket=(pl.col("weight").cum_sum() - pl.col("weight")) // size)
        firsts = numbers.select(pl.col("bucket").is_first_distinct().arg_true()).to_series().to_list()
        return cls(tuple(firsts) or (0,), len(weights))

    def slices(self) -> Iterator[tuple[int, int]]:
        """First row and number of rows of each bucket."""
        for first, after in zip(self.firsts, (*self.firsts[1:], self.end), strict=True):
            yield first, after - first

    def numbers(self) -> pl.Series:
        """The number of each row's bucket (Int64)."""
        starts = [first for first in self.firsts if first < self.end]
        marks = pl.zeros(self.end, dtype=pl.Int64, eager=True).scatter(starts, 1)
        return marks.cum_sum() - 1
