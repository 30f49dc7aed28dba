"""Buckets: ranges of profiles, or of accounts, that are computed one after another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import polars as pl


@dataclass(frozen=True, slots=True)
class Bucket:
    """A range of profiles, and all their events.

    ``events``: ``profile`` (id of the owner), ``event`` String, ``timestamp`` Datetime(us, UTC),
    ``message_id`` String or null, ``position`` Int64 (unique in the run; orders what timestamp and message
    id leave open, the same whatever files the rows are in), ``source_id``, ``group_id``, ``user_id``,
    ``anonymous_id`` String or null, and for each needed path a column ``column_name("property" | "context",
    path)`` of ``VALUE`` or ``List(VALUE)``. Only needed events before as-of, each once, sorted by profile,
    event, timestamp, message id (null last), position.

    ``profiles``: ``id`` (sorted), a column ``column_name("trait", path)`` for each needed trait path,
    ``anonymous`` (has an anonymous_id and no other identifier), ``account_ids`` List(String).

    A bucket of accounts is the same with accounts as owners: ``profile`` is the account's id, and an event is there
    once for each account of its user. Events also have ``user`` (the profile's id), ``anonymous`` (the user's) and
    ``attributed`` (Boolean: the event was made for this account); accounts have no ``anonymous`` and ``account_ids``.
    """

    events: pl.DataFrame
    profiles: pl.DataFrame


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
