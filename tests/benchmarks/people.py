"""Profiles and accounts, made up: the same for the same number of them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

EVENTS_PER_PROFILE: Final = 50
PROFILES_PER_ACCOUNT: Final = 20
PROFILES_PER_PART: Final = 250_000
UNKNOWN: Final = 100
"""Every so many-th user has no row in the table of profiles."""

COUNTRIES: Final = ("DE", "FR", "GB", "US", "NL", "SE", "PL", "IT")
PLANS: Final = ("free", "starter", "team", "business")


def profiles_of(events: int) -> int:
    """How many users do this many events."""
    return max(events // EVENTS_PER_PROFILE, PROFILES_PER_ACCOUNT)


def user_ids(numbers: pl.Expr) -> pl.Expr:
    """``user_0000123`` for 123."""
    return pl.format("user_{}", numbers.cast(pl.String).str.zfill(7))


def write_people(folder: Path, profiles: int, *, as_json: bool) -> None:
    """Writes ``profiles.parquet`` and ``accounts.parquet``; ``as_json``: traits are JSON text instead of structs."""
    accounts = profiles // PROFILES_PER_ACCOUNT
    _traits(_accounts(accounts), as_json).write_parquet(folder / "accounts.parquet")
    parts = [
        _profiles(range(start, min(start + PROFILES_PER_PART, profiles)), accounts)
        for start in range(0, profiles, PROFILES_PER_PART)
    ]
    _traits(pl.concat(parts), as_json).write_parquet(folder / "profiles.parquet")


def _traits(frame: pl.DataFrame, as_json: bool) -> pl.DataFrame:
    return frame.with_columns(pl.col("traits").struct.json_encode()) if as_json else frame


def _accounts(accounts: int) -> pl.DataFrame:
    chance = np.random.default_rng([1, accounts])
    return pl.DataFrame({"number": range(accounts), "plan": chance.integers(0, len(PLANS), accounts)}).select(
        account_id=_account_ids(pl.col("number")),
        traits=pl.struct(
            plan=_chosen(PLANS, pl.col("plan")),
            name=pl.format("Company {}", pl.col("number")),
            seats=pl.col("plan") * 5,
        ),
    )


def _account_ids(numbers: pl.Expr) -> pl.Expr:
    return pl.format("acc_{}", numbers.cast(pl.String).str.zfill(6))


def _chosen(names: tuple[str, ...], places: pl.Expr) -> pl.Expr:
    return pl.lit(pl.Series(names)).gather(places)


def _profiles(numbers: range, accounts: int) -> pl.DataFrame:
    """Eight in ten belong to one account, one in ten to two, one in ten to none."""
    count = len(numbers)
    chance = np.random.default_rng([2, numbers.start])
    frame = pl.DataFrame(
        {
            "number": numbers,
            "country": chance.integers(0, len(COUNTRIES), count),
            "score": chance.integers(0, 101, count),
            "account": chance.integers(0, accounts, count),
            "distance": chance.integers(1, max(accounts, 2), count),
            "share": chance.random(count),
        }
    ).filter(pl.col("number") % UNKNOWN != UNKNOWN - 1)
    first = _account_ids(pl.col("account"))
    second = _account_ids((pl.col("account") + pl.col("distance")) % accounts)
    user = user_ids(pl.col("number"))
    return frame.select(
        profile_id=pl.format("pro_{}", pl.col("number").cast(pl.String).str.zfill(7)),
        traits=pl.struct(country=_chosen(COUNTRIES, pl.col("country")), lead_score="score"),
        external_ids=pl.concat_list(
            pl.struct(type=pl.lit("user_id"), value=user),
            pl.struct(type=pl.lit("email"), value=pl.format("{}@example.com", user)),
        ),
        account_ids=pl.when(pl.col("share") < 0.8)
        .then(pl.concat_list(first))
        .when(pl.col("share") < 0.9)
        .then(pl.concat_list(first, second))
        .otherwise(pl.lit([], dtype=pl.List(pl.String))),
    )
