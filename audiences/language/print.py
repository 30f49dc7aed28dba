"""Tree → Segment's query language, in one canonical spelling: ``parse(query(tree)) == tree``.

Symbols where there are symbols, single quotes, one blank between tokens. Parentheses only where they are
needed, and around what NOT, ANY and ALL apply to, as Segment's reference writes it: ``NOT (…)``,
``ALL NOT (…)``.
"""

from __future__ import annotations

from typing import Final, assert_never

from audiences.language import tree
from audiences.language.literals import instant_text, number_text, path_text, quote, quote_path
from audiences.language.tree import Operator

LINE_WIDTH: Final = 80
"""Multi-line printing breaks what is longer, where it can be broken: at AND, OR and inside of where(…)."""

_INDENT: Final = "  "

_SYMBOLS: Final = {
    Operator.EQUALS: "=",
    Operator.DIFFERS: "!=",
    Operator.GREATER_THAN: ">",
    Operator.AT_LEAST: ">=",
    Operator.LESS_THAN: "<",
    Operator.AT_MOST: "<=",
}


def query(expression: tree.Expression, *, multiline: bool = False) -> str:
    """A definition as text: on one line, or broken over lines of about 80 characters.

    The text parses to the same tree, spans aside, if the tree keeps its own rules: And and Or are flat, the
    smaller bound of Between comes first, no path has a backslash right before a dot (``check`` reports that).
    """
    return "\n".join(_lines(expression)) if multiline else _flat(expression)


def path(segments: tree.Path) -> str:
    r"""A path as it is written between quotes, without string escapes: ``items.$.sku``, ``a\.b``."""
    return path_text(segments)


def duration(length: tree.Duration) -> str:
    """``7 days``, ``1 hour``."""
    return f"{length.amount} {length.unit}{'' if length.amount == 1 else 's'}"


def argument(given: tree.Argument) -> str:
    """The right side of a comparison: ``'free'``, ``5``, ``2024-01-31``, ``7 days``, ``trait('plan')``."""
    match given:
        case tree.Text():
            return quote(given.value)
        case tree.Number():
            return number_text(given.value)
        case tree.Boolean():
            return "true" if given.value else "false"
        case tree.Instant():
            return instant_text(given.value, date_only=given.date_only)
        case tree.Duration():
            return duration(given)
        case tree.Trait() | tree.Property():
            return _value(given)
        case _:
            assert_never(given)


# ── on one line ─────────────────────────────────────────────────────────────────────────────────────────────


def _flat(expression: tree.Expression) -> str:
    match expression:
        case tree.And():
            return " AND ".join(_operand(operand, tree.Or) for operand in expression.operands)
        case tree.Or():
            return " OR ".join(_flat(operand) for operand in expression.operands)
        case tree.Not() | tree.AnyUser() | tree.AllUsers():
            word, condition = _prefix(expression)
            inside = _flat(condition)
            return f"{word} {inside}" if _is_prefixed(condition) else f"{word} ({inside})"
        case tree.Comparison():
            return _value(expression.left) + _comparator(expression)
        case _:
            return _value(expression)


def _operand(operand: tree.Condition, weaker: type[tree.Or]) -> str:
    return f"({_flat(operand)})" if isinstance(operand, weaker) else _flat(operand)


def _prefix(condition: tree.Not | tree.AnyUser | tree.AllUsers) -> tuple[str, tree.Condition]:
    match condition:
        case tree.Not():
            return "NOT", condition.operand
        case tree.AnyUser():
            return "ANY", condition.condition
        case tree.AllUsers():
            return "ALL", condition.condition


def _is_prefixed(condition: tree.Condition) -> bool:
    return isinstance(condition, tree.Not | tree.AnyUser | tree.AllUsers)


def _comparator(comparison: tree.Comparison) -> str:
    arguments = ", ".join(argument(given) for given in comparison.arguments)
    symbol = _SYMBOLS.get(comparison.operator)
    if symbol is not None and len(comparison.arguments) == 1:
        return f" {symbol} {arguments}"
    return f".{comparison.operator}({arguments})"


def _value(value: tree.Scalar) -> str:
    match value:
        case tree.Trait():
            return f"trait({quote_path(value.path)})"
        case tree.Property():
            return f"property({'parent: ' if value.of_parent else ''}{quote_path(value.path)})"
        case tree.Context():
            return f"context({quote_path(value.path)})"
        case _:
            return _stream(value.stream) + _reducer(value)


def _stream(stream: tree.Stream) -> str:
    return _event(stream) + "".join(_filter(kept) for kept in stream.filters)


def _event(stream: tree.Stream) -> str:
    return f"event({quote(stream.event)})"


def _filter(kept: tree.Filter) -> str:
    match kept:
        case tree.Where():
            return f".where({_flat(kept.condition)})"
        case tree.Sources():
            return f".sources({{exclude: {', '.join(quote(source) for source in kept.exclude)}}})"
        case tree.Within():
            return f".within({'parent: ' if kept.of_parent else ''}{duration(kept.duration)})"
        case tree.Between():
            bounds = f"{duration(kept.nearest)}, {duration(kept.farthest)}"
            return f".between({'parent: ' if kept.of_parent else ''}{bounds})"
        case tree.ExpiresAfter():
            return f".expires_after({duration(kept.duration)})"
        case _:
            assert_never(kept)


def _reducer(reduction: tree.Reduction) -> str:
    match reduction:
        case tree.Count():
            return ".count()"
        case tree.Aggregate():
            return f".{reduction.function}({_operand_text(reduction.operand)})"
        case tree.MostFrequent():
            return f".mode({_operand_text(reduction.operand)}, {reduction.minimum_frequency})"
        case tree.First():
            return f".first({_operand_text(reduction.operand)})"
        case tree.Last():
            return f".last({_operand_text(reduction.operand)})"
        case tree.UniqueList():
            return f".unique({_operand_text(reduction.operand)})"
        case tree.UniqueCount():
            return f".unique({_operand_text(reduction.operand)}).count()"
        case _:
            assert_never(reduction)


def _operand_text(operand: tree.Operand) -> str:
    return _value(operand.value) + (f" as {operand.cast}" if operand.cast is not None else "")


# ── over several lines ──────────────────────────────────────────────────────────────────────────────────────


def _lines(expression: tree.Expression) -> list[str]:
    flat = _flat(expression)
    if len(flat) <= LINE_WIDTH:
        return [flat]
    match expression:
        case tree.And():
            return _joined("AND", expression.operands)
        case tree.Or():
            return _joined("OR", expression.operands)
        case tree.Not() | tree.AnyUser() | tree.AllUsers():
            word, condition = _prefix(expression)
            if _is_prefixed(condition):
                first, *rest = _lines(condition)
                return [f"{word} {first}", *rest]
            return _in_parentheses(_lines(condition), f"{word} (")
        case tree.Comparison():
            *rest, last = _lines_of_value(expression.left)
            return [*rest, last + _comparator(expression)]
        case _:
            return _lines_of_value(expression)


def _joined(word: str, operands: tuple[tree.Condition, ...]) -> list[str]:
    lines: list[str] = []
    for operand in operands:
        part = _lines(operand)
        if isinstance(operand, tree.Or) or (isinstance(operand, tree.And) and len(part) > 1):
            part = [f"({part[0]})"] if len(part) == 1 else _in_parentheses(part)
        if lines:
            part[0] = f"{word} {part[0]}"
        lines.extend(part)
    return lines


def _in_parentheses(lines: list[str], opening: str = "(") -> list[str]:
    return [opening, *(_INDENT + line for line in lines), ")"]


def _lines_of_value(value: tree.Scalar) -> list[str]:
    """A chain, broken inside of its conditions."""
    if isinstance(value, tree.Trait | tree.Property | tree.Context):
        return [_value(value)]
    lines = [_event(value.stream)]
    for kept in value.stream.filters:
        if isinstance(kept, tree.Where):
            inside = _in_parentheses(_lines(kept.condition), f"{lines.pop()}.where(")
            lines.extend(inside)
        else:
            lines[-1] += _filter(kept)
    lines[-1] += _reducer(value)
    return lines
