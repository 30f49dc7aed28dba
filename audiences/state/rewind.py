"""Snapshots from other snapshots and the changes between them: forth, and back to an earlier run. Pure."""

from __future__ import annotations

import polars as pl

from audiences.changes import CLEARED, EXITED
from audiences.definitions.computation import Kind
from audiences.snapshots import stored


def rewind(current: pl.DataFrame, later: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """Takes changes back.

    In: the current snapshot (``id``, ``value``) and all of the computation's changes after the run wanted
    (``id``, ``previous``, ``run``). Out: the snapshot after that run, sorted by id. Going back from the
    present, and not forward from the beginning, needs no history from before the run wanted, which may have
    been dropped.
    """
    earliest = later.sort("run").unique("id", keep="first", maintain_order=True)
    there_before = pl.col("previous").is_not_null()
    if kind is Kind.AUDIENCE:
        there_before = pl.col("previous") == "true"
    restored = earliest.filter(there_before).select("id", value="previous")
    return stored(pl.concat([current.select("id", "value").join(earliest, on="id", how="anti"), restored]))


def overlaid(snapshot: pl.LazyFrame, later: pl.LazyFrame) -> pl.LazyFrame:
    """A snapshot (``id``, ``value``, ``as_of``) after changes that came later: the same columns, in no order.

    ``later`` has ``id``, ``change``, ``value`` and ``as_of``, and at most one row per id.
    """
    there = ~pl.col("change").is_in([EXITED, CLEARED])
    columns = ("id", "value", "as_of")
    untouched = snapshot.select(columns).join(later.select("id"), on="id", how="anti")
    return pl.concat([untouched, later.filter(there).select(columns)])


def departures(history: pl.LazyFrame) -> pl.DataFrame:
    """When ids last lost their value: ``id``, ``as_of`` of the last ``exited`` or ``cleared`` of each."""
    gone = pl.col("change").is_in([EXITED, CLEARED])
    return history.filter(gone).group_by("id").agg(pl.col("as_of").max()).sort("id").collect()
