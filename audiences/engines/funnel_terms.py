"""What the conditions of a nested event ask of it and of its parent, so that both meet only in equal values.

A condition may speak of the nested event, of its parent (``property(parent: …)``), or compare one with the
other. The number of nested events for which a formula holds is a sum of terms: each has conditions of the
nested event alone, conditions of the parent alone, values of both that must be equal, and order comparisons
between both, and is counted without looking at pairs of events. ``NOT``, ``OR`` and ``differs`` become terms
that are subtracted: those for which ``x`` is not the parent's are all, minus those for which it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations, product
from typing import Final

from audiences.engines.funnel_formulas import Formula, conjunction, disjunction, negation, resolved
from audiences.language import tree
from audiences.language.tree import Operator

ORDERS: Final = frozenset(
    {
        Operator.GREATER_THAN,
        Operator.AT_LEAST,
        Operator.LESS_THAN,
        Operator.AT_MOST,
        Operator.BEFORE_DATE,
        Operator.AFTER_DATE,
    }
)

AFFIXES: Final = frozenset({Operator.STARTS_WITH, Operator.ENDS_WITH})
"""Comparisons that are as much work as two of order: such texts are between two others."""

MOST_ORDERS: Final = 2
"""Each order comparison of a term multiplies the work by the logarithm of the number of different values."""

MOST_CASES: Final = 100
"""More ways in which the atoms of a formula may be true or false aren't taken apart."""

Reduction = (
    tree.Count | tree.Aggregate | tree.MostFrequent | tree.First | tree.Last | tree.UniqueList | tree.UniqueCount
)
Own = tree.Property | tree.Context | Reduction
"""What an event has itself: its fields, and what is nested in it."""


@dataclass(frozen=True, slots=True)
class Link:
    """A value of the nested event, an operator, and a property of its parent, as the parent's own."""

    own: Own
    operator: Operator
    theirs: tree.Property


@dataclass(frozen=True, slots=True)
class Term:
    """Nested events to be added (``sign`` 1) or subtracted (-1): all conditions hold, and all links.

    ``parent`` are conditions on the parent, written as on an event of its own. ``equal`` are links by
    ``EQUALS``, ``orders`` are links by order comparisons and what is told by order as well.
    """

    sign: int = 1
    own: tuple[tree.Condition, ...] = ()
    parent: tuple[tree.Condition, ...] = ()
    equal: tuple[Link, ...] = ()
    orders: tuple[Link, ...] = ()


class NoTermsError(Exception):
    """A condition that can only be decided by looking at pairs of events."""


def terms(conditions: Sequence[tree.Condition]) -> tuple[Term, ...] | None:
    """The terms of conditions that must all hold; None where only pairs of events can tell."""
    base, mixed = common(conditions)
    if not mixed:
        return (base,)
    try:
        formula = conjunction([taken_apart(condition) for condition in mixed])
        return tuple(expanded(base, formula))
    except NoTermsError:
        return None


def common(conditions: Sequence[tree.Condition], *, arrays: bool = True) -> tuple[Term, tuple[tree.Condition, ...]]:
    """A term with the conditions that are plainly of one event or an equality of both, and the rest.

    Without ``arrays``, an equality with an element of a parent's array is among the rest.
    """
    base, rest = Term(), []
    for condition in conditions:
        if not speaks_of_parent(condition):
            base = replace(base, own=(*base.own, condition))
        elif not speaks_of_itself(condition):
            base = replace(base, parent=(*base.parent, of_parent(condition)))
        elif (found := equality(condition)) is not None and (arrays or not several(found.theirs)):
            base = replace(base, equal=(*base.equal, found))
        else:
            rest.append(condition)
    return base, tuple(rest)


# ── who is spoken of ────────────────────────────────────────────────────────────────────────────────────────


def comparisons(condition: tree.Condition) -> Iterator[tree.Comparison]:
    """The comparisons of a condition, without those nested in their reductions."""
    match condition:
        case tree.And(operands=operands) | tree.Or(operands=operands):
            for operand in operands:
                yield from comparisons(operand)
        case tree.Not(operand=operand):
            yield from comparisons(operand)
        case tree.AnyUser(condition=inner) | tree.AllUsers(condition=inner):
            yield from comparisons(inner)
        case tree.Comparison():
            yield condition


def scalars(condition: tree.Condition) -> Iterator[tree.Scalar]:
    """What stands on both sides of the comparisons, without literals."""
    for comparison in comparisons(condition):
        yield comparison.left
        for argument in comparison.arguments:
            if isinstance(argument, tree.Trait | tree.Property):
                yield argument


def speaks_of_parent(condition: tree.Condition) -> bool:
    """Whether a property of the parent is compared."""
    return any(is_of_parent(scalar) for scalar in scalars(condition))


def speaks_of_itself(condition: tree.Condition) -> bool:
    """Whether something of the nested event is compared."""
    return any(not isinstance(scalar, tree.Trait) and not is_of_parent(scalar) for scalar in scalars(condition))


def is_of_parent(node: tree.Node) -> bool:
    """Whether it is a property of the parent."""
    return isinstance(node, tree.Property) and node.of_parent


def of_parent(condition: tree.Condition) -> tree.Condition:
    """A condition that speaks of the parent only, as a condition on the parent itself."""
    match condition:
        case tree.And(operands=operands):
            return tree.And(tuple(of_parent(operand) for operand in operands))
        case tree.Or(operands=operands):
            return tree.Or(tuple(of_parent(operand) for operand in operands))
        case tree.Not(operand=operand):
            return tree.Not(of_parent(operand))
        case tree.Comparison(left=left, operator=operator, arguments=arguments):
            moved = tuple(as_own(item) if isinstance(item, tree.Property) else item for item in arguments)
            return tree.Comparison(as_own(left) if isinstance(left, tree.Property) else left, operator, moved)
    raise NoTermsError


def as_own(item: tree.Property) -> tree.Property:
    """A property of the parent as the parent sees it."""
    return tree.Property(item.path)


# ── comparisons between both ────────────────────────────────────────────────────────────────────────────────


def equality(condition: tree.Condition) -> Link | None:
    """The link of a plain ``own = property(parent: …)``."""
    match condition:
        case tree.Comparison(
            left=left,
            operator=Operator.EQUALS | Operator.ONE_OF,
            arguments=(tree.Property(of_parent=True) as theirs,),
        ):
            return link(left, Operator.EQUALS, theirs)
    return None


def link(left: tree.Scalar, operator: Operator, theirs: tree.Property) -> Link | None:
    """A link, unless both sides reach into arrays, or one does and it isn't about equality."""
    if isinstance(left, tree.Trait) or is_of_parent(left):
        return None
    arrays = several(left) + several(theirs)
    if arrays > (1 if operator is Operator.EQUALS else 0):
        return None
    return Link(left, operator, as_own(theirs))


def several(scalar: tree.Scalar) -> bool:
    """Whether there may be several values, from the elements of an array."""
    return isinstance(scalar, tree.Trait | tree.Property | tree.Context) and tree.EACH in scalar.path


def taken_apart(condition: tree.Condition) -> Formula:
    """The same condition with equalities and order comparisons, one argument each, between both events.

    Raises:
        NoTermsError: another comparison between both.
    """
    if not (speaks_of_itself(condition) and speaks_of_parent(condition)):
        return condition
    match condition:
        case tree.And(operands=operands):
            return conjunction([taken_apart(operand) for operand in operands])
        case tree.Or(operands=operands):
            return disjunction([taken_apart(operand) for operand in operands])
        case tree.Not(operand=operand):
            return negation(taken_apart(operand))
        case tree.Comparison():
            return comparison_apart(condition)
    raise NoTermsError


def comparison_apart(condition: tree.Comparison) -> Formula:
    """One comparison between both events."""
    left = condition.left
    match condition.operator:
        case Operator.EQUALS | Operator.ONE_OF:
            return equals_one(condition)
        case Operator.DIFFERS | Operator.NONE_OF if not any(map(several, scalars(condition))):
            exists = tree.Comparison(left, Operator.EXISTS)
            return conjunction([exists, negation(equals_one(condition))])
        case operator if operator in ORDERS:
            return condition
        case operator if operator in AFFIXES:
            return one_each(condition, operator)
    raise NoTermsError


def equals_one(condition: tree.Comparison) -> Formula:
    """Whether the left side equals one of the arguments, each of these a comparison of its own."""
    return one_each(condition, Operator.EQUALS)


def one_each(condition: tree.Comparison, operator: Operator) -> Formula:
    """Whether the comparison holds for one of its arguments, each of these a comparison of its own."""
    return disjunction([tree.Comparison(condition.left, operator, (argument,)) for argument in condition.arguments])


# ── terms ───────────────────────────────────────────────────────────────────────────────────────────────────


def atoms(formula: Formula) -> Iterator[tree.Condition]:
    """The largest parts that speak of the parent only, and the comparisons between both events."""
    if isinstance(formula, bool) or not speaks_of_parent(formula):
        return
    if not speaks_of_itself(formula) or isinstance(formula, tree.Comparison):
        yield formula
        return
    match formula:
        case tree.And(operands=operands) | tree.Or(operands=operands):
            for operand in operands:
                yield from atoms(operand)
        case tree.Not(operand=operand):
            yield from atoms(operand)


def expanded(base: Term, formula: Formula) -> Iterator[Term]:
    """The terms of ``base`` and a formula of parts of the parent, of the nested event, and links.

    For each way in which the parent's parts may hold, and each set of links: those events count for which the
    formula holds if exactly these links do. They are found by the links that hold, whatever the others do,
    and the events for which others do as well are subtracted again.

    Raises:
        NoTermsError: too many cases, or more than ``MOST_ORDERS`` order comparisons at once.
    """
    found = dict.fromkeys(atoms(formula))
    parts = [atom for atom in found if not speaks_of_itself(atom)]
    links = [atom for atom in found if speaks_of_itself(atom)]
    if 2 ** len(parts) * 3 ** len(links) > MOST_CASES:
        raise NoTermsError
    for truths in product((True, False), repeat=len(parts)):
        parent = tuple(of_parent(part if true else tree.Not(part)) for part, true in zip(parts, truths, strict=True))
        for holding in subsets(links):
            known = dict(zip(parts, truths, strict=True)) | {item: item in holding for item in links}
            rest = resolved(formula, known)
            if rest is False:
                continue
            own = () if rest is True else (rest,)
            others = [item for item in links if item not in holding]
            for more in subsets(others):
                yield with_links(
                    replace(
                        base,
                        sign=-1 if len(more) % 2 else 1,
                        own=base.own + own,
                        parent=base.parent + parent,
                    ),
                    (*holding, *more),
                )


def subsets(items: Sequence[tree.Condition]) -> Iterator[tuple[tree.Condition, ...]]:
    """Every subset, the empty one first."""
    return chain.from_iterable(combinations(items, size) for size in range(len(items) + 1))


def with_links(term: Term, found: Sequence[tree.Condition]) -> Term:
    """The term with further links."""
    for condition in found:
        plain = equality(condition)
        if plain is not None:
            term = replace(term, equal=(*term.equal, plain))
            continue
        term = replace(term, orders=(*term.orders, order_of(condition, term)))
    return term


def order_of(condition: tree.Condition, term: Term) -> Link:
    """The link of an order comparison, if the term can have another.

    Raises:
        NoTermsError: it can't, or the comparison isn't one of order.
    """
    match condition:
        case tree.Comparison(left=left, operator=operator, arguments=(tree.Property() as theirs,)):
            found = link(left, operator, theirs)
            known = sum(places_of(one) for one in term.orders)
            if found is not None and operator in ORDERS | AFFIXES and known + places_of(found) <= MOST_ORDERS:
                return found
    raise NoTermsError


def places_of(found: Link) -> int:
    """As how many order comparisons a link counts."""
    return 2 if found.operator in AFFIXES else 1
