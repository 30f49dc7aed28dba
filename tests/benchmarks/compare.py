"""Our results of a run against what a database found: every profile of every definition.

    python -m benchmarks.compare PROJECT OUTPUT --as-of 2025-01-01T01:00:00Z --keys big_spenders,recent_buyers

Prints JSON: the number of values compared, and for each definition with differences a few of them.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl

from audiences import Project
from audiences.definitions.computation import Computation, Kind, Level

SHOWN: Final = 5


def identities(folder: Path) -> pl.DataFrame:
    """``user_id`` and the ``id`` of the profile that holds it, from the table of profiles."""
    profiles = pl.read_parquet(folder / "profiles.parquet", columns=["profile_id", "external_ids"])
    held = profiles.explode("external_ids").select(
        pl.col("profile_id").alias("id"), pl.col("external_ids").struct.unnest()
    )
    return held.filter(pl.col("type") == "user_id").select("id", user_id="value")


def expected(path: Path, computation: Computation, ids: pl.DataFrame) -> pl.DataFrame:
    """``id`` and ``value`` (audiences: true) as the database found them."""
    frame = pl.read_parquet(path)
    if computation.kind is Kind.AUDIENCE:
        frame = frame.with_columns(value=pl.lit(value=True))
    if computation.level is Level.ACCOUNT:
        return frame.select(id="account_id", value="value")
    implicit = pl.format("user_id:{}", "user_id")
    return frame.join(ids, on="user_id", how="left").select(pl.coalesce("id", implicit).alias("id"), "value")


def differences(ours: pl.DataFrame, theirs: pl.DataFrame) -> pl.DataFrame:
    """``id``, ``ours``, ``theirs`` where they aren't the same; a missing row is null."""
    dtype = ours.schema["value"]
    if dtype.is_numeric():
        dtype = theirs.schema["value"] if theirs.schema["value"].is_float() else dtype
    both = ours.select("id", ours=pl.col("value").cast(dtype)).join(
        theirs.select("id", theirs=pl.col("value").cast(dtype)), on="id", how="full", coalesce=True
    )
    return both.filter(pl.col("ours").ne_missing(pl.col("theirs"))).sort("id")


def main() -> int:
    """Compares; 1 if anything differs."""
    parser = argparse.ArgumentParser(description="Compares our results with a database's.")
    parser.add_argument("project", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--as-of", type=datetime.fromisoformat, required=True)
    parser.add_argument("--keys", required=True)
    options = parser.parse_args()
    # The run is made already: asking for it again computes nothing, and gives what was kept.
    project = Project.load(options.project)
    run = project.run(as_of=options.as_of, deliver=False)
    if run.committed:
        raise SystemExit(f"there was no run as of {options.as_of} to compare")
    ids = identities(options.project)
    compared, empty, found = 0, [], {}
    for key in options.keys.split(","):
        theirs = expected(options.output / f"{key}.parquet", run.computations[key], ids)
        ours = run.snapshot(key).select("id", "value")
        if theirs["id"].n_unique() != theirs.height:
            raise SystemExit(f"{key}: the database gave an id twice")
        compared += theirs.height
        if theirs.is_empty():
            empty.append(key)
        different = differences(ours, theirs)
        if different.height:
            rows = different.head(SHOWN).rows()
            found[key] = {"count": different.height, "id, ours, theirs": [list(map(str, row)) for row in rows]}
    json.dump({"compared": compared, "empty": empty, "different": found}, sys.stdout, indent=1)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
