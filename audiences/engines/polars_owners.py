"""Owners of events, profiles or accounts: their events by name, and all measures of these."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from audiences.engines.meter import Meter
from audiences.engines.polars_events import OWNER, PLACE, TIME
from audiences.engines.polars_funnels import Funnels
from audiences.engines.polars_measures import measured
from audiences.engines.polars_profiles import ID, Profiles
from audiences.language.selections import Measure

if TYPE_CHECKING:
    from audiences.events import Bucket


class NamedEvents:
    """The bucket's events by name, with the row of their profile, their time as a number, and their place."""

    def __init__(self, bucket: Bucket) -> None:
        owners = bucket.profiles.select(ID).with_row_index(OWNER)
        rows = bucket.events.join(owners, left_on="profile", right_on=ID, how="inner", maintain_order="left")
        rows = rows.with_columns(pl.col("timestamp").dt.timestamp("us").alias(TIME)).with_row_index(PLACE)
        self._none = rows.clear()
        self._frames = {
            name: frame for (name,), frame in rows.partition_by("event", as_dict=True, maintain_order=True).items()
        }

    def of(self, name: str) -> pl.DataFrame:
        """The events of a name, in the order of the bucket."""
        return self._frames.get(name, self._none)


@dataclass(frozen=True)
class Owners:
    """The owners of a bucket, and their events."""

    rows: Profiles
    events: NamedEvents
    meter: Meter

    def measure(self, items: Iterable[Measure], as_of: datetime) -> None:
        """Computes every measure that isn't known yet, those of one event name together, and adds it to ``rows``."""
        nested = Funnels(self.events)
        wanted: dict[str, dict[Measure, None]] = {}
        for item in items:
            if item not in self.rows.measured:
                wanted.setdefault(item.selection.event, {})[item] = None
        for name, new in wanted.items():
            with self.meter.running(new):
                found = measured(self.events.of(name), list(new), as_of, self.rows, nested)
                for item, values in found.items():
                    self.rows.measured[item] = self.rows.add(values)
