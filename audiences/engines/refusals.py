"""What the language has and the Polars engine doesn't compute: refused by name, never ignored."""

from __future__ import annotations

from collections.abc import Iterator

from audiences.definitions.computation import Computation
from audiences.errors import Problem
from audiences.language import tree

NESTED_SESSIONS = "session windows of nested events: not yet"

HINT = "it is understood, and refused until it is computed; everything else in the space still runs"


def refusals(computation: Computation) -> list[Problem]:
    """One problem for each kind of construct in the definition that is not computed yet."""
    found: dict[str, None] = {}
    for construct in constructs(computation.expression, nested=False):
        found[construct] = None
    return [
        Problem(where=computation.location, what=what, hint=HINT, key=computation.key, not_yet=True) for what in found
    ]


def constructs(expression: tree.Expression, *, nested: bool) -> Iterator[str]:
    """What an expression has that isn't computed; ``nested``: it stands in a ``where``."""
    match expression:
        case tree.And(operands=operands) | tree.Or(operands=operands):
            for operand in operands:
                yield from constructs(operand, nested=nested)
        case tree.Not(operand=condition) | tree.AnyUser(condition=condition) | tree.AllUsers(condition=condition):
            yield from constructs(condition, nested=nested)
        case tree.Comparison(left=left):
            yield from constructs(left, nested=nested)
        case tree.Trait() | tree.Property() | tree.Context():
            return
        case _:
            yield from stream_constructs(expression.stream, nested=nested)


def stream_constructs(stream: tree.Stream, *, nested: bool) -> Iterator[str]:
    """The filters of a stream; ``nested``: it stands in a ``where``, which makes a funnel."""
    for item in stream.filters:
        match item:
            case tree.Where(condition=condition):
                yield from constructs(condition, nested=True)
            case tree.ExpiresAfter() if nested:
                yield NESTED_SESSIONS
            case _:
                pass
