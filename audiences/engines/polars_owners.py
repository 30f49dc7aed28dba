"""Owners of events, profiles or accounts: their events by name, and all measures of these."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from audiences.definitions.computation import Level
from audiences.engines.meter import Meter
from audiences.engines.polars_conditions import Rows
from audiences.engines.polars_events import TIME
from audiences.engines.polars_funnels import Funnels
from audiences.engines.polars_measures import measured
from audiences.engines.polars_profiles import Profiles
from audiences.language.selections import Measure

if TYPE_CHECKING:
    from audiences.events import Bucket


class NamedEvents:
    """The bucket's events by name, with their time as a number."""

    def __init__(self, bucket: Bucket) -> None:
        self._rows = bucket.events.with_columns(bucket.events.get_column("timestamp").to_physical().alias(TIME))
        self._forms = bucket.forms
        events = bucket.events.get_column("event")
        names = enum_names(events.dtype)
        every = pl.int_range(len(names) + 1, dtype=pl.UInt32, eager=True)
        starts = events.to_physical().cast(pl.UInt32).search_sorted(every, side="left")
        self._starts = dict(zip(names, zip(starts, starts.shift(-1), strict=True), strict=False))

    def of(self, name: str) -> Rows:
        """The events of a name, sorted by owner and place."""
        start, end = self._starts.get(name, (0, 0))
        return Rows(self._rows.slice(start, end - start), self._forms)


def enum_names(dtype: pl.DataType) -> list[str]:
    """The names of an Enum, in the order of its numbers."""
    if not isinstance(dtype, pl.Enum):
        raise TypeError("the names of events are an Enum")
    return dtype.categories.to_list()


@dataclass(frozen=True)
class Owners:
    """The owners of a bucket, and their events."""

    rows: Profiles
    events: NamedEvents
    meter: Meter
    level: Level = Level.USER

    def measure(self, items: Iterable[Measure], as_of: datetime) -> None:
        """Computes every measure that isn't known yet, those of one event name together, and adds it to ``rows``."""
        nested = Funnels(self.events)
        wanted: dict[str, dict[Measure, None]] = {}
        for item in items:
            if item not in self.rows.measured:
                wanted.setdefault(item.selection.event, {})[item] = None
        for name, new in wanted.items():
            events = self.events.of(name)
            with self.meter.running(new), self.meter.looking_at(self.level, name, events.frame):
                found = measured(events, list(new), as_of, self.rows, nested)
                for item, column in found.items():
                    self.rows.measured[item] = self.rows.add(column.values, column.form)
