"""The homes of identities, as a universe that was kept says: for a few identities, without reading all profiles."""

from __future__ import annotations

import polars as pl

from audiences.events.store.homes import Homes, bucket_of
from audiences.events.store.kept_universe import KeptUniverse


class KeptHomes(Homes):
    """See ``Homes``."""

    def __init__(self, kept: KeptUniverse, buckets: int) -> None:
        self._kept, self._count = kept, buckets

    def buckets(self, identities: pl.Series) -> pl.Series:
        """The bucket of each identity (UInt32)."""
        return bucket_of(self._kept.owners(identities.cast(pl.String)).profiles, self._count)

    def homes(self, identities: pl.Series, bucket: int) -> pl.Series:
        """The home of each identity in a bucket."""
        return self._kept.owners(identities.cast(pl.String)).profiles
