"""``explain``: from a key and an identifier to an explanation."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from audiences.clock import readable
from audiences.definitions.computation import Computation, Kind, Level
from audiences.engines.base import Engine
from audiences.events import Inputs
from audiences.events.store.prepare import Progress
from audiences.plan import make_plan
from audiences.why.apart import Place, Surroundings
from audiences.why.bench import MARK_COLUMN, Answers, Bench
from audiences.why.explanation import Explanation, Step
from audiences.why.subject import Subject, find_subject, scope_of
from audiences.why.until import until


def explain(
    computations: Mapping[str, Computation],
    key: str,
    identifier: str,
    *,
    engine: Engine,
    inputs: Inputs,
    as_of: datetime,
    given: Mapping[str, pl.DataFrame] | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """Why the profile or account that ``identifier`` names has its answer in ``key`` at ``as_of`` (UTC).

    The inputs are read once; everything else is computed from the events of the profile alone (of an account: of its
    users). ``given`` has the last snapshots of disabled computations that others use.

    Raises:
        DefinitionError: an unknown key or identifier. InputError: inputs that can't be read.
    """
    plan = make_plan(computations, [key])
    computation = computations[key]
    with inputs.prepare(plan.needs, as_of=as_of, progress=progress) as prepared:
        subject = find_subject(identifier, computation.level, prepared)
        scope = scope_of(subject, plan, prepared.profiles)
        bench = Bench(
            engine, computations, prepared.only(scope.profiles, scope.accounts, mark=MARK_COLUMN), given or {}
        )
        whole = bench.question([key], []).at(as_of)
        root = Surroundings(bench, whole, as_of).take_apart(Place(computation, subject.id), nested=False)
        return Explanation(
            key=key,
            name=computation.name,
            kind=computation.kind,
            level=computation.level,
            id=subject.id,
            as_of=as_of,
            answer=whole.answer(computation, subject.id),
            root=root,
            until=until(bench, plan, computation, subject.id, as_of),
            notes=tuple(notes(bench, computation, subject, root, whole, looks_at_events=bool(plan.needs.events))),
        )


def notes(
    bench: Bench, computation: Computation, subject: Subject, root: Step, whole: Answers, *, looks_at_events: bool
) -> list[str]:
    """What is to be known beside the definition: how the subject was found, and the settings that count here."""
    found = list(subject.notes)
    answer = whole.answer(computation, subject.id)
    if looks_at_events and not has_events(bench, subject):
        found.append(f"{subject.id} has no events of those that the definition looks at")
    if computation.events_since is not None:
        found.append(f"events before {readable(computation.events_since)} don't count (events_since)")
    if computation.kind is Kind.AUDIENCE and root.holds and answer != "true":
        found.append("the condition holds, but anonymous profiles are no members (include_anonymous_users is not set)")
    if computation.kind is Kind.TRAIT and answer is not None and root.facts[0].value is None:
        found.append("the definition gives no value: this is the default")
    return found


def has_events(bench: Bench, subject: Subject) -> bool:
    """Whether there is an event on the bench: of the profile, or of any user of the account."""
    everyone = subject.level is not Level.USER
    return any(
        everyone or (bucket.profiles["id"].gather(bucket.events["owner"]) == subject.id).any()
        for bucket in bench.prepared.buckets()
        if bucket.events.height
    )
