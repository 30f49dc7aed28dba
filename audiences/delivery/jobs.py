"""One computation for one destination: what is asked for, what there is to send, and how far it is settled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from audiences.definitions.computation import Computation, DestinationEntry, Level
from audiences.delivery.changed_plans import Changed
from audiences.delivery.directory import Directory
from audiences.delivery.identifiers import Chosen, strategy_text
from audiences.delivery.messages import GROUP, Envelope, render, with_message_ids
from audiences.delivery.plans import Planned, plan_everybody
from audiences.delivery.results import DeliveryResult
from audiences.delivery.subjects import Accounts, Subjects, strategy_of_call, subjects_of
from audiences.events.values import json_text
from audiences.state import Acknowledged
from audiences.state.acknowledged import ACKNOWLEDGED, Settled, number_of
from audiences.state.selections import OneOf
from audiences.state.since import Changing
from audiences.state.source import reading, trait_values


@dataclass(frozen=True)
class Job:
    """One computation for one destination, with all that is needed to deliver it.

    ``directory`` knows the identifiers of the source's profiles; ``temporary`` is a folder for files on the way.
    """

    source: Changing
    computation: Computation
    entry: DestinationEntry
    envelope: Envelope
    calls: tuple[str, ...]
    strategy: Chosen
    acknowledged: Acknowledged
    directory: Directory
    temporary: Path

    @property
    def key(self) -> str:
        """The computation's key."""
        return self.computation.key

    def first_sync(self) -> bool:
        """Whether the destination never had a sync of the computation."""
        return self.acknowledged.syncs(self.key) == 0

    @property
    def only_noted(self) -> bool:
        """Whether this is a first sync that takes note of what is there, and sends nothing."""
        return self.entry.first_sync == "changes_only" and self.first_sync()

    # ── planning ────────────────────────────────────────────────────────────────────────────────────────────

    def plan(self) -> Planned:
        """What is to be sent, and what can't be: about accounts first, then about users.

        Only what changed since the last sync is looked at, where everything up to that was delivered.
        """
        return self._plan_of_changes() or self._plan_of_everybody()

    def settled(self, planned: Planned) -> Settled:
        """What is known when all of a plan was delivered."""
        return Settled(
            run=self.source.run,
            run_id=self._run_number(self.source.run) or 0,
            configuration=self._configuration,
            no_identifier=planned.no_identifier_after,
            conflicts=planned.conflicts_after,
            again=planned.again,
        )

    def _plan_of_changes(self) -> Planned | None:
        settled = self.acknowledged.settled(self.key)
        if settled is None or not self._builds_on(settled):
            return None
        changes = [Changed(subjects, self.acknowledged, settled) for subjects in self._subjects]
        looked_at = sum(len(one.ids) for one in changes)
        if len(changes) > 1 and looked_at:
            return None  # what was counted isn't known of each
        planned = Planned(looked_at)
        planned.add(settled.no_identifier, settled.conflicts)
        return planned if all(one.plan(planned) for one in changes) else None

    def _plan_of_everybody(self) -> Planned:
        planned = Planned()
        for subjects in self._subjects:
            plan_everybody(subjects, self.acknowledged, planned)
        return planned

    def _builds_on(self, settled: Settled) -> bool:
        """Whether everything that changed since is known, and what is asked for is the same."""
        manifest = self.source.manifest
        record = manifest.computations.get(self.key) if manifest else None
        of_profiles = any(not isinstance(subjects, Accounts) for subjects in self._subjects)
        return (
            settled.configuration == self._configuration
            and settled.run_id == self._run_number(settled.run)
            and record is not None
            and record.first_run <= settled.run
            and (not of_profiles or self.directory.knows(settled.run))
        )

    def _run_number(self, run: int) -> int | None:
        run_id = self.source.run_id(run)
        return None if run_id is None else number_of(run_id)

    @cached_property
    def _configuration(self) -> int:
        """Of all that decides, besides values and identifiers, what a destination should have."""
        asked = [
            self.computation.kind.value,
            self.computation.level.value,
            self.computation.include_anonymous_users,
            list(self.calls),
            strategy_text(self.strategy),
        ]
        return number_of(json_text(asked))

    @cached_property
    def _subjects(self) -> tuple[Subjects, ...]:
        parts = (self.source, self.computation, self.calls, self.strategy, self.directory, self.temporary)
        return tuple(subjects_of(*parts))

    # ── messages ────────────────────────────────────────────────────────────────────────────────────────────

    def identified(self, messages: pl.DataFrame) -> pl.DataFrame:
        """Planned messages with their ``message_id``."""
        return with_message_ids(messages, self.envelope)

    def rendered(self, rows: pl.DataFrame) -> pl.Series:
        """The messages as JSON. Accounts come before users: their ids may be the same."""
        about_accounts = pl.col("call") == GROUP
        accounts, users = rows.filter(about_accounts), rows.filter(~about_accounts)
        return pl.concat(
            [
                render(accounts, self.envelope, self._enrichment(accounts, Level.ACCOUNT)),
                render(users, self.envelope, self._enrichment(users, Level.USER)),
            ]
        )

    def acknowledged_rows(self, rows: pl.DataFrame) -> pl.DataFrame:
        """What is recorded of messages that arrived."""
        columns = {name: dtype for name, dtype in ACKNOWLEDGED.items() if name != "sync"}
        return rows.with_columns(
            pl.lit(self.key).alias("computation"),
            pl.lit(self.source.run, pl.Int64).alias("run"),
            strategy_of_call(self.strategy).alias("strategy"),
            attempts="attempt",
            as_of=pl.lit(self.source.as_of).cast(ACKNOWLEDGED["as_of"]),
        ).select(pl.col(name).cast(dtype) for name, dtype in columns.items())

    def _enrichment(self, rows: pl.DataFrame, level: Level) -> pl.DataFrame:
        """The traits to add, of the profiles or accounts that messages are about.

        Where a computation has messages about both, a trait of the one is not there for the other.
        """
        names = self.envelope.enrich
        ids = rows.select(id="profile_id").unique()
        if not names or ids.is_empty():
            return ids.with_columns(pl.lit(None, pl.String).alias(name) for name in names)
        found = self.source.profiles() if level is Level.USER else self.source.accounts()
        with reading(self.source):
            owners = found.select("id", "traits").filter(OneOf(ids.to_series()).of()).collect()
        if self.computation.level is Level.USER:
            return trait_values(self.source, owners, names)
        known = self.source.manifest.computations if self.source.manifest else {}
        own = [name for name in names if name not in known or known[name].level is level]
        values = trait_values(self.source, owners, own, level)
        return values.with_columns(pl.lit(None, pl.String).alias(name) for name in names if name not in own)


def result_of(job: Job, planned: Planned) -> DeliveryResult:
    """A result before anything is sent."""
    return DeliveryResult(
        destination=job.entry.destination,
        computation=job.key,
        created=planned.messages.rows,
        no_identifier=planned.no_identifier,
        conflicts=planned.conflicts,
        first_sync=job.first_sync(),
    )
