"""Tree → structured YAML: ``parse_structured`` of the text gives the same tree, spans aside.

Filters in the fixed order (where, sources, window, session) become keys, any other order a list of filters.
Conditions at the end of a ``where`` that count later events become ``then`` and ``then_not``. A window that
waits for a deadline becomes ``within`` and ``wait: true``, as they would be written by hand.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Final, assert_never

from audiences.definitions import structured_names as names
from audiences.definitions.computation import Computation
from audiences.definitions.yaml_text import Plain, yaml_text
from audiences.language import tree
from audiences.language.print import duration, path
from audiences.language.tree import Operator

_AT_LEAST_ONE: Final = (Operator.AT_LEAST, (tree.Number(1),))
_NEVER: Final = (Operator.EQUALS, (tree.Number(0),))
_FUNCTIONS: Final = {function: key for key, function in names.AGGREGATES.items()}


def print_structured(definition: Computation | tree.Expression, *, audiences: Collection[str] = ()) -> str:
    """The keys that define a computation, as YAML; they go into an entry next to its ``key``.

    A condition on a trait whose key is in ``audiences`` is printed as ``audience: key``, which the loader
    accepts for audiences only.
    """
    expression = definition.expression if isinstance(definition, Computation) else definition
    return yaml_text(plain_of(expression, audiences=audiences))


def plain_of(expression: tree.Expression, *, audiences: Collection[str] = ()) -> dict[str, Plain]:
    """The structured form as plain dicts and lists, keys in the order of writing."""
    printer = _Printer(frozenset(audiences))
    if isinstance(expression, tree.Condition):
        written = printer.condition(expression)
        (first, *_) = written
        return written if first in names.LISTS_OF_CONDITIONS else {names.ALL: [written]}
    return printer.trait(expression)


class _Printer:
    def __init__(self, audiences: frozenset[str]) -> None:
        self._audiences = audiences

    # ── traits ──────────────────────────────────────────────────────────────────────────────────────────────

    def trait(self, value: tree.Scalar) -> dict[str, Plain]:
        match value:
            case tree.Trait():
                return {names.TRAIT: path(value.path)}
            case tree.Property() | tree.Context():
                raise ValueError("a property or context field is not a definition")
            case tree.Count():
                form, inner = names.EVENT_COUNTER, {}
            case tree.Aggregate():
                form, inner = names.AGGREGATION, {names.FUNCTION: _FUNCTIONS[value.function]}
            case _:
                form, inner = _reducer_key(value), {}
        stream = self.stream(value.stream)
        written: dict[str, Plain] = {names.EVENT: stream.pop(names.EVENT), **inner}
        if not isinstance(value, tree.Count):
            written.update(_operand(value.operand))
        if isinstance(value, tree.MostFrequent):
            written[names.MINIMUM_FREQUENCY] = value.minimum_frequency
        return {form: written, **stream}

    # ── conditions ──────────────────────────────────────────────────────────────────────────────────────────

    def condition(self, condition: tree.Condition) -> dict[str, Plain]:
        match condition:
            case tree.And():
                return {names.ALL: self.conditions(condition.operands)}
            case tree.Or():
                return {names.ANY: self.conditions(condition.operands)}
            case tree.AnyUser():
                return {names.ANY_USER: self.conjuncts(condition.condition)}
            case tree.AllUsers():
                return {names.ALL_USERS: self.conjuncts(condition.condition)}
            case tree.Not():
                return self.negation(condition.operand)
            case tree.Comparison():
                return self.comparison(condition)
            case _:
                assert_never(condition)

    def conditions(self, conditions: Sequence[tree.Condition]) -> list[Plain]:
        return [self.condition(condition) for condition in conditions]

    def conjuncts(self, condition: tree.Condition) -> list[Plain]:
        """A condition as the list that stands for 'all of these'."""
        return self.conditions(condition.operands if isinstance(condition, tree.And) else (condition,))

    def negation(self, operand: tree.Condition) -> dict[str, Plain]:
        if isinstance(operand, tree.AnyUser):
            return {names.NO_USER: self.conjuncts(operand.condition)}
        if isinstance(operand, tree.Or):
            return {names.NONE: self.conditions(operand.operands)}
        written = self.condition(operand)
        if names.AUDIENCE in written:
            return {**written, names.MEMBER: False}
        return {names.NONE: [written]}

    def comparison(self, comparison: tree.Comparison) -> dict[str, Plain]:
        left, operator, arguments = comparison.left, comparison.operator, comparison.arguments
        match left:
            case tree.Trait():
                if self._is_membership(comparison):
                    return {names.AUDIENCE: left.path[0]}
                return {names.TRAIT: path(left.path), **_compared(operator, arguments)}
            case tree.Property() | tree.Context():
                return {_extractor_key(left): path(left.path), **_compared(operator, arguments)}
            case tree.Count():
                written = self.stream(left.stream)
                if (operator, arguments) != _AT_LEAST_ONE:
                    written[names.COUNT] = _compared(operator, arguments, count=True)
                return written
            case _:
                written = self.stream(left.stream)
                written[_reducer_key(left)] = _short_operand(left.operand)
                if isinstance(left, tree.MostFrequent) and left.minimum_frequency != 2:
                    written[names.MINIMUM_FREQUENCY] = left.minimum_frequency
                return {**written, **_compared(operator, arguments)}

    def _is_membership(self, comparison: tree.Comparison) -> bool:
        left = comparison.left
        return (
            isinstance(left, tree.Trait)
            and len(left.path) == 1
            and left.path[0] in self._audiences
            and comparison.operator == Operator.EQUALS
            and comparison.arguments == (tree.Boolean(value=True),)
        )

    # ── events and their filters ────────────────────────────────────────────────────────────────────────────

    def stream(self, stream: tree.Stream, *, of_parent: bool = False) -> dict[str, Plain]:
        """An event with its filters: as keys if they are in the fixed order, else as a list.

        ``of_parent``: inside of ``then``, where windows count from the parent without saying so.
        """
        written: dict[str, Plain] = {names.EVENT: stream.event}
        if not _in_fixed_order(stream.filters):
            written[names.FILTERS] = [self.filter(filter_) for filter_ in stream.filters]
            return written
        missing: list[tree.Comparison] = []
        for filter_ in stream.filters:
            if isinstance(filter_, tree.Where):
                conjuncts, happened, missing = _split(filter_.condition)
                if conjuncts:
                    written[names.WHERE] = self.conditions(conjuncts)
                self._add_nested(written, names.THEN, happened)
                self._add_nested(written, names.THEN_NOT, missing)
            elif isinstance(filter_, tree.Within) and of_parent:
                written[names.WITHIN] = duration(filter_.duration)
            elif isinstance(filter_, tree.Between) and of_parent:
                written[names.BETWEEN] = [duration(filter_.nearest), duration(filter_.farthest)]
            else:
                written.update(self.filter(filter_))
        return _read_first(self._waiting(written, stream.filters, missing))

    def filter(self, filter_: tree.Filter) -> dict[str, Plain]:
        """A filter as a mapping with one key, relative to a parent where it says so."""
        match filter_:
            case tree.Where():
                return {names.WHERE: self.conjuncts(filter_.condition)}
            case tree.Sources():
                return {names.SOURCES: {"exclude": list(filter_.exclude)}}
            case tree.Within():
                length = duration(filter_.duration)
                return {names.WITHIN: {names.PARENT: length} if filter_.of_parent else length}
            case tree.Between():
                bounds = [duration(filter_.nearest), duration(filter_.farthest)]
                return {names.BETWEEN: {names.PARENT: bounds} if filter_.of_parent else bounds}
            case tree.ExpiresAfter():
                return {names.SESSION: duration(filter_.duration)}
            case _:
                assert_never(filter_)

    def _add_nested(self, written: dict[str, Plain], key: str, comparisons: Sequence[tree.Comparison]) -> None:
        nested: list[Plain] = []
        for comparison in comparisons:
            if isinstance(comparison.left, tree.Count):
                one = self.stream(comparison.left.stream, of_parent=True)
                if key == names.THEN and (comparison.operator, comparison.arguments) != _AT_LEAST_ONE:
                    one[names.COUNT] = _compared(comparison.operator, comparison.arguments, count=True)
                nested.append(one)
        if nested:
            written[key] = nested[0] if len(nested) == 1 else nested

    def _waiting(
        self,
        written: dict[str, Plain],
        filters: Sequence[tree.Filter],
        missing: Sequence[tree.Comparison],
    ) -> dict[str, Plain]:
        """``between: [D, W + D]`` next to one ``then_not`` within D is ``within: W`` and ``wait: true``."""
        window = next((filter_ for filter_ in filters if isinstance(filter_, tree.Between)), None)
        nested = written.get(names.THEN_NOT)
        if window is None or window.of_parent or len(missing) != 1 or not isinstance(nested, dict):
            return written
        left = missing[0].left
        deadline = _deadline(left.stream) if isinstance(left, tree.Count) else None
        if deadline is None or deadline != window.nearest or deadline.unit != window.farthest.unit:
            return written
        rest = window.farthest.amount - deadline.amount
        if rest <= 0:
            return written
        within = tree.Duration(rest, deadline.unit)
        return {
            **{key: value for key, value in written.items() if key != names.BETWEEN},
            names.THEN_NOT: {**nested, names.WAIT: True},
            names.WITHIN: duration(within),
        }


def _read_first(written: dict[str, Plain]) -> dict[str, Plain]:
    """The event and its own filters, then what happened after it: the order in which one says it."""
    later = (names.THEN, names.THEN_NOT)
    return {
        **{key: value for key, value in written.items() if key not in later},
        **{key: written[key] for key in later if key in written},
    }


def _in_fixed_order(filters: Sequence[tree.Filter]) -> bool:
    """Whether the filters are where, sources, a window and a session, each at most once, in this order."""
    ranks = []
    for filter_ in filters:
        match filter_:
            case tree.Where():
                ranks.append(0)
            case tree.Sources():
                ranks.append(1)
            case tree.Within() | tree.Between():
                ranks.append(2)
            case tree.ExpiresAfter():
                ranks.append(3)
            case _:
                assert_never(filter_)
    return all(earlier < later for earlier, later in pairwise(ranks))


def _split(
    condition: tree.Condition,
) -> tuple[list[tree.Condition], list[tree.Comparison], list[tree.Comparison]]:
    """The conditions of a ``where`` proper, and those at its end that read as ``then`` and ``then_not``."""
    conjuncts = list(condition.operands if isinstance(condition, tree.And) else (condition,))
    missing: list[tree.Comparison] = []
    while conjuncts and (last := _follows(conjuncts[-1])) and (last.operator, last.arguments) == _NEVER:
        missing.insert(0, last)
        conjuncts.pop()
    happened: list[tree.Comparison] = []
    while conjuncts and (last := _follows(conjuncts[-1])) and (last.operator, last.arguments) != _NEVER:
        happened.insert(0, last)
        conjuncts.pop()
    return conjuncts, happened, missing


def _follows(condition: tree.Condition) -> tree.Comparison | None:
    """The condition, if it counts events whose only window is relative to their parent."""
    if not isinstance(condition, tree.Comparison) or not isinstance(condition.left, tree.Count):
        return None
    filters = condition.left.stream.filters
    if not _in_fixed_order(filters):
        return None
    for filter_ in filters:
        if isinstance(filter_, tree.ExpiresAfter):
            return None
        if isinstance(filter_, tree.Within | tree.Between) and not filter_.of_parent:
            return None
    return condition


def _deadline(stream: tree.Stream) -> tree.Duration | None:
    for filter_ in stream.filters:
        if isinstance(filter_, tree.Within):
            return filter_.duration
        if isinstance(filter_, tree.Between):
            return filter_.farthest
    return None


def _reducer_key(reduction: tree.Reduction) -> str:
    match reduction:
        case tree.Count():
            return names.COUNT
        case tree.Aggregate():
            return _FUNCTIONS[reduction.function]
        case tree.MostFrequent():
            return names.MOST_FREQUENT
        case tree.First():
            return names.FIRST
        case tree.Last():
            return names.LAST
        case tree.UniqueList():
            return names.UNIQUE_LIST
        case tree.UniqueCount():
            return names.UNIQUE_LIST_COUNT
        case _:
            assert_never(reduction)


def _extractor_key(value: tree.Property | tree.Context) -> str:
    if isinstance(value, tree.Context):
        return names.CONTEXT
    return names.PARENT if value.of_parent else names.PROPERTY


def _operand(operand: tree.Operand) -> dict[str, Plain]:
    written: dict[str, Plain] = {_extractor_key(operand.value): path(operand.value.path)}
    if operand.cast is not None:
        written[names.CAST] = operand.cast.value
    return written


def _short_operand(operand: tree.Operand) -> Plain:
    written = _operand(operand)
    return written[names.PROPERTY] if list(written) == [names.PROPERTY] else written


def _compared(operator: Operator, arguments: tuple[tree.Argument, ...], *, count: bool = False) -> dict[str, Plain]:
    key = names.EXACTLY if count and operator == Operator.EQUALS else operator.value
    if operator in names.WITHOUT_ARGUMENT:
        return {key: True}
    values = [_argument(argument) for argument in arguments]
    return {key: values[0] if len(values) == 1 and operator not in names.LIST_OPERATORS else values}


def _argument(argument: tree.Argument) -> Plain:
    match argument:
        case tree.Text() | tree.Number() | tree.Boolean():
            return argument.value
        case tree.Instant():
            return argument.value.date() if argument.date_only else argument.value
        case tree.Duration():
            return duration(argument)
        case tree.Trait():
            return {names.TRAIT: path(argument.path)}
        case tree.Property():
            return {_extractor_key(argument): path(argument.path)}
        case _:
            assert_never(argument)
