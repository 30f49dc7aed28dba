"""The assets as Dagster sees them before anything has run: one spec per computation, broken ones included."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import dagster as dg

from audiences import Project
from audiences.clock import iso, readable
from audiences.definitions.computation import Computation, Kind, Level, Missing
from audiences.errors import Problem
from audiences.language.fingerprint import fingerprint
from audiences.language.requirements import references
from dagster_project.metadata import computation_metadata, place, problem_metadata

KEY_PREFIX = "audiences"

# What Dagster takes; anything else would keep the whole code location from loading.
_OWNER = re.compile(r"team:.+|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_]+")
_NOT_IN_TAG = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST_TAG = 63


def asset_key(key: str) -> dg.AssetKey:
    """The asset of a computation."""
    return dg.AssetKey([KEY_PREFIX, key])


def enabled_specs(project: Project) -> list[dg.AssetSpec]:
    """What can be materialised: the enabled computations, then what did not load, both in file order."""
    broken = problems_by_name(project)
    computations = project.definitions.computations
    loaded = [_spec(one, project, broken.get(one.key, ())) for one in computations.values() if one.enabled]
    unloaded = [
        _unloaded_spec(name, problems, project.definitions.space.root)
        for name, problems in broken.items()
        if name not in computations
    ]
    return loaded + unloaded


def disabled_specs(project: Project) -> list[dg.AssetSpec]:
    """The computations with ``enabled: false``: drawn, but nothing can materialise them."""
    return [_spec(one, project, ()) for one in project.definitions.computations.values() if not one.enabled]


def problems_by_name(project: Project) -> Mapping[str, Sequence[Problem]]:
    """Every problem of the project by the name of the asset that shows it.

    That is the key of the computation, or a name made of the file's path where the problem isn't one of a computation
    (a file that is no YAML, say).
    """
    found: dict[str, list[Problem]] = {}
    for problem in project.problems:
        file = place(problem.where.file, project.definitions.space.root)
        found.setdefault(problem.key or _name(file) or "project", []).append(problem)
    return found


def _spec(computation: Computation, project: Project, problems: Sequence[Problem]) -> dg.AssetSpec:
    kinds = {str(computation.kind)}
    if not computation.enabled:
        kinds.add("disabled")
    if problems:
        kinds.add("not_yet" if all(problem.not_yet for problem in problems) else "broken")
    computations = project.definitions.computations
    used = references(computation.expression, computations.keys())
    audiences = [key for key in used if computations[key].kind is Kind.AUDIENCE]
    return dg.AssetSpec(
        key=asset_key(computation.key),
        deps=[asset_key(key) for key in used],
        description=_description(computation, project, problems),
        group_name=_group_name(computation.group.split("/")),
        owners=[computation.owner] if computation.owner and _OWNER.fullmatch(computation.owner) else None,
        tags={tag: "" for tag in map(_tag, computation.tags) if tag},
        kinds=kinds,
        code_version=_code_version(computation),
        metadata={
            **(problem_metadata(problems, project.definitions.space.root) if problems else {}),
            **computation_metadata(computation, project.definitions.space, audiences),
        },
        # One computation that fails leaves the others of the same run materialised.
        skippable=True,
    )


def _unloaded_spec(name: str, problems: Sequence[Problem], root: Path) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=asset_key(name),
        description=_problem_paragraph(problems),
        group_name=_group_of_file(problems[0].where.file, root),
        kinds={"broken"},
        metadata=problem_metadata(problems, root),
        skippable=True,
    )


def _code_version(computation: Computation) -> str:
    """Changes with what changes a result: the normalised tree, and the settings beside it where there are any."""
    since = computation.events_since
    settings = {
        "level": None if computation.level is Level.USER else str(computation.level),
        "default": None if isinstance(computation.default, Missing) else [computation.default],
        "include_anonymous_users": computation.include_anonymous_users or None,
        "events_since": iso(since) if since else None,
        "attribute_events_by": computation.attribute_events_by,
    }
    given = {name: value for name, value in settings.items() if value is not None}
    tree = fingerprint(computation.expression)
    return f"{tree} {json.dumps(given, sort_keys=True)}" if given else tree


def _description(computation: Computation, project: Project, problems: Sequence[Problem]) -> str:
    fixed = project.definitions.space.as_of
    paragraphs = [
        _problem_paragraph(problems),
        computation.name,
        computation.description,
        "" if computation.enabled else "Disabled: it keeps its last snapshot for those that use it.",
        f"The clock of this space is fixed: as of {readable(fixed)}." if fixed else "",
    ]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _problem_paragraph(problems: Sequence[Problem]) -> str:
    return "\n\n".join(f"Not computed: {replace(problem, excerpt='')}" for problem in problems)


def _group_name(folders: Sequence[str]) -> str | None:
    return "/".join(name for name in map(_name, folders) if name) or None


def _group_of_file(file: str, root: Path) -> str | None:
    folders = list(Path(place(file, root)).parts[:-1])
    return _group_name(folders[1:] if folders[:1] == ["definitions"] else folders)


def _name(text: str) -> str:
    return _NOT_IN_NAME.sub("_", text).strip("_")


def _tag(text: str) -> str:
    return _NOT_IN_TAG.sub("-", text).strip("-")[:_LONGEST_TAG]
