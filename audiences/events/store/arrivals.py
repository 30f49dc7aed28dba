"""The rows of files that a store was made of, read again by their places: a few of them, where nothing else can tell.

The rows of all files ever read are numbered in the order in which they were: that is their place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from audiences.events.needs import EventNeeds
from audiences.events.store.reading import Reading
from audiences.events.tables import Table


@dataclass(frozen=True, slots=True)
class Arrival:
    """Files that were read together: ``rows`` of them in all, and what opens them as they were then."""

    rows: int
    open: Callable[[], Sequence[Table]]


class Arrivals:
    """All that was read for what a store covers, in order."""

    def __init__(self, arrivals: Sequence[Arrival], needs: EventNeeds) -> None:
        self._arrivals, self._needs = arrivals, needs
        self.places = sum(arrival.rows for arrival in arrivals)
        """How many rows; the place of the next one."""

    def rows(self, places: pl.Series) -> Iterator[pl.DataFrame]:
        """The rows at some places (sorted UInt64), as ``Reading.again`` gives them."""
        first = 0
        for arrival in self._arrivals:
            here = places.filter((places >= first) & (places < first + arrival.rows))
            if len(here):
                for rows in self._reading(arrival).again(here - first):
                    yield rows.with_columns(pl.col("place") + first)
            first += arrival.rows

    def rows_of(self, identities: pl.Series) -> Iterator[pl.DataFrame]:
        """All rows that have one of some identities, copies with them."""
        found: list[pl.Series] = [pl.Series("place", [], dtype=pl.UInt64)]
        first = 0
        for arrival in self._arrivals:
            found.append(self._reading(arrival).places_of(identities) + first)
            first += arrival.rows
        for rows in self.rows(pl.concat(found)):
            yield rows.filter(pl.col("identity").is_in(identities.implode()))

    def _reading(self, arrival: Arrival) -> Reading:
        reading = Reading(arrival.open(), self._needs)
        if reading.places != arrival.rows:
            raise ValueError("the files aren't those that were read")
        return reading
