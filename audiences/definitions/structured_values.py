"""The leaves of the structured form: texts, paths, durations, operands, and the right sides of comparisons.

``ValueReader`` collects every problem it meets with its place; a method returns None where something is wrong
and already reported, so that the rest can still be looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Final

from audiences.definitions import structured_names as names
from audiences.definitions.durations import WINDOW_UNITS, DurationError, duration_of
from audiences.definitions.yaml_nodes import YamlList, YamlMapping, YamlNode, YamlScalar, kind_of
from audiences.errors import Location, Problem
from audiences.language import tree
from audiences.language.literals import path_of
from audiences.language.suggest import did_you_mean
from audiences.language.tree import Operator
from audiences.language.vocabulary import SYMBOLS, SYNONYMS

_MEANT: Final[dict[str, str]] = {**SYNONYMS, **SYMBOLS}
"""What people write when they mean a key."""


def span_of(node: YamlNode) -> tree.Span | None:
    """Where a node was written, as offsets into the file's text; None for what doesn't come from a file."""
    return tree.Span(node.start, node.end) if node.start >= 0 else None


def part_of(node: YamlScalar, part: tuple[int, int] | None) -> Location:
    """Where a part of a scalar's text (from, to) is; the scalar's place where that can't be said."""
    if part is None or node.style or node.where.column == 0 or "\n" in node.text:
        return node.where
    return replace(node.where, column=node.where.column + part[0])


def _length(part: tuple[int, int] | None) -> int:
    return part[1] - part[0] if part is not None else 0


def unknown_key(name: str, known: Iterable[str]) -> tuple[str, str]:
    """What to say of a key that isn't known, and which ones are."""
    known = tuple(known)
    meant = _MEANT.get(name.casefold())
    if meant in known:
        return f"unknown key '{name}', did you mean '{meant}'?", ""
    if found := did_you_mean(name, known):
        return f"unknown key '{name}', {found}", ""
    return f"unknown key '{name}'", f"known keys: {', '.join(known)}" if len(known) <= 12 else ""


class ValueReader:
    """Reads leaves. ``problems`` has what is wrong, in the order in which it was met."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def report(self, where: YamlNode | Location, what: str, hint: str = "", *, not_yet: bool = False) -> None:
        """One more problem, at a node."""
        location = where if isinstance(where, Location) else where.where
        self.problems.append(Problem(location, what, hint, not_yet=not_yet))

    def check_keys(self, mapping: YamlMapping, known: Iterable[str]) -> bool:
        """Whether all keys are known; the others are reported."""
        known = tuple(known)
        unknown = [entry for entry in mapping.entries if entry.name not in known]
        for entry in unknown:
            self.report(entry.key, *unknown_key(entry.name, known))
        return not unknown

    # ── texts, numbers, durations ───────────────────────────────────────────────────────────────────────────

    def text(self, node: YamlNode, what: str) -> str | None:
        """Text that isn't empty."""
        if isinstance(node, YamlScalar) and isinstance(node.value, str):
            if node.value:
                return node.value
            self.report(node, f"'{what}' is empty")
            return None
        hint = f"write '{node.text}' in quotes" if isinstance(node, YamlScalar) and node.text else ""
        self.report(node, f"'{what}' must be text, this is {kind_of(node)}", hint)
        return None

    def path(self, node: YamlNode, what: str) -> tree.Path | None:
        """A path such as ``products.$.sku``."""
        raw = self.text(node, what)
        return path_of(raw) if raw is not None else None

    def whole_number(self, node: YamlNode, what: str) -> int | None:
        """A whole number."""
        value = node.value if isinstance(node, YamlScalar) else None
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        self.report(node, f"'{what}' must be a whole number, this is {kind_of(node)}")
        return None

    def switch(self, node: YamlNode, what: str) -> bool | None:
        """``true`` or ``false``."""
        if isinstance(node, YamlScalar) and isinstance(node.value, bool):
            return node.value
        self.report(node, f"'{what}' must be true or false, this is {kind_of(node)}")
        return None

    def duration(self, node: YamlNode, what: str, units: Iterable[tree.Unit] = WINDOW_UNITS) -> tree.Duration | None:
        """A duration such as ``7 days``; weeks become days."""
        units = tuple(units)
        example = f"{what}: 7 days" if tree.Unit.MINUTE not in units else f"{what}: 30 minutes"
        if not isinstance(node, YamlScalar) or not isinstance(node.value, str):
            hint = f"write {example}"
            if isinstance(node, YamlScalar) and isinstance(node.value, int):
                hint = f"a duration has a unit: {node.value} days or {node.value} hours"
            self.report(node, f"'{what}' takes a duration, this is {kind_of(node)}", hint)
            return None
        try:
            return duration_of(node.value, what, units, span=span_of(node))
        except DurationError as error:
            self.problems.append(Problem(part_of(node, error.part), str(error), error.hint, length=_length(error.part)))
            return None

    # ── operands of reducers ────────────────────────────────────────────────────────────────────────────────

    def operand(self, mapping: YamlMapping, what: str) -> tree.Operand | None:
        """``property:``, ``context:`` or ``parent:`` with an optional ``as:``, out of a mapping."""
        given = [key for key in (names.PROPERTY, names.CONTEXT, names.PARENT) if mapping.get(key) is not None]
        if len(given) != 1:
            problem = f"'{what}' needs a property" if not given else f"'{what}' takes one of {' and '.join(given)}"
            hint = f"such as {names.PROPERTY}: price" if not given else ""
            self.report(mapping if not given else mapping.key(given[1]) or mapping, problem, hint)
            return None
        node = mapping.get(given[0])
        path = self.path(node, given[0]) if node is not None else None
        cast_node, cast = mapping.get(names.CAST), None
        if cast_node is not None:
            word = self.text(cast_node, names.CAST)
            if word is None:
                return None
            if word not in set(tree.Cast):
                hint = did_you_mean(word, tree.Cast) or "as: string, number or array"
                self.report(cast_node, f"unknown type '{word}'", hint)
                return None
            cast = tree.Cast(word)
        if path is None or node is None:
            return None
        value = self.extracted(given[0], path, span_of(node))
        if isinstance(value, tree.Trait):
            return None
        return tree.Operand(value, cast, span=span_of(node))

    def short_operand(self, node: YamlNode, what: str) -> tree.Operand | None:
        """``sum: price``, or ``sum: {property: price, as: number}``."""
        if isinstance(node, YamlMapping):
            known = self.check_keys(node, (names.PROPERTY, names.CONTEXT, names.PARENT, names.CAST))
            operand = self.operand(node, what)
            return operand if known else None
        path = self.path(node, what)
        if path is None:
            return None
        return tree.Operand(tree.Property(path, span=span_of(node)), span=span_of(node))

    def extracted(self, key: str, path: tree.Path, span: tree.Span | None) -> tree.Property | tree.Context | tree.Trait:
        """The extractor that a key stands for."""
        if key == names.CONTEXT:
            return tree.Context(path, span=span)
        if key == names.TRAIT:
            return tree.Trait(path, span=span)
        return tree.Property(path, key == names.PARENT, span=span)

    # ── the right side of comparisons ───────────────────────────────────────────────────────────────────────

    def arguments(self, operator: Operator, key: str, node: YamlNode) -> tuple[tree.Argument, ...] | None:
        """What an operator compares with."""
        if operator in names.WITHOUT_ARGUMENT:
            value = self.switch(node, key)
            if value is False:
                other = Operator.ABSENT if operator == Operator.EXISTS else Operator.EXISTS
                self.report(node, f"'{key}: false' says nothing", f"write {other}: true")
            return () if value else None
        if operator in names.RELATIVE_DATES:
            duration = self.duration(node, key)
            return (duration,) if duration is not None else None
        if not isinstance(node, YamlList):
            argument = self.argument(node, key)
            return (argument,) if argument is not None else None
        if not node.items:
            self.report(node, f"'{key}' needs a value, the list is empty")
            return None
        if operator.value in ("equals", "differs"):
            several = Operator.ONE_OF if operator == Operator.EQUALS else Operator.NONE_OF
            self.report(node, f"'{key}' takes one value, this is a list", f"write {several}: […]")
            return None
        read = [self.argument(item, key) for item in node.items]
        whole = tuple(argument for argument in read if argument is not None)
        return whole if len(whole) == len(read) else None

    def argument(self, node: YamlNode, key: str) -> tree.Argument | None:
        """One value: a literal, ``{trait: x}`` or ``{parent: x}``."""
        if isinstance(node, YamlMapping):
            return self._other_value(node, key)
        if isinstance(node, YamlList):
            self.report(node, f"'{key}' takes values, this is a list in a list")
            return None
        literal = literal_of(node)
        if literal is None:
            self.report(node, f"'{key}' needs a value", "a missing value is asked for with absent: true")
        return literal

    def _other_value(self, node: YamlMapping, key: str) -> tree.Argument | None:
        known = (names.TRAIT, names.PARENT)
        if len(node.entries) == 1 and did_you_mean(node.entries[0].name, known):
            if not self.check_keys(node, known):
                return None
        elif len(node.entries) != 1:
            hint = "possible: a value, {trait: …}, or {parent: …} for a property of the parent event"
            self.report(node, f"'{key}' can't be compared with this mapping", hint)
            return None
        elif node.entries[0].name not in known:
            hint = "a value, {trait: …} and {parent: …}, a property of the parent event, can be"
            self.report(node.entries[0].key, f"'{node.entries[0].name}' can't be on the right of '{key}'", hint)
            return None
        entry = node.entries[0]
        path = self.path(entry.value, entry.name)
        if path is None:
            return None
        if entry.name == names.TRAIT:
            return tree.Trait(path, span=span_of(entry.value))
        return tree.Property(path, of_parent=True, span=span_of(entry.value))


def literal_of(node: YamlScalar) -> tree.Literal | None:
    """The literal of a scalar; None for an empty one."""
    value, span = node.value, span_of(node)
    if isinstance(value, bool):
        return tree.Boolean(value, span=span)
    if isinstance(value, str):
        return tree.Text(value, span=span)
    if isinstance(value, int | float):
        return tree.Number(int(value) if isinstance(value, float) and value.is_integer() else value, span=span)
    if isinstance(value, datetime):
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return tree.Instant(moment, span=span)
    if isinstance(value, date):
        return tree.Instant(datetime.combine(value, time(), UTC), date_only=True, span=span)
    return None
