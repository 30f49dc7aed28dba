"""What a run changed of a computation, for people to read. Pure: frames in, a frame out."""

from __future__ import annotations

from typing import Final

import polars as pl

from audiences.definitions.computation import Computation, Kind
from audiences.snapshots import result_type_name, typed_values

ENTERED: Final = "entered"
EXITED: Final = "exited"
SET: Final = "set"
CHANGED: Final = "changed"
CLEARED: Final = "cleared"
CHANGES: Final = (ENTERED, EXITED, SET, CHANGED, CLEARED)
"""Every name of a change; the first two are an audience's, the others a trait's."""

SCHEMA: Final[dict[str, pl.DataType]] = {
    "id": pl.String(),
    "change": pl.String(),
    "value": pl.String(),
    "previous": pl.String(),
}
"""Columns of a frame of changes."""


def empty() -> pl.DataFrame:
    """No changes."""
    return pl.DataFrame(schema=SCHEMA)


def named(different: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """Values that differ as changes, sorted by id.

    In: ``id``, ``value`` and ``previous``, String, the last two canonical JSON text; null where there is no value (of
    an audience: who is no member). Out: ``id``, ``change``, ``value`` and ``previous``, all String.

    - A trait is ``set`` (no value before: ``previous`` is null), ``changed``, or ``cleared`` (``value`` is
      null).
    - An audience is two-valued, so nothing is null: ``entered`` is from ``false`` to ``true``, ``exited``
      back.
    """
    found = _audience(different) if kind is Kind.AUDIENCE else _trait(different)
    return found.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items()).sort("id")


def first(snapshot: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """The changes of a computation's first run: its snapshot (``id``, ``value``), all of it entered or set."""
    nothing = pl.lit(None, dtype=pl.String)
    return named(snapshot.select("id", "value", nothing.alias("previous")), kind)


def _audience(different: pl.DataFrame) -> pl.DataFrame:
    entered = pl.col("previous").is_null()
    return different.with_columns(
        change=pl.when(entered).then(pl.lit(ENTERED)).otherwise(pl.lit(EXITED)),
        value=pl.when(entered).then(pl.lit("true")).otherwise(pl.lit("false")),
        previous=pl.when(entered).then(pl.lit("false")).otherwise(pl.lit("true")),
    )


def _trait(different: pl.DataFrame) -> pl.DataFrame:
    return different.with_columns(
        change=pl.when(pl.col("previous").is_null())
        .then(pl.lit(SET))
        .when(pl.col("value").is_null())
        .then(pl.lit(CLEARED))
        .otherwise(pl.lit(CHANGED))
    )


def counts(difference: pl.DataFrame) -> dict[str, int]:
    """How many changes of each name there are; all five names, 0 where there is none."""
    found = dict(difference.group_by("change").len().iter_rows())
    return {name: int(found.get(name, 0)) for name in CHANGES}


def all_new(size: int, kind: Kind) -> dict[str, int]:
    """The counts of a computation's first run."""
    return dict.fromkeys(CHANGES, 0) | {ENTERED if kind is Kind.AUDIENCE else SET: size}


def typed_changes(difference: pl.DataFrame, computation: Computation) -> pl.DataFrame:
    """The same rows with ``value`` and ``previous`` as people read them, both of one type (see
    snapshots.typed).
    """
    both = pl.concat([difference.get_column("value"), difference.get_column("previous")])
    values = typed_values(both, result_type_name(computation))
    size = difference.height
    return difference.with_columns(
        values.head(size).alias("value"),
        values.tail(size).alias("previous") if size else values.alias("previous"),
    )
