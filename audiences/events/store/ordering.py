"""The order of rows that come from several places: by owner, timestamp, message id and content.

Rows of one home are in this order already, so that texts decide only where rows of an owner happened at the same
instant and have different homes, or are in different buckets.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from audiences.events.store.base import sorted_by
from audiences.events.store.bucket_rows import BucketReader, Place

_LOCATED = ("source", "home", "at")
_ORDERED_BY = ("message_id", "content")


def by_event(rows: pl.DataFrame, order: pl.Series) -> pl.DataFrame:
    """The rows sorted by event, and in the given order (UInt32, of all rows) by ``place``, which is made anew."""
    places = sorted_by(rows.get_column("event").gather(order))
    return rows.select(pl.all().gather(order.gather(places))).with_columns(places.cast(pl.UInt32).alias("place"))


def by_owner_and_place(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows, all rows of an owner from the same bucket, sorted by event, owner and place."""
    key = rows.get_column("owner").cast(pl.Int64) * 2**32 + rows.get_column("place").cast(pl.Int64)
    return by_event(rows, key.arg_sort().cast(pl.UInt32))


def put_in_order(rows: pl.DataFrame, places: Sequence[Place], reader: BucketReader) -> pl.DataFrame:
    """Rows with ``owner``, ``timestamp``, ``event``, ``place``, and where they are from: ``source`` (UInt32, the number
    among ``places``), ``home`` and ``at`` (UInt32, the row there). These three are dropped.
    """
    keys = rows.select("owner", pl.col("timestamp").to_physical(), "source", "home", "place").with_row_index("row")
    ordered = keys.sort("owner", "timestamp", "source", "home", "place")
    instant = ["owner", "timestamp"]
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in instant).fill_null(False)
    other = pl.any_horizontal(pl.col(name) != pl.col(name).shift(1) for name in ("source", "home"))
    groups = ordered.with_columns(group=(~same).cum_sum(), mixed=(same & other))
    tied = groups.filter(pl.col("mixed").any().over("group")) if groups.get_column("mixed").any() else groups.clear()
    order = ordered.get_column("row")
    if tied.height:
        numbers = ordered.with_row_index("number").join(tied.select("row"), on="row", how="semi").get_column("number")
        texts = _texts(rows, tied.get_column("row"), places, reader)
        decided = tied.hstack(texts).sort("group", *_ORDERED_BY, nulls_last=True).get_column("row")
        order = order.scatter(numbers, decided)
    return by_event(rows, order).drop(_LOCATED)


def _texts(rows: pl.DataFrame, wanted: pl.Series, places: Sequence[Place], reader: BucketReader) -> pl.DataFrame:
    """``message_id`` and ``content`` of some rows, in their order."""
    asked = rows.select(pl.col(_LOCATED).gather(wanted)).with_row_index("number")
    found = []
    for key, part in asked.group_by("source"):
        at = part.get_column("at")
        texts = reader.texts(places[int(key[0])], at, _ORDERED_BY)
        found.append(part.select("number").hstack(texts))
    return pl.concat(found).sort("number").drop("number")
