"""A bucket of profiles: the computations of a users' stage, and what accounts ask of their users."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final

import polars as pl

from audiences.definitions.computation import Computation, Kind, Level
from audiences.engines.polars_known import Known
from audiences.engines.polars_owners import NamedEvents, Owners
from audiences.engines.polars_profiles import ANONYMOUS, ID, Profiles, ProfileScope
from audiences.engines.polars_results import computed, snapshot, truth
from audiences.events.accounts import event_account, users_of_accounts
from audiences.events.buckets import Bucket
from audiences.language import tree
from audiences.stages import Stage, UserQuestion, measures

if TYPE_CHECKING:
    from collections.abc import Sequence

ACCOUNT: Final = "account"
USERS: Final = "users"
HITS: Final = "hits"

ANSWERS: Final = pl.Schema({ACCOUNT: pl.String(), USERS: pl.Int64(), HITS: pl.Int64()})
"""How many users of an account were asked, and of how many the condition is true; accounts without users aren't
there.
"""


class UserStage:
    """A users' stage over one bucket. After ``compute`` it has the bucket's rows of snapshots and answers."""

    def __init__(self, stage: Stage, bucket: Bucket, as_of: datetime, known: Known) -> None:
        self.stage, self.as_of = stage, as_of
        self.meter = known.meter
        self.users = Owners(Profiles(bucket.profiles), NamedEvents(bucket), self.meter)
        self.members = Members(bucket, self.users)
        self.snapshots: dict[str, pl.DataFrame] = {}
        self.answers: dict[UserQuestion, pl.DataFrame] = {}
        for computation, values in known.of(stage.uses):
            if computation.level is Level.USER:
                self.users.rows.give(computation, values)
            else:
                self.users.rows.give_of_accounts(computation, values)

    def compute(self) -> None:
        """Computes layer by layer: the measures of all steps of a layer first."""
        for layer in self.stage.layers:
            own = [step for step in layer if isinstance(step, Computation) or not step.by_group]
            self.users.measure((item for step in own for item in measures(step)), self.as_of)
            by_group = [step for step in layer if isinstance(step, UserQuestion) and step.by_group]
            if by_group:
                wanted = (item for question in by_group for item in measures(question))
                self.members.each.measure(wanted, self.as_of)
            for step in layer:
                with self.meter.running([step if isinstance(step, UserQuestion) else step.key]):
                    if isinstance(step, UserQuestion):
                        self.answers[step] = self.members.answers(step, self.as_of)
                    else:
                        self.snapshots[step.key] = self._snapshot(step)

    def _snapshot(self, computation: Computation) -> pl.DataFrame:
        rows = self.users.rows
        audience = computation.kind is Kind.AUDIENCE
        scope = ProfileScope(rows, self.as_of, since=computation.events_since, audience=audience)
        values = computed(computation, rows, scope)
        rows.computed[computation.key] = rows.add(values)
        return snapshot(rows.frame[ID], values, computation.kind)


class Members:
    """Which of a bucket's profiles are users of which accounts: a row for each profile and account."""

    def __init__(self, bucket: Bucket, users: Owners) -> None:
        self._bucket, self._users = bucket, users

    @cached_property
    def rows(self) -> pl.DataFrame:
        """``row`` (of the profile, UInt32), ``account``, ``anonymous`` (the profile's)."""
        found = users_of_accounts(self._bucket.profiles)
        return found.with_columns(self._bucket.profiles[ANONYMOUS].gather(found["row"]))

    @cached_property
    def each(self) -> Owners:
        """A user in one account as the owner of those of its events that were made for the account."""
        pairs = self.rows.with_row_index("pair").select(
            ACCOUNT, pl.col("pair"), profile=self._bucket.profiles[ID].gather(self.rows["row"])
        )
        # Sorting keeps the order of the events of each pair, and puts them together.
        events = (
            self._bucket.events.with_columns(event_account().alias(ACCOUNT))
            .join(pairs, on=["profile", ACCOUNT], how="inner", maintain_order="left")
            .sort("pair", maintain_order=True)
        )
        name = pl.col("pair").cast(pl.String)
        bucket = Bucket(events.with_columns(name.alias("profile")).drop("pair", ACCOUNT), pairs.select(name.alias(ID)))
        rows = MemberRows(bucket.profiles, self._users.rows, self.rows["row"])
        return Owners(rows, NamedEvents(bucket), self._users.meter)

    def answers(self, question: UserQuestion, as_of: datetime) -> pl.DataFrame:
        """The answers of the bucket's users, counted by account (``ANSWERS``)."""
        rows = self.each.rows if question.by_group else self._users.rows
        scope = ProfileScope(rows, as_of, since=question.since, audience=True)
        hits = truth(question.condition, scope)
        asked = self.rows.with_columns((hits if question.by_group else hits.gather(self.rows["row"])).alias(HITS))
        if not question.include_anonymous:
            asked = asked.filter(~pl.col(ANONYMOUS))
        return summed([asked.select(ACCOUNT, pl.lit(1).alias(USERS), HITS)])


class MemberRows(Profiles):
    """Users in one account each: their traits and computed values are those of their profiles."""

    def __init__(self, frame: pl.DataFrame, profiles: Profiles, rows: pl.Series) -> None:
        super().__init__(frame)
        self._profiles, self._rows = profiles, rows
        self._gathered: dict[str, str] = {}

    def trait(self, path: tree.Path) -> str:
        """The column of the profile's trait."""
        name = self._profiles.trait(path)
        if name not in self._gathered:
            self._gathered[name] = self.add(self._profiles.frame[name].gather(self._rows))
        return self._gathered[name]


def summed(answers: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The answers of several buckets in one, sorted by account."""
    every = pl.concat([frame.select(pl.col(name).cast(dtype) for name, dtype in ANSWERS.items()) for frame in answers])
    return every.group_by(ACCOUNT).agg(pl.col(USERS).sum(), pl.col(HITS).sum()).sort(ACCOUNT)
