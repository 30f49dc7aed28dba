"""The homes of identities, as a universe that was kept says: for a few identities, without reading all profiles."""

from __future__ import annotations

import polars as pl

from audiences.events.store.homes import NAMES, Homes, bucket_of, hashes_of
from audiences.events.store.kept_universe import KeptUniverse
from audiences.events.store.pieces import Spill


class KeptHomes(Homes):
    """See ``Homes``."""

    def __init__(self, kept: KeptUniverse, buckets: int) -> None:
        self._kept, self._count = kept, buckets

    def sorted_out(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """See ``Homes.sorted_out``."""
        identity = rows.get_column("identity").cast(pl.String)
        hashes = hashes_of(identity)
        number = bucket_of(self._kept.owners(identity).profiles, self._count).alias("number")
        names = pl.DataFrame([identity, *hashes.get_columns(), number]).unique("identity", maintain_order=True)
        return rows.drop("identity").hstack([*hashes.get_columns(), number]), names

    def put_down(self, spill: Spill) -> None:
        """See ``Homes.put_down``."""

    def named(self, spill: Spill, bucket: int) -> pl.DataFrame:
        """See ``Homes.named``."""
        names = pl.concat([NAMES.to_frame(), *spill.take("names", bucket)])
        found = names.unique("identity", keep="first", maintain_order=True).sort("identity")
        return found.with_columns(home=self._kept.owners(found.get_column("identity")).profiles)
