"""What a stage can use: values of computations of earlier stages, last snapshots, and answers of users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from audiences.definitions.computation import Computation
from audiences.engines.meter import Meter
from audiences.engines.polars_snapshots import Snapshot
from audiences.plan import Plan
from audiences.stages import UserQuestion


class Known:
    """Grows from stage to stage. ``snapshots`` are by key; ``answers`` have account, users and hits.

    ``meter`` has the seconds that each computation took so far.
    """

    def __init__(self, plan: Plan, given: Mapping[str, pl.DataFrame]) -> None:
        self._computations = {item.key: item for item in (*plan.given, *plan.order)}
        self.snapshots = {key: Snapshot(frame) for key, frame in given.items()}
        self.answers: dict[UserQuestion, pl.DataFrame] = {}
        self.meter = Meter(plan)

    def of(self, keys: Sequence[str]) -> Iterator[tuple[Computation, Snapshot | None]]:
        """Computations with their snapshots; one that is disabled may have none."""
        for key in keys:
            yield self._computations[key], self.snapshots.get(key)
