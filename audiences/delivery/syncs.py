"""Delivers a run: for each destination and computation the difference is planned, sent, and recorded.

The order of steps is what makes it safe to be killed anywhere: see ``destinations.base.EventDestination``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from audiences.definitions.computation import Computation, DestinationEntry, Level, Space
from audiences.delivery.checks import calls_of, check_destination, check_entry, strategy_of
from audiences.delivery.destinations import TYPES
from audiences.delivery.destinations.base import Batch, EventDestination, Sync
from audiences.delivery.identifiers import Chosen, identifiers_of
from audiences.delivery.messages import GROUP, Envelope, render, with_message_ids
from audiences.delivery.planner import DeliveryPlan, Situation, plan
from audiences.delivery.results import DeliveryResult
from audiences.delivery.subjects import strategy_of_call, subjects_of
from audiences.errors import AudiencesError, DeliveryError, Problem, StateError
from audiences.state import Acknowledged, State
from audiences.state.acknowledged import ACKNOWLEDGED
from audiences.state.source import Source, reading, trait_values

ASK_ABOVE: Final = 1_000
"""A destination's first sync of more messages than this has to be confirmed."""

ROWS_PER_BATCH: Final = 50_000
SAMPLES: Final = 10
NOT_SENT: Final = "dry run, nothing was sent"

ProgressReport = Callable[[str, str, int, int], None]
"""Called with destination, computation, messages sent so far, and messages in all."""


@dataclass(frozen=True, slots=True)
class Job:
    """One computation for one destination: what is asked for, and all that is needed to do it."""

    source: Source
    computation: Computation
    entry: DestinationEntry
    envelope: Envelope
    calls: tuple[str, ...]
    strategy: Chosen
    acknowledged: Acknowledged
    identifiers: pl.DataFrame

    @property
    def key(self) -> str:
        """The computation's key."""
        return self.computation.key

    def first_sync(self) -> bool:
        """Whether the destination never had a sync of the computation."""
        return self.acknowledged.syncs(self.key) == 0

    def plan(self) -> DeliveryPlan:
        """What is to be sent, and what can't be: about accounts first, then about users."""
        known = self.acknowledged.rows(self.key)
        plans = []
        for part in subjects_of(self.source, self.computation, self.calls, self.strategy, self.identifiers):
            planned = plan(
                Situation(
                    kind=self.computation.kind,
                    snapshot=part.snapshot,
                    departures=part.departures,
                    identifiers=part.identifiers,
                    acknowledged=known.filter((pl.col("call") == GROUP) == part.are_accounts),
                    calls=part.calls,
                    strategy=part.strategy,
                    as_of=self.source.as_of,
                )
            )
            plans.append(replace(planned, conflicts=planned.conflicts + part.conflicts))
        return DeliveryPlan(
            messages=pl.concat([planned.messages for planned in plans]),
            no_identifier=sum(planned.no_identifier for planned in plans),
            conflicts=sum(planned.conflicts for planned in plans),
        )

    def result(self, planned: DeliveryPlan) -> DeliveryResult:
        """A result before anything is sent."""
        return DeliveryResult(
            destination=self.entry.destination,
            computation=self.key,
            created=planned.messages.height,
            no_identifier=planned.no_identifier,
            conflicts=planned.conflicts,
            first_sync=self.first_sync(),
        )


def deliver(
    source: Source,
    state: State,
    computations: Sequence[Computation],
    space: Space,
    *,
    confirm: bool = False,
    dry_run: bool = False,
    progress: ProgressReport | None = None,
) -> tuple[DeliveryResult, ...]:
    """Sends each destination what it lacks. Returns a result per destination and computation.

    ``source`` is what is delivered: the state itself after a commit (or when nothing was new: it catches up),
    or a draft in a dry run. ``state`` is where acknowledged values are kept. A first sync of more than 1,000
    messages to a destination is held unless ``confirm`` or the destination's ``confirmed: true``. A dry run
    plans, shows the first messages and writes nothing. A destination that fails doesn't stop the others; its
    results have a ``problem``.
    """
    if source.manifest is None:
        return ()
    present = [item for item in computations if item.key in source.manifest.computations]
    if not any(item.destinations for item in present):
        return ()
    with nullcontext() if dry_run else state.exclusive():
        with reading(source):
            identifiers = identifiers_of(source.profiles(), _identifier_types(present))
        results: list[DeliveryResult] = []
        for name in space.destinations:
            jobs, refused = _jobs(source, state, present, space, name, identifiers)
            results += refused
            results += _to_destination(jobs, space, name, confirm=confirm, dry_run=dry_run, progress=progress)
        results += _to_unknown(present, space)
    return tuple(results)


def _jobs(
    source: Source,
    state: State,
    computations: Sequence[Computation],
    space: Space,
    name: str,
    identifiers: pl.DataFrame,
) -> tuple[list[Job], list[DeliveryResult]]:
    """What there is to do for one destination, and what is refused."""
    jobs: list[Job] = []
    refused: list[DeliveryResult] = []
    pairs = [(item, entry) for item in computations for entry in item.destinations if entry.destination == name]
    if not pairs:
        return jobs, refused
    wrong = check_destination(space, name)
    acknowledged = None if wrong else state.acknowledged(name)
    for item, entry in pairs:
        problems = wrong or check_entry(space, item, entry)
        if problems or acknowledged is None:
            refused.append(DeliveryResult(name, item.key, problem=problems[0]))
            continue
        jobs.append(
            Job(
                source=source,
                computation=item,
                entry=entry,
                envelope=Envelope.of(item, entry, space),
                calls=calls_of(item, entry),
                strategy=strategy_of(item, entry),
                acknowledged=acknowledged,
                identifiers=identifiers,
            )
        )
    return jobs, refused


def _to_unknown(computations: Sequence[Computation], space: Space) -> list[DeliveryResult]:
    return [
        DeliveryResult(entry.destination, item.key, problem=check_entry(space, item, entry)[0])
        for item in computations
        for entry in item.destinations
        if entry.destination not in space.destinations
    ]


def _identifier_types(computations: Sequence[Computation]) -> set[str]:
    return {chosen.type for item in computations for entry in item.destinations for chosen in strategy_of(item, entry)}


def _to_destination(
    jobs: Sequence[Job],
    space: Space,
    name: str,
    *,
    confirm: bool,
    dry_run: bool,
    progress: ProgressReport | None,
) -> Iterator[DeliveryResult]:
    if not jobs:
        return
    declared = space.destinations[name]
    confirmed = confirm or declared.settings.get("confirmed") is True
    settled = {} if confirmed else _held(jobs)
    destination = TYPES[declared.type](name, declared.settings, space.root)
    for job in jobs:
        try:
            if job.key in settled:
                result = settled[job.key]
                yield _with_samples(job, job.plan(), result) if dry_run and result.held else result
            elif dry_run:
                planned = job.plan()
                result = _unsent(job, planned) or replace(job.result(planned), note=NOT_SENT)
                yield _with_samples(job, planned, result)
            else:
                yield _sync(job, destination, progress)
        except (DeliveryError, StateError) as error:
            yield _failed(job, error)


def _held(jobs: Sequence[Job]) -> dict[str, DeliveryResult]:
    """The first syncs of a destination, if they have too many messages in all to go out unasked.

    And those that can't be counted, as failed: what nobody counted doesn't go out unasked either.
    """
    first: dict[str, DeliveryResult] = {}
    for job in jobs:
        try:
            if job.entry.first_sync != "changes_only" and job.first_sync():
                first[job.key] = job.result(job.plan())
        except StateError as error:
            first[job.key] = _failed(job, error)
    failed = {key: result for key, result in first.items() if result.problem is not None}
    total = sum(result.created for result in first.values())
    if total <= ASK_ABOVE:
        return failed
    note = (
        f"the first sync to this destination has {total:,} messages: run again with --confirm to send them, "
        "or set `confirmed: true` on the destination"
    )
    held = {key: replace(result, held=True, note=note) for key, result in first.items() if result.created}
    return {**failed, **held}


def _unsent(job: Job, planned: DeliveryPlan) -> DeliveryResult | None:
    """The result of a first sync that only takes note of what is there; None if this isn't one."""
    if job.entry.first_sync != "changes_only" or not job.first_sync():
        return None
    return replace(job.result(planned), created=0, unsent=planned.messages.height)


def _sync(job: Job, destination: EventDestination, progress: ProgressReport | None) -> DeliveryResult:
    recorded = job.acknowledged.syncs(job.key)
    destination.settle(job.key, recorded)
    planned = job.plan()
    unsent = _unsent(job, planned)
    if unsent is not None:
        rows = planned.messages.with_columns(pl.lit(None, pl.String).alias("message_id"), attempt=pl.col("attempt") - 1)
        job.acknowledged.record(job.key, _acknowledged_rows(job, rows), sync=recorded + 1)
        return unsent
    result = job.result(planned)
    if planned.messages.is_empty():
        if result.first_sync:  # so that what comes later isn't taken for the first sync
            job.acknowledged.record(job.key, pl.DataFrame(schema=ACKNOWLEDGED), sync=1)
        return result
    sync = Sync(job.entry.destination, job.key, job.source.as_of, job.source.run, recorded + 1)
    arrived = list(destination.send(sync, _batches(job, planned.messages, progress)))
    rows = pl.concat(arrived) if arrived else planned.messages.clear()
    job.acknowledged.record(job.key, _acknowledged_rows(job, rows), sync=sync.number)
    where = destination.finish(sync)
    job.acknowledged.tidy()
    return replace(result, delivered=rows.height, where=where)


def _batches(job: Job, messages: pl.DataFrame, progress: ProgressReport | None) -> Iterator[Batch]:
    """Messages are made a batch at a time: their JSON is never in memory whole."""
    done = 0
    for part in messages.iter_slices(ROWS_PER_BATCH):
        rows = with_message_ids(part, job.envelope)
        yield Batch(rows, _rendered(job, rows))
        done += rows.height
        if progress is not None:
            progress(job.entry.destination, job.key, done, messages.height)


def _rendered(job: Job, rows: pl.DataFrame) -> pl.Series:
    """The messages of planned rows, in which accounts come before users: their ids may be the same."""
    about_accounts = pl.col("call") == GROUP
    accounts, users = rows.filter(about_accounts), rows.filter(~about_accounts)
    return pl.concat(
        [
            render(accounts, job.envelope, _enrichment(job, accounts, Level.ACCOUNT)),
            render(users, job.envelope, _enrichment(job, users, Level.USER)),
        ]
    )


def _enrichment(job: Job, rows: pl.DataFrame, level: Level) -> pl.DataFrame:
    """The traits to add, of the profiles or accounts that messages are about.

    Where a computation has messages about both, a trait of the one is not there for the other.
    """
    names = job.envelope.enrich
    ids = rows.select(id="profile_id").unique()
    if not names:
        return ids
    found = job.source.profiles() if level is Level.USER else job.source.accounts()
    with reading(job.source):
        owners = found.select("id", "traits").join(ids.lazy(), on="id", how="semi").collect()
    if job.computation.level is Level.USER:
        return trait_values(job.source, owners, names)
    known = job.source.manifest.computations if job.source.manifest else {}
    own = [name for name in names if name not in known or known[name].level is level]
    values = trait_values(job.source, owners, own, level)
    return values.with_columns(pl.lit(None, pl.String).alias(name) for name in names if name not in own)


def _acknowledged_rows(job: Job, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        pl.lit(job.key).alias("computation"),
        pl.lit(job.source.run, pl.Int64).alias("run"),
        strategy_of_call(job.strategy).alias("strategy"),
        attempts="attempt",
        as_of=pl.lit(job.source.as_of).cast(ACKNOWLEDGED["as_of"]),
    ).select(pl.col(name).cast(dtype) for name, dtype in ACKNOWLEDGED.items())


def _with_samples(job: Job, planned: DeliveryPlan, result: DeliveryResult) -> DeliveryResult:
    if not result.created:
        return result
    rows = with_message_ids(planned.messages.head(SAMPLES), job.envelope)
    return replace(result, samples=tuple(_rendered(job, rows).to_list()))


def _failed(job: Job, error: AudiencesError) -> DeliveryResult:
    what = f"{error.where}: {error.what}" if error.where else error.what
    problem = Problem(job.entry.location, what, hint=error.hint, key=job.key)
    return DeliveryResult(job.entry.destination, job.key, problem=problem)
