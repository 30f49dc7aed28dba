"""What the language has and the Polars engine doesn't compute: refused by name, never ignored."""

from __future__ import annotations

from collections.abc import Iterator

from audiences.definitions.computation import Computation, Level
from audiences.errors import Problem
from audiences.language import tree

ACCOUNTS = "account-level computations: not yet"
USERS = "ANY and ALL: not yet"
FUNNELS = "funnel conditions: not yet"
PARENT_WINDOWS = "windows relative to a parent event: not yet"
PARENT_PROPERTIES = "property(parent: …): not yet"

HINT = "it is understood, and refused until it is computed; everything else in the space still runs"


def refusals(computation: Computation) -> list[Problem]:
    """One problem for each kind of construct in the definition that is not computed yet."""
    found: dict[str, None] = {}
    if computation.level is Level.ACCOUNT:
        found[ACCOUNTS] = None
    for construct in constructs(computation.expression, nested=False):
        found[construct] = None
    return [
        Problem(where=computation.location, what=what, hint=HINT, key=computation.key, not_yet=True)
        for what in found
    ]


def constructs(expression: tree.Expression, *, nested: bool) -> Iterator[str]:
    """What an expression has that isn't computed; ``nested``: it stands in a ``where``."""
    match expression:
        case tree.And(operands=operands) | tree.Or(operands=operands):
            for operand in operands:
                yield from constructs(operand, nested=nested)
        case tree.Not(operand=condition):
            yield from constructs(condition, nested=nested)
        case tree.AnyUser(condition=condition) | tree.AllUsers(condition=condition):
            yield USERS
            yield from constructs(condition, nested=nested)
        case tree.Comparison(left=left, arguments=arguments):
            yield from constructs(left, nested=nested)
            if any(isinstance(argument, tree.Property) for argument in arguments):
                yield PARENT_PROPERTIES
        case tree.Property(of_parent=True):
            yield PARENT_PROPERTIES
        case tree.Trait() | tree.Property() | tree.Context():
            return
        case _:
            yield from stream_constructs(expression.stream, nested=nested)


def stream_constructs(stream: tree.Stream, *, nested: bool) -> Iterator[str]:
    """A stream inside a ``where`` is a funnel, whatever it has inside; outside, its filters are looked at."""
    if nested:
        yield FUNNELS
        return
    for item in stream.filters:
        match item:
            case tree.Where(condition=condition):
                yield from constructs(condition, nested=True)
            case tree.Within(of_parent=True) | tree.Between(of_parent=True):
                yield PARENT_WINDOWS
            case _:
                pass
