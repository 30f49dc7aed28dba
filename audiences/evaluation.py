"""Definitions over tables in memory: no project, no state, the same code underneath."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from audiences.clock import as_utc, parse_as_of
from audiences.definitions.computation import Definitions
from audiences.definitions.loader import load_file, load_mappings, load_project
from audiences.engines.polars import PolarsEngine
from audiences.errors import DefinitionError, NotYetError, Problem
from audiences.events import InputFrames, Source, open_inputs
from audiences.plan import Plan, make_plan, usable
from audiences.snapshots import typed

DEFINITIONS = "definitions"
SPACE = "space.yml"


def evaluate(
    computations: Sequence[Mapping[str, object]] | str | Path,
    *,
    events: Source,
    profiles: Source | None = None,
    accounts: Source | None = None,
    as_of: datetime | str,
) -> dict[str, pl.DataFrame]:
    """Computes definitions over events (and profiles and accounts) and keeps nothing.

    Args:
        computations: Mappings with the keys of the YAML (``key``, ``definition`` or a structured form,
            ``default``, …) plus ``kind``: ``trait`` or ``audience``; or the path of a YAML file, or of a
            project (a folder with ``definitions/space.yml``). Disabled ones are left out.
        events: A Polars frame, or the path of Parquet files (a file, a folder or a glob). Columns as in
            Segment's events table: ``message_id``, ``type``, ``event``, ``user_id``, ``anonymous_id``,
            ``group_id``, ``timestamp``, ``properties``, …, in snake_case or camelCase; ``profile_id`` names
            the owner where it is there.
        profiles: ``profile_id``, ``traits``, ``external_ids`` and ``account_ids``; None: profiles are made
            from the events.
        accounts: ``account_id`` and ``traits``; None: accounts are made from group calls.
        as_of: The instant to evaluate at: only earlier events are seen. A datetime or ISO 8601 text; without
            a zone it is UTC.

    Returns:
        A frame per key, in the order in which computations use each other: ``id`` (String, sorted by code
        point) and ``value``. A trait has the profiles with a value: Int64 for counts; Float64 for ``sum``,
        ``avg``, ``min``, ``max``; String for ``mode`` and ``as string``; List(String) for ``unique``; the
        common type for ``first``, ``last`` and copies of traits. An audience has its members, value true. The
        ids of an account-level computation are account ids.

    Raises:
        DefinitionError: definitions or ``as_of`` are wrong; ``problems`` has every mistake.
        NotYetError: nothing is wrong, but something isn't computed yet; the message names it.
        InputError: a table that can't be read, or lacks a column that is required.
    """
    moment = parse_as_of(as_of) if isinstance(as_of, str) else as_utc(as_of)
    plan = plan_of(loaded(computations))
    inputs = open_inputs(InputFrames(events=events, profiles=profiles, accounts=accounts))
    with inputs.prepare(plan.needs, as_of=moment) as prepared:
        snapshots = PolarsEngine().compute(plan, prepared, moment)
    return {item.key: typed(snapshots[item.key], item) for item in plan.order}


def loaded(computations: Sequence[Mapping[str, object]] | str | Path) -> Definitions:
    """The definitions of mappings, a YAML file or a project."""
    if not isinstance(computations, str | Path):
        return load_mappings(computations)
    path = Path(computations)
    if not path.is_dir():
        return load_file(path)
    if path.name == DEFINITIONS and (path / SPACE).is_file():
        return load_project(path.absolute().parent)
    return load_project(path)


def plan_of(definitions: Definitions) -> Plan:
    """The plan of all enabled definitions; everything that is wrong with them is raised at once."""
    engine = PolarsEngine()
    good, refused = usable(definitions.computations, broken=definitions.broken, refusals=engine.refusals)
    problems: list[Problem] = [*definitions.problems, *refused]
    if problems:
        kind = NotYetError if all(problem.not_yet for problem in problems) else DefinitionError
        raise kind(problems=problems)
    plan = make_plan(good)
    if plan.given:
        raise DefinitionError(problems=[uses_disabled(plan, item.key) for item in plan.given])
    return plan


def uses_disabled(plan: Plan, key: str) -> Problem:
    """A disabled computation keeps its last snapshot for those that use it; here there is none."""
    user = next(item for item in plan.order if key in plan.dependencies[item.key])
    return Problem(
        where=user.location,
        what=f"it uses {key!r}, which is disabled and has no last snapshot here",
        hint=f"enable {key!r}, or evaluate without {user.key!r}",
        key=user.key,
    )
