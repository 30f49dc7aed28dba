"""Recomputing a sample of profiles and accounts the plain way, to see that a run's values are right."""

from __future__ import annotations

from typing import Final

import polars as pl

from audiences.definitions.computation import Level
from audiences.engines.base import Engine
from audiences.errors import StateError
from audiences.events import StoredInputs
from audiences.events.accounts import users_of_accounts
from audiences.plan import Plan
from audiences.state import Draft, State

_SEED: Final = 41
_PARTS: Final = 1_000_000


def verify(engine: Engine, plan: Plan, inputs: StoredInputs, run: State | Draft, share: float) -> None:
    """Compares the values of a ``share`` (0 to 1) of all profiles and accounts with what comes out when they are
    computed from all their events, without regard to any run before. Always the same ones are taken.

    Raises:
        StateError: if a value differs; nothing is to be kept then.
    """
    with inputs:
        users, accounts = sampled(inputs.profiles["id"], share), pl.Series("id", dtype=pl.String)
        rounds = sum(stage.level is Level.ACCOUNT for stage in plan.stages())
        if rounds:
            accounts = sampled(inputs.accounts()["account_id"].alias("id"), share)
        all_users, all_accounts = _closed(inputs, users, accounts, rounds)
        known = set(run.keys())
        given = {item.key: run.snapshot(item.key) for item in plan.given if item.key in known}
        found = engine.compute(plan, inputs.few(all_users, all_accounts), run.as_of, given=given)
    wrong: list[str] = []
    for item in plan.order:
        ids = users if item.level is Level.USER else accounts
        wrong += _differences(item.key, ids, found[item.key], run.snapshot(item.key))
    if wrong:
        raise StateError(
            f"values of {len(wrong)} computations are not what they are when they are computed plainly: "
            + "; ".join(wrong),
            where=run.location,
            hint="nothing was kept; `audiences run --full` computes all values anew; without the folder 'events' "
            "of the state, which is derived, it does so from the files. Please report this",
        )


def _differences(key: str, ids: pl.Series, plain: pl.DataFrame, kept: pl.DataFrame) -> list[str]:
    """In words, if a snapshot has other values of some ids than it should have."""
    some = pl.col("id").is_in(ids.implode())
    both = plain.filter(some).join(kept.filter(some), on="id", how="full", coalesce=True, suffix="_kept")
    different = both.filter(pl.col("value").ne_missing(pl.col("value_kept"))).sort("id")
    if not different.height:
        return []
    id, value, wrong = different.select("id", "value", "value_kept").row(0)
    return [f"{key} ({different.height:,}; {id} has {wrong or 'no value'}, not {value or 'none'})"]


def sampled(ids: pl.Series, share: float) -> pl.Series:
    """Always the same share of ids."""
    return ids.filter(ids.hash(seed=_SEED) % _PARTS < round(share * _PARTS))


def _closed(inputs: StoredInputs, users: pl.Series, accounts: pl.Series, rounds: int) -> tuple[pl.Series, pl.Series]:
    """All whose values those of some users and accounts depend on."""
    if not rounds:
        return users, accounts
    members = users_of_accounts(inputs.profiles.select("account_ids"))
    members = members.with_columns(inputs.profiles["id"].gather(members["row"]))
    for _ in range(rounds):
        own = members.filter(pl.col("id").is_in(users.implode()))["account"]
        accounts = pl.concat([accounts, own.alias("id")]).unique()
        theirs = members.filter(pl.col("account").is_in(accounts.implode()))["id"]
        users = pl.concat([users, theirs]).unique()
    return users.sort(), accounts.sort()
