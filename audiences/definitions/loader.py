"""Loading definitions: a project, a single file, or mappings. What is wrong is collected, not raised."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from audiences.definitions.computation import Computation, Definitions, Kind, Space
from audiences.definitions.entries import Draft, EntryContext, read_entry
from audiences.definitions.excerpts import with_excerpts
from audiences.definitions.positions import YamlFile, read_yaml
from audiences.definitions.references import hidden_traits, resolve, warnings_of
from audiences.definitions.scalar_positions import location_of, offset_of
from audiences.definitions.space_file import FOLDER, SPACE_FILES, SpaceRead, read_space
from audiences.definitions.structured import without_spans
from audiences.definitions.structured_values import unknown_key
from audiences.definitions.written import Written
from audiences.definitions.yaml_nodes import YamlList, YamlMapping, YamlNode, YamlScalar, kind_of, node_of
from audiences.errors import DefinitionError, Location, Problem

LISTS: Final = {"traits": Kind.TRAIT, "audiences": Kind.AUDIENCE}
LISTS_NOT_YET: Final = ("sql_traits",)
_KEY: Final = re.compile(r"""(?:^[ \t]*-[ \t]+|[{,][ \t]*|^[ \t]+)key:[ \t]*["']?([a-z][a-z0-9_]*)""", re.MULTILINE)
SUFFIXES: Final = (".yml", ".yaml")


@dataclass(slots=True)
class _Reading:
    """Everything that is collected while files are read."""

    drafts: list[Draft] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)  # of files as a whole
    warnings: list[Problem] = field(default_factory=list)
    files: dict[str, YamlFile] = field(default_factory=dict)


def load_project(root: Path | str, *, environment: str | None = None) -> Definitions:
    """Load the project in the folder ``root``: ``definitions/space.yml`` and every other YAML file below it.

    ``environment``: ``space.<environment>.yml`` is laid over ``space.yml`` (sources, state, destinations).

    Definitions that are wrong never raise: they are ``problems``, all of them, each with file (relative to
    ``root``), line and column. DefinitionError is raised where the project or its settings are missing or
    unusable; it carries the problems of the definitions as well.
    """
    root = Path(root).absolute()
    settings = read_space(root, environment)
    reading = _Reading(files=settings.files)
    for path in _definition_files(root / FOLDER, root, reading):
        _read_path(path, root, settings, reading)
    resolve(reading.drafts, {})
    if settings.space is None or settings.fatal:
        problems = [*_in_order([*settings.fatal, *settings.problems]), *_problems(reading)]
        raise DefinitionError(problems=with_excerpts(problems, reading.files))
    return _definitions(settings.space, reading, _in_order(settings.problems))


def load_file(path: Path | str, *, project: Definitions | None = None) -> Definitions:
    """Load one file of definitions. With ``project``, they may use its computations and destinations.

    Without one, destinations aren't checked and the space has its defaults. Raises DefinitionError only where
    the file can't be read.
    """
    path = Path(path)
    reading = _Reading()
    space = project.space if project is not None else None
    name = str(path)
    content = _content(path, name)
    if isinstance(content, Problem):
        raise DefinitionError(content.what, where=name, hint=content.hint)
    _read_file(read_yaml(content, name), EntryContext(space=space), reading)
    known = project.computations if project is not None else {}
    if project is not None:
        reading.drafts.extend(_broken_elsewhere(project))
    resolve(reading.drafts, known)
    return _definitions(space or Space(root=path.absolute().parent), reading, (), known)


def _broken_elsewhere(project: Definitions) -> Iterator[Draft]:
    """What is broken in the project, so that it isn't taken for custom traits."""
    for key in project.broken:
        where = next(problem.where for problem in project.problems if problem.key == key)
        yield Draft(key, Kind.TRAIT, where, unread=True)


def load_mappings(entries: Sequence[Mapping[str, object]]) -> Definitions:
    """Load entries with the keys of the YAML and ``kind: trait`` or ``audience``, as Python mappings.

    There is no space: destinations aren't checked, and ``trait('x')`` of no key is a custom trait. Places are
    paths such as ``computations[0].where[1].property``.
    """
    reading = _Reading()
    for number, entry in enumerate(entries):
        read = _read_mapping(entry, f"computations[{number}]")
        if isinstance(read, Draft):
            reading.drafts.append(read)
        else:
            reading.problems.append(read)
    resolve(reading.drafts, {})
    return _definitions(Space(root=Path.cwd()), reading, ())


def _read_mapping(entry: object, name: str) -> Draft | Problem:
    if not isinstance(entry, Mapping):
        return Problem(Location(name), f"a computation is a mapping, this is {type(entry).__name__}")
    kind = str(entry.get("kind", ""))
    if kind not in tuple(Kind):
        what = f"unknown kind '{kind}'" if kind else "the key 'kind' is missing"
        return Problem(Location(name), what, "kind: trait or kind: audience")
    try:
        node = node_of({key: value for key, value in entry.items() if key != "kind"}, name)
    except TypeError as error:
        return Problem(Location(name), str(error))
    return read_entry(node, Kind(kind), EntryContext())


def warnings_against_traits(definitions: Definitions, trait_names: Iterable[str]) -> tuple[Problem, ...]:
    """A warning for each computation whose key hides a custom trait; ``trait_names`` are the profiles'."""
    return tuple(hidden_traits(definitions.computations.values(), trait_names))


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────


def _definition_files(folder: Path, root: Path, reading: _Reading) -> list[Path]:
    """The YAML files below a folder, sorted, without settings and hidden ones."""
    found: list[Path] = []
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(parent) / name
            if name.startswith(".") or (path.parent == folder and SPACE_FILES.fullmatch(name)):
                continue
            if path.suffix in SUFFIXES:
                found.append(path)
            else:
                where = Location(path.relative_to(root).as_posix())
                what = f"not read: '{FOLDER}' holds YAML files, *.yml"
                reading.warnings.append(Problem(where, what))
    return sorted(found, key=lambda path: path.relative_to(folder).parts)


def _read_path(path: Path, root: Path, settings: SpaceRead, reading: _Reading) -> None:
    name = path.relative_to(root).as_posix()
    content = _content(path, name)
    if isinstance(content, Problem):
        reading.problems.append(content)
        return
    group = path.parent.relative_to(root / FOLDER).as_posix()
    context = EntryContext(group="" if group == "." else group, space=settings.space, refused=settings.refused)
    _read_file(read_yaml(content, name), context, reading)


def _content(path: Path, name: str) -> bytes | Problem:
    try:
        return path.read_bytes()
    except OSError as error:
        return Problem(Location(name), f"can't be read: {error.strerror or error}")


def _read_file(file: YamlFile, context: EntryContext, reading: _Reading) -> None:
    reading.files[file.name] = file
    before = len(reading.problems)
    drafts: list[Draft] = []
    if isinstance(file.root, YamlMapping):
        context = replace(context, text=file.text)
        for entry in file.root.entries:
            if entry.name in LISTS:
                nodes = _items(entry.value, entry.name, reading)
                drafts.extend(read_entry(node, LISTS[entry.name], context) for node in nodes)
            elif entry.name in LISTS_NOT_YET:
                reading.problems.append(Problem(entry.key.where, f"{entry.name}: not yet", not_yet=True))
            else:
                what, hint = unknown_key(entry.name, tuple(LISTS))
                reading.problems.append(Problem(entry.key.where, what, hint))
    elif file.root is not None and not (isinstance(file.root, YamlScalar) and file.root.value is None):
        what = f"a file of definitions is a mapping, this is {kind_of(file.root)}"
        reading.problems.append(Problem(file.root.where, what, "it begins with traits: or audiences:"))
    for problem in file.problems:
        _assign(problem, drafts, file, reading)
    reading.drafts.extend(drafts)
    if len(reading.problems) > before:
        reading.drafts.extend(_unread(file, {draft.key for draft in drafts}))


def _unread(file: YamlFile, known: set[str]) -> Iterator[Draft]:
    """The keys that a file with a mistake in it seems to declare, besides those that could be read.

    Without them, whatever refers to such a key would take it for a custom trait and be computed wrongly.
    """
    for match in _KEY.finditer(file.text):
        if match[1] not in known:
            where = location_of(file.text, match.start(1), file.name)
            yield Draft(match[1], Kind.TRAIT, where, unread=True)


def _items(node: YamlNode, name: str, reading: _Reading) -> Sequence[YamlNode]:
    if isinstance(node, YamlList):
        return node.items
    if not (isinstance(node, YamlScalar) and node.value is None):
        what = f"'{name}' is a list, this is {kind_of(node)}"
        reading.problems.append(Problem(node.where, what, "put '- ' before each entry"))
    return ()


def _assign(problem: Problem, drafts: Sequence[Draft], file: YamlFile, reading: _Reading) -> None:
    """A mistake of the YAML inside an entry breaks that entry only, and is told once."""
    offset = offset_of(file.text, problem.where)
    for draft in drafts:
        if draft.span[0] <= offset < draft.span[1]:
            draft.problems = [other for other in draft.problems if other.where != problem.where]
            draft.extend([problem])
            return
    reading.problems.append(problem)


# ── the result ──────────────────────────────────────────────────────────────────────────────────────────────


def _in_order(problems: Iterable[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: problem.where)


def _problems(reading: _Reading) -> list[Problem]:
    """All problems in the order of files and lines."""
    order = {name: number for number, name in enumerate(reading.files)}
    found = [*reading.problems, *(problem for draft in reading.drafts for problem in draft.problems)]
    return sorted(
        found,
        key=lambda problem: (order.get(problem.where.file, 0), problem.where.line, problem.where.column),
    )


def _definitions(
    space: Space,
    reading: _Reading,
    problems: Iterable[Problem],
    known: Mapping[str, Computation] | None = None,
) -> Definitions:
    computations = {
        draft.key: _final(draft.computation)
        for draft in reading.drafts
        if draft.computation is not None and not draft.problems
    }
    warnings = [*reading.warnings, *warnings_of(reading.drafts, known or {})]
    return Definitions(
        space=space,
        computations=computations,
        problems=with_excerpts([*problems, *_problems(reading)], reading.files),
        warnings=with_excerpts(warnings, reading.files),
        written=Written(reading.files, reading.drafts),
    )


def _final(computation: Computation) -> Computation:
    """Trees of structured definitions leave the loader without spans: theirs are offsets into the file."""
    if computation.written_as == "query":
        return computation
    return replace(computation, expression=without_spans(computation.expression))
