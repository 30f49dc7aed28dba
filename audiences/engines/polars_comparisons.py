"""The comparison rules: one small function per operator, in one table.

One rule everywhere:

- Equality: if either side is a number, as numbers, and text that is a number counts as one; other text is not
  equal. If the literal is a date or timestamp, both sides as timestamps; what is not ISO 8601 is not equal.
  Otherwise as text, case-sensitively.
- Order: both sides numbers or text that is a number: as numbers. Both ISO 8601 dates or timestamps: as
  timestamps. Anything else is false.
- ``contains``, ``omits``, ``starts_with``, ``ends_with`` work on text, case-sensitively.
- On a missing value every comparison is false, except ``absent`` and ``omits``, which are true. ``differs``
  is "a value is there and ``equals`` is false", ``none_of`` "a value is there and ``one_of`` is false".

The results are never null.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import reduce
from typing import Final

import polars as pl

from audiences.engines.polars_sides import Side
from audiences.language.tree import Operator

FALSE: Final = pl.lit(False)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
INT64: Final = 2**63 - 1

Order = Callable[[pl.Expr, pl.Expr], pl.Expr]
Comparator = Callable[[Side, Sequence[Side]], pl.Expr]
RelativeComparator = Callable[[pl.Expr, int, int], pl.Expr]


def equals(left: Side, right: Side) -> pl.Expr:
    """Whether two values are the same."""
    if left.timestamp or right.timestamp:
        return same_instant(left, right)
    numbers = left.number == right.number
    texts = left.text == right.text
    if left.numeric or right.numeric:
        return numbers.fill_null(False)
    if left.numeric is False and right.numeric is False:
        return texts.fill_null(False)
    if not (left.has_number and right.has_number):
        # The text of a number always reads as a number: text that doesn't can't be equal to it.
        return texts.fill_null(False)
    return pl.when(either_number(left, right)).then(numbers).otherwise(texts).fill_null(False)


def same_instant(left: Side, right: Side) -> pl.Expr:
    """Equality with a date or timestamp literal. A number is not a timestamp."""
    if left.numeric or right.numeric:
        return FALSE
    return (left.instant == right.instant).fill_null(False)


def either_number(left: Side, right: Side) -> pl.Expr:
    """Whether at least one of two values is a number by kind."""
    if left.numeric is False:
        return right.is_number
    if right.numeric is False:
        return left.is_number
    return left.is_number | right.is_number


def in_order(order: Order, left: Side, right: Side) -> pl.Expr:
    """An order comparison: as numbers, else as timestamps, else false."""
    candidates = []
    if left.has_number and right.has_number:
        candidates.append(order(left.number, right.number))
    if left.has_instant and right.has_instant:
        candidates.append(order(left.instant, right.instant))
    if not candidates:
        return FALSE
    return pl.coalesce(candidates).fill_null(False)


def exists(left: Side) -> pl.Expr:
    """Whether a value is there; an empty string, 0 and false are values."""
    # The text of a number would have to be made.
    return (left.number if left.numeric else left.text).is_not_null()


def one_of(left: Side, arguments: Sequence[Side]) -> pl.Expr:
    """Whether the value equals one of the arguments."""
    return any_of(equals(left, argument) for argument in arguments)


def contains(left: Side, arguments: Sequence[Side]) -> pl.Expr:
    """Whether one of the arguments is a substring."""
    return any_of(left.text.str.contains(argument.text, literal=True).fill_null(False) for argument in arguments)


def starts_with(left: Side, arguments: Sequence[Side]) -> pl.Expr:
    """Whether the text begins with one of the arguments."""
    return any_of(left.text.str.starts_with(argument.text).fill_null(False) for argument in arguments)


def ends_with(left: Side, arguments: Sequence[Side]) -> pl.Expr:
    """Whether the text ends with one of the arguments."""
    return any_of(left.text.str.ends_with(argument.text).fill_null(False) for argument in arguments)


def before_date(left: Side, arguments: Sequence[Side]) -> pl.Expr:
    """Whether the value is an earlier timestamp than the argument."""
    return any_of((left.instant < argument.instant).fill_null(False) for argument in arguments)


def after_date(left: Side, arguments: Sequence[Side]) -> pl.Expr:
    """Whether the value is a later timestamp than the argument."""
    return any_of((left.instant > argument.instant).fill_null(False) for argument in arguments)


def any_of(conditions: Iterable[pl.Expr]) -> pl.Expr:
    """Whether at least one holds; false if there are none."""
    found = list(conditions)
    return reduce(operator.or_, found) if found else FALSE


COMPARATORS: Final[dict[Operator, Comparator]] = {
    Operator.EQUALS: one_of,
    Operator.DIFFERS: lambda left, arguments: exists(left) & ~one_of(left, arguments),
    Operator.GREATER_THAN: lambda left, arguments: in_order(operator.gt, left, arguments[0]),
    Operator.AT_LEAST: lambda left, arguments: in_order(operator.ge, left, arguments[0]),
    Operator.LESS_THAN: lambda left, arguments: in_order(operator.lt, left, arguments[0]),
    Operator.AT_MOST: lambda left, arguments: in_order(operator.le, left, arguments[0]),
    Operator.EXISTS: lambda left, arguments: exists(left),
    Operator.ABSENT: lambda left, arguments: ~exists(left),
    Operator.CONTAINS: contains,
    Operator.OMITS: lambda left, arguments: ~contains(left, arguments),
    Operator.STARTS_WITH: starts_with,
    Operator.ENDS_WITH: ends_with,
    Operator.ONE_OF: one_of,
    Operator.NONE_OF: lambda left, arguments: exists(left) & ~one_of(left, arguments),
    Operator.BEFORE_DATE: before_date,
    Operator.AFTER_DATE: after_date,
}
"""Operators that compare with literals or values."""

NEGATIONS: Final[dict[Operator, Operator]] = {
    Operator.OMITS: Operator.CONTAINS,
    Operator.ABSENT: Operator.EXISTS,
}
"""Over the elements of an array these hold if the other one holds for no element; the rest hold if one
does."""

RELATIVE: Final[dict[Operator, RelativeComparator]] = {
    Operator.WITHIN_LAST: lambda value, as_of, length: value.is_between(clamped(as_of - length), clamped(as_of)),
    Operator.BEFORE_LAST: lambda value, as_of, length: value <= clamped(as_of - length),
    Operator.WITHIN_NEXT: lambda value, as_of, length: value.is_between(clamped(as_of), clamped(as_of + length)),
    Operator.AFTER_NEXT: lambda value, as_of, length: value >= clamped(as_of + length),
}
"""Operators that compare a timestamp with as-of and a duration, all in microseconds since 1970."""


def relative(operation: Operator, left: Side, as_of: datetime, length: int) -> pl.Expr:
    """A date relative to as-of; ``length`` in microseconds. What is not ISO 8601 is false."""
    if not left.has_instant:
        return FALSE
    moment = left.instant.dt.timestamp("us")
    return RELATIVE[operation](moment, microseconds_since_epoch(as_of), length).fill_null(False)


def clamped(instant: int) -> int:
    """An instant that fits into 64 bits: a duration may reach beyond all of time."""
    return max(-INT64, min(INT64, instant))


def microseconds_since_epoch(moment: datetime) -> int:
    """A UTC instant in microseconds since 1970, exactly."""
    difference = moment - EPOCH
    return (difference.days * 86_400 + difference.seconds) * 1_000_000 + difference.microseconds
