"""Who owns the rows of a store now, and which rows are therefore served as they are written.

A bucket of the base has the rows of its homes. Where a home is the owner still, all is in place. An owner is *moved*
if rows of it are anywhere else: its identities were held by another profile when the base was written, or rows came
later. Rows of moved owners are taken out of all buckets and put in order again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from audiences.events.store.base import IDENTITIES
from audiences.events.store.files import Files
from audiences.events.store.homes import bucket_of
from audiences.events.store.manifest import StoreManifest
from audiences.events.store.replacing import calls_together, companions_together, seen_together
from audiences.events.universe import Seen, Universe


@dataclass(frozen=True, slots=True)
class Known:
    """What the generations of a store say about identities: ``identities`` for each generation as its files have them,
    base first, and ``identified``: all together (``SEEN``), without the rows that don't count any more.
    """

    identities: Sequence[pl.DataFrame]
    identified: pl.DataFrame
    companions: pl.DataFrame
    calls: pl.DataFrame

    def seen(self, as_of: pl.Expr) -> Seen:
        """What was seen before an instant."""
        companions = self.companions.filter(pl.col("first_seen") < as_of)
        return Seen(
            self.identified.filter(pl.col("first_seen") < as_of),
            companions.select(
                pl.col("identity").str.strip_prefix("profile_id:").alias("profile_id"),
                "user_id",
                "anonymous_id",
                "first_seen",
            ),
            self.calls.filter(pl.col("timestamp") < as_of),
        )


def read_known(files: Files, manifest: StoreManifest) -> Known:
    """Reads the tables of identities and calls."""
    generations = manifest.generations
    identities = [files.read(f"{one.name}/identities").select(list(IDENTITIES)) for one in generations]
    return Known(
        identities,
        seen_together(files, generations, identities),
        companions_together(files, generations),
        calls_together(files, generations),
    )


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the profiles of a universe are.

    ``moved``: ids of moved owners, and homes of rows that aren't theirs any more. ``places``: ``row`` of each profile
    of the universe (UInt32), ``bucket`` (UInt32) and ``moved``; ``moved_rows``: how many rows are out of place.
    """

    moved: pl.Series
    places: pl.DataFrame
    moved_rows: int

    def rows_of(self, bucket: int) -> pl.Series:
        """The rows in the universe of those who are served from a bucket of the base, in order (UInt32)."""
        return self.places.filter(~pl.col("moved") & (pl.col("bucket") == bucket)).get_column("row")


def make_layout(known: Known, universe: Universe, manifest: StoreManifest) -> Layout:
    """Finds out who moved."""
    owned = universe.owned.rename({"profile": "owner"})
    base = known.identities[0].select("identity", "events", pl.coalesce("home", "identity").alias("home"))
    found = base.filter(pl.col("events") > 0).join(owned, on="identity", how="left", maintain_order="left")
    away = found.filter(pl.col("owner").is_not_null() & (pl.col("owner") != pl.col("home")))
    later = [one.filter(pl.col("events") > 0).join(owned, on="identity") for one in known.identities[1:]]
    ids = [away.get_column("owner"), away.get_column("home"), *(one.get_column("owner") for one in later)]
    moved = pl.concat([one.alias("id") for one in ids]).unique().sort()
    row = pl.int_range(universe.profiles.height, dtype=pl.UInt32, eager=True)
    id_column = universe.profiles.get_column("id")
    number = bucket_of(id_column, len(manifest.base.buckets))
    is_moved = id_column.is_in(moved.implode()) if len(moved) else pl.zeros(len(row), dtype=pl.Boolean, eager=True)
    places = pl.DataFrame({"row": row, "bucket": number, "moved": is_moved})
    if not len(moved):
        return Layout(moved, places, 0)
    out = found.filter(pl.col("home").is_in(moved.implode())).get_column("events").sum()
    return Layout(moved, places, int(out) + sum(generation.rows for generation in manifest.later))
