"""The Polars engine: bucket by bucket, all computations of a stage at once.

Buckets are independent, so memory is bounded by the largest of them. In a bucket the layers of the stage follow one
another; in a layer every different measure is computed once, those of one event name together in as few
group-bys as possible; then each computation is an expression on the bucket's profiles, or accounts.

Without account-level computations there is one stage: one pass over the events. What an account needs of its
users, and users of their accounts, crosses buckets: it goes from one stage to the next as snapshots and answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final

import polars as pl

from audiences.at_once import each_at_once
from audiences.costs import Costs
from audiences.definitions.computation import Computation, Level
from audiences.engines import refusals
from audiences.engines.base import Progress, Sink
from audiences.engines.meter import Meter
from audiences.engines.polars_accounts import Looked, compute_accounts
from audiences.engines.polars_columns import Column
from audiences.engines.polars_known import Known
from audiences.engines.polars_profiles import ID
from audiences.engines.polars_results import SNAPSHOT, snapshot
from audiences.engines.polars_snapshots import Snapshot
from audiences.engines.polars_users import ACCOUNT, UserStage, summed
from audiences.errors import NotYetError, Problem
from audiences.plan import Plan
from audiences.stages import Stage, UserQuestion

if TYPE_CHECKING:
    from audiences.events import Bucket, PreparedInputs

ANSWERS_KEPT: Final = 16
"""So many buckets' answers are kept before they are added up."""


class PolarsEngine:
    """Computes traits and audiences of users and accounts. It keeps nothing between calls."""

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
        found = Snapshots(plan.order)
        self.compute_into(found, plan, prepared, as_of, progress, given=given)
        return {item.key: found.whole(item.key) for item in plan.order}

    def compute_into(
        self,
        sink: Sink,
        plan: Plan,
        prepared: PreparedInputs,
        as_of: datetime,
        progress: Progress | None = None,
        *,
        given: Mapping[str, pl.DataFrame] | None = None,
    ) -> Costs:
        """Computes the plan into ``sink``; see ``Engine.compute_into``."""
        refused = [problem for computation in plan.order for problem in self.refusals(computation)]
        if refused:
            raise NotYetError(problems=refused)
        known = Known(plan, given or {})
        stages = plan.stages()
        computed = {
            Level.USER: lambda: prepared.members.get_column("id"),
            Level.ACCOUNT: lambda: prepared.accounts().get_column("account_id"),
        }
        done, total = 0, sum(height(stage, prepared) for stage in stages)
        for number, stage in enumerate(stages):
            used = {key for later in stages[number + 1 :] for key in later.uses}
            kept = Snapshots(item for item in stage.computations if item.key in used)
            one = user_stage if stage.level is Level.USER else account_stage
            for ids, values in one(stage, prepared, as_of, known):
                sink.add(stage.level, ids, values)
                kept.add(stage.level, ids, values)
                done += len(ids)
                if progress is not None:
                    progress(done, total)
            for key in kept.keys:
                known.snapshots[key] = overlaid(known.snapshots.get(key), kept.whole(key), computed[stage.level]())
        return known.meter.costs()


class Snapshots:
    """A sink that keeps what it is given of some computations, as snapshots."""

    def __init__(self, computations: Iterable[Computation]) -> None:
        self.keys = {item.key: item.kind for item in computations}
        self._frames: dict[str, list[pl.DataFrame]] = {key: [] for key in self.keys}

    def add(self, level: Level, ids: pl.Series, values: Mapping[str, pl.Series]) -> None:
        """See ``Sink.add``."""
        for key, kind in self.keys.items():
            if key in values:
                self._frames[key].append(snapshot(ids, Column(values[key]), kind))

    def whole(self, key: str) -> pl.DataFrame:
        """The snapshot of a computation, sorted by id."""
        whole = pl.concat([SNAPSHOT.to_frame(), *self._frames[key]])
        return whole if whole.get_column(ID).is_sorted() else whole.sort(ID)


def overlaid(before: Snapshot | None, now: pl.DataFrame, ids: pl.Series) -> Snapshot:
    """A snapshot of which the values of some ids were computed anew; ``before`` has those of all others, if any."""
    if before is None:
        return Snapshot(now)
    return Snapshot(pl.concat([before.frame.filter(~pl.col(ID).is_in(ids.implode())), now]))


Values = tuple[pl.Series, dict[str, pl.Series]]
"""The ids of a bucket, and the values of each computation for them, by key."""


def height(stage: Stage, prepared: PreparedInputs) -> int:
    """How many profiles or accounts a stage goes through."""
    return (prepared.members if stage.level is Level.USER else prepared.accounts()).height


def user_stage(stage: Stage, prepared: PreparedInputs, as_of: datetime, known: Known) -> Iterator[Values]:
    """Computes a stage over all profiles, bucket by bucket. ``known`` has the answers of users in the end."""
    answers: dict[UserQuestion, list[pl.DataFrame]] = {}
    for part in each_at_once(partial(computed_users, stage, as_of, known), prepared.buckets()):
        known.meter.add(part.meter)
        for question, frame in part.answers.items():
            several = answers.setdefault(question, [])
            several.append(frame)
            if len(several) == ANSWERS_KEPT:
                several[:] = [summed(several)]
        yield part.ids, part.values
    known.answers |= {question: summed(several).sort(ACCOUNT) for question, several in answers.items()}


@dataclass(frozen=True, slots=True)
class Found:
    """What was computed of a bucket. The bucket itself isn't part of it: its memory is needed for others."""

    ids: pl.Series
    values: dict[str, pl.Series]
    answers: dict[UserQuestion, pl.DataFrame]
    meter: Meter


def computed_users(stage: Stage, as_of: datetime, known: Known, bucket: Bucket) -> Found:
    """A users' stage over one bucket."""
    part = UserStage(stage, bucket, as_of, known)
    part.compute()
    values = {item.key: part.results[item.key].result() for item in stage.computations}
    return Found(part.ids, values, part.answers, part.meter)


def account_stage(stage: Stage, prepared: PreparedInputs, as_of: datetime, known: Known) -> Iterator[Values]:
    """Computes a stage over all accounts, bucket by bucket."""
    looked = Looked.of(stage)
    for bucket in prepared.account_buckets(looked.names, looked.columns, in_order=looked.in_order):
        results = compute_accounts(stage, bucket, as_of, known)
        yield bucket.profiles.get_column(ID), {item.key: results[item.key].result() for item in stage.computations}
