"""A hash of what a definition computes: it changes when a result could, not when only the spelling does."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final, assert_never

from audiences.language import tree
from audiences.language.construct import seconds
from audiences.language.literals import instant_of
from audiences.language.tree import Operator

VERSION: Final = "1"
"""Part of every fingerprint. To be raised when the same tree begins to mean something else."""

Form = str | int | float | bool | None | list["Form"]
"""The normal form of a node: its name and parts, ready for JSON."""

_SETS: Final = frozenset({Operator.ONE_OF, Operator.NONE_OF, Operator.CONTAINS, Operator.OMITS})
"""The comparisons whose arguments have no order and may repeat."""

_ON_TEXT: Final = frozenset({Operator.CONTAINS, Operator.OMITS, Operator.STARTS_WITH, Operator.ENDS_WITH})
"""The comparisons for which a date is its ten characters and not its midnight."""

_DATES: Final = frozenset({Operator.BEFORE_DATE, Operator.AFTER_DATE})

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def fingerprint(expression: tree.Expression) -> str:
    """sha256 (hex) of the normal form.

    Alike are: 7 days and 168 hours; a date and its midnight UTC, where it is compared as an instant; operands
    of AND and OR, filters of a chain, and values of one_of, none_of, contains and omits in any order and
    repeated; several where(…) and one with AND; NOT NOT x and x; ``as`` where it changes nothing.
    """
    return sha256(f"{VERSION}\n{_text(_form(expression))}".encode("utf-8", "surrogatepass")).hexdigest()


def _text(form: Form) -> str:
    return json.dumps(form, ensure_ascii=False, separators=(",", ":"))


def _sorted(forms: list[Form]) -> list[Form]:
    """In the order of their text, each once."""
    return [form for _, form in sorted({_text(form): form for form in forms}.items())]


def _form(expression: tree.Expression) -> Form:
    match expression:
        case tree.And():
            return _junction("and", expression.operands)
        case tree.Or():
            return _junction("or", expression.operands)
        case tree.Not():
            if isinstance(expression.operand, tree.Not):
                return _form(expression.operand.operand)
            return ["not", _form(expression.operand)]
        case tree.AnyUser():
            return ["any", _form(expression.condition)]
        case tree.AllUsers():
            return ["all", _form(expression.condition)]
        case tree.Comparison():
            return _comparison(expression)
        case _:
            return _value(expression)


def _junction(word: str, operands: tuple[tree.Condition, ...]) -> Form:
    """Operands that became such a junction themselves (``NOT NOT (a AND b)``) are taken apart."""
    forms: list[Form] = []
    for operand in operands:
        form = _form(operand)
        if isinstance(form, list) and form and form[0] == word:
            forms.extend(form[1:])
        else:
            forms.append(form)
    whole = _sorted(forms)
    return whole[0] if len(whole) == 1 else [word, *whole]


def _comparison(comparison: tree.Comparison) -> Form:
    operator = comparison.operator
    arguments = [_argument(argument, operator) for argument in comparison.arguments]
    if operator in _SETS:
        arguments = _sorted(arguments)
    return [operator.value, _value(comparison.left), *arguments]


def _argument(argument: tree.Argument, operator: Operator) -> Form:
    match argument:
        case tree.Text():
            found = instant_of(argument.value) if operator in _DATES else None
            return _instant(found[0]) if found is not None else ["text", argument.value]
        case tree.Number():
            whole = isinstance(argument.value, float) and argument.value.is_integer()
            return ["number", int(argument.value) if whole else argument.value]
        case tree.Boolean():
            return ["boolean", argument.value]
        case tree.Instant():
            form = _instant(argument.value)
            return [*form, "date"] if argument.date_only and operator in _ON_TEXT else form
        case tree.Duration():
            return ["seconds", seconds(argument)]
        case tree.Trait() | tree.Property():
            return _value(argument)
        case _:
            assert_never(argument)


def _instant(value: datetime) -> list[Form]:
    moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value
    return ["instant", (moment - _EPOCH) // timedelta(microseconds=1)]


def _value(value: tree.Scalar) -> Form:
    match value:
        case tree.Trait():
            return ["trait", *value.path]
        case tree.Property():
            return ["parent" if value.of_parent else "property", *value.path]
        case tree.Context():
            return ["context", *value.path]
        case tree.Count():
            return ["count", _stream(value.stream)]
        case tree.Aggregate():
            return [value.function.value, _stream(value.stream), *_operand(value.operand, value.function)]
        case tree.MostFrequent():
            operand = _operand(value.operand, "mode")
            return ["mode", _stream(value.stream), *operand, value.minimum_frequency]
        case tree.First():
            return ["first", _stream(value.stream), *_operand(value.operand)]
        case tree.Last():
            return ["last", _stream(value.stream), *_operand(value.operand)]
        case tree.UniqueList():
            return ["unique", _stream(value.stream), *_operand(value.operand)]
        case tree.UniqueCount():
            return ["unique_count", _stream(value.stream), *_operand(value.operand)]
        case _:
            assert_never(value)


def _operand(operand: tree.Operand, reducer: str = "") -> list[Form]:
    """The operand, and its ``as`` type where it means something.

    ``as number`` says what sum, avg, min and max do anyway; mode compares text whatever is said, unless
    ``as array`` stands with a path into an array.
    """
    form = _value(operand.value)
    ignored = operand.cast is None or operand.cast == tree.Cast.NUMBER
    if reducer == "mode":
        ignored = operand.cast != tree.Cast.ARRAY or tree.EACH not in operand.value.path
    return [form] if ignored or operand.cast is None else [form, operand.cast.value]


def _stream(stream: tree.Stream) -> Form:
    """A filter looks at each event by itself, and a session at what is left: their order means nothing."""
    conditions = tuple(kept.condition for kept in stream.filters if isinstance(kept, tree.Where))
    excluded = {source for kept in stream.filters if isinstance(kept, tree.Sources) for source in kept.exclude}
    filters: list[Form] = [form for kept in stream.filters if (form := _window(kept)) is not None]
    if conditions:
        filters.append(["where", _junction("and", conditions)])
    if excluded:
        filters.append(["exclude", *sorted(excluded)])
    return ["event", stream.event, *_sorted(filters)]


def _window(kept: tree.Filter) -> Form:
    """A window in seconds; one that begins at 0 is ``within``. None for the other filters."""
    match kept:
        case tree.Within():
            return ["within", kept.of_parent, seconds(kept.duration)]
        case tree.Between():
            nearest, farthest = sorted((seconds(kept.nearest), seconds(kept.farthest)))
            if nearest == 0:
                return ["within", kept.of_parent, farthest]
            return ["between", kept.of_parent, nearest, farthest]
        case tree.ExpiresAfter():
            return ["expires_after", seconds(kept.duration)]
        case tree.Where() | tree.Sources():
            return None
