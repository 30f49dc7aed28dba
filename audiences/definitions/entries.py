"""One entry of ``traits:`` or ``audiences:`` → a computation, or all that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from audiences.definitions import models
from audiences.definitions import structured_names as names
from audiences.definitions.computation import (
    NO_DEFAULT,
    Computation,
    DestinationEntry,
    IdentifierStrategy,
    JSONValue,
    Kind,
    Level,
    Missing,
    Space,
    Strategy,
)
from audiences.definitions.model_problems import validated
from audiences.definitions.scalar_positions import Place, ScalarPlaces, location_of
from audiences.definitions.space_file import unknown_identifiers
from audiences.definitions.structured import read_structured
from audiences.definitions.structured_values import unknown_key
from audiences.definitions.yaml_nodes import YamlEntry, YamlList, YamlMapping, YamlNode, YamlScalar, kind_of
from audiences.errors import DefinitionError, Location, Problem
from audiences.language import tree
from audiences.language.check import check
from audiences.language.parse import parse
from audiences.language.suggest import did_you_mean
from audiences.language.types import ResultType, result_type

DEFINITION: Final = "definition"
_MODELS: Final[dict[Kind, type[models.ComputationModel]]] = {
    Kind.TRAIT: models.TraitModel,
    Kind.AUDIENCE: models.AudienceModel,
}
_STRUCTURED: Final = {Kind.TRAIT: names.TRAIT_KEYS, Kind.AUDIENCE: names.AUDIENCE_KEYS}
_FORMS: Final = {
    Kind.TRAIT: names.TRAIT_FORMS,
    Kind.AUDIENCE: (*names.LISTS_OF_CONDITIONS, names.EVENT, names.TRAIT, names.AUDIENCE),
}

Locate = Callable[[tree.Span | None], Place]


@dataclass(frozen=True, slots=True)
class EntryContext:
    """What an entry is read with."""

    text: str = ""  # of the file, for places inside scalars
    group: str = ""
    space: Space | None = None  # None: a bare list, destinations can't be checked
    refused: dict[str, Problem] = field(default_factory=dict)  # destinations that are there, but can't be used


@dataclass(slots=True)
class Draft:
    """An entry that was read; ``computation`` is None where something is wrong with it by itself."""

    key: str
    kind: Kind
    where: Location
    span: tuple[int, int] = (-1, -1)  # in the file's text
    key_where: Location | None = None
    problems: list[Problem] = field(default_factory=list)
    computation: Computation | None = None
    audiences: tuple[YamlScalar, ...] = ()  # where ``audience:`` refers to another one
    source: str = ""  # what the spans of the definition's nodes are offsets into
    locate: Locate = lambda span: Place(Location())
    unread: bool = False  # all that is known is that a file that can't be read right has this key

    def report(self, where: Location, what: str, hint: str = "", *, not_yet: bool = False) -> None:
        """One more problem of this computation."""
        self.problems.append(Problem(where, what, hint, key=self.key, not_yet=not_yet))

    def report_at(self, node: tree.Node, what: str, hint: str = "") -> None:
        """One more problem, at a node of the definition."""
        place = self.locate(node.span)
        self.problems.append(Problem(place.where, what, hint, key=self.key, length=place.length))

    def extend(self, problems: Iterable[Problem]) -> None:
        """More problems of this computation."""
        self.problems.extend(replace(problem, key=self.key) for problem in problems)


def read_entry(node: YamlNode, kind: Kind, context: EntryContext) -> Draft:
    """Read one entry. Never raises for what is written in it."""
    if not isinstance(node, YamlMapping):
        draft = Draft("", kind, node.where)
        draft.report(node.where, f"{_a(kind)} is a mapping, this is {kind_of(node)}", "such as - key: …")
        return draft
    key_node = node.get("key")
    key = key_node.value if isinstance(key_node, YamlScalar) and isinstance(key_node.value, str) else ""
    draft = Draft(
        key,
        kind,
        node.where,
        (node.start, node.end),
        key_node.where if key_node is not None and key_node.start >= 0 else None,
    )
    fields = _MODELS[kind].model_fields
    known = (*fields, *_STRUCTURED[kind])
    unknown = [entry for entry in node.entries if entry.name not in known]
    for entry in unknown:
        draft.report(entry.key.where, *_unknown(entry, kind, known))
    model, problems = validated(_MODELS[kind], _part(node, fields))
    draft.extend(problems)
    level = "account" if _text_of(node.get("level")) == "account" else "user"
    expression, written_as = _expression(draft, node, level, context, unknown)
    if model is None:
        return draft
    default = _default(draft, model, node, expression)
    _attribution(draft, model, node)
    destinations = _destinations(draft, model, node, context)
    if expression is None or draft.problems:
        return draft
    schedule = model.schedule
    if "schedule" not in model.model_fields_set and context.space is not None:
        schedule = context.space.schedule
    draft.computation = Computation(
        key=model.key,
        kind=kind,
        expression=expression,
        level=Level(model.level),
        name=model.name or "",
        description=model.description or "",
        owner=model.owner,
        tags=tuple(model.tags),
        enabled=model.enabled,
        group=context.group,
        default=default,
        include_anonymous_users=model.include_anonymous_users,
        events_since=model.events_since,
        attribute_events_by=model.attribute_events_by,
        schedule=schedule,
        destinations=destinations,
        compute_without_destinations=model.compute_without_destinations,
        written_as=written_as,
        location=node.where,
    )
    return draft


def _a(kind: Kind) -> str:
    return "a trait" if kind == Kind.TRAIT else "an audience"


def _part(node: YamlMapping, keys: Iterable[str]) -> YamlMapping:
    """The mapping with only some of its keys."""
    entries = tuple(entry for entry in node.entries if entry.name in keys)
    return YamlMapping(entries, node.where, node.start, node.end)


def _defining(node: YamlMapping, keys: Iterable[str]) -> YamlMapping:
    """The structured definition of an entry, as a mapping that begins at its first key."""
    part = _part(node, keys)
    if not part.entries or node.start < 0:
        return part
    first, last = part.entries[0].key, part.entries[-1].value
    return YamlMapping(part.entries, first.where, first.start, max(first.end, last.end))


def _may_define(name: str, kind: Kind) -> bool:
    """Whether an unknown key was probably meant to be the definition."""
    other = Kind.AUDIENCE if kind == Kind.TRAIT else Kind.TRAIT
    return name in _FORMS[other] or bool(did_you_mean(name, (DEFINITION, *_FORMS[kind])))


def _text_of(node: YamlNode | None) -> str:
    return node.text if isinstance(node, YamlScalar) else ""


def _unknown(entry: YamlEntry, kind: Kind, known: tuple[str, ...]) -> tuple[str, str]:
    """What to say of a key that this kind of computation doesn't have."""
    other = Kind.AUDIENCE if kind == Kind.TRAIT else Kind.TRAIT
    if entry.name == "default":
        return "an audience has no default", "everyone is a member or not"
    if entry.name in (*_STRUCTURED[other], *_MODELS[other].model_fields):
        hint = f"it belongs to {_a(other)}"
        if kind == Kind.AUDIENCE and entry.name in names.REDUCER_FORMS:
            hint = f"{hint}; here: all: [{{event: …, count: {{at_least: 1}}}}]"
        return f"{_a(kind)} has no key '{entry.name}'", hint
    return unknown_key(entry.name, known)


# ── the definition ──────────────────────────────────────────────────────────────────────────────────────────


def _expression(
    draft: Draft,
    node: YamlMapping,
    level: str,
    context: EntryContext,
    unknown: Sequence[YamlEntry],
) -> tuple[tree.Expression | None, str]:
    """The checked tree in the one form that is given, and which form that is."""
    structured = _defining(node, _STRUCTURED[draft.kind])
    text_node, text_key = node.get(DEFINITION), node.key(DEFINITION)
    if text_node is None or text_key is None:
        if structured.entries:
            return _structured(draft, structured, level, context), "structured"
        if any(_may_define(entry.name, draft.kind) for entry in unknown):
            return None, "query"  # the definition, misspelt or of the other kind, has been reported
        hint = f"definition: …, or one of {', '.join(_FORMS[draft.kind])}"
        draft.report(node.where, f"{_a(draft.kind)} needs a definition", hint)
        return None, "query"
    if structured.entries:
        other = structured.entries[0]
        hint = "a computation has exactly one definition"
        draft.report(other.key.where, f"'{other.name}' next to 'definition'", hint)
        return None, "query"
    if isinstance(text_node, YamlScalar) and text_node.value is None:
        draft.report(text_key.where, "the definition is empty", "such as event('Order Completed').count()")
    if not isinstance(text_node, YamlScalar) or not isinstance(text_node.value, str) or not text_node.value:
        return None, "query"  # the model has reported the rest
    return _query(draft, text_node, level, context), "query"


def _query(draft: Draft, node: YamlScalar, level: str, context: EntryContext) -> tree.Expression | None:
    text = node.text
    places = ScalarPlaces(node, context.text)
    try:
        expression = parse(text)
    except DefinitionError as error:
        draft.extend(_in_file(problem, text, places) for problem in error.problems)
        return None
    problems = check(expression, kind=draft.kind, level=level, source=text)
    draft.extend(_in_file(problem, text, places) for problem in problems)
    draft.source = text
    draft.locate = lambda span: places.place(span.start, span.end) if span is not None else places.place(0, len(text))
    return None if problems else expression


def _in_file(problem: Problem, text: str, places: ScalarPlaces) -> Problem:
    """A problem with a line and column of a definition's text, moved to its place in the file."""
    lines = text.split("\n")
    line = max(problem.where.line, 1)
    offset = sum(len(before) + 1 for before in lines[: line - 1]) + max(problem.where.column - 1, 0)
    place = places.place(offset, offset + problem.length)
    # The file's own line is shown: the text of a folded or quoted scalar is not what somebody sees who looks there.
    return replace(problem, where=place.where, length=place.length, excerpt="" if place.length else problem.excerpt)


def _structured(draft: Draft, node: YamlMapping, level: str, context: EntryContext) -> tree.Expression | None:
    read = read_structured(node, kind=draft.kind)
    draft.extend(read.problems)
    draft.audiences = read.audiences
    if read.expression is None or read.problems:
        return None
    file = node.where.file
    # Spans of structured definitions are offsets into the file: the file's text is the source.
    if node.start >= 0:
        problems = check(read.expression, kind=draft.kind, level=level, where=Location(file), source=context.text)
        draft.source = context.text

        def locate(span: tree.Span | None) -> Place:
            if span is None:
                return Place(node.where)
            return Place(location_of(context.text, span.start, file), span.end - span.start)

        draft.locate = locate
    else:
        problems = check(read.expression, kind=draft.kind, level=level, where=node.where)
        draft.locate = lambda span: Place(node.where)
    draft.extend(problems)
    return None if problems else read.expression


# ── the rest of the entry ───────────────────────────────────────────────────────────────────────────────────


def _default(
    draft: Draft,
    model: models.ComputationModel,
    node: YamlMapping,
    expression: tree.Expression | None,
) -> JSONValue | Missing:
    """The default, which must fit what the definition gives."""
    if not isinstance(model, models.TraitModel) or "default" not in model.model_fields_set:
        return NO_DEFAULT
    value: JSONValue = model.default
    default_node = node.get("default")
    if expression is None or default_node is None:
        return value
    match result_type(expression):
        case ResultType.INTEGER:
            fits, wanted = isinstance(value, int) and not isinstance(value, bool), "a whole number"
        case ResultType.NUMBER:
            fits, wanted = isinstance(value, int | float) and not isinstance(value, bool), "a number"
        case ResultType.TEXT:
            fits, wanted = isinstance(value, str), "text"
        case ResultType.LIST:
            fits = isinstance(value, list) and all(isinstance(item, str) for item in value)
            wanted = "a list of texts"
        case _:
            return value
    if not fits:
        what = f"the default must be {wanted} here, this is {kind_of(default_node)}"
        draft.report(default_node.where, what, "it stands for the result where there is none")
    return value


def _attribution(draft: Draft, model: models.ComputationModel, node: YamlMapping) -> None:
    """Events are for one of several accounts only where accounts are computed."""
    key = node.key("attribute_events_by")
    if model.attribute_events_by is not None and model.level == "user" and key is not None:
        what = "attribute_events_by is for account-level computations"
        draft.report(key.where, what, "set level: account, or leave it out")


def _destinations(
    draft: Draft, model: models.ComputationModel, node: YamlMapping, context: EntryContext
) -> tuple[DestinationEntry, ...]:
    listed = node.get("destinations")
    nodes = listed.items if isinstance(listed, YamlList) else ()
    entries: list[DestinationEntry] = []
    for entry, entry_node in zip(model.destinations, nodes, strict=True):
        name_node = entry_node.get("destination") if isinstance(entry_node, YamlMapping) else entry_node
        where = name_node.where if name_node is not None else entry_node.where
        if any(entry.destination == other.destination for other in entries):
            draft.report(where, f"the destination '{entry.destination}' is in the list twice")
        draft.extend(_destination_problems(entry, entry_node, where, model.level, context))
        entries.append(_destination_entry(entry, entry_node.where))
    return tuple(entries)


def _destination_problems(
    entry: models.DestinationEntryModel,
    node: YamlNode,
    where: Location,
    level: str,
    context: EntryContext,
) -> Iterator[Problem]:
    if level == "user" and entry.send is not None and "group" in entry.send:
        send = node.get("send") if isinstance(node, YamlMapping) else None
        hint = "a user-level computation sends identify and track"
        yield Problem(send.where if send is not None else where, "group calls are for accounts", hint)
    if context.space is None:
        return
    if isinstance(node, YamlMapping):
        yield from unknown_identifiers(node.get("identifiers"), context.space.identifiers)
    refused = context.refused.get(entry.destination)
    if refused is not None:
        what = f"the destination '{entry.destination}' can't be used: {refused.what}"
        yield Problem(where, what, f"see {refused.where}", not_yet=refused.not_yet)
    elif entry.destination not in context.space.destinations:
        known = tuple(context.space.destinations)
        hint = did_you_mean(entry.destination, known) or (
            f"space.yml has {', '.join(known)}" if known else "destinations are declared in space.yml"
        )
        yield Problem(where, f"unknown destination '{entry.destination}'", hint)


def _destination_entry(entry: models.DestinationEntryModel, location: Location) -> DestinationEntry:
    identifiers = entry.identifiers
    event_names = entry.event_names.model_dump(exclude_none=True) if entry.event_names else {}
    return DestinationEntry(
        destination=entry.destination,
        send=tuple(entry.send) if entry.send is not None else None,
        identifiers=None
        if identifiers is None
        else tuple(IdentifierStrategy(item.type, Strategy(item.strategy)) for item in identifiers),
        enrich=tuple(entry.enrich),
        event_names=event_names,
        key=entry.key,
        first_sync=entry.first_sync,
        location=location,
    )
