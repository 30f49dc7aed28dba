"""Delivers a run: for each destination and computation the difference is planned, sent, and recorded.

The order of steps is what makes it safe to be killed anywhere: see ``destinations.base.EventDestination``.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import polars as pl

from audiences.definitions.computation import Computation, Space
from audiences.delivery.checks import calls_of, check_destination, check_entry, strategy_of
from audiences.delivery.destinations import TYPES
from audiences.delivery.destinations.base import Batch, EventDestination, Sync
from audiences.delivery.directory import Directory
from audiences.delivery.jobs import Job, result_of
from audiences.delivery.messages import Envelope
from audiences.delivery.plans import Planned
from audiences.delivery.results import DeliveryResult
from audiences.errors import AudiencesError, DeliveryError, Problem, StateError
from audiences.state import State
from audiences.state.since import Changing

ASK_ABOVE: Final = 1_000
"""A destination's first sync of more messages than this has to be confirmed."""

ROWS_PER_BATCH: Final = 50_000
SAMPLES: Final = 10
NOT_SENT: Final = "dry run, nothing was sent"

ProgressReport = Callable[[str, str, int, int], None]
"""Called with destination, computation, messages sent so far, and messages in all."""


def deliver(
    source: Changing,
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
    results: list[DeliveryResult] = []
    with nullcontext() if dry_run else state.exclusive(), _temporary_folder() as temporary:
        directory = Directory(source, temporary)
        for name in space.destinations:
            jobs, refused = _jobs(source, state, present, space, name, directory, temporary)
            results += refused
            results += _to_destination(jobs, space, name, confirm=confirm, dry_run=dry_run, progress=progress)
        results += _to_unknown(present, space)
    return tuple(results)


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="audiences-delivery-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _jobs(
    source: Changing,
    state: State,
    computations: Sequence[Computation],
    space: Space,
    name: str,
    directory: Directory,
    temporary: Path,
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
                directory=directory,
                temporary=temporary,
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
    first = _FirstSyncs() if confirmed else _first_syncs(jobs, samples=dry_run)
    destination = TYPES[declared.type](name, declared.settings, space.root)
    nothing: dict[str, Planned] = {}
    for job in jobs:
        try:
            if job.key in first.held:
                yield first.held[job.key]
                continue
            planned = first.plans.pop(job.key, None)
            if dry_run:
                yield _shown(job, planned or job.plan())
            else:
                yield _sync(job, destination, planned, progress, nothing)
        except (DeliveryError, StateError) as error:
            yield _failed(job, error)
    if any(planned.looked_at for planned in nothing.values()):
        # What was looked at in vain need not be looked at again; in one transaction, for there may be many such jobs.
        jobs[0].acknowledged.note({job.key: job.settled(nothing[job.key]) for job in jobs if job.key in nothing})


@dataclass(frozen=True, slots=True)
class _FirstSyncs:
    """By computation, the results of those ``held``, and the ``plans`` of others: they have few messages."""

    held: dict[str, DeliveryResult] = field(default_factory=dict)
    plans: dict[str, Planned] = field(default_factory=dict)


def _first_syncs(jobs: Sequence[Job], *, samples: bool) -> _FirstSyncs:
    """Holds the first syncs of a destination, if they have too many messages in all to go out unasked.

    And those that can't be counted, as failed: what nobody counted doesn't go out unasked either.
    """
    found: dict[str, DeliveryResult] = {}
    failed: dict[str, DeliveryResult] = {}
    plans: dict[str, Planned] = {}
    for job in jobs:
        try:
            if job.entry.first_sync == "changes_only" or not job.first_sync():
                continue
            planned = job.plan()
        except StateError as error:
            failed[job.key] = _failed(job, error)
            continue
        result = result_of(job, planned)
        found[job.key] = _with_samples(job, planned, result) if samples else result
        if planned.messages.rows <= ASK_ABOVE:
            plans[job.key] = planned
    total = sum(result.created for result in found.values())
    if total <= ASK_ABOVE:
        return _FirstSyncs(failed, plans)
    note = (
        f"the first sync to this destination has {total:,} messages: run again with --confirm to send them, "
        "or set `confirmed: true` on the destination"
    )
    held = {key: replace(result, held=True, note=note) for key, result in found.items() if result.created}
    return _FirstSyncs({**failed, **held}, plans)


def _shown(job: Job, planned: Planned) -> DeliveryResult:
    """The result of a dry run."""
    if job.only_noted:
        return _noted(job, planned)
    return _with_samples(job, planned, replace(result_of(job, planned), note=NOT_SENT))


def _noted(job: Job, planned: Planned) -> DeliveryResult:
    """The result of a first sync that only takes note of what is there."""
    return replace(result_of(job, planned), created=0, unsent=planned.messages.rows)


def _sync(
    job: Job,
    destination: EventDestination,
    planned: Planned | None,
    progress: ProgressReport | None,
    nothing: dict[str, Planned],
) -> DeliveryResult:
    """Delivers what is planned; where that is nothing, the plan is put into ``nothing``."""
    recorded = job.acknowledged.syncs(job.key)
    destination.settle(job.key, recorded)
    planned = planned or job.plan()
    settled = job.settled(planned)
    recording = job.acknowledged.recording(job.key, sync=recorded + 1)
    if job.only_noted:
        result = _noted(job, planned)
        for rows in planned.messages.slices(ROWS_PER_BATCH):
            unsent = rows.with_columns(pl.lit(None, pl.String).alias("message_id"), attempt=pl.col("attempt") - 1)
            recording.add(job.acknowledged_rows(unsent))
        recording.commit(settled)
        return result
    result = result_of(job, planned)
    if not planned.messages.rows:
        if result.first_sync:  # so that what comes later isn't taken for the first sync
            recording.commit(settled)
        else:
            nothing[job.key] = planned
        return result
    sync = Sync(job.entry.destination, job.key, job.source.as_of, job.source.run, recorded + 1)
    try:
        for rows in destination.send(sync, _batches(job, planned, progress)):
            recording.add(job.acknowledged_rows(rows))
    except DeliveryError:
        if recording.rows and not destination.whole:
            recording.commit(None)
        raise
    recording.commit(settled if recording.rows == planned.messages.rows else None)
    where = destination.finish(sync)
    job.acknowledged.tidy()
    return replace(result, delivered=recording.rows, where=where)


def _batches(job: Job, planned: Planned, progress: ProgressReport | None) -> Iterator[Batch]:
    """Messages are made a batch at a time: their JSON is never in memory whole."""
    done = 0
    for part in planned.messages.slices(ROWS_PER_BATCH):
        rows = job.identified(part)
        yield Batch(rows, job.rendered(rows))
        done += rows.height
        if progress is not None:
            progress(job.entry.destination, job.key, done, planned.messages.rows)


def _with_samples(job: Job, planned: Planned, result: DeliveryResult) -> DeliveryResult:
    if not result.created:
        return result
    rows = job.identified(planned.messages.head(SAMPLES))
    return replace(result, samples=tuple(job.rendered(rows).to_list()))


def _failed(job: Job, error: AudiencesError) -> DeliveryResult:
    what = f"{error.where}: {error.what}" if error.where else error.what
    problem = Problem(job.entry.location, what, hint=error.hint, key=job.key)
    return DeliveryResult(job.entry.destination, job.key, problem=problem)
