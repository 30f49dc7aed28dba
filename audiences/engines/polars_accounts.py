"""A bucket of accounts: traits of the account, the events of all its users, and what its users answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from audiences.definitions.computation import Computation, Kind, Level
from audiences.engines.polars_columns import Column
from audiences.engines.polars_known import Known
from audiences.engines.polars_owners import NamedEvents, Owners
from audiences.engines.polars_profiles import ID, Profiles, ProfileScope
from audiences.engines.polars_results import computed
from audiences.engines.polars_users import ACCOUNT, HITS, USERS
from audiences.events.accounts import GROUP_ID
from audiences.events.buckets import Bucket
from audiences.events.needs import column_name
from audiences.language import tree
from audiences.language.requirements import requirements
from audiences.language.selections import Measure, Statistic, reductions
from audiences.stages import Stage, UserQuestion, measures, question_of

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Counting:
    """Which events of its users count for an account."""

    include_anonymous: bool
    by_group: bool

    @classmethod
    def of(cls, computation: Computation) -> Counting:
        """How a computation counts; all that have no events count alike."""
        if not measures(computation):
            return cls(include_anonymous=False, by_group=False)
        return cls(computation.include_anonymous_users, computation.attribute_events_by is not None)

    def counted(self, bucket: Bucket) -> Bucket:
        """The bucket with these events only."""
        conditions = [] if self.include_anonymous else [~pl.col("anonymous")]
        conditions += [pl.col("attributed")] if self.by_group else []
        return Bucket(bucket.events.filter(*conditions), bucket.profiles, bucket.forms)


@dataclass(frozen=True, slots=True)
class Looked:
    """What the computations of an accounts' stage look at, outside ANY and ALL: events by name, and columns of these;
    and whether the order matters of events of one time.
    """

    names: frozenset[str]
    columns: frozenset[str]
    in_order: bool

    @classmethod
    def of(cls, stage: Stage) -> Looked:
        """Of all computations of a stage."""
        found = [requirements(item) for step in stage.computations for item in reductions(step.expression)]
        columns = {column_name("property", path) for item in found for path in item.properties}
        columns |= {column_name("context", path) for item in found for path in item.contexts}
        if any(step.attribute_events_by is not None for step in stage.computations):
            columns.add(column_name("context", GROUP_ID))
        names = frozenset(name for item in found for name in item.events)
        ordered = any(depends_on_order(item) for step in stage.computations for item in measures(step))
        return cls(names, frozenset(columns), ordered)


def depends_on_order(item: Measure) -> bool:
    """Whether a measure is another one if events of one time are in another order."""
    selection = item.selection
    nested = any(True for condition in selection.conditions for _ in reductions(condition))
    return nested or selection.session is not None or item.statistic in (Statistic.FIRST, Statistic.LAST)


def compute_accounts(stage: Stage, bucket: Bucket, as_of: datetime, known: Known) -> dict[str, Column]:
    """The results of an accounts' stage, a value per account of a bucket, by key.

    Where computations differ in which events count, each way of counting has rows of its own.
    """
    countings = dict.fromkeys(map(Counting.of, stage.computations))
    ways = {counting: owners(counting.counted(bucket), stage, known) for counting in countings}
    found: dict[str, Column] = {}
    for layer in stage.layers:
        computations = [step for step in layer if isinstance(step, Computation)]
        for counting, way in ways.items():
            own = (step for step in computations if Counting.of(step) == counting)
            way.measure((item for step in own for item in measures(step)), as_of)
        for computation in computations:
            rows = ways[Counting.of(computation)].rows
            with known.meter.running([computation.key]):
                column = computed(computation, rows, AccountScope(rows, as_of, computation, known.answers))
            for way in ways.values():
                way.rows.computed[computation.key] = way.rows.add(column.values, column.form)
            found[computation.key] = column
    return found


def owners(bucket: Bucket, stage: Stage, known: Known) -> Owners:
    """The accounts of a bucket with what is known of them from before."""
    rows = Profiles(bucket.profiles)
    for computation, values in known.of(stage.uses):
        rows.give(computation, values)
    return Owners(rows, NamedEvents(bucket), known.meter, Level.ACCOUNT)


class AccountScope(ProfileScope):
    """Accounts as one computation sees them."""

    def __init__(
        self,
        rows: Profiles,
        as_of: datetime,
        computation: Computation,
        answers: Mapping[UserQuestion, pl.DataFrame],
    ) -> None:
        audience = computation.kind is Kind.AUDIENCE
        super().__init__(rows, as_of, since=computation.events_since, audience=audience)
        self._computation = computation
        self._answers = answers

    def of_users(self, asks: tree.AnyUser | tree.AllUsers) -> pl.Expr:
        """Whether the condition holds for a user, or for every user and there is one."""
        answers = self._answers[question_of(asks, self._computation)]
        counted = self.rows.frame.select(ID).join(
            answers, left_on=ID, right_on=ACCOUNT, how="left", maintain_order="left"
        )
        hits, users = pl.col(HITS).fill_null(0), pl.col(USERS).fill_null(0)
        holds = hits > 0 if isinstance(asks, tree.AnyUser) else (hits == users) & (users > 0)
        return pl.col(self.rows.add(counted.select(holds.alias("holds")).to_series()))
