"""Where the rows of an identity are: in the bucket of the profile that held it when the bucket was written."""

from __future__ import annotations

from typing import Final

import polars as pl

_SEED, _OTHER_SEED = 5, 7
HOLDERS: Final = pl.Schema({"identity": pl.String(), "home": pl.String()})
_PROFILE: Final = "profile_id:"


def bucket_of(ids: pl.Series, buckets: int, *, seed: int = _SEED) -> pl.Series:
    """The bucket of each profile id (UInt32)."""
    if buckets == 1:
        return pl.zeros(len(ids), dtype=pl.UInt32, eager=True)
    return (ids.hash(seed=seed) % buckets).cast(pl.UInt32)


def holders(identifiers: pl.DataFrame) -> pl.DataFrame:
    """``HOLDERS``: the profile that holds each identity by its table; of several the lowest id.

    In: ``profile_id``, ``type``, ``value``.
    """
    return (
        identifiers.lazy()
        .filter(pl.col("type").is_in(["user_id", "anonymous_id"]))
        .group_by(identity=pl.format("{}:{}", "type", "value"))
        .agg(home=pl.col("profile_id").min())
        .collect()
    )


def own_home(identity: pl.Expr) -> pl.Expr:
    """The home of an identity that nobody holds."""
    given = pl.when(identity.str.starts_with(_PROFILE)).then(identity.str.strip_prefix(_PROFILE))
    return pl.coalesce(given, identity)


class Homes:
    """The homes of identities, as the table of profiles says, in a number of buckets."""

    def __init__(self, identifiers: pl.DataFrame, buckets: int) -> None:
        self._buckets = buckets
        self._holders = holders(identifiers)
        number = bucket_of(self._holders.get_column("home"), buckets)
        hashes = self._holders.get_column("identity").hash(seed=_OTHER_SEED)
        self._numbers = pl.DataFrame({"hash": hashes, "number": number}).unique("hash", keep="any", maintain_order=True)
        self._parts = (
            self._holders.with_columns(number=number).partition_by("number", as_dict=True, include_key=False)
            if buckets > 1
            else {(0,): self._holders}
        )

    def buckets(self, identities: pl.Series) -> pl.Series:
        """The bucket of each identity (UInt32)."""
        frame = identities.alias("identity").to_frame()
        own = bucket_of(frame.select(own_home(pl.col("identity"))).to_series(), self._buckets)
        if self._numbers.is_empty():
            return own
        hashes = identities.hash(seed=_OTHER_SEED)
        found = pl.DataFrame({"hash": hashes, "own": own}).join(
            self._numbers, on="hash", how="left", maintain_order="left"
        )
        is_profile = identities.str.starts_with(_PROFILE)
        return found.select(
            pl.when(is_profile).then("own").otherwise(pl.coalesce("number", "own")).cast(pl.UInt32)
        ).to_series()

    def homes(self, identities: pl.Series, bucket: int) -> pl.Series:
        """The home of each identity in a bucket; null for one that only the same hash has brought there."""
        held = self._parts.get((bucket,), HOLDERS.to_frame())
        frame = identities.alias("identity").to_frame().join(held, on="identity", how="left", maintain_order="left")
        own = own_home(pl.col("identity"))
        is_profile = pl.col("identity").str.starts_with(_PROFILE)
        found = frame.select(pl.when(is_profile).then(own).otherwise(pl.coalesce("home", own))).to_series()
        here = bucket_of(found, self._buckets) == bucket
        return found if here.all() else pl.select(pl.when(here).then(found)).to_series()
