"""Which identifiers of a profile a destination gets. Pure: frames in, frames out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import polars as pl

from audiences.definitions.computation import IdentifierStrategy, Strategy

USER_ID: Final = "user_id"
ANONYMOUS_ID: Final = "anonymous_id"
EMAIL: Final = "email"

MOST_WITH_ALL: Final = 3
"""At most this many identifier types of one strategy may be sent with all their values."""

DEFAULT: Final = (IdentifierStrategy(EMAIL), IdentifierStrategy(USER_ID))
"""Every user_id and every email."""

DEFAULT_WITH_ANONYMOUS: Final = (IdentifierStrategy(ANONYMOUS_ID), *DEFAULT)
"""With ``include_anonymous_users``: every anonymous_id, too."""

Chosen = tuple[IdentifierStrategy, ...]


def strategy_text(chosen: Chosen) -> str:
    """A strategy as text, the same for the same strategy: ``email:all,user_id:last_added``."""
    return ",".join(sorted(f"{item.type}:{item.strategy}" for item in chosen))


def parse_strategy(text: str) -> Chosen:
    """The strategy of a text that ``strategy_text`` made."""
    pairs = (item.rpartition(":") for item in text.split(",") if item)
    return tuple(IdentifierStrategy(type_, Strategy(strategy)) for type_, _, strategy in pairs)


def identifiers_of(profiles: pl.LazyFrame, types: Iterable[str] | None = None) -> pl.DataFrame:
    """Every identifier of every profile, one row each.

    In: ``id``, ``external_ids`` (a list of type, value, created_at). Out: ``id``, ``type``, ``value``,
    ``place`` (0 for the first of its type) and ``last`` (whether it is the last of its type), sorted by id,
    type and place. The order is that of ``created_at``, unknown ones after known ones, then that of the list.
    An identifier that a profile has twice counts once; empty ones don't count. Without ``types``, all are
    taken; with them, those and ``user_id`` and ``anonymous_id``: every message carries one of these.
    """
    wanted = pl.lit(True) if types is None else pl.col("type").is_in(sorted({*types, USER_ID, ANONYMOUS_ID}))
    identifier = pl.col("external_ids").struct
    rows = (
        profiles.select("id", "external_ids")
        .filter(pl.col("external_ids").list.len() > 0)
        .explode("external_ids")
        .select(
            "id",
            type=identifier.field("type"),
            value=identifier.field("value"),
            created_at=identifier.field("created_at"),
            position=pl.int_range(pl.len()).over("id"),
        )
        .filter(wanted & (pl.col("type").str.len_bytes() > 0) & (pl.col("value").str.len_bytes() > 0))
        .sort("id", "type", "created_at", "position", nulls_last=True)
        .unique(["id", "type", "value"], keep="first", maintain_order=True)
    )
    of_type = ["id", "type"]
    place = pl.int_range(pl.len()).over(of_type)
    return (
        rows.with_columns(place=place)
        .with_columns(last=pl.col("place") == pl.col("place").max().over(of_type))
        .select("id", "type", "value", "place", "last")
        .collect()
    )


def choose(identifiers: pl.DataFrame, chosen: Chosen) -> pl.DataFrame:
    """The identifiers that a strategy takes, by type: all of them, the one added last, or the one added
    first.
    """
    keep = pl.lit(False)
    for item in chosen:
        of_type = pl.col("type") == item.type
        match item.strategy:
            case Strategy.ALL:
                keep |= of_type
            case Strategy.LAST_ADDED:
                keep |= of_type & pl.col("last")
            case Strategy.FIRST_ADDED:
                keep |= of_type & (pl.col("place") == 0)
    return identifiers.filter(keep)


def choose_each(identifiers: pl.DataFrame, strategies: pl.DataFrame, default: Chosen) -> pl.DataFrame:
    """The identifiers taken where some profiles have a strategy of their own.

    ``strategies`` has ``id`` and ``strategy`` (text); the profiles that aren't in it have the default.
    """
    others = identifiers.join(strategies, on="id", how="anti")
    parts = [choose(others, default)]
    for text in strategies.get_column("strategy").unique().sort().to_list():
        own = strategies.filter(pl.col("strategy") == text)
        parts.append(choose(identifiers.join(own, on="id", how="semi"), parse_strategy(text)))
    return pl.concat(parts)


def senders(identifiers: pl.DataFrame) -> pl.DataFrame:
    """Who messages about a profile are from: ``id``, its first ``user_id`` and its first ``anonymous_id`` or
    null.
    """
    first = identifiers.filter(pl.col("place") == 0)

    def of_type(name: str) -> pl.DataFrame:
        return first.filter(pl.col("type") == name).select("id", pl.col("value").alias(name))

    return of_type(USER_ID).join(of_type(ANONYMOUS_ID), on="id", how="full", coalesce=True)
