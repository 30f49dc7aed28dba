"""The Polars engine: bucket by bucket, all computations of a plan at once.

Buckets are independent, so memory is bounded by the largest. In a bucket the layers of the plan follow one
another; in a layer every different measure is computed once, those of one event name together in as few
group-bys as possible; then each computation is an expression on the bucket's profiles.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from audiences.definitions.computation import Computation, Kind
from audiences.engines import refusals
from audiences.engines.base import Progress
from audiences.engines.polars_events import OWNER, PLACE, TIME
from audiences.engines.polars_measures import measured
from audiences.engines.polars_profiles import ID, Profiles, ProfileScope
from audiences.engines.polars_results import SNAPSHOT, computed, snapshot
from audiences.errors import NotYetError, Problem
from audiences.language.selections import Measure
from audiences.plan import Plan, measures

if TYPE_CHECKING:
    from audiences.events import Bucket, PreparedInputs


class PolarsEngine:
    """Computes user-level traits and audiences. It keeps nothing between calls."""

    def refusals(self, computation: Computation) -> list[Problem]:
        """One problem with ``not_yet`` for each construct of the definition that isn't computed."""
        return refusals.refusals(computation)

    def compute(
        self,
        plan: Plan,
        prepared: PreparedInputs,
        as_of: datetime,
        progress: Progress | None = None,
        *,
        given: Mapping[str, pl.DataFrame] | None = None,
    ) -> dict[str, pl.DataFrame]:
        """The snapshot of every computation of the plan; see ``Engine.compute``."""
        refused = [problem for computation in plan.order for problem in self.refusals(computation)]
        if refused:
            raise NotYetError(problems=refused)
        found: dict[str, list[pl.DataFrame]] = {computation.key: [] for computation in plan.order}
        done, total = 0, prepared.profiles.height
        for bucket in prepared.buckets():
            for key, frame in compute_bucket(plan, bucket, as_of, given or {}).items():
                found[key].append(frame)
            done += bucket.profiles.height
            if progress is not None:
                progress(done, total)
        return {key: together(frames) for key, frames in found.items()}


def together(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The snapshots of all buckets in one, sorted by id."""
    return pl.concat([SNAPSHOT.to_frame(), *frames]).sort(ID)


def compute_bucket(
    plan: Plan, bucket: Bucket, as_of: datetime, given: Mapping[str, pl.DataFrame]
) -> dict[str, pl.DataFrame]:
    """The rows that a bucket's profiles have in each snapshot, by key."""
    profiles = Profiles(bucket.profiles)
    profiles.give(given, plan.given)
    events = NamedEvents(bucket)
    found: dict[str, pl.DataFrame] = {}
    for layer in plan.levels():
        measure_layer(layer, events, profiles, as_of)
        for computation in layer:
            audience = computation.kind is Kind.AUDIENCE
            scope = ProfileScope(profiles, as_of, since=computation.events_since, audience=audience)
            values = computed(computation, profiles, scope)
            profiles.computed[computation.key] = profiles.add(values)
            found[computation.key] = snapshot(profiles.frame[ID], values, computation.kind)
    return found


class NamedEvents:
    """The bucket's events by name, with the row of their profile, their time as a number, and their place."""

    def __init__(self, bucket: Bucket) -> None:
        owners = bucket.profiles.select(ID).with_row_index(OWNER)
        rows = bucket.events.join(owners, left_on="profile", right_on=ID, how="inner", maintain_order="left")
        rows = rows.with_columns(pl.col("timestamp").dt.timestamp("us").alias(TIME)).with_row_index(PLACE)
        self._none = rows.clear()
        self._frames = {
            name: frame
            for (name,), frame in rows.partition_by("event", as_dict=True, maintain_order=True).items()
        }

    def of(self, name: str) -> pl.DataFrame:
        """The events of a name, in the order of the bucket."""
        return self._frames.get(name, self._none)


def measure_layer(
    layer: Iterable[Computation], events: NamedEvents, profiles: Profiles, as_of: datetime
) -> None:
    """Computes every measure of a layer that isn't known yet, and adds it to the profiles."""
    wanted: dict[str, dict[Measure, None]] = {}
    for computation in layer:
        for item in measures(computation):
            if item not in profiles.measured:
                wanted.setdefault(item.selection.event, {})[item] = None
    for name, items in wanted.items():
        for item, values in measured(events.of(name), list(items), as_of, profiles).items():
            profiles.measured[item] = profiles.add(values)
