"""One run: read the inputs once, compute a plan, keep what changed, deliver the difference.

Order matters here. Everything that can be wrong with definitions, inputs or the state location is found before the
first byte is written; the state's commit comes before delivery; delivery works from what is committed only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import polars as pl

from audiences import clock
from audiences.changes import empty as no_changes
from audiences.changes import typed_changes
from audiences.costs import Costs
from audiences.definitions.computation import Computation, Kind, Level, Missing, Space
from audiences.delivery import DeliveryResult, deliver
from audiences.errors import Problem, StateError
from audiences.events import Counts, Inputs, Place, StoredInputs, open_inputs
from audiences.incremental import Pass, passes, whole
from audiences.language.fingerprint import fingerprint
from audiences.plan import Plan, make_plan
from audiences.snapshots import typed
from audiences.state import (
    ComputationRecord,
    Computed,
    Decision,
    Draft,
    Occasion,
    ProfileChanges,
    Results,
    RunResult,
    State,
)
from audiences.state.results import Only
from audiences.state.storage import local_folder
from audiences.verification import verify

if TYPE_CHECKING:
    from audiences.project import Project

EVENTS: Final = "events"
"""The folder of the store of events, below the state's."""

ProgressReport = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is (0: not known)."""


@dataclass(frozen=True, slots=True)
class ComputationResult:
    """What a run found for one computation. Counts are of profiles (or accounts); ``seconds`` is its share."""

    key: str
    kind: Kind
    group: str
    size: int
    entered: int = 0
    exited: int = 0
    set: int = 0
    changed: int = 0
    cleared: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Frames:
    """A computation's stored snapshot (``id``, ``value`` JSON text) and changes (and ``change``, ``previous``)."""

    snapshot: Callable[[], pl.DataFrame]
    changes: Callable[[], pl.DataFrame]


@dataclass(frozen=True)
class Run:
    """The result of ``Project.run``.

    ``number`` is the run of the state it is (None: nothing was kept), ``committed`` whether this call wrote it.
    ``problems`` are definitions that were left out, ``results`` the computations in the order of the plan.
    """

    as_of: datetime  # UTC
    number: int | None
    revision: int
    committed: bool
    note: str
    results: tuple[ComputationResult, ...]
    deliveries: tuple[DeliveryResult, ...] = ()
    rejects: Mapping[str, int] = field(default_factory=dict)
    samples: Mapping[str, Sequence[Mapping[str, object]]] = field(default_factory=dict)
    statistics: Mapping[str, int | float] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    computations: Mapping[str, Computation] = field(default_factory=dict, repr=False)
    frames: Mapping[str, Frames] = field(default_factory=dict, repr=False)

    def snapshot(self, key: str) -> pl.DataFrame:
        """The values (an audience: the members) at ``as_of``: ``id`` String, ``value`` of the definition's type.

        Raises:
            KeyError: if the run has no computation of this key.
        """
        return typed(self.frames[key].snapshot(), self.computations[key])

    def changes(self, key: str) -> pl.DataFrame:
        """What is new since the run before: ``id`` String, ``change`` String, ``value`` and ``previous`` typed.

        ``change`` is ``entered`` or ``exited`` for an audience, ``set``, ``changed`` or ``cleared`` for a trait.

        Raises:
            KeyError: if the run has no computation of this key.
        """
        return typed_changes(self.frames[key].changes(), self.computations[key])

    @property
    def exit_code(self) -> int:
        """0, or 2 if definitions were left out, or 1 if a delivery failed or waits for a confirmation."""
        if self.problems:
            return 2
        return int(any(delivery.problem or delivery.held for delivery in self.deliveries))


@dataclass(frozen=True, slots=True)
class Options:
    """How a run is asked for; see ``Project.run``."""

    as_of: datetime
    keys: tuple[str, ...] | None = None
    deliver: bool = True
    dry_run: bool = False
    confirm: bool = False
    full: bool = False
    verify: float = 0.0
    skip_unreadable: bool = False
    report: ProgressReport = lambda what, done, total: None


def execute(project: Project, options: Options) -> Run:
    """Does a run of a project's usable computations.

    Raises:
        DefinitionError: an unknown key, or a space without events.
        InputError: inputs that can't be read. StateError: a state that can't be read or written, or is in use.
        KeyboardInterrupt: stopped by the user; nothing was changed, or its text says what was.
    """
    space = project.space
    usable = project.usable
    plan = make_plan(usable, options.keys)
    inputs = open_inputs(space.sources, skip_unreadable=options.skip_unreadable)
    # Reads every footer, so that a missing or truncated file is found before the state's folder is made.
    inputs_fingerprint = inputs.fingerprint()
    state = State.open(space.state, create=not options.dry_run)
    with nullcontext() if options.dry_run else state.exclusive():
        return _execute(project, options, plan, inputs, inputs_fingerprint, state)


def _execute(
    project: Project, options: Options, plan: Plan, inputs: Inputs, inputs_fingerprint: str, state: State
) -> Run:
    reused = state.reused(plan.order)
    if reused:
        left_out = {problem.key for problem in reused}
        kept = [item.key for item in plan.order if item.key not in left_out]
        plan = make_plan({item.key: item for item in (*plan.order, *plan.given) if item.key not in left_out}, kept)
    fingerprints = computation_fingerprints(plan)
    decision = state.decide(
        as_of=options.as_of, definitions=fingerprints, inputs=inputs_fingerprint, again=options.full
    )
    if decision.occasion is Occasion.NOTHING_NEW:
        if options.verify:
            options.report("verifying", 0, 0)
            verify(project.engine, plan, _plainly(plan, inputs, state, options), state, options.verify)
        outcome = _recall(plan, state, decision, options)
    else:
        outcome = _compute(project, plan, inputs, state, decision, fingerprints, inputs_fingerprint, options)
    problems = (*project.problems, *reused)
    try:
        deliveries = _deliver(project.space, plan, outcome.source, state, options, decision)
    except KeyboardInterrupt:
        what = f"run {decision.run} is kept" if outcome.committed else "nothing was changed"
        raise KeyboardInterrupt(
            f"Stopped while delivering: {what}; the next run sends what is still missing."
        ) from None
    return outcome.run(options.as_of, decision, deliveries, problems, project)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What was computed, or recalled; ``source`` is what delivery reads."""

    source: State | Draft | None
    committed: bool
    results: tuple[ComputationResult, ...]
    rejects: Mapping[str, int]
    samples: Mapping[str, Sequence[Mapping[str, object]]]
    statistics: Mapping[str, int | float]
    computations: Mapping[str, Computation]
    frames: Mapping[str, Frames]
    note: str = ""

    def run(
        self,
        as_of: datetime,
        decision: Decision,
        deliveries: tuple[DeliveryResult, ...],
        problems: tuple[Problem, ...],
        project: Project,
    ) -> Run:
        return Run(
            as_of=as_of,
            number=decision.run if self.committed or decision.occasion is Occasion.NOTHING_NEW else None,
            revision=decision.revision,
            committed=self.committed,
            note=" ".join(filter(None, (decision.note, self.note))),
            results=self.results,
            deliveries=deliveries,
            rejects=self.rejects,
            samples=self.samples,
            statistics=self.statistics,
            problems=problems,
            warnings=project.definitions.warnings,
            computations=self.computations,
            frames=self.frames,
        )


def _compute(
    project: Project,
    plan: Plan,
    inputs: Inputs,
    state: State,
    decision: Decision,
    fingerprints: Mapping[str, str],
    inputs_fingerprint: str,
    options: Options,
) -> _Outcome:
    kept = decision.commits and not options.dry_run
    with (
        _results(state, plan, kept=kept) as results,
        inputs.prepare(
            plan.needs,
            as_of=options.as_of,
            progress=lambda done, total: options.report("reading events", done, total),
            store=_event_store(state, options, keeps=kept),
        ) as prepared,
    ):
        parts = _passes(plan, prepared, state, fingerprints, options)
        costs = _evaluate(project, parts, state, results, options)
        seconds = costs.definitions
        result = RunResult(
            as_of=options.as_of,
            inputs=inputs_fingerprint,
            computed={item.key: Computed(item, fingerprints[item.key], seconds[item.key]) for item in plan.order},
            results=results,
            profiles=_profiles(prepared),
            accounts=_accounts(plan, prepared),
            computed_at=clock.now(),
            rejects=prepared.rejects.counts,
            statistics=prepared.statistics.as_mapping(),
            costs=costs,
        )
        rejects, note = prepared.rejects, prepared.note
        options.report("finding what changed", 0, 0)
        draft = state.draft(result)
        if options.verify:
            options.report("verifying", 0, 0)
            verify(project.engine, plan, _plainly(plan, inputs, state, options), draft, options.verify)
        if kept:
            options.report("keeping what changed", 0, 0)
            _keep(prepared, draft, state, project.space.keep_history)
    source = state if kept else draft
    records = draft.manifest.computations
    return _Outcome(
        source=None if decision.occasion is Occasion.PAST else source,
        committed=kept,
        results=tuple(_result(records[item.key], item) for item in plan.order),
        rejects=result.rejects,
        samples=rejects.samples,
        statistics=result.statistics,
        computations={item.key: item for item in plan.order},
        frames={item.key: _frames(source, item.key) for item in plan.order},
        note=note,
    )


def ingest(project: Project, options: Options) -> tuple[Counts, str]:
    """Reads events that are new into the store of events; see ``Project.ingest``."""
    plan = make_plan(project.usable, options.keys)
    inputs = open_inputs(project.space.sources, skip_unreadable=options.skip_unreadable)
    inputs.fingerprint()  # a file that is no Parquet is found before anything is written
    state = State.open(project.space.state, create=True)
    with state.exclusive():
        place = _event_store(state, options, keeps=True)
        found = None
        if place is not None:
            found = inputs.ingest(
                plan.needs,
                as_of=options.as_of,
                store=place,
                progress=lambda done, total: options.report("reading events", done, total),
            )
    if found is None:
        raise StateError(
            "there is no store of events beside a state on an object store",
            where=project.space.state,
            hint="`audiences run` reads the events",
        )
    return found


@contextmanager
def _results(state: State, plan: Plan, *, kept: bool) -> Iterator[Results]:
    """What takes the values of a run; if the run fails, or is cancelled, nothing of it stays."""
    results, before = state.results(plan.order, kept=kept), state.run
    try:
        yield results
    except BaseException:
        if state.run == before:
            results.discard()
        raise


def _passes(
    plan: Plan, prepared: StoredInputs, state: State, fingerprints: Mapping[str, str], options: Options
) -> tuple[Pass, ...]:
    """What is computed for whom."""
    if options.full or options.dry_run or options.as_of < (state.manifest.as_of if state.manifest else options.as_of):
        return whole(plan, prepared)
    return passes(plan, prepared, state, fingerprints, options.as_of)


def _evaluate(project: Project, parts: Sequence[Pass], state: State, results: Results, options: Options) -> Costs:
    """Computes the passes into the results; returns what they cost."""
    costs = Costs()
    for part in parts:
        levels = {item.key: item.level for item in part.plan.order}
        for level in Level:
            limit = part.limits(level)
            if limit is not None:
                results.limit([key for key in part.keys if levels[key] is level], limit)
        costs += project.engine.compute_into(
            Only(results, frozenset(part.keys)),
            part.plan,
            part.inputs,
            options.as_of,
            lambda done, total: options.report("computing", done, total),
            given=_given(part, state),
        )
    results.finish()
    return costs


def _given(part: Pass, state: State) -> dict[str, pl.DataFrame]:
    """The snapshots from before that a pass uses."""
    known = set(state.keys())
    return {**{item.key: state.snapshot(item.key) for item in part.plan.given if item.key in known}, **part.given}


def _profiles(prepared: StoredInputs) -> pl.LazyFrame | ProfileChanges:
    """The universe, or what changed of it since the run before."""
    news = prepared.affected.news if prepared.affected else None
    return prepared.profiles.lazy() if news is None else ProfileChanges(news.changed, news.gone)


def _keep(prepared: StoredInputs, draft: Draft, state: State, keep_history: timedelta | None) -> None:
    """Commits a run; the next one is told what this one saw, which counts only if it is committed."""
    if prepared.keeper is not None:
        prepared.keeper.keep(draft.run, draft.manifest.run_id)
    manifest = state.commit(draft, keep_history=keep_history)
    if prepared.keeper is not None:
        prepared.keeper.clean(manifest.run_id)


def _plainly(plan: Plan, inputs: Inputs, state: State, options: Options) -> StoredInputs:
    """The inputs as if there had been no run before."""
    return inputs.prepare(plan.needs, as_of=options.as_of, store=_event_store(state, options, keeps=False))


def _event_store(state: State, options: Options, *, keeps: bool) -> Place | None:
    """Where events are kept from run to run: next to a local state. A dry run writes nothing."""
    folder = local_folder(state.location)
    if not folder:
        return None
    run_id = state.manifest.run_id if state.manifest else None
    return Place(folder / EVENTS, writable=not options.dry_run, keeps=keeps, run_id=run_id)


def _accounts(plan: Plan, prepared: StoredInputs) -> pl.DataFrame | None:
    """What the state keeps of accounts: nothing new where nothing account-level is computed, or nothing changed."""
    if all(item.level is Level.USER for item in plan.order):
        return None
    changes = prepared.affected.account_changes() if prepared.affected else None
    if changes is not None and not len(changes):
        return None
    return prepared.accounts().rename({"account_id": "id"})


def _frames(source: State | Draft, key: str) -> Frames:
    return Frames(snapshot=lambda: source.snapshot(key), changes=lambda: source.changes(key))


def _result(record: ComputationRecord, computation: Computation) -> ComputationResult:
    return ComputationResult(
        key=record.key,
        kind=record.kind,
        group=computation.group,
        size=record.size,
        entered=record.entered,
        exited=record.exited,
        set=record.set,
        changed=record.changed,
        cleared=record.cleared,
        seconds=record.seconds,
    )


def _recall(plan: Plan, state: State, decision: Decision, options: Options) -> _Outcome:
    """The results of the run that this one would repeat: nothing is computed, and nothing changed."""
    manifest = state.manifest
    if manifest is None:
        raise StateError("a run is to be recalled, but nothing was kept", where=state.location)
    records = manifest.computations
    return _Outcome(
        source=state,
        committed=False,
        results=tuple(
            ComputationResult(key=item.key, kind=item.kind, group=item.group, size=records[item.key].size)
            for item in plan.order
        ),
        rejects=manifest.rejects,
        samples={},
        statistics=manifest.statistics,
        computations={item.key: item for item in plan.order},
        frames={item.key: _frames_of_state(state, item.key) for item in plan.order},
    )


def _frames_of_state(state: State, key: str) -> Frames:
    return Frames(snapshot=lambda: state.snapshot(key), changes=no_changes)


def _deliver(
    space: Space, plan: Plan, source: State | Draft | None, state: State, options: Options, decision: Decision
) -> tuple[DeliveryResult, ...]:
    """Delivers what was asked for: the named computations, else all; never a look into the past."""
    if source is None or not options.deliver or decision.occasion is Occasion.PAST:
        return ()
    wanted = [item for item in plan.order if options.keys is None or item.key in options.keys]
    return deliver(
        source,
        state,
        wanted,
        space,
        confirm=options.confirm,
        dry_run=options.dry_run,
        progress=lambda destination, key, done, total: options.report(f"{destination}: {key}", done, total),
    )


def computation_fingerprints(plan: Plan) -> dict[str, str]:
    """A SHA-256 (hex) per computation of the plan, over all that can change its result.

    That is: the normalised tree, kind, level, default, include_anonymous_users, events_since, attribute_events_by, and
    the fingerprints of what it depends on. Names, descriptions, owners, schedules and destinations are not in it.
    """
    found = {item.key: "disabled" for item in plan.given}
    for item in plan.order:
        parts: list[object] = [
            fingerprint(item.expression),
            item.kind.value,
            item.level.value,
            None if isinstance(item.default, Missing) else [item.default],
            item.include_anonymous_users,
            clock.iso(item.events_since) if item.events_since else None,
            [[key, found[key]] for key in sorted(plan.dependencies[item.key])],
        ]
        if item.attribute_events_by is not None:  # where it isn't given, fingerprints are what they always were
            parts.append(item.attribute_events_by)
        text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
        found[item.key] = hashlib.sha256(text.encode()).hexdigest()
    return {item.key: found[item.key] for item in plan.order}
