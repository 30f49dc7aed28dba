"""Nodes with their invariants kept, for whoever builds trees: flat AND/OR, ordered bounds, seconds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from audiences.language import tree

SECONDS: Final = {
    tree.Unit.SECOND: 1,
    tree.Unit.MINUTE: 60,
    tree.Unit.HOUR: 3_600,
    tree.Unit.DAY: 86_400,
}


def seconds(duration: tree.Duration) -> int:
    """The length of a duration; a day is 24 hours."""
    return duration.amount * SECONDS[duration.unit]


def conjunction(operands: Iterable[tree.Condition], span: tree.Span | None = None) -> tree.Condition:
    """All of the operands: operands that are ``And`` themselves are taken apart; a single one is itself.

    Raises ValueError when there is none: nothing says whether that is true or false.
    """
    flat: list[tree.Condition] = []
    for operand in operands:
        flat.extend(operand.operands if isinstance(operand, tree.And) else (operand,))
    if not flat:
        raise ValueError("a conjunction needs an operand")
    return flat[0] if len(flat) == 1 else tree.And(tuple(flat), span=span)


def disjunction(operands: Iterable[tree.Condition], span: tree.Span | None = None) -> tree.Condition:
    """Any of the operands: operands that are ``Or`` themselves are taken apart; a single one is itself.

    Raises ValueError when there is none.
    """
    flat: list[tree.Condition] = []
    for operand in operands:
        flat.extend(operand.operands if isinstance(operand, tree.Or) else (operand,))
    if not flat:
        raise ValueError("a disjunction needs an operand")
    return flat[0] if len(flat) == 1 else tree.Or(tuple(flat), span=span)


def between(
    bound: tree.Duration, other: tree.Duration, *, of_parent: bool = False, span: tree.Span | None = None
) -> tree.Between:
    """A ``Between`` from bounds in either order."""
    nearest, farthest = (bound, other) if seconds(bound) <= seconds(other) else (other, bound)
    return tree.Between(nearest, farthest, of_parent, span=span)
