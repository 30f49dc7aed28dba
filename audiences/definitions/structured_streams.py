"""Events with their filters in the structured form, ``then`` and ``then_not`` included."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Final

from audiences.definitions import structured_names as names
from audiences.definitions.durations import SESSION_UNITS
from audiences.definitions.structured_values import ValueReader, span_of
from audiences.definitions.yaml_nodes import YamlList, YamlMapping, YamlNode, YamlScalar, kind_of
from audiences.language import tree
from audiences.language.construct import between, conjunction
from audiences.language.tree import Operator

_NESTED_KEYS: Final = (
    names.EVENT,
    names.WHERE,
    names.SOURCES,
    names.WITHIN,
    names.BETWEEN,
    names.THEN,
    names.THEN_NOT,
)
THEN_KEYS: Final = (*_NESTED_KEYS, names.COUNT)
THEN_NOT_KEYS: Final = (*_NESTED_KEYS, names.WAIT)


def added(first: tree.Duration, second: tree.Duration) -> tree.Duration:
    """The sum of two durations of hours or days: in their unit if it is the same, else in hours."""
    if first.unit == second.unit:
        return tree.Duration(first.amount + second.amount, first.unit)
    hours = sum(part.amount * (24 if part.unit == tree.Unit.DAY else 1) for part in (first, second))
    return tree.Duration(hours, tree.Unit.HOUR)


class StreamReader(ValueReader):
    """Reads ``event`` and the filter keys beside it."""

    @abstractmethod
    def conditions(self, node: YamlNode, what: str) -> list[tree.Condition] | None:
        """A list of conditions."""

    def stream(self, mapping: YamlMapping, *, of_parent: bool = False) -> tree.Stream | None:
        """An event and its filters. ``of_parent``: windows count from the parent event, not back from now."""
        before = len(self.problems)
        node = mapping.get(names.EVENT)
        if node is None:
            self.report(mapping, "an event is missing", "such as event: Order Completed")
        event = self.text(node, names.EVENT) if node is not None else None
        listed = mapping.get(names.FILTERS)
        if listed is not None:
            filters = self._listed_filters(mapping, listed)
        else:
            filters = self._keyed_filters(mapping, of_parent=of_parent)
        if event is None or len(self.problems) > before:
            return None
        span = span_of(node) if node is not None else None
        return tree.Stream(event, tuple(filters), span=span_of(mapping), event_span=span)

    # ── filters as keys, in their fixed order ───────────────────────────────────────────────────────────────

    def _keyed_filters(self, mapping: YamlMapping, *, of_parent: bool) -> list[tree.Filter]:
        filters: list[tree.Filter] = []
        conditions = self._where_conditions(mapping.get(names.WHERE))
        for node in self._one_or_several(mapping.get(names.THEN), names.THEN):
            if (condition := self._then(node)) is not None:
                conditions.append(condition)
        waits: list[tuple[YamlNode, tree.Within | tree.Between | None]] = []
        for node in self._one_or_several(mapping.get(names.THEN_NOT), names.THEN_NOT):
            if (missing := self._then_not(node)) is None:
                continue
            conditions.append(missing)
            if self._waits(node):
                waits.append((node.get(names.WAIT) or node, _window_of(missing)))
        if conditions:
            filters.append(tree.Where(conjunction(conditions), span=span_of(mapping)))
        if (node_ := mapping.get(names.SOURCES)) is not None and (sources := self._sources(node_)) is not None:
            filters.append(sources)
        window = self._window(mapping, of_parent=of_parent)
        if waits and (window is not None or mapping.get(names.WITHIN) is None):
            window = self._aged(window, waits, of_parent=of_parent)
        if window is not None:
            filters.append(window)
        if (node_ := mapping.get(names.SESSION)) is not None and (session := self._session(node_)) is not None:
            filters.append(session)
        return filters

    def _where_conditions(self, node: YamlNode | None) -> list[tree.Condition]:
        return (self.conditions(node, names.WHERE) or []) if node is not None else []

    def _window(self, mapping: YamlMapping, *, of_parent: bool) -> tree.Within | tree.Between | None:
        within, bounds = mapping.get(names.WITHIN), mapping.get(names.BETWEEN)
        if within is not None and bounds is not None:
            hint = "two windows are written as filters: [{within: …}, {between: …}]"
            self.report(mapping.key(names.BETWEEN) or bounds, "'within' and 'between' exclude each other", hint)
            return None
        if within is not None:
            return self._within(within, of_parent=of_parent)
        return self._between(bounds, of_parent=of_parent) if bounds is not None else None

    def _within(self, node: YamlNode, *, of_parent: bool) -> tree.Within | None:
        inner = self._parent_value(node, names.WITHIN)
        if inner is None:
            return None
        duration = self.duration(inner, names.WITHIN)
        if duration is None:
            return None
        return tree.Within(duration, of_parent or inner is not node, span=span_of(node))

    def _between(self, node: YamlNode, *, of_parent: bool) -> tree.Between | None:
        inner = self._parent_value(node, names.BETWEEN)
        if inner is None:
            return None
        if not isinstance(inner, YamlList) or len(inner.items) != 2:
            self.report(node, "'between' takes a list of two durations", "such as between: [30 days, 90 days]")
            return None
        first, second = (self.duration(item, names.BETWEEN) for item in inner.items)
        if first is None or second is None:
            return None
        return between(first, second, of_parent=of_parent or inner is not node, span=span_of(node))

    def _parent_value(self, node: YamlNode, what: str) -> YamlNode | None:
        """The value itself, or what is inside ``{parent: …}``."""
        if not isinstance(node, YamlMapping):
            return node
        if not self.check_keys(node, (names.PARENT,)):
            return None
        inner = node.get(names.PARENT)
        if inner is None:
            self.report(node, f"'{what}' is empty", f"such as {what}: {{parent: 5 days}}")
        return inner

    def _session(self, node: YamlNode) -> tree.ExpiresAfter | None:
        duration = self.duration(node, names.SESSION, SESSION_UNITS)
        return tree.ExpiresAfter(duration, span=span_of(node)) if duration is not None else None

    def _sources(self, node: YamlNode) -> tree.Sources | None:
        example = "such as sources: {exclude: [id of a source]}"
        if not isinstance(node, YamlMapping):
            self.report(node, f"'sources' takes a mapping, this is {kind_of(node)}", example)
            return None
        if not self.check_keys(node, ("exclude",)):
            return None
        exclude = node.get("exclude")
        items: Iterable[YamlNode] = exclude.items if isinstance(exclude, YamlList) else ()
        if isinstance(exclude, YamlScalar):
            items = (exclude,)
        ids = [self.text(item, "exclude") for item in items]
        if not ids:
            self.report(node, "'sources' excludes nothing", example)
        whole = tuple(source for source in ids if source is not None)
        return tree.Sources(whole, span=span_of(node)) if ids and len(whole) == len(ids) else None

    # ── filters as a list, in any order ─────────────────────────────────────────────────────────────────────

    def _listed_filters(self, mapping: YamlMapping, node: YamlNode) -> list[tree.Filter]:
        for key in (*names.FILTER_KEYS, names.THEN, names.THEN_NOT):
            if (other := mapping.key(key)) is not None:
                self.report(other, f"'{key}' next to 'filters'", "put it into the list of filters")
        if not isinstance(node, YamlList) or not node.items:
            self.report(node, "'filters' takes a list", "such as filters: [{within: 7 days}, {where: […]}]")
            return []
        read = [self._listed_filter(item) for item in node.items]
        return [filter_ for filter_ in read if filter_ is not None]

    def _listed_filter(self, node: YamlNode) -> tree.Filter | None:
        if not isinstance(node, YamlMapping) or len(node.entries) != 1:
            self.report(node, "a filter is a mapping with one key", f"one of {', '.join(names.FILTER_KEYS)}")
            return None
        entry = node.entries[0]
        match entry.name:
            case names.WHERE:
                conditions = self.conditions(entry.value, names.WHERE)
                return tree.Where(conjunction(conditions), span=span_of(entry.value)) if conditions else None
            case names.SOURCES:
                return self._sources(entry.value)
            case names.WITHIN:
                return self._within(entry.value, of_parent=False)
            case names.BETWEEN:
                return self._between(entry.value, of_parent=False)
            case names.SESSION:
                return self._session(entry.value)
            case _:
                self.check_keys(node, names.FILTER_KEYS)
                return None

    # ── and then did, and then did not ──────────────────────────────────────────────────────────────────────

    def _one_or_several(self, node: YamlNode | None, what: str) -> list[YamlMapping]:
        if node is None:
            return []
        items = node.items if isinstance(node, YamlList) else (node,)
        for item in items:
            if not isinstance(item, YamlMapping):
                hint = f"such as {what}: {{event: Order Completed, within: 1 day}}"
                self.report(item, f"'{what}' takes a mapping, this is {kind_of(item)}", hint)
        if not items:
            self.report(node, f"'{what}' is empty")
        return [item for item in items if isinstance(item, YamlMapping)]

    def _then(self, node: YamlMapping) -> tree.Comparison | None:
        wait = node.key(names.WAIT)
        if wait is not None:
            self.report(wait, "'wait' belongs to 'then_not'", "what has happened need not be waited for: leave it out")
        known = self.check_keys(node, (*THEN_KEYS, names.WAIT)) and wait is None
        stream = self.stream(node, of_parent=True)
        compared = self.count(node.get(names.COUNT))
        if not known or stream is None or compared is None:
            return None
        return tree.Comparison(tree.Count(stream, span=span_of(node)), *compared, span=span_of(node))

    def _then_not(self, node: YamlMapping) -> tree.Comparison | None:
        known = self.check_keys(node, THEN_NOT_KEYS)
        stream = self.stream(node, of_parent=True)
        if not known or stream is None:
            return None
        count = tree.Count(stream, span=span_of(node))
        return tree.Comparison(count, Operator.EQUALS, (tree.Number(0),), span=span_of(node))

    def _waits(self, node: YamlMapping) -> bool:
        wait = node.get(names.WAIT)
        return wait is not None and bool(self.switch(wait, names.WAIT))

    def _aged(
        self,
        window: tree.Within | tree.Between | None,
        waits: list[tuple[YamlNode, tree.Within | tree.Between | None]],
        *,
        of_parent: bool,
    ) -> tree.Between | None:
        """The window of an event that must be old enough for the time after it to be up."""
        place, deadline = waits[0]
        if len(waits) > 1:
            self.report(waits[1][0], "'wait' can be given once", "keep it at the longest deadline")
        elif of_parent:
            self.report(place, "'wait' works for the outermost event only", "leave it out")
        elif not isinstance(window, tree.Within) or window.of_parent:
            self.report(place, "'wait' needs a 'within' of the event itself", "such as within: 7 days")
        elif deadline is None:
            self.report(place, "'wait' needs a 'within' next to it", "such as within: 1 day")
        else:
            until = deadline.duration if isinstance(deadline, tree.Within) else deadline.farthest
            return between(until, added(window.duration, until), span=window.span)
        return None

    # ── counts ──────────────────────────────────────────────────────────────────────────────────────────────

    def count(self, node: YamlNode | None) -> tuple[Operator, tuple[tree.Argument, ...]] | None:
        """``count: {at_least: 2}``; not given, at least 1."""
        if node is None:
            return Operator.AT_LEAST, (tree.Number(1),)
        if not isinstance(node, YamlMapping):
            number = node.text if isinstance(node, YamlScalar) and isinstance(node.value, int) else "2"
            hint = f"such as count: {{at_least: {number}}}, {{at_most: {number}}} or {{exactly: {number}}}"
            self.report(node, f"'count' takes a mapping with one comparison, this is {kind_of(node)}", hint)
            return None
        if not self.check_keys(node, names.COUNT_OPERATORS):
            return None
        return self.comparison(node, "count")

    def comparison(self, mapping: YamlMapping, what: str) -> tuple[Operator, tuple[tree.Argument, ...]] | None:
        """The one operator among the keys of a mapping, and what it compares with."""
        given = [entry for entry in mapping.entries if entry.name in names.COUNT_OPERATORS]
        if not given:
            self.report(mapping, f"'{what}' is compared with nothing", "such as equals: …, or exists: true")
            return None
        if len(given) > 1:
            hint = "make two conditions of it: all: [{…}, {…}]"
            self.report(given[1].key, f"two comparisons of one '{what}': '{given[0].name}' and '{given[1].name}'", hint)
            return None
        operator = names.COUNT_OPERATORS[given[0].name]
        arguments = self.arguments(operator, given[0].name, given[0].value)
        return (operator, arguments) if arguments is not None else None


def _window_of(condition: tree.Comparison) -> tree.Within | tree.Between | None:
    """The window after the parent in what ``then_not`` was read as."""
    if isinstance(condition.left, tree.Count):
        for filter_ in condition.left.stream.filters:
            if isinstance(filter_, tree.Within | tree.Between):
                return filter_
    return None
