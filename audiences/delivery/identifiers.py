"""Which identifiers of a profile a destination gets. Pure: frames in, frames out."""

from __future__ import annotations

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


def identifiers_of(profiles: pl.LazyFrame) -> pl.DataFrame:
    """Every identifier of every profile, one row each.

    In: ``id`` (unique), ``external_ids`` (a list of type, value, created_at). Out: ``id``, ``type``, ``value``,
    ``place`` (0 for the first of its type) and ``last`` (whether it is the last of its type), sorted by id,
    type and place. The order is that of ``created_at``, unknown ones after known ones, then that of the list.
    An identifier that a profile has twice counts once; empty ones don't count.
    """
    frame = profiles.select("id", "external_ids").collect()
    if not frame.get_column("id").is_sorted():
        frame = frame.sort("id")
    identifier = pl.col("external_ids").struct
    rows = (
        frame.lazy()
        .with_row_index("profile")
        .explode("external_ids", empty_as_null=False, keep_nulls=False)
        .select(
            "profile",
            "id",
            type=identifier.field("type"),
            value=identifier.field("value"),
            created_at=identifier.field("created_at"),
        )
        .filter((pl.col("type").str.len_bytes() > 0) & (pl.col("value").str.len_bytes() > 0))
        .collect()
    )
    rows = _once(_in_order(rows))
    first = _first_of_type()
    number = pl.int_range(pl.len())
    return rows.select(
        "id",
        "type",
        "value",
        place=number - pl.when(first).then(number).forward_fill(),
        last=first.shift(-1, fill_value=True),
    )


def _in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Sorted by profile, type and time. As a rule they are, and seeing that is quicker than sorting."""
    type_, created = pl.col("type"), pl.col("created_at")
    later = created.shift().is_not_null() & (created.is_null() | (created >= created.shift()))
    time = later | (created.shift().is_null() & created.is_null())
    follows = (type_ > type_.shift()) | ((type_ == type_.shift()) & time)
    within = pl.col("profile") == pl.col("profile").shift()
    if rows.select((follows | ~within).fill_null(True).all()).item():
        return rows
    return rows.sort("profile", "type", "created_at", nulls_last=True, maintain_order=True)


def _once(rows: pl.DataFrame) -> pl.DataFrame:
    """Without what a profile has twice. Only those with several of a type are looked at."""
    first = _first_of_type()
    numbered = rows.with_row_index("number")
    several = numbered.filter(~first | ~first.shift(-1, fill_value=True))
    again = several.filter(~pl.struct("profile", "type", "value").is_first_distinct())
    return rows if again.is_empty() else numbered.join(again, on="number", how="anti", maintain_order="left")


def _first_of_type() -> pl.Expr:
    """Whether a row, in order, is the first of its profile and type."""
    profile, type_ = pl.col("profile"), pl.col("type")
    return profile.ne_missing(profile.shift()) | type_.ne_missing(type_.shift())


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
