"""Some profiles (or accounts) out of all: a range of their ids, or a few by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import polars as pl


@dataclass(frozen=True, slots=True)
class Between:
    """Those whose ids are in a range: from ``low`` on, up to but without ``high``; None: no limit."""

    low: str | None = None
    high: str | None = None

    def of(self, column: str = "id") -> pl.Expr:
        """Whether the id in a column is one of them."""
        inside = pl.lit(True) if self.low is None else pl.col(column) >= self.low
        return inside if self.high is None else inside & (pl.col(column) < self.high)


@dataclass(frozen=True, slots=True)
class OneOf:
    """Those with these ``ids`` (String)."""

    ids: pl.Series

    def of(self, column: str = "id") -> pl.Expr:
        """Whether the id in a column is one of them."""
        return pl.col(column).is_in(self.ids.implode())


Selection = Between | OneOf


def ranges(edges: Sequence[str]) -> Iterator[Between]:
    """All ids, cut before each of the edges, which are sorted."""
    bounds = [None, *edges, None]
    for low, high in pairwise(bounds):
        yield Between(low, high)
