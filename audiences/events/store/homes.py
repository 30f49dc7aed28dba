"""Where the rows of an identity are: in the bucket of the profile that held it when the bucket was written.

While rows wait to be put in buckets, two hashes of 64 bits stand for their identity; its text waits once, with them.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from audiences.events.slots import Noted, Numbers
from audiences.events.store.pieces import Spill

_SEED, _CHECK = 5, 7
_PROFILE: Final = "profile_id:"
_REMEMBERED: Final = 2**20  # identities, beyond those that profiles hold: 16 megabytes
HOLDERS: Final = pl.Schema({"identity": pl.String(), "home": pl.String()})
NAMES: Final = pl.Schema({"identity": pl.String(), "hash": pl.UInt64(), "check": pl.UInt64()})
NOWHERE: Final = ""
"""The home of rows that the hash of an identity has brought to a wrong bucket: nobody's."""


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


def is_profile(identity: pl.Expr) -> pl.Expr:
    """Whether an identity is the id of a profile."""
    return identity.str.starts_with(_PROFILE)


class Homes:
    """The homes of identities, as the table of profiles says, in a number of buckets."""

    def __init__(self, identifiers: pl.DataFrame, buckets: int) -> None:
        self._buckets = buckets
        held = holders(identifiers)
        held = held.hstack(hashes_of(held.get_column("identity")))
        number = bucket_of(held.get_column("home"), buckets).alias("number")
        self._numbers = Numbers(held.get_column("hash"), number) if buckets > 1 else None
        self._noted = Noted(held.height * 3 // 2 + (_REMEMBERED if buckets > 1 else 0))
        found = number if self._numbers is None else self._numbers.find(held.get_column("hash"))
        self._noted.note(held.select("hash", "check").filter(found == number))
        self._held = held.with_columns(number)

    def put_down(self, spill: Spill) -> None:
        """Puts down what is only needed for one bucket at a time: to be called once, before all else."""
        spill.share("held", self._held, "number")
        self._held = self._held.clear()

    def sorted_out(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Rows with ``hash`` and ``check`` instead of their ``identity``, and with their bucket's ``number`` (UInt32);
        and ``NAMES`` of those that haven't been named before, with ``number``.
        """
        identity = rows.get_column("identity")
        hashes = hashes_of(identity)
        number = self._bucket(identity, hashes.get_column("hash"))
        new = ~self._noted.is_noted(hashes)
        names = pl.DataFrame([identity, *hashes.get_columns(), number]).filter(new)
        names = names.unique(["hash", "check"], keep="first", maintain_order=True)
        self._noted.note(names)
        return rows.drop("identity").hstack([*hashes.get_columns(), number]), names

    def _bucket(self, identity: pl.Series, hashes: pl.Series) -> pl.Series:
        if self._numbers is None:
            return pl.zeros(len(hashes), dtype=pl.UInt32, eager=True).alias("number")
        held = self._numbers.find(hashes).alias("held")
        own = (hashes % self._buckets).cast(pl.UInt32).alias("own")  # what ``bucket_of`` gives for it as a home
        number = pl.DataFrame([held, own]).select(pl.coalesce("held", "own").alias("number")).to_series()
        named = identity.to_frame().select(is_profile(pl.first())).to_series()
        if not named.any():
            return number
        ids = identity.filter(named).to_frame().select(own_home(pl.first())).to_series()
        return number.scatter(named.arg_true(), bucket_of(ids, self._buckets))

    def named(self, spill: Spill, bucket: int) -> pl.DataFrame:
        """All identities that may have rows in a bucket, sorted: ``NAMES`` and ``home``.

        The home is ``NOWHERE`` for one that only the same hash has brought there. The ``NAMES`` that came with the rows
        of the bucket were put down as ``names``.
        """
        given = pl.concat([NAMES.to_frame(), *spill.take("names", bucket)])
        given = given.with_columns(pl.lit(None, dtype=pl.String).alias("home"))
        found = pl.concat([*(held.select(given.columns) for held in spill.take("held", bucket)), given])
        found = found.unique("identity", keep="first", maintain_order=True).sort("identity")
        own = own_home(pl.col("identity"))
        home = found.select(pl.when(is_profile(pl.col("identity"))).then(own).otherwise(pl.coalesce("home", own)))
        here = bucket_of(home.to_series(), self._buckets) == bucket
        return found.with_columns(home.select(pl.when(here).then(pl.first()).otherwise(pl.lit(NOWHERE)).alias("home")))


def hashes_of(identity: pl.Series) -> pl.DataFrame:
    """Two hashes of each identity: ``hash`` and ``check``."""
    return pl.DataFrame({"hash": identity.hash(seed=_SEED), "check": identity.hash(seed=_CHECK)})


def numbers_in(names: pl.DataFrame, rows: pl.DataFrame) -> pl.Series:
    """The place of the identity of each row among ``names`` (UInt32). Both have ``hash`` and ``check``."""
    on = ["hash"] if names.get_column("hash").n_unique() == names.height else ["hash", "check"]
    known = names.select(on).with_row_index("number")
    return rows.select(on).join(known, on=on, how="left", maintain_order="left").get_column("number")
