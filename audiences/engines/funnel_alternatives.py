"""Conditions of a nested event as alternatives: it meets the conditions if it meets at least one of them.

Unlike the terms of ``funnel_terms``, alternatives may have events in common, and none is subtracted. That is enough
for a statistic which is the value of one event, such as the last one: it is that of one of the alternatives. So here
values may also be compared with all elements of an array, and ``NOT`` of an equality is a comparison of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain, product
from math import prod
from typing import Final

from audiences.engines.funnel_terms import (
    AFFIXES,
    MOST_ORDERS,
    ORDERS,
    Link,
    NoTermsError,
    Term,
    as_own,
    common,
    of_parent,
    places_of,
    several,
    speaks_of_itself,
    speaks_of_parent,
)
from audiences.language import tree
from audiences.language.tree import Operator

MOST_ALTERNATIVES: Final = 20
"""Conditions with more aren't taken apart."""

Part = tree.Condition | Link
Alternative = tuple[Part, ...]
"""What must hold together. A link by ``DIFFERS`` is ``NOT`` of an equality: it holds where a value is missing."""


def alternatives(conditions: Sequence[tree.Condition]) -> tuple[Term, ...] | None:
    """The alternatives of conditions that must all hold, as terms; None where only pairs of events can tell."""
    base, mixed = common(conditions)
    try:
        found = all_of([of_condition(condition, negated=False) for condition in mixed])
        return tuple(with_parts(base, parts) for parts in found)
    except NoTermsError:
        return None


def all_of(several_each: Sequence[Sequence[Alternative]]) -> list[Alternative]:
    """The alternatives of which each has one of each."""
    if prod(map(len, several_each)) > MOST_ALTERNATIVES:
        raise NoTermsError
    return [tuple(chain.from_iterable(parts)) for parts in product(*several_each)]


def of_condition(condition: tree.Condition, *, negated: bool) -> list[Alternative]:
    """The alternatives of a condition, or of ``NOT`` of it.

    Raises:
        NoTermsError: it compares both events in another way, or there are too many.
    """
    if not (speaks_of_itself(condition) and speaks_of_parent(condition)):
        return [(tree.Not(condition) if negated else condition,)]
    match condition:
        case tree.Not(operand=operand):
            return of_condition(operand, negated=not negated)
        case tree.And(operands=operands) | tree.Or(operands=operands):
            found = [of_condition(operand, negated=negated) for operand in operands]
            return all_of(found) if isinstance(condition, tree.And) != negated else list(chain.from_iterable(found))
        case tree.Comparison(operator=Operator.EQUALS | Operator.ONE_OF):
            return all_of(unequal(condition)) if negated else of_arguments(condition, Operator.EQUALS)
        case tree.Comparison(left=left, operator=Operator.DIFFERS | Operator.NONE_OF):
            exists = tree.Comparison(left, Operator.EXISTS)
            if negated:
                return [(tree.Not(exists),), *of_arguments(condition, Operator.EQUALS)]
            return all_of([[(exists,)], *unequal(condition)])
        case tree.Comparison(operator=operator) if operator in ORDERS | AFFIXES and not negated:
            return of_arguments(condition, operator)
    raise NoTermsError


def of_arguments(condition: tree.Comparison, operator: Operator) -> list[Alternative]:
    """A comparison with one of its arguments each."""
    return [(compared(condition.left, operator, argument),) for argument in condition.arguments]


def unequal(condition: tree.Comparison) -> list[list[Alternative]]:
    """That no argument of a comparison is equal, which for elements of arrays isn't a comparison of single ones."""
    if several(condition.left) or any(map(several_of, condition.arguments)):
        raise NoTermsError
    return [[(negation(condition.left, argument),)] for argument in condition.arguments]


def negation(left: tree.Scalar, argument: tree.Argument) -> Part:
    """``NOT`` of an equality."""
    found = compared(left, Operator.EQUALS, argument)
    return replace(found, operator=Operator.DIFFERS) if isinstance(found, Link) else tree.Not(found)


def compared(left: tree.Scalar, operator: Operator, argument: tree.Argument) -> Part:
    """A comparison with one argument: a link if that is the parent's.

    Raises:
        NoTermsError: it isn't about equality, and one side reaches into an array.
    """
    if not isinstance(argument, tree.Property):
        return tree.Comparison(left, operator, (argument,))
    if isinstance(left, tree.Trait) or (operator is not Operator.EQUALS and (several(left) or several(argument))):
        raise NoTermsError
    return Link(left, operator, as_own(argument))


def several_of(argument: tree.Argument) -> bool:
    """Whether an argument reaches into an array."""
    return isinstance(argument, tree.Trait | tree.Property) and several(argument)


def with_parts(term: Term, parts: Iterable[Part]) -> Term:
    """The term with more that must hold.

    Raises:
        NoTermsError: more comparisons of order than a term may have.
    """
    for part in parts:
        if not isinstance(part, Link):
            if speaks_of_parent(part):
                term = replace(term, parent=(*term.parent, of_parent(part)))
            else:
                term = replace(term, own=(*term.own, part))
        elif part.operator is Operator.EQUALS:
            term = replace(term, equal=(*term.equal, part))
        else:
            term = replace(term, orders=(*term.orders, part))
    if sum(places_of(link) for link in term.orders) > MOST_ORDERS:
        raise NoTermsError
    return term
