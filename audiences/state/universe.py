"""The universe of profiles as it is kept: as a whole after some run, and what changed since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from audiences.events.people import People
from audiences.state.tables import PROFILE_CHANGES, PROFILES

LARGEST_SHARE: Final = 5
"""From a fifth of the profiles changed on, they are written as a whole."""


@dataclass(frozen=True, slots=True)
class ProfileChanges:
    """How the universe differs from that of the run before.

    ``changed`` has the rows of profiles that are new or changed: ``id``, ``external_ids``, ``traits``,
    ``account_ids``. ``gone`` are the ids (String) of those that are no longer there.
    """

    changed: pl.DataFrame
    gone: pl.Series

    def __len__(self) -> int:
        return self.changed.height + len(self.gone)

    def rows(self, run: int) -> pl.DataFrame:
        """The rows that the table ``profile_changes`` gets, sorted by id."""
        gone = pl.DataFrame({"id": self.gone.cast(pl.String)}).with_columns(gone=pl.lit(True))
        there = stored(self.changed).collect().with_columns(gone=pl.lit(False))
        both = pl.concat([there, gone], how="diagonal").with_columns(run=pl.lit(run, dtype=pl.Int64))
        return both.select(pl.col(name).cast(dtype) for name, dtype in PROFILE_CHANGES.items()).sort("id")


Universe = pl.DataFrame | pl.LazyFrame | People | ProfileChanges
"""All profiles (but for a frame: sorted by id), or what changed since the run before."""


def stored(profiles: pl.DataFrame | pl.LazyFrame | People) -> pl.LazyFrame:
    """The columns of profiles that are kept, sorted by id; those that aren't a frame are."""
    if isinstance(profiles, People):
        profiles = profiles.scan()
    if isinstance(profiles, pl.DataFrame) and not profiles.get_column("id").is_sorted():
        profiles = profiles.sort("id")
    return profiles.lazy().select(pl.col(name).cast(dtype) for name, dtype in PROFILES.items())


def changed(profiles: pl.LazyFrame, later: pl.LazyFrame) -> pl.LazyFrame:
    """Profiles, sorted by id, after changes that came later (rows of ``profile_changes``); sorted by id."""
    last = later.sort("run").unique("id", keep="last").sort("id")
    columns = list(PROFILES)
    untouched = profiles.select(columns).join(last.select("id"), on="id", how="anti", maintain_order="left")
    return untouched.merge_sorted(last.filter(~pl.col("gone")).select(columns), key="id")


def fingerprint(profiles: pl.LazyFrame) -> str:
    """Tells universes apart; the same whatever the order of their rows."""
    hashes = pl.struct(pl.all()).hash(seed=0)
    found = profiles.select(rows=pl.len(), total=hashes.sum(), mixed=hashes.bitwise_xor())
    return "rows {}, hashes {} and {}".format(*found.collect().row(0))
