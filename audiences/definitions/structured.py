"""Structured YAML → tree: the same language, for people who don't want to write code.

A condition is a mapping that begins with one of ``all``, ``any``, ``none``, ``any_user``, ``all_users``,
``none_of_the_users``, ``event``, ``trait`` or ``audience``; inside ``where`` also ``property``, ``context``
and ``parent``. A trait is one of ``event_counter``, ``aggregation``, ``most_frequent``, ``first``, ``last``,
``unique_list``, ``unique_list_count`` (each with its event) or ``trait`` (a copy). Filters of an event are
applied in the order where, sources, within or between, session; ``filters:`` is a list for any other order.

Nodes are built with offsets into the file's text as their span, for the checks; ``without_spans`` drops them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from audiences.definitions import structured_names as names
from audiences.definitions.structured_streams import StreamReader
from audiences.definitions.structured_values import span_of
from audiences.definitions.yaml_nodes import YamlList, YamlMapping, YamlNode, YamlScalar, kind_of, node_of
from audiences.errors import DefinitionError, Problem
from audiences.language import tree
from audiences.language.construct import conjunction, disjunction
from audiences.language.findings import MINIMUM_FREQUENCY
from audiences.language.tree import Operator

_OPERAND_KEYS = (names.PROPERTY, names.CONTEXT, names.PARENT, names.CAST)
_FORM_KEYS: Mapping[str, tuple[str, ...]] = {
    names.EVENT_COUNTER: (),
    names.AGGREGATION: (names.FUNCTION, *_OPERAND_KEYS),
    names.MOST_FREQUENT: (*_OPERAND_KEYS, names.MINIMUM_FREQUENCY),
    names.FIRST: _OPERAND_KEYS,
    names.LAST: _OPERAND_KEYS,
    names.UNIQUE_LIST: _OPERAND_KEYS,
    names.UNIQUE_LIST_COUNT: _OPERAND_KEYS,
}
_N = TypeVar("_N", bound=tree.Node)


@dataclass(frozen=True, slots=True)
class Structured:
    """What was read: the tree (None where something is wrong), the problems, and each ``audience:``."""

    expression: tree.Expression | None
    problems: tuple[Problem, ...]
    audiences: tuple[YamlScalar, ...] = ()


def parse_structured(node: YamlNode | Mapping[str, object], *, kind: str) -> tree.Expression:
    """The tree of a structured definition: the keys of an entry that define it, and no others.

    ``kind`` is ``trait`` or ``audience``. Says nothing about types and meaning: that is the language's check.
    The nodes have no spans. Raises DefinitionError with every problem found.
    """
    if not isinstance(node, YamlScalar | YamlList | YamlMapping):
        node = node_of(dict(node), "definition")
    read = read_structured(node, kind=kind)
    if read.expression is None or read.problems:
        raise DefinitionError(problems=read.problems)
    return without_spans(read.expression)


def read_structured(node: YamlNode, *, kind: str) -> Structured:
    """As ``parse_structured``, with problems returned and spans kept."""
    reader = StructuredReader()
    expression = reader.trait(node) if kind == "trait" else reader.condition(node)
    return Structured(expression, tuple(reader.problems), tuple(reader.audiences))


def without_spans(node: _N) -> _N:
    """The same tree without the places at which it was written."""
    changes: dict[str, Any] = {"span": None}
    if isinstance(node, tree.Stream):
        changes["event_span"] = None
    for field in dataclasses.fields(node):
        value = getattr(node, field.name)
        if isinstance(value, tree.Node):
            changes[field.name] = without_spans(value)
        elif isinstance(value, tuple):
            changes[field.name] = tuple(without_spans(item) if isinstance(item, tree.Node) else item for item in value)
    return dataclasses.replace(node, **changes)


class StructuredReader(StreamReader):
    """Reads conditions and traits. ``audiences`` are the references that ``audience:`` made."""

    def __init__(self) -> None:
        super().__init__()
        self.audiences: list[YamlScalar] = []

    # ── conditions ──────────────────────────────────────────────────────────────────────────────────────────

    def condition(self, node: YamlNode) -> tree.Condition | None:
        """Any condition."""
        if not isinstance(node, YamlMapping):
            hint = "such as {trait: plan, equals: business}"
            self.report(node, f"a condition is a mapping, this is {kind_of(node)}", hint)
            return None
        heads = [entry for entry in node.entries if entry.name in names.CONDITION_HEADS]
        if len(heads) > 1:
            first, second = heads[0].name, heads[1].name
            hint = "make two items of a list of them"
            self.report(heads[1].key, f"two conditions in one mapping: '{first}' and '{second}'", hint)
            return None
        if not heads:
            possible = (*names.LISTS_OF_CONDITIONS, names.EVENT, names.TRAIT, names.AUDIENCE)
            if self.check_keys(node, names.EVENT_LEAF_KEYS):
                what = "this condition doesn't say what it is about"
                self.report(node, what, f"one of {', '.join(possible)}")
            return None
        head = heads[0]
        if head.name in names.LISTS_OF_CONDITIONS:
            return self._list(node, head.name, head.value)
        if head.name == names.EVENT:
            return self._event(node)
        if head.name == names.AUDIENCE:
            return self._audience(node, head.value)
        return self._value(node, head.name, head.value)

    def conditions(self, node: YamlNode, what: str) -> list[tree.Condition] | None:
        """A list of conditions that isn't empty."""
        if isinstance(node, YamlScalar) and node.value is None:
            self.report(node, f"the list of '{what}' is empty", "put '- ' before each condition, or [ ] around them")
            return None
        if not isinstance(node, YamlList):
            hint = "put '- ' before each condition, or [ ] around them"
            self.report(node, f"'{what}' takes a list of conditions, this is {kind_of(node)}", hint)
            return None
        if not node.items:
            self.report(node, f"the list of '{what}' is empty", "an empty list is neither true nor false")
            return None
        read = [self.condition(item) for item in node.items]
        whole = [condition for condition in read if condition is not None]
        return whole if len(whole) == len(read) else None

    def _list(self, mapping: YamlMapping, key: str, node: YamlNode) -> tree.Condition | None:
        known = self.check_keys(mapping, (key,))
        conditions = self.conditions(node, key)
        if not known or conditions is None:
            return None
        span = span_of(mapping)
        match key:
            case names.ALL:
                return conjunction(conditions, span)
            case names.ANY:
                return disjunction(conditions, span)
            case names.NONE:
                return tree.Not(disjunction(conditions, span), span=span)
            case names.ANY_USER:
                return tree.AnyUser(conjunction(conditions, span), span=span)
            case names.ALL_USERS:
                return tree.AllUsers(conjunction(conditions, span), span=span)
            case _:
                return tree.Not(tree.AnyUser(conjunction(conditions, span), span=span), span=span)

    def _audience(self, mapping: YamlMapping, node: YamlNode) -> tree.Condition | None:
        known = self.check_keys(mapping, (names.AUDIENCE, names.MEMBER))
        key = self.text(node, names.AUDIENCE)
        member_node = mapping.get(names.MEMBER)
        member = self.switch(member_node, names.MEMBER) if member_node is not None else True
        if not known or key is None or member is None:
            return None
        if isinstance(node, YamlScalar):
            self.audiences.append(node)
        span = span_of(mapping)
        condition = tree.Comparison(
            tree.Trait((key,), span=span_of(node)), Operator.EQUALS, (tree.Boolean(value=True),), span=span
        )
        return condition if member else tree.Not(condition, span=span)

    def _value(self, mapping: YamlMapping, key: str, node: YamlNode) -> tree.Comparison | None:
        """A condition on a trait, property or context field."""
        known = self.check_keys(mapping, (key, *names.OPERATORS))
        path = self.path(node, key)
        compared = self.comparison(mapping, key) if known else None
        if path is None or compared is None:
            return None
        return tree.Comparison(self.extracted(key, path, span_of(node)), *compared, span=span_of(mapping))

    def _event(self, mapping: YamlMapping) -> tree.Comparison | None:
        """A condition on the number of events, or on what a reducer makes of them."""
        known = self.check_keys(mapping, names.EVENT_LEAF_KEYS)
        stream = self.stream(mapping)
        reducers = [entry for entry in mapping.entries if entry.name in (names.COUNT, *names.VALUE_REDUCERS)]
        if len(reducers) > 1:
            first, second = reducers[0].name, reducers[1].name
            self.report(reducers[1].key, f"one event, two reducers: '{first}' and '{second}'")
            return None
        frequency = mapping.key(names.MINIMUM_FREQUENCY)
        if frequency is not None and mapping.get(names.MOST_FREQUENT) is None:
            self.report(frequency, f"'{names.MINIMUM_FREQUENCY}' belongs to '{names.MOST_FREQUENT}'")
            return None
        if not reducers or reducers[0].name == names.COUNT:
            return self._counted(mapping, stream) if known else None
        reducer = reducers[0]
        operand = self.short_operand(reducer.value, reducer.name)
        compared = self.comparison(mapping, reducer.name)
        if not known or stream is None or operand is None or compared is None:
            return None
        reduction = self._reduction(reducer.name, stream, operand, mapping)
        if reduction is None:
            return None
        return tree.Comparison(reduction, *compared, span=span_of(mapping))

    def _counted(self, mapping: YamlMapping, stream: tree.Stream | None) -> tree.Comparison | None:
        for entry in mapping.entries:
            if entry.name in names.OPERATORS:
                hint = f"write count: {{{entry.name}: …}}, or say of what, such as sum: price"
                self.report(entry.key, f"'{entry.name}' compares an event with a value", hint)
                return None
        compared = self.count(mapping.get(names.COUNT))
        if stream is None or compared is None:
            return None
        return tree.Comparison(tree.Count(stream, span=stream.span), *compared, span=span_of(mapping))

    # ── traits ──────────────────────────────────────────────────────────────────────────────────────────────

    def trait(self, node: YamlNode) -> tree.Scalar | None:
        """One form of a trait; filters may stand inside the form's mapping or beside it."""
        if not isinstance(node, YamlMapping):
            self.report(node, f"a definition is a mapping, this is {kind_of(node)}")
            return None
        forms = [entry for entry in node.entries if entry.name in names.TRAIT_FORMS]
        if len(forms) != 1:
            if forms:
                what = f"two definitions in one: '{forms[0].name}' and '{forms[1].name}'"
                self.report(forms[1].key, what, "a trait has exactly one")
            elif self.check_keys(node, names.TRAIT_KEYS):
                self.report(node, "a trait needs a definition", f"one of {', '.join(names.TRAIT_FORMS)}")
            return None
        form = forms[0]
        if form.name == names.TRAIT:
            known = self.check_keys(node, (names.TRAIT,))
            path = self.path(form.value, names.TRAIT)
            return tree.Trait(path, span=span_of(form.value)) if known and path is not None else None
        known = self.check_keys(node, names.TRAIT_KEYS)
        if not isinstance(form.value, YamlMapping):
            hint = f"such as {form.name}: {{event: Order Completed{_example(form.name)}}}"
            self.report(form.value, f"'{form.name}' takes a mapping, this is {kind_of(form.value)}", hint)
            return None
        known &= self.check_keys(form.value, (*names.STREAM_KEYS, *_FORM_KEYS[form.name]))
        together = self._together(node, form.value)
        stream = self.stream(together)
        if form.name == names.EVENT_COUNTER:
            return tree.Count(stream, span=span_of(form.value)) if known and stream is not None else None
        operand = self.operand(form.value, form.name)
        reducer = self._function(form.value) if form.name == names.AGGREGATION else form.name
        if not known or stream is None or operand is None or reducer is None:
            return None
        return self._reduction(reducer, stream, operand, form.value)

    def _together(self, node: YamlMapping, form: YamlMapping) -> YamlMapping:
        """The event with the filters inside the form and those beside it."""
        beside = [entry for entry in node.entries if entry.name in names.STREAM_KEYS]
        for entry in beside:
            if form.get(entry.name) is not None:
                self.report(entry.key, f"'{entry.name}' is given twice: here and inside the form")
        return YamlMapping((*form.entries, *beside), form.where, form.start, form.end)

    def _function(self, form: YamlMapping) -> str | None:
        node = form.get(names.FUNCTION)
        possible = ", ".join(names.AGGREGATES)
        if node is None:
            self.report(form, "'aggregation' needs a function", f"function: one of {possible}")
            return None
        word = self.text(node, names.FUNCTION)
        if word is None or word in names.AGGREGATES:
            return word
        spelled_out = {function.value: key for key, function in names.AGGREGATES.items()}
        hint = f"did you mean '{spelled_out[word]}'?" if word in spelled_out else f"possible: {possible}"
        self.report(node, f"unknown function '{word}'", hint)
        return None

    # ── reducers ────────────────────────────────────────────────────────────────────────────────────────────

    def _reduction(
        self, reducer: str, stream: tree.Stream, operand: tree.Operand, mapping: YamlMapping
    ) -> tree.Reduction | None:
        span = span_of(mapping)
        match reducer:
            case names.MOST_FREQUENT:
                node = mapping.get(names.MINIMUM_FREQUENCY)
                frequency = self.whole_number(node, names.MINIMUM_FREQUENCY) if node is not None else 2
                if frequency is None:
                    return None
                if node is not None and frequency < 1:
                    self.report(node, MINIMUM_FREQUENCY.what, MINIMUM_FREQUENCY.hint)
                    return None
                return tree.MostFrequent(stream, operand, frequency, span=span)
            case names.FIRST:
                return tree.First(stream, operand, span=span)
            case names.LAST:
                return tree.Last(stream, operand, span=span)
            case names.UNIQUE_LIST:
                return tree.UniqueList(stream, operand, span=span)
            case names.UNIQUE_LIST_COUNT:
                return tree.UniqueCount(stream, operand, span=span)
            case _:
                return tree.Aggregate(stream, names.AGGREGATES[reducer], operand, span=span)


def _example(form: str) -> str:
    """What a form takes besides its event, for hints."""
    if form == names.EVENT_COUNTER:
        return ""
    return ", function: sum, property: price" if form == names.AGGREGATION else ", property: category"
