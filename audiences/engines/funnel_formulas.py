"""Conditions of which some parts are known: they become shorter, or true or false."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from audiences.language import tree

Formula = tree.Condition | bool


def conjunction(formulas: Sequence[Formula]) -> Formula:
    """All of them, without what is known."""
    left = [formula for formula in formulas if not isinstance(formula, bool)]
    if any(formula is False for formula in formulas):
        return False
    if len(left) < 2:
        return left[0] if left else True
    return tree.And(tuple(left))


def disjunction(formulas: Sequence[Formula]) -> Formula:
    """At least one of them, without what is known."""
    left = [formula for formula in formulas if not isinstance(formula, bool)]
    if any(formula is True for formula in formulas):
        return True
    if len(left) < 2:
        return left[0] if left else False
    return tree.Or(tuple(left))


def negation(formula: Formula) -> Formula:
    """The opposite."""
    return not formula if isinstance(formula, bool) else tree.Not(formula)


def resolved(formula: Formula, known: Mapping[tree.Condition, bool]) -> Formula:
    """A formula in which some conditions are known to be true or false."""
    if isinstance(formula, bool):
        return formula
    if formula in known:
        return known[formula]
    match formula:
        case tree.And(operands=operands):
            return conjunction([resolved(operand, known) for operand in operands])
        case tree.Or(operands=operands):
            return disjunction([resolved(operand, known) for operand in operands])
        case tree.Not(operand=operand):
            return negation(resolved(operand, known))
    return formula
