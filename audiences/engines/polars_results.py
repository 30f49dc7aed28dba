"""From a computation's expression to its values, and from these to a stored snapshot."""

from __future__ import annotations

from typing import Final

import polars as pl

from audiences.definitions.computation import Computation, JSONValue, Kind, Level, Missing
from audiences.engines.polars_conditions import Rows, Scope, holds
from audiences.engines.polars_profiles import ANONYMOUS, ID, Profiles, ProfileScope
from audiences.events.values import (
    VALUE,
    explode_lists,
    json_of_value,
    value_expression,
    value_of,
    values_from_column,
)
from audiences.language import tree

CONDITIONS: Final = (tree.Comparison, tree.And, tree.Or, tree.Not, tree.AnyUser, tree.AllUsers)

SNAPSHOT: Final = pl.Schema({"id": pl.String(), "value": pl.String()})


def computed(computation: Computation, profiles: Profiles, scope: ProfileScope) -> pl.Series:
    """The value of every profile as VALUE, null where there is none; an audience has one for everyone."""
    expression = computation.expression
    if computation.kind is Kind.AUDIENCE:
        if not isinstance(expression, CONDITIONS):
            raise TypeError(f"{computation.key}: an audience is a condition")
        return membership(holds(expression, scope), computation, profiles)
    if isinstance(expression, CONDITIONS):
        raise TypeError(f"{computation.key}: a trait is a value")
    column = scope.column(expression)
    return with_default(as_values(profiles.frame[column]), computation.default)


def membership(condition: pl.Expr, computation: Computation, profiles: Profiles) -> pl.Series:
    """Who is a member. Anonymous profiles are left out last, unless the audience includes them."""
    everyone = computation.include_anonymous_users or computation.level is Level.ACCOUNT
    member = condition if everyone else condition & ~pl.col(ANONYMOUS)
    text = pl.when(member).then(pl.lit("true")).otherwise(pl.lit("false"))
    return of_rows(value_expression("boolean", text), profiles)


def truth(condition: tree.Condition, scope: Scope) -> pl.Series:
    """Whether a condition holds, for each row of the scope."""
    return of_rows(holds(condition, scope), scope.rows)


def of_rows(expression: pl.Expr, rows: Rows) -> pl.Series:
    """The expression's value for each row."""
    # Not by select: an expression without columns is a single value there.
    return rows.frame.with_columns(expression.alias("it")).get_column("it")


def as_values(results: pl.Series) -> pl.Series:
    """The results of a measure, or a trait's values, as VALUE; several values through ``$`` are one array."""
    if results.dtype == VALUE:
        return results
    if results.dtype == pl.List(VALUE):
        return arrays(results)
    return values_from_column(results)


def arrays(lists: pl.Series) -> pl.Series:
    """List(VALUE) as VALUE: JSON arrays; missing where the list is empty."""
    rows, elements = explode_lists(lists)
    texts = (
        pl.DataFrame({"row": rows, "element": elements})
        .group_by("row", maintain_order=True)
        .agg(json_of_value(pl.col("element")).str.join(",").alias("text"))
    )
    every = pl.DataFrame({"row": pl.int_range(len(lists), dtype=pl.UInt32, eager=True)})
    joined = every.join(texts, on="row", how="left", maintain_order="left")
    return joined.select(value_expression("json", "[" + pl.col("text") + "]")).to_series()


def with_default(values: pl.Series, default: JSONValue | Missing) -> pl.Series:
    """The values, with ``default`` for everyone who has none. A default of JSON null is none."""
    found = None if isinstance(default, Missing) else value_of(default)
    if found is None:
        return values
    kind, text, number = found
    constant = value_expression(kind, pl.lit(text), pl.lit(number, dtype=pl.Float64))
    return values.to_frame("value").select(pl.coalesce(pl.col("value"), constant)).to_series()


def snapshot(ids: pl.Series, values: pl.Series, kind: Kind) -> pl.DataFrame:
    """The rows to store: ids with a value as canonical JSON text; of an audience, the members."""
    frame = pl.DataFrame({ID: ids, "value": values}).select(ID, json_of_value(pl.col("value")).alias("value"))
    there = pl.col("value") == "true" if kind is Kind.AUDIENCE else pl.col("value").is_not_null()
    return frame.filter(there)
