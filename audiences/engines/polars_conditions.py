"""A condition of the tree as a Polars expression over rows: profiles, or events of one name."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from datetime import datetime
from functools import reduce

import polars as pl

from audiences.engines.polars_comparisons import COMPARATORS, NEGATIONS, RELATIVE, relative
from audiences.engines.polars_sides import Elements, Side, of_column, of_literal, of_values
from audiences.errors import NotYetError
from audiences.language import tree
from audiences.language.selections import microseconds

ROW = "row of the scope"


class Rows:
    """A frame that gains columns while conditions on its rows are built."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame

    def add(self, values: pl.Series) -> str:
        """Adds a column, one value per row, and returns its name."""
        name = f"made {self.frame.width}"
        self.frame = self.frame.hstack([values.alias(name)])
        return name


class Scope(ABC):
    """Rows, and what the scalars of a definition are on them."""

    def __init__(self, rows: Rows, as_of: datetime) -> None:
        self.rows = rows
        self.as_of = as_of

    @abstractmethod
    def column(self, scalar: tree.Scalar) -> str:
        """The name of the column of ``rows.frame`` that has the scalar's value on every row.

        Raises:
            NotYetError: the scalar has no value on these rows.
        """

    def of_users(self, asks: tree.AnyUser | tree.AllUsers) -> pl.Expr:
        """A Boolean expression, never null: whether the condition holds for one or all users of an account."""
        raise TypeError("only an account has users")

    def side(self, scalar: tree.Scalar) -> Side | Elements:
        """The scalar as one side of a comparison."""
        name = self.column(scalar)
        return of_column(name, self.rows.frame.schema[name])


def holds(condition: tree.Condition, scope: Scope) -> pl.Expr:
    """A Boolean expression, never null, on ``scope.rows.frame`` as it is after this call.

    Raises:
        NotYetError: a condition that this engine doesn't compute.
    """
    match condition:
        case tree.And(operands=operands):
            return reduce(operator.and_, [holds(operand, scope) for operand in operands])
        case tree.Or(operands=operands):
            return reduce(operator.or_, [holds(operand, scope) for operand in operands])
        case tree.Not(operand=operand):
            return ~holds(operand, scope)
        case tree.AnyUser() | tree.AllUsers():
            return scope.of_users(condition)
        case tree.Comparison():
            return comparison(condition, scope)
    raise NotYetError(f"{type(condition).__name__} conditions: not yet")


def comparison(condition: tree.Comparison, scope: Scope) -> pl.Expr:
    """One comparison. Through ``$`` it holds if it holds for an element."""
    left = scope.side(condition.left)
    if condition.operator in RELATIVE:
        length = duration(condition)
        if isinstance(left, Side):
            return relative(condition.operator, left, scope.as_of, length)
        element = single(left)
        return any_element(relative(condition.operator, element, scope.as_of, length), [left], scope)
    arguments = [argument(item, scope) for item in condition.arguments]
    lists = [side for side in (left, *arguments) if isinstance(side, Elements)]
    if not lists:
        compare = COMPARATORS[condition.operator]
        return compare(single(left), [single(side) for side in arguments])
    positive = COMPARATORS[NEGATIONS.get(condition.operator, condition.operator)]
    hit = positive(single(left), [single(side) for side in arguments])
    found = any_element(hit, lists, scope)
    return ~found if condition.operator in NEGATIONS else found


def argument(item: tree.Argument, scope: Scope) -> Side | Elements:
    """The right side of a comparison."""
    match item:
        case tree.Text() | tree.Number() | tree.Boolean() | tree.Instant():
            return of_literal(item)
        case tree.Trait() | tree.Property():
            side = scope.side(item)
            # A copy, so that a list on both sides is compared element by element with itself.
            return Elements(scope.rows.add(scope.rows.frame[side.column])) if isinstance(side, Elements) else side
    raise NotYetError(f"{type(item).__name__} on the right of a comparison: not yet")


def duration(condition: tree.Comparison) -> int:
    """The length of a relative date's duration, in microseconds."""
    length = condition.arguments[0]
    if not isinstance(length, tree.Duration):
        raise NotYetError(f"{condition.operator.value} with anything but a duration: not yet")
    return microseconds(length)


def single(side: Side | Elements) -> Side:
    """The side itself, or one element of it, once the column is exploded."""
    return side if isinstance(side, Side) else of_values(side.column)


def any_element(hit: pl.Expr, lists: list[Elements], scope: Scope) -> pl.Expr:
    """Whether ``hit`` holds for at least one combination of the elements of ``lists``."""
    exploded = [side.column for side in lists]
    rows = scope.rows.frame.select(*dict.fromkeys([*exploded, *hit.meta.root_names()])).with_row_index(ROW)
    for name in exploded:
        rows = rows.explode(name, empty_as_null=True)
    found = rows.filter(hit)[ROW].unique()
    result = pl.repeat(False, scope.rows.frame.height, dtype=pl.Boolean, eager=True)
    return pl.col(scope.rows.add(result.scatter(found, True)))
