"""Who owns the rows of a store now, and which rows are therefore where they belong.

A bucket of the base has the rows of its homes. Where a home is the owner still, all is in place. An owner is *moved*
if rows of it are anywhere else: its identities were held by another profile when the base was written, or rows came
later.
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from audiences.events.instants import INSTANT
from audiences.events.store.base import IDENTITIES
from audiences.events.store.files import Files
from audiences.events.store.kept_universe import AWAY, KeptUniverse
from audiences.events.store.manifest import Generation, StoreManifest
from audiences.events.store.replacing import calls_together, companions_together, seen_together
from audiences.events.universe import Seen


def seen(files: Files, manifest: StoreManifest, as_of: pl.Expr) -> Seen:
    """What the accepted events before an instant say about identities."""
    identities = seen_together(files, manifest.generations)
    companions = companions_together(files, manifest.generations)
    return Seen(
        identities.filter(pl.col("first_seen") < as_of),
        companions.filter(pl.col("first_seen") < as_of).select(
            pl.col("identity").str.strip_prefix("profile_id:").alias("profile_id"),
            "user_id",
            "anonymous_id",
            "first_seen",
        ),
        calls_together(files, manifest.generations).filter(pl.col("timestamp") < as_of),
    )


def placed(files: Files, manifest: StoreManifest, kept: KeptUniverse) -> KeptUniverse:
    """The same universe, with who has moved in a store, and what is away from its home."""
    away = [AWAY.to_frame()]
    moved = [pl.Series("id", dtype=pl.String)]
    for generation in manifest.generations:
        there = _with_rows(files, generation)
        owner = kept.owners(there.get_column("identity")).profiles.alias("owner")
        gone = there.with_columns(owner).filter(pl.col("owner") != pl.col("home"))
        away.append(gone.with_columns(generation=pl.lit(generation.name)).select(list(AWAY)))
        moved += [gone.get_column("owner").alias("id"), gone.get_column("home").alias("id")]
        if generation is not manifest.base:
            moved.append(owner.alias("id"))
    return replace(kept, away=pl.concat(away), moved=pl.concat(moved).unique().sort())


def _with_rows(files: Files, generation: Generation) -> pl.DataFrame:
    """The identities that have rows: ``bucket``, ``code`` (its row there), ``identity``, ``home``."""
    sizes = [bucket.identities for bucket in generation.buckets]
    number = pl.Series("bucket", range(len(sizes)), dtype=pl.UInt32)
    buckets = pl.DataFrame({"bucket": number, "size": pl.Series(sizes, dtype=pl.UInt32)}).select(
        pl.col("bucket").repeat_by("size"), pl.int_ranges("size", dtype=pl.UInt32).alias("code")
    )
    every = files.mapped(f"{generation.name}/identities").select(list(IDENTITIES))
    places = buckets.explode("bucket", "code", empty_as_null=False, keep_nulls=False)
    home = pl.coalesce("home", "identity")
    return every.hstack(places).filter(pl.col("events") > 0).select("bucket", "code", "identity", home.alias("home"))


def out_of_place(manifest: StoreManifest, kept: KeptUniverse) -> int:
    """About how many rows are not where they belong."""
    homes = sum(bucket.homes for bucket in manifest.base.buckets)
    each = manifest.base.rows / max(homes, 1)
    return int(each * len(kept.moved)) + sum(generation.rows for generation in manifest.later)


def instant(moment: object) -> pl.Expr:
    """An instant to compare with."""
    return pl.lit(moment).cast(INSTANT)
