"""Checks of single nodes, wherever they stand: names, paths, and what a comparison compares."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from audiences.language import tree
from audiences.language.findings import Finding
from audiences.language.literals import instant_of, is_number_text
from audiences.language.print import argument as written
from audiences.language.tree import Operator
from audiences.language.types import ResultType, result_type
from audiences.language.vocabulary import RELATIVE_DATES

WITHOUT_ARGUMENT: Final = frozenset({Operator.EXISTS, Operator.ABSENT})
WITH_SEVERAL: Final = frozenset({Operator.CONTAINS, Operator.OMITS, Operator.ONE_OF, Operator.NONE_OF})
ORDERED: Final = frozenset({Operator.GREATER_THAN, Operator.AT_LEAST, Operator.LESS_THAN, Operator.AT_MOST})
EQUALITY: Final = frozenset({Operator.EQUALS, Operator.DIFFERS})
DATES: Final = frozenset({Operator.BEFORE_DATE, Operator.AFTER_DATE})

_WITH_ZERO: Final = frozenset({Operator.BEFORE_LAST, Operator.AFTER_NEXT})
"""``before_last(0 days)`` is "in the past"; no time at all lies within the last 0 days."""

_MEANT: Final = {Operator.EXISTS: "= or contains(…)", Operator.ABSENT: "!= or omits(…)"}
_SEVERAL: Final = {
    Operator.EQUALS: Operator.ONE_OF,
    Operator.DIFFERS: Operator.NONE_OF,
    Operator.STARTS_WITH: Operator.CONTAINS,
    Operator.ENDS_WITH: Operator.CONTAINS,
}
_EXAMPLES: Final = {
    Operator.EQUALS: "= 'free'",
    Operator.DIFFERS: "!= 'free'",
    Operator.GREATER_THAN: "> 5",
    Operator.AT_LEAST: ">= 5",
    Operator.LESS_THAN: "< 5",
    Operator.AT_MOST: "<= 5",
    Operator.BEFORE_DATE: ".before_date(2024-01-31)",
    Operator.AFTER_DATE: ".after_date(2024-01-31)",
    **{operator: f".{operator}(7 days)" for operator in RELATIVE_DATES},
}


# ── names and paths ─────────────────────────────────────────────────────────────────────────────────────────


def name_findings(name: str, what: str, example: str) -> Iterator[Finding]:
    """An event name or source id."""
    if not name:
        yield Finding(f"an empty {what}", f"such as {example}")
    yield from _text_findings(name)


def path_findings(path: tree.Path, what: str) -> Iterator[Finding]:
    """A path that leads nowhere or can't be written."""
    if not path or path == ("",):
        yield Finding(f"an empty {what} name", f"such as {what}('plan')")
        return
    if "" in path:
        yield Finding("an empty name between two dots", "write \\. for a dot that is part of a name")
    if path[0] == tree.EACH:
        yield Finding("'$' stands for the elements of an array, and no array is named before it", "items.$.sku")
    if any("\\." in segment for segment in path) or any(segment.endswith("\\") for segment in path[:-1]):
        yield Finding("a name can't have a backslash right before a dot")
    for segment in path:
        yield from _text_findings(segment)


def _text_findings(text: str) -> Iterator[Finding]:
    if any("\ud800" <= character <= "\udfff" for character in text):
        yield Finding("half of a Unicode pair is not a character")


# ── comparisons ─────────────────────────────────────────────────────────────────────────────────────────────


def findings(comparison: tree.Comparison) -> Iterator[tuple[tree.Node, Finding]]:
    """Where the arguments don't fit the operator, and the operator not the left side."""
    miscounted = _count_finding(comparison)
    if miscounted is not None:
        yield comparison, miscounted
    misplaced = _left_finding(comparison)
    if misplaced is not None:
        yield comparison, misplaced
        return
    for argument in comparison.arguments:
        found = _argument_finding(comparison, argument)
        if found is not None:
            yield argument, found


def _count_finding(comparison: tree.Comparison) -> Finding | None:
    operator, count = comparison.operator, len(comparison.arguments)
    example = _EXAMPLES.get(operator, f".{operator}('a')")
    if operator in WITHOUT_ARGUMENT:
        return Finding(f"{operator}() takes no value", f"did you mean {_MEANT[operator]}?") if count else None
    if count == 0:
        return Finding(f"{operator}(…) needs a value", f"such as {example}")
    if count > 1 and operator not in WITH_SEVERAL:
        meant = _SEVERAL.get(operator)
        return Finding(f"{operator}(…) takes one value, not {count}", f"did you mean {meant}(…)?" if meant else "")
    return None


def _left_finding(comparison: tree.Comparison) -> Finding | None:
    kind, operator = result_type(comparison.left), comparison.operator
    if kind == ResultType.LIST:
        return Finding("a list of unique values can't be compared", "count it: .unique(…).count() >= 1")
    numeric = kind in (ResultType.INTEGER, ResultType.NUMBER)
    if numeric and (operator in RELATIVE_DATES or operator in DATES):
        return Finding(f"{operator}(…) compares dates, and this is a number", "compare it with = != > >= < <=")
    return None


def _argument_finding(comparison: tree.Comparison, argument: tree.Argument) -> Finding | None:
    operator = comparison.operator
    match argument:
        case tree.Duration():
            if operator not in RELATIVE_DATES:
                return Finding(f"{operator}(…) can't take a duration", "such as .within_last(7 days)")
            if argument.amount == 0 and operator not in _WITH_ZERO:
                return Finding(f"a window of {written(argument)} is empty", "such as 7 days")
            return None
        case tree.Number(value=float(value)) if not math.isfinite(value):
            return Finding("infinite and undefined numbers can't be compared")
        case tree.Text():
            broken = next(_text_findings(argument.value), None)
            if broken is not None:
                return broken
    if operator in RELATIVE_DATES:
        return Finding(f"{operator}(…) takes a duration", f"such as .{operator}(7 days)")
    if operator in DATES:
        return _date_finding(operator, argument)
    if operator in ORDERED and isinstance(argument, tree.Boolean):
        return Finding(f"{written(argument)} has no order", "true and false can only be equal or not")
    numeric = result_type(comparison.left) in (ResultType.INTEGER, ResultType.NUMBER)
    if numeric and (operator in ORDERED or operator in EQUALITY) and not _may_be_number(argument):
        return Finding(f"a number is compared with {written(argument)}", "compare it with a number")
    return None


def _date_finding(operator: Operator, argument: tree.Argument) -> Finding | None:
    dated = isinstance(argument, tree.Instant | tree.Trait | tree.Property)
    if dated or (isinstance(argument, tree.Text) and instant_of(argument.value) is not None):
        return None
    return Finding(
        f"{written(argument)} is not a date",
        f"such as .{operator}(2024-01-31) or .{operator}('2024-01-31T18:30:00Z')",
    )


def _may_be_number(argument: tree.Argument) -> bool:
    if isinstance(argument, tree.Text):
        return is_number_text(argument.value)
    return isinstance(argument, tree.Number | tree.Trait | tree.Property)
