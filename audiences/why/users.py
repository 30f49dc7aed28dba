"""Which users of an account decide a condition inside of ANY or ALL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import polars as pl

from audiences.events import PreparedInputs

SHOWN: Final = 3
"""So many users are shown: first those who decide."""


def users_of(account: str, prepared: PreparedInputs) -> list[str]:
    """The ids of the profiles that are joined to an account, sorted."""
    joined = pl.col("account_ids").list.contains(account)
    return prepared.profiles.filter(joined)["id"].to_list()


def first_of(users: Sequence[str], has_one: Callable[[Sequence[str]], bool], most: int = SHOWN) -> list[str]:
    """The first ``most`` users for whom something holds; ``has_one`` says whether it does for one of several.

    Halves of the users are asked about, so few questions find few users among many.
    """
    if not most or not users or not has_one(users):
        return []
    if len(users) == 1:
        return list(users)
    middle = len(users) // 2
    found = first_of(users[:middle], has_one, most)
    return found + first_of(users[middle:], has_one, most - len(found))
