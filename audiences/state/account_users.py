"""From values of accounts to values of their users."""

from __future__ import annotations

import polars as pl

from audiences.definitions.computation import Kind
from audiences.events.identifiers import is_anonymous


def account_users(profiles: pl.LazyFrame, *, include_anonymous: bool) -> pl.LazyFrame:
    """A row for each user of each account: ``id`` (of the profile), ``account``.

    In: ``id``, ``external_ids``, ``account_ids``. Anonymous profiles are users only with ``include_anonymous``.
    """
    if not include_anonymous:
        profiles = profiles.filter(~is_anonymous())
    listed = profiles.select("id", account="account_ids")
    return listed.explode("account", empty_as_null=False, keep_nulls=False)


def values_of_users(snapshot: pl.LazyFrame, users: pl.LazyFrame, kind: Kind) -> pl.LazyFrame:
    """A snapshot of accounts (``id``, ``value``, ``as_of``) as one of their ``users`` (``id``, ``account``).

    A user is in an audience if an account is, since the first one was; a trait is that of the account with the lowest
    id that has a value.
    """
    first = ["as_of", "account"] if kind is Kind.AUDIENCE else ["account"]
    return (
        users.join(snapshot.rename({"id": "account"}), on="account")
        .sort("id", *first)
        .unique("id", keep="first", maintain_order=True)
        .select("id", "value", "as_of")
    )


def departures_of_users(departures: pl.DataFrame, users: pl.LazyFrame) -> pl.DataFrame:
    """When accounts lost a value (``id``, ``as_of``) as when their ``users`` did: with the last of their accounts."""
    gone = departures.lazy().rename({"id": "account"}).select("account", "as_of")
    return users.join(gone, on="account").group_by("id").agg(pl.col("as_of").max()).sort("id").collect()
