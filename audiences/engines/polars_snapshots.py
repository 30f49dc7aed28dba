"""Stored values of all profiles, or accounts, of which a bucket looks up those of its own."""

from __future__ import annotations

import polars as pl


class Snapshot:
    """A computation's snapshot: ``id`` (unique), ``value`` (JSON text).

    A bucket has a fraction of the ids, and there are many buckets: so each id is searched for among sorted hashes,
    instead of joining all rows each time. ``frame`` has the rows, in no particular order.
    """

    def __init__(self, frame: pl.DataFrame) -> None:
        hashes = frame.get_column("id").hash()
        order = hashes.arg_sort()
        self.frame = frame.select(pl.col("id", "value").gather(order))
        self._hashes = hashes.gather(order)
        self._alike = bool((self._hashes == self._hashes.shift(1)).any())

    def values(self, ids: pl.Series) -> pl.Series:
        """The value of each id (String), null where it has none."""
        if self._alike:  # different ids have the same hash
            wanted = ids.to_frame("id")
            return wanted.join(self.frame, on="id", how="left", maintain_order="left").get_column("value")
        places = self._hashes.search_sorted(ids.hash())
        places = pl.select(pl.when(places < len(self._hashes)).then(places)).to_series()
        found = self.frame.select(pl.all().gather(places))
        return found.select(pl.when(pl.col("id") == ids).then("value")).to_series()
