"""``space.yml``, with ``space.<environment>.yml`` laid over it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from audiences.definitions import models
from audiences.definitions.computation import Destination, InputPaths, Space
from audiences.definitions.model_problems import validated
from audiences.definitions.positions import YamlFile, read_yaml
from audiences.definitions.structured_values import unknown_key
from audiences.definitions.yaml_nodes import YamlEntry, YamlList, YamlMapping, YamlNode, YamlScalar, kind_of
from audiences.errors import DefinitionError, Location, Problem
from audiences.language.suggest import did_you_mean, nearest

FOLDER: Final = "definitions"
SPACE_FILE: Final = "space.yml"
SPACE_FILES: Final = re.compile(r"space(?:\.([^.]+))?\.ya?ml")
OVERLAID: Final = tuple(models.OverlayModel.model_fields)

_ENVIRONMENT: Final = re.compile(r"[A-Za-z0-9_-]+")
_HOW_TO_START: Final = "`audiences init` writes a small project to start from"
_SECRET_NAMES: Final = re.compile(
    r"(?:^|_)(?:api_?key|key|token|secret|password|passwd|pwd|credentials?|authorization)$", re.IGNORECASE
)
_SECRET_IN_URL: Final = re.compile(r"://[^/@\s]*:[^/@\s]+@")


@dataclass(slots=True)
class SpaceRead:
    """What was read. ``fatal`` problems leave no space to work with, others break one destination each."""

    space: Space | None = None
    fatal: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    refused: dict[str, Problem] = field(default_factory=dict)  # destinations that can't be used, and why
    files: dict[str, YamlFile] = field(default_factory=dict)


def read_space(root: Path, environment: str | None) -> SpaceRead:
    """The settings of the project in ``root``.

    Raises DefinitionError where the folder ``definitions``, its ``space.yml`` or the environment's file is
    missing or can't be read.
    """
    folder = root / FOLDER
    if not folder.is_dir():
        raise DefinitionError(f"no folder '{FOLDER}' here", where=str(root), hint=_HOW_TO_START)
    if not (folder / SPACE_FILE).is_file():
        raise DefinitionError(f"no '{SPACE_FILE}' in this folder", where=str(folder), hint=_HOW_TO_START)
    read = SpaceRead()
    base = _read_mapping(folder / SPACE_FILE, root, read)
    if environment is not None:
        overlay_file = folder / f"space.{environment}.yml"
        if not _ENVIRONMENT.fullmatch(environment) or not overlay_file.is_file():
            raise _unknown_environment(environment, folder)
        overlay = _read_mapping(overlay_file, root, read)
        if base is not None and overlay is not None:
            _check_overlay(overlay, read)
            base = _laid_over(base, overlay)
    if base is None:
        return read
    model, problems = validated(models.SpaceModel, base)
    read.fatal.extend(problems)
    destinations = base.get("destinations")
    usable = _destinations(destinations, root, read) if isinstance(destinations, YamlMapping) else {}
    if model is not None:
        _check_identifiers(read, destinations, tuple(model.identifiers))
        known = {name: usable[name] for name in usable if name not in read.refused}
        read.space = _space(model, root, known, environment, base.where)
    return read


def absolute(path: str, root: Path) -> str:
    """A path of the settings, made absolute; an object store's URL stays as it is."""
    return path if "://" in path else str(root / path)


def _space(
    model: models.SpaceModel,
    root: Path,
    destinations: dict[str, Destination],
    environment: str | None,
    location: Location,
) -> Space:
    given = model.sources.model_dump(exclude={"max_clock_skew"})
    sources = {name: absolute(path, root) for name, path in given.items() if path is not None}
    return Space(
        root=root,
        id=model.space.id,
        slug=model.space.slug,
        sources=InputPaths(**sources, max_clock_skew=model.sources.max_clock_skew),
        state=absolute(model.state, root),
        as_of=model.as_of,
        keep_history=model.keep_history,
        identifiers=tuple(model.identifiers),
        destinations=destinations,
        schedule=model.schedule,
        environment=environment,
        location=location,
    )


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────


def _read_mapping(path: Path, root: Path, read: SpaceRead) -> YamlMapping | None:
    name = path.relative_to(root).as_posix()
    try:
        file = read_yaml(path.read_bytes(), name)
    except OSError as error:
        raise DefinitionError(f"can't be read: {error.strerror}", where=str(path)) from error
    read.files[name] = file
    read.fatal.extend(file.problems)
    return _root_mapping(file, read)


def _root_mapping(file: YamlFile, read: SpaceRead) -> YamlMapping | None:
    if file.root is None:
        return YamlMapping((), Location(file.name, 1, 1)) if file.valid else None
    if not isinstance(file.root, YamlMapping):
        read.fatal.append(Problem(file.root.where, f"settings are a mapping, this is {kind_of(file.root)}"))
        return None
    return file.root


def _unknown_environment(environment: str, folder: Path) -> DefinitionError:
    known = sorted(
        match[1] for path in folder.iterdir() if (match := SPACE_FILES.fullmatch(path.name)) is not None and match[1]
    )
    found = did_you_mean(environment, known)
    hint = found or (f"there is {', '.join(known)}" if known else f"an environment is a file space.{environment}.yml")
    return DefinitionError(f"no environment '{environment}'", where=str(folder), hint=hint)


# ── the environment's file ──────────────────────────────────────────────────────────────────────────────────


def _check_overlay(overlay: YamlMapping, read: SpaceRead) -> None:
    for entry in overlay.entries:
        if entry.name in OVERLAID:
            continue
        if entry.name in models.SpaceModel.model_fields:
            what, hint = f"'{entry.name}' is the same in all environments", f"write it in {SPACE_FILE}"
        else:
            what, hint = unknown_key(entry.name, OVERLAID)
        read.fatal.append(Problem(entry.key.where, what, hint))


def _laid_over(base: YamlMapping, overlay: YamlMapping) -> YamlMapping:
    """The base with what the overlay says: sources one by one, destinations setting by setting.

    A destination that names its type replaces the one of that name as a whole.
    """
    merged = {entry.name: entry for entry in base.entries}
    for entry in overlay.entries:
        if entry.name not in OVERLAID:
            continue
        before = merged.get(entry.name)
        if before is not None and isinstance(before.value, YamlMapping) and isinstance(entry.value, YamlMapping):
            value = _merged(before.value, entry.value, replace=entry.name != "destinations")
            merged[entry.name] = YamlEntry(entry.key, value)
        else:
            merged[entry.name] = entry
    return YamlMapping(tuple(merged.values()), base.where, base.start, base.end)


def _merged(base: YamlMapping, overlay: YamlMapping, *, replace: bool) -> YamlMapping:
    merged = {entry.name: entry for entry in base.entries}
    for entry in overlay.entries:
        before = merged.get(entry.name)
        value = entry.value
        if (
            not replace
            and before is not None
            and isinstance(before.value, YamlMapping)
            and isinstance(value, YamlMapping)
            and value.get("type") is None
        ):
            value = _merged(before.value, value, replace=True)
        merged[entry.name] = YamlEntry(entry.key, value)
    return YamlMapping(tuple(merged.values()), overlay.where, overlay.start, overlay.end)


# ── destinations ────────────────────────────────────────────────────────────────────────────────────────────


def _destinations(mapping: YamlMapping, root: Path, read: SpaceRead) -> dict[str, Destination]:
    usable: dict[str, Destination] = {}
    for entry in mapping.entries:
        destination, problems = _destination(entry, root)
        read.problems.extend(problems)
        if destination is not None:
            usable[entry.name] = destination
        else:
            read.refused[entry.name] = problems[0]
    return usable


def _destination(entry: YamlEntry, root: Path) -> tuple[Destination | None, list[Problem]]:
    if not isinstance(entry.value, YamlMapping):
        what = f"a destination is a mapping, this is {kind_of(entry.value)}"
        return None, [Problem(entry.value.where, what, "such as {type: jsonl, path: out/messages}")]
    problems = list(_open_secrets(entry.value))
    type_node = entry.value.get("type")
    known = (*models.DESTINATION_MODELS, *models.DESTINATION_TYPES_NOT_YET)
    if not isinstance(type_node, YamlScalar) or not isinstance(type_node.value, str):
        where = type_node.where if type_node is not None else entry.key.where
        what = f"destination '{entry.name}' needs a type"
        return None, [*problems, Problem(where, what, f"one of {', '.join(known)}")]
    kind = type_node.value
    if kind in models.DESTINATION_TYPES_NOT_YET:
        what = f"destinations of type '{kind}': not yet"
        return None, [*problems, Problem(type_node.where, what, "jsonl works", not_yet=True)]
    model_type = models.DESTINATION_MODELS.get(kind)
    if model_type is None:
        hint = did_you_mean(kind, known) or f"possible: {', '.join(known)}"
        return None, [*problems, Problem(type_node.where, f"unknown type '{kind}'", hint)]
    model, wrong = validated(model_type, entry.value)
    problems.extend(wrong)
    if model is None or problems:
        return None, problems
    settings = model.model_dump(exclude={"type"}, exclude_none=True)
    if "path" in settings:
        settings["path"] = absolute(settings["path"], root)
    return Destination(entry.name, kind, settings, entry.key.where), []


def _open_secrets(mapping: YamlMapping) -> Iterator[Problem]:
    """Secrets that are written out, which they never may be."""
    for entry in mapping.entries:
        value = entry.value
        if isinstance(value, YamlMapping) and value.names() != ("env",):
            yield from _open_secrets(value)
        elif isinstance(value, YamlScalar) and value.value is not None:
            if _SECRET_NAMES.search(entry.name):
                variable = re.sub(r"\W", "_", entry.name).upper()
                hint = f"put it into an environment variable and write {entry.name}: {{env: {variable}}}"
                yield Problem(value.where, f"'{entry.name}' is a secret and can't be written here", hint)
            elif _SECRET_IN_URL.search(str(value.value)):
                hint = f"put it into an environment variable and write {entry.name}: {{env: …}}"
                yield Problem(value.where, f"there is a password in '{entry.name}'", hint)


def _check_identifiers(read: SpaceRead, destinations: YamlNode | None, known: tuple[str, ...]) -> None:
    """Identifier types of destinations must be among the space's."""
    for entry in destinations.entries if isinstance(destinations, YamlMapping) else ():
        node = entry.value.get("identifiers") if isinstance(entry.value, YamlMapping) else None
        problems = list(unknown_identifiers(node, known))
        if problems:
            read.problems.extend(problems)
            read.refused.setdefault(entry.name, problems[0])


def unknown_identifiers(node: YamlNode | None, known: tuple[str, ...]) -> Iterator[Problem]:
    """A problem for each identifier type that the space doesn't have."""
    for item in node.items if isinstance(node, YamlList) else ():
        kind = item.get("type") if isinstance(item, YamlMapping) else item
        if isinstance(kind, YamlScalar) and isinstance(kind.value, str) and kind.value not in known:
            found = nearest(kind.value, known)
            hint = f"did you mean '{found}'?" if found else f"the identifiers of {SPACE_FILE}: {', '.join(known)}"
            yield Problem(kind.where, f"the space has no identifier '{kind.value}'", hint)
