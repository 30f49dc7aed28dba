"""Whether definitions fit the data: names that are nowhere in it, and fields used as numbers that never are.

These are warnings: an event that nobody has sent yet may be meant. So they say what is nearest, and break nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from audiences.definitions.computation import Computation, Definitions, Level
from audiences.definitions.references import hidden_traits
from audiences.definitions.written import Written
from audiences.errors import Problem
from audiences.events import Inputs
from audiences.events.catalogue import Asked, Catalogue, Field, FieldKind
from audiences.language import tree
from audiences.language.literals import is_number_text
from audiences.language.print import path as path_text
from audiences.language.suggest import nearest_names
from audiences.language.tree import Operator
from audiences.language.walk import children

_ORDERED: Final = frozenset({Operator.GREATER_THAN, Operator.AT_LEAST, Operator.LESS_THAN, Operator.AT_MOST})
_EQUALITY: Final = frozenset({Operator.EQUALS, Operator.DIFFERS})
_MOST_EXAMPLES: Final = 5
_TRAITS: Final[Mapping[Level, FieldKind]] = {Level.USER: "trait", Level.ACCOUNT: "account_trait"}


def check_against(
    definitions: Definitions, inputs: Inputs, progress: Callable[[int, int], None] | None = None
) -> tuple[Problem, ...]:
    """A warning for every name in the definitions that the inputs don't have, in the order of files and lines.

    Names are those of events, of properties and context fields (by event), and of traits that are no computations'.
    Then fields that are compared with numbers, or added up, and hold none; and keys that hide a custom trait. Disabled
    definitions are checked, too. Raises as ``Inputs.catalogue`` does.
    """
    written = definitions.written
    if written is None:
        return ()
    uses = {key: uses_of(written.expression(key), item.level) for key, item in definitions.computations.items()}
    keys = {*definitions.computations, *definitions.broken}
    catalogue = inputs.catalogue(_asked(uses.values(), keys), progress=progress)
    check = _Check(definitions, written, catalogue)
    hidden = {problem.key: problem for problem in written.with_excerpts(check.hidden())}
    found = list(check.whole(uses.values()))
    for key, used in uses.items():
        found += [*([hidden[key]] if key in hidden else []), *check.computation(key, used)]
    return tuple(found)


# ── what definitions use ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class FieldUse:
    """A field where it is used; ``as_number``: where it can only have an effect as a number."""

    field: Field
    node: tree.Trait | tree.Property | tree.Context
    as_number: bool


@dataclass(slots=True)
class Uses:
    """The events and fields of a definition, each as often as it is written."""

    events: list[tree.Stream] = field(default_factory=list)
    fields: list[FieldUse] = field(default_factory=list)


def uses_of(expression: tree.Expression, level: Level) -> Uses:
    """What a definition of a level uses, in the order in which it is written."""
    uses = Uses()
    _collect(expression, (), level is Level.USER, uses)
    return uses


def _collect(node: tree.Node, around: tuple[str, ...], of_user: bool, uses: Uses) -> None:
    """``around`` are the events that the node stands in; ``of_user``: traits are a user's, not an account's."""
    match node:
        case tree.Trait() | tree.Property() | tree.Context():
            _use(node, around, of_user, uses)
        case tree.Comparison(left=tree.Trait() | tree.Property() | tree.Context() as left):
            _use(left, around, of_user, uses, as_number=_compares_numbers(node))
            for argument in node.arguments:
                _collect(argument, around, of_user, uses)
        case tree.AnyUser() | tree.AllUsers():
            _collect(node.condition, around, True, uses)
        case _ if isinstance(node, tree.Reduction):
            uses.events.append(node.stream)
            inside = (*around, node.stream.event)
            for kept in node.stream.filters:
                _collect(kept, inside, of_user, uses)
            if not isinstance(node, tree.Count):
                adds_up = isinstance(node, tree.Aggregate) and node.operand.cast is not tree.Cast.STRING
                _use(node.operand.value, inside, of_user, uses, as_number=adds_up)
        case _:
            for child in children(node):
                _collect(child, around, of_user, uses)


def _use(
    node: tree.Trait | tree.Property | tree.Context,
    around: Sequence[str],
    of_user: bool,
    uses: Uses,
    *,
    as_number: bool = False,
) -> None:
    match node:
        case tree.Trait():
            used = Field("trait" if of_user else "account_trait", node.path)
        case tree.Property():
            used = Field("property", node.path, around[-2 if node.of_parent else -1])
        case tree.Context():
            used = Field("context", node.path, around[-1])
    uses.fields.append(FieldUse(used, node, as_number))


def _compares_numbers(comparison: tree.Comparison) -> bool:
    """Whether only a number on the left makes a difference."""
    if len(comparison.arguments) != 1:
        return False
    argument = comparison.arguments[0]
    if isinstance(argument, tree.Text):
        return comparison.operator in _ORDERED and is_number_text(argument.value)
    return isinstance(argument, tree.Number) and comparison.operator in _ORDERED | _EQUALITY


def _asked(uses: Iterable[Uses], keys: Iterable[str]) -> Asked:
    known = set(keys)
    events: set[str] = set()
    fields: set[Field] = set()
    numbers: set[Field] = set()
    for used in uses:
        events.update(stream.event for stream in used.events)
        for use in used.fields:
            if not _is_computed(use.field, known):
                fields.add(use.field)
                if use.as_number:
                    numbers.add(use.field)
    return Asked(frozenset(events), frozenset(fields), frozenset(numbers))


def _is_computed(used: Field, keys: Iterable[str]) -> bool:
    """Whether a trait is the value of a computation."""
    return used.kind in ("trait", "account_trait") and used.path[0] in keys


# ── what the data says ──────────────────────────────────────────────────────────────────────────────────────


class _Check:
    """Compares what is used with what there is."""

    def __init__(self, definitions: Definitions, written: Written, catalogue: Catalogue) -> None:
        self._definitions, self._written, self._catalogue = definitions, written, catalogue
        self._keys = {*definitions.computations, *definitions.broken}

    def computation(self, key: str, uses: Uses) -> list[Problem]:
        """All warnings about a definition, in the order in which they are written."""
        problems = [*self._events(key, uses), *self._fields(key, uses)]
        return sorted(problems, key=lambda problem: (problem.where.line, problem.where.column))

    def _events(self, key: str, uses: Uses) -> Iterator[Problem]:
        for stream in uses.events if self._catalogue.events else ():
            if not self._catalogue.events.get(stream.event):
                meant = _meant(stream.event, self._catalogue.events)
                yield self._written.problem(key, stream, f"no event '{stream.event}' in the data{meant}")

    def _fields(self, key: str, uses: Uses) -> Iterator[Problem]:
        for use in uses.fields:
            if _is_computed(use.field, self._keys) or not self._can_tell(use.field):
                continue
            found = self._catalogue.fields[use.field]
            if not found.values:
                yield self._written.problem(
                    key, use.node, *self._missing(use.field, self._definitions.computations[key])
                )
            elif use.as_number and not found.has_number:
                what = f"{_name(use.field)} is used as a number here, and is never one in the data"
                yield self._written.problem(key, use.node, what, f"there is, for example, '{found.example}'")

    def _can_tell(self, used: Field) -> bool:
        """Whether there is any data that a field could be in."""
        if used.event:
            return bool(self._catalogue.events.get(used.event))
        return bool(self._catalogue.paths.get((used.kind, "")))

    def _missing(self, used: Field, computation: Computation) -> tuple[str, str]:
        subject, noun = _subject(used)
        what = f"no {subject} in the data has a {noun} '{path_text(used.path)}'"
        names = self._names(used)
        hint = _there_are(names) if names or not used.event else "it has none"
        if not used.event:
            what += ", and no computation has this key" if len(used.path) == 1 else ""
            most = max(names.values(), default=0) + 1  # what is computed is there for everyone
            names.update(dict.fromkeys(self._usable_keys(used, computation), most))
        meant = _meant(path_text(used.path), names)
        return what + meant, "" if meant else hint

    def _names(self, used: Field) -> dict[str, int]:
        """What there is in the place of a field. A trait that has the name of a computation can't be asked for."""
        paths = self._catalogue.paths.get((used.kind, used.event), {})
        return {path_text(path): rows for path, rows in paths.items() if used.event or path[0] not in self._keys}

    def _usable_keys(self, used: Field, computation: Computation) -> list[str]:
        """The computations that could be meant by a trait: of an account, only account-level ones."""
        of_account = used.kind == "account_trait"
        items = self._definitions.computations.items()
        return [
            key for key, item in items if key != computation.key and (not of_account or item.level is Level.ACCOUNT)
        ]

    # ── the definitions together ────────────────────────────────────────────────────────────────────────────

    def whole(self, uses: Iterable[Uses]) -> Iterator[Problem]:
        """What can't be told, since there is no data to tell it from."""
        where = self._definitions.space.location
        used = list(uses)
        if not self._catalogue.events and any(one.events for one in used):
            names = "the names of events, properties and context fields were not checked"
            yield Problem(where, f"there are no events in the data: {names}")
        asked = {use.field.kind for one in used for use in one.fields if not _is_computed(use.field, self._keys)}
        for level, kind in _TRAITS.items():
            if kind in asked and not self._trait_names(kind):
                noun = "profiles" if level is Level.USER else "accounts"
                yield Problem(
                    where, f"the {noun} in the data have no traits: the names of their traits were not checked"
                )

    def hidden(self) -> Iterator[Problem]:
        """Keys that hide a custom trait of the same name, of the same kind of thing."""
        for level, kind in _TRAITS.items():
            computations = [item for item in self._definitions.computations.values() if item.level is level]
            yield from hidden_traits(computations, self._trait_names(kind))

    def _trait_names(self, kind: FieldKind) -> set[str]:
        return {path[0] for path in self._catalogue.paths.get((kind, ""), {})}


def _name(used: Field) -> str:
    """A field, in words."""
    subject, noun = _subject(used)
    return f"the {noun} '{path_text(used.path)}'" + (f" of {subject}" if used.event else "")


def _subject(used: Field) -> tuple[str, str]:
    nouns: dict[FieldKind, str] = {"property": "property", "context": "context field"}
    if used.event:
        return f"event '{used.event}'", nouns[used.kind]
    return "account" if used.kind == "account_trait" else "profile", "trait"


def _meant(word: str, counts: Mapping[str, int]) -> str:
    near = nearest_names(word, counts)
    return f"; did you mean {_list(_quoted(near), 'or')}?" if near else ""


def _there_are(counts: Mapping[str, int]) -> str:
    """The most frequent names."""
    frequent = sorted(counts, key=lambda name: (-counts[name], name))[:_MOST_EXAMPLES]
    shown = [*_quoted(frequent), *(["others"] if len(counts) > len(frequent) else [])]
    return f"there {'is' if len(shown) == 1 else 'are'} {_list(shown, 'and')}" if shown else ""


def _quoted(names: Iterable[str]) -> list[str]:
    return [f"'{name}'" for name in names]


def _list(words: Sequence[str], junction: str) -> str:
    *others, last = words
    return f"{', '.join(others)} {junction} {last}" if others else last
