"""From a computation's expression to its values, and from these to a stored snapshot."""

from __future__ import annotations

from typing import Final

import polars as pl

from audiences.definitions.computation import Computation, JSONValue, Kind, Level, Missing
from audiences.engines.polars_columns import Column, arrays
from audiences.engines.polars_conditions import Rows, Scope, holds
from audiences.engines.polars_profiles import ANONYMOUS, ID, Profiles, ProfileScope
from audiences.events.values import VALUE, value_expression, value_of, values_from_column
from audiences.language import tree

CONDITIONS: Final = (tree.Comparison, tree.And, tree.Or, tree.Not, tree.AnyUser, tree.AllUsers)

SNAPSHOT: Final = pl.Schema({"id": pl.String(), "value": pl.String()})


def computed(computation: Computation, profiles: Profiles, scope: ProfileScope) -> Column:
    """The value of every profile, null where there is none; an audience's is Boolean, and never null."""
    expression = computation.expression
    if computation.kind is Kind.AUDIENCE:
        if not isinstance(expression, CONDITIONS):
            raise TypeError(f"{computation.key}: an audience is a condition")
        return Column(membership(holds(expression, scope), computation, profiles))
    if isinstance(expression, CONDITIONS):
        raise TypeError(f"{computation.key}: a trait is a value")
    return with_default(one_value(profiles.column(scope.stored(expression))), computation.default)


def one_value(column: Column) -> Column:
    """Several values through ``$`` are one array: as such they are kept, and seen by definitions that use them."""
    return Column(arrays(column.values)) if column.values.dtype == pl.List(VALUE) else column


def membership(condition: pl.Expr, computation: Computation, profiles: Profiles) -> pl.Series:
    """Who is a member. Anonymous profiles are left out last, unless the audience includes them."""
    everyone = computation.include_anonymous_users or computation.level is Level.ACCOUNT
    return of_rows(condition if everyone else condition & ~pl.col(ANONYMOUS), profiles)


def truth(condition: tree.Condition, scope: Scope) -> pl.Series:
    """Whether a condition holds, for each row of the scope."""
    return of_rows(holds(condition, scope), scope.rows)


def of_rows(expression: pl.Expr, rows: Rows) -> pl.Series:
    """The expression's value for each row."""
    # Not by select: an expression without columns is a single value there.
    return rows.frame.with_columns(expression.alias("it")).get_column("it")


def with_default(column: Column, default: JSONValue | Missing) -> Column:
    """The values, with ``default`` for everyone who has none. A default of JSON null is none."""
    found = None if isinstance(default, Missing) else value_of(default)
    if found is None:
        return column
    kind, text, number = found
    result = column.result()
    if kind == "number" and result.dtype.is_integer() and isinstance(default, int):
        return Column(result.fill_null(default))
    if kind == "string" and result.dtype == pl.String:
        return Column(result.fill_null(text))
    constant = value_expression(kind, pl.lit(text), pl.lit(number, dtype=pl.Float64))
    values = result if result.dtype == VALUE else values_from_column(result)
    return Column(values.to_frame("value").select(pl.coalesce(pl.col("value"), constant)).to_series())


def snapshot(ids: pl.Series, column: Column, kind: Kind) -> pl.DataFrame:
    """The rows to store: ids with a value as canonical JSON text; of an audience, the members."""
    if kind is Kind.AUDIENCE:
        members = ids.filter(column.values)
        return pl.DataFrame({ID: members, "value": pl.Series(["true"]).new_from_index(0, len(members))})
    return pl.DataFrame({ID: ids, "value": column.json()}).drop_nulls("value")
