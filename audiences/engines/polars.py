"""The Polars engine: bucket by bucket, all computations of a stage at once.

Buckets are independent, so memory is bounded by the largest. In a bucket the layers of the stage follow one
another; in a layer every different measure is computed once, those of one event name together in as few
group-bys as possible; then each computation is an expression on the bucket's profiles, or accounts.

Without account-level computations there is one stage: one pass over the events. What an account needs of its
users, and users of their accounts, crosses buckets: it goes from one stage to the next as snapshots and answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from audiences.definitions.computation import Computation, Level
from audiences.engines import refusals
from audiences.engines.base import Progress
from audiences.engines.polars_accounts import compute_accounts, names_of_events
from audiences.engines.polars_known import Known
from audiences.engines.polars_profiles import ID
from audiences.engines.polars_results import SNAPSHOT
from audiences.engines.polars_users import UserStage, summed
from audiences.errors import NotYetError, Problem
from audiences.plan import Plan
from audiences.stages import Stage, UserQuestion

if TYPE_CHECKING:
    from audiences.events import PreparedInputs


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
        seconds: dict[str, float] | None = None,
    ) -> dict[str, pl.DataFrame]:
        """The snapshot of every computation of the plan; see ``Engine.compute``."""
        refused = [problem for computation in plan.order for problem in self.refusals(computation)]
        if refused:
            raise NotYetError(problems=refused)
        known = Known(plan, given or {})
        stages = plan.stages()
        done, total = 0, sum(height(stage, prepared) for stage in stages)
        for stage in stages:
            one = user_stage if stage.level is Level.USER else account_stage
            for rows in one(stage, prepared, as_of, known):
                done += rows
                if progress is not None:
                    progress(done, total)
        if seconds is not None:
            seconds.update(known.meter.seconds)
        return {computation.key: known.snapshots[computation.key] for computation in plan.order}


def height(stage: Stage, prepared: PreparedInputs) -> int:
    """How many profiles or accounts a stage goes through."""
    return (prepared.profiles if stage.level is Level.USER else prepared.accounts()).height


def user_stage(stage: Stage, prepared: PreparedInputs, as_of: datetime, known: Known) -> Iterator[int]:
    """Computes a stage over all profiles; yields how many were in each bucket. ``known`` has the results then."""
    found: dict[str, list[pl.DataFrame]] = {computation.key: [] for computation in stage.computations}
    answers: dict[UserQuestion, pl.DataFrame] = {}
    for bucket in prepared.buckets():
        part = UserStage(stage, bucket, as_of, known)
        part.compute()
        for key, frame in part.snapshots.items():
            found[key].append(frame)
        for question, frame in part.answers.items():
            answers[question] = summed([frame, *([answers[question]] if question in answers else [])])
        yield bucket.profiles.height
    known.snapshots |= {key: together(frames) for key, frames in found.items()}
    known.answers |= answers


def account_stage(stage: Stage, prepared: PreparedInputs, as_of: datetime, known: Known) -> Iterator[int]:
    """Computes a stage over all accounts; yields how many were in each bucket. ``known`` has the results then."""
    found: dict[str, list[pl.DataFrame]] = {computation.key: [] for computation in stage.computations}
    for bucket in prepared.account_buckets(names_of_events(stage)):
        for key, frame in compute_accounts(stage, bucket, as_of, known).items():
            found[key].append(frame)
        yield bucket.profiles.height
    known.snapshots |= {key: together(frames) for key, frames in found.items()}


def together(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The snapshots of all buckets in one, sorted by id."""
    return pl.concat([SNAPSHOT.to_frame(), *frames]).sort(ID)
