"""A condition of the tree as a Polars expression over rows: profiles, or events of one name."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from functools import reduce

import polars as pl

from audiences.engines.polars_columns import Column
from audiences.engines.polars_comparisons import COMPARATORS, NEGATIONS, RELATIVE, relative
from audiences.engines.polars_sides import Elements, Side, of_column, of_literal, of_scaled, of_values
from audiences.errors import NotYetError
from audiences.events.buckets import Coded, Form, Scaled
from audiences.events.scaling import unscaled
from audiences.language import tree
from audiences.language.selections import microseconds

ROW = "row of the scope"
VALUES = "values"


class Rows:
    """A frame that gains columns while conditions on its rows are built; ``forms`` are those of its columns."""

    def __init__(self, frame: pl.DataFrame, forms: Mapping[str, Form] | None = None) -> None:
        self.frame = frame
        self.forms = {name: form for name, form in (forms or {}).items() if name in frame.columns}
        self._plain: dict[str, str] = {}
        self._numbers: dict[str, str] = {}

    def add(self, values: pl.Series, form: Form | None = None) -> str:
        """Adds a column, one value per row, and returns its name."""
        name = f"made {self.frame.width}"
        self.frame = self.frame.hstack([values.alias(name)])
        if form is not None:
            self.forms[name] = form
        return name

    def column(self, name: str) -> Column:
        """A column with its form."""
        return Column(self.frame.get_column(name), self.forms.get(name))

    def plain(self, name: str) -> str:
        """The name of the column without a form that has the same values."""
        if name not in self.forms:
            return name
        if name not in self._plain:
            self._plain[name] = self.add(self.column(name).plain())
        return self._plain[name]

    def numbers(self, name: str, form: Scaled) -> str:
        """The name of the column of Float64 that has the numbers of a scaled column."""
        if name not in self._numbers:
            self._numbers[name] = self.add(unscaled(self.frame.get_column(name), form.places))
        return self._numbers[name]


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

    def stored(self, scalar: tree.Scalar) -> str:
        """The same, but the column may have a form."""
        return self.column(scalar)

    def side(self, scalar: tree.Scalar) -> Side | Elements:
        """The scalar as one side of a comparison."""
        name = self.stored(scalar)
        form = self.rows.forms.get(name)
        if isinstance(form, Scaled):
            return of_scaled(name, self.rows.numbers(name, form), form)
        name = self.rows.plain(name)
        return of_column(name, self.rows.frame.schema[name])


def holds(condition: tree.Condition, scope: Scope) -> pl.Expr:
    """A Boolean expression, never null, on ``scope.rows.frame`` as it is after this call.

    Raises:
        NotYetError: a condition that this engine doesn't compute.
    """
    coded = by_codes(condition, scope)
    if coded is not None:
        return coded
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


def by_codes(condition: tree.Condition, scope: Scope) -> pl.Expr | None:
    """The condition by the codes of the only column that it looks at: each different value is asked once.

    None if it looks at anything else, or if there are more values than rows.
    """
    scalar = only_scalar(condition)
    if scalar is None:
        return None
    name = scope.stored(scalar)
    form = scope.rows.forms.get(name)
    if not isinstance(form, Coded) or len(form.values) > scope.rows.frame.height:
        return None
    truth = of_values_and_nothing(form, condition, scope.as_of)
    missing, truth = bool(truth[-1]), truth.head(len(form.values))
    codes = truth.arg_true()
    column = pl.col(name)
    if not len(codes):
        return column.is_null() & missing
    first, last = int(codes[0]), int(codes[-1])
    if last - first + 1 == len(codes):
        return column.is_between(first, last).fill_null(missing)
    return pl.col(scope.rows.add(truth.gather(scope.rows.frame.get_column(name)).fill_null(missing)))


def of_values_and_nothing(form: Coded, condition: tree.Condition, as_of: datetime) -> pl.Series:
    """Whether the condition holds for each of the values, and for a missing one."""
    nothing = pl.Series([None], dtype=form.values.dtype)
    scope = ValuesScope(pl.concat([form.values.alias(VALUES), nothing.alias(VALUES)]).to_frame(), as_of)
    held = holds(condition, scope).alias("holds")
    return scope.rows.frame.with_columns(held).get_column("holds")


def only_scalar(condition: tree.Condition) -> tree.Property | tree.Context | tree.Trait | None:
    """What a condition looks at, if that is one field or trait and no more, and everything else is written in it."""
    match condition:
        case tree.And(operands=operands) | tree.Or(operands=operands):
            found = {only_scalar(operand) for operand in operands}
            return found.pop() if len(found) == 1 else None
        case tree.Not(operand=operand):
            return only_scalar(operand)
        case tree.Comparison(left=tree.Property() | tree.Context() | tree.Trait() as left, arguments=arguments):
            written = not any(isinstance(item, tree.Trait | tree.Property) for item in arguments)
            return left if written else None
    return None


class ValuesScope(Scope):
    """Different values, and what is only one column of them."""

    def __init__(self, frame: pl.DataFrame, as_of: datetime) -> None:
        super().__init__(Rows(frame), as_of)

    def column(self, scalar: tree.Scalar) -> str:
        """The values, whatever is asked for."""
        return VALUES


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
