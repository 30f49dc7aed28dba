"""A bucket of profiles: the computations of a users' stage, and what accounts ask of their users."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final

import polars as pl

from audiences.definitions.computation import Computation, Kind, Level
from audiences.engines.polars_columns import Column
from audiences.engines.polars_events import OWNER
from audiences.engines.polars_known import Known
from audiences.engines.polars_owners import NamedEvents, Owners
from audiences.engines.polars_profiles import ANONYMOUS, ID, Profiles, ProfileScope
from audiences.engines.polars_results import computed, truth
from audiences.events.accounts import GROUP_ID, event_account, users_of_accounts
from audiences.events.buckets import Bucket
from audiences.events.encoding import decoded
from audiences.events.needs import column_name
from audiences.language import tree
from audiences.stages import Stage, UserQuestion, measures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from audiences.events.buckets import Form

ACCOUNT: Final = "account"
USERS: Final = "users"
HITS: Final = "hits"

ANSWERS: Final = pl.Schema({ACCOUNT: pl.String(), USERS: pl.Int64(), HITS: pl.Int64()})
"""How many users of an account were asked, and of how many the condition is true; accounts without users aren't
there.
"""


class UserStage:
    """A users' stage over one bucket. After ``compute`` it has the results, a value per profile, and answers.

    Several may be computed at the same time. ``meter`` has the seconds that this one took.
    """

    def __init__(self, stage: Stage, bucket: Bucket, as_of: datetime, known: Known) -> None:
        self.stage, self.as_of = stage, as_of
        self.meter = known.meter.part()
        self.users = Owners(Profiles(bucket.profiles), NamedEvents(bucket), self.meter)
        self.members = Members(bucket, self.users)
        self.ids = bucket.profiles.get_column(ID)
        self.results: dict[str, Column] = {}
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
                        self.results[step.key] = self._result(step)

    def _result(self, computation: Computation) -> Column:
        rows = self.users.rows
        audience = computation.kind is Kind.AUDIENCE
        scope = ProfileScope(rows, self.as_of, since=computation.events_since, audience=audience)
        column = computed(computation, rows, scope)
        rows.computed[computation.key] = rows.add(column.values, column.form)
        return column


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
        pairs = self.rows.select(pl.col("row").alias(OWNER), ACCOUNT).with_row_index("pair")
        events = self._bucket.events
        made_for = accounts_of_events(events, self._bucket.forms).alias(ACCOUNT)
        # Sorting keeps the order of the events of each pair, and puts them together.
        events = (
            events.with_columns(made_for)
            .join(pairs, on=[OWNER, ACCOUNT], how="inner", maintain_order="left")
            .sort("event", "pair", maintain_order=True)
            .drop(OWNER, ACCOUNT)
            .rename({"pair": OWNER})
        )
        bucket = Bucket(events, pairs.select(pl.col("pair").cast(pl.String).alias(ID)), self._bucket.forms)
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
            found = self._profiles.column(name).gather(self._rows)
            self._gathered[name] = self.add(found.values, found.form)
        return self._gathered[name]


def accounts_of_events(events: pl.DataFrame, forms: Mapping[str, Form]) -> pl.Series:
    """The id of the account that each event was made for, or null."""
    name = column_name("context", GROUP_ID)
    said = decoded(events.get_column(name), forms.get(name))
    return events.select("group_id", said).select(event_account()).to_series()


def summed(answers: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The answers of several buckets in one, in no particular order."""
    every = pl.concat([frame.select(pl.col(name).cast(dtype) for name, dtype in ANSWERS.items()) for frame in answers])
    return every.group_by(ACCOUNT).agg(pl.col(USERS).sum(), pl.col(HITS).sum())
