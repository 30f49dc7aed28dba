"""JSON values as the naive evaluator sees them: their text, number and instant, comparisons and reducers.

It shares no code with the package but the tree. A date or timestamp literal is a ``datetime``, which no JSON value is.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from audiences.language import tree

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
ISO = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]([0-9:]{5,8})(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})?)?")


def text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value)
    if isinstance(value, datetime):
        return re.sub(r"(\.[0-9]*?)0*$", r"\1", value.isoformat().removesuffix("+00:00")).removesuffix(".") + "Z"
    return compact(value)


def compact(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ",".join(compact(item) for item in value) + "]"
    if isinstance(value, dict):
        return (
            "{"
            + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{compact(item)}" for key, item in value.items())
            + "}"
        )
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return "null" if value is None else text(value)


def number_text(value: int | float) -> str:
    """As JavaScript prints it."""
    if isinstance(value, int):
        return str(value)
    if value == 0:
        return "0"
    if 1e-6 <= abs(value) < 1e21:
        plain = format(Decimal(repr(value)), "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    mantissa, exponent = repr(value).split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent):+d}"


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(value: Any) -> float | None:
    """The number that a value is, or that its text says."""
    if is_number(value) or (isinstance(value, str) and NUMBER.fullmatch(value)):
        found = float(value)
        return found if abs(found) != float("inf") else None
    return None


def instant(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    match = ISO.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    day, clock, fraction, zone = match.groups()
    if clock is None:
        clock, fraction, zone = "00:00", None, None
    try:
        found = datetime.fromisoformat(f"{day}T{clock}")
    except ValueError:
        return None
    if zone not in (None, "Z"):
        hours, minutes = int(zone[1:3]), int(zone[4:6])
        offset = timedelta(hours=hours, minutes=minutes)
        found = found + offset if zone[0] == "-" else found - offset
    if fraction:
        found += timedelta(microseconds=int((fraction[1:] + "000000")[:6]))
    return found.replace(tzinfo=UTC)


# ── comparisons ─────────────────────────────────────────────────────────────────────────────────────────────


def equal(left: Any, right: Any) -> bool:
    if left is None or right is None:
        return False
    if isinstance(right, datetime):
        return not is_number(left) and instant(left) == right
    if is_number(left) or is_number(right):
        return number(left) is not None and number(left) == number(right)
    return text(left) == text(right)


def ordered(left: Any, right: Any, order: Callable[[Any, Any], bool]) -> bool:
    if number(left) is not None and number(right) is not None:
        return order(number(left), number(right))
    if instant(left) is not None and instant(right) is not None:
        return order(instant(left), instant(right))
    return False


def contains(left: Any, right: Any) -> bool:
    return left is not None and right is not None and text(right) in text(left)


def starts(left: Any, right: Any) -> bool:
    return right is not None and text(left).startswith(text(right))


def ends(left: Any, right: Any) -> bool:
    return right is not None and text(left).endswith(text(right))


def in_time(left: Any, right: Any, order: Callable[[Any, Any], bool]) -> bool:
    return instant(left) is not None and instant(right) is not None and order(instant(left), instant(right))


COMPARISONS: dict[str, Callable[[Any, Sequence[Any]], bool]] = {
    "equals": lambda left, rights: equal(left, rights[0]),
    "differs": lambda left, rights: not equal(left, rights[0]),
    "greater_than": lambda left, rights: ordered(left, rights[0], lambda a, b: a > b),
    "at_least": lambda left, rights: ordered(left, rights[0], lambda a, b: a >= b),
    "less_than": lambda left, rights: ordered(left, rights[0], lambda a, b: a < b),
    "at_most": lambda left, rights: ordered(left, rights[0], lambda a, b: a <= b),
    "contains": lambda left, rights: any(contains(left, right) for right in rights),
    "starts_with": lambda left, rights: any(starts(left, right) for right in rights),
    "ends_with": lambda left, rights: any(ends(left, right) for right in rights),
    "one_of": lambda left, rights: any(equal(left, right) for right in rights),
    "none_of": lambda left, rights: not any(equal(left, right) for right in rights),
    "before_date": lambda left, rights: in_time(left, rights[0], lambda a, b: a < b),
    "after_date": lambda left, rights: in_time(left, rights[0], lambda a, b: a > b),
}
"""On a value that is there."""

RELATIVE: dict[str, Callable[[datetime | None, datetime, timedelta], bool]] = {
    "within_last": lambda value, as_of, span: value is not None and as_of - span <= value <= as_of,
    "before_last": lambda value, as_of, span: value is not None and value <= as_of - span,
    "within_next": lambda value, as_of, span: value is not None and as_of <= value <= as_of + span,
    "after_next": lambda value, as_of, span: value is not None and value >= as_of + span,
}

# ── reducers ────────────────────────────────────────────────────────────────────────────────────────────────


def most_frequent(values: list[str], minimum: int) -> str | None:
    counts = Counter(values)
    if not counts or max(counts.values()) < minimum:
        return None
    return min(value for value, count in counts.items() if count == max(counts.values()))


def aggregated(reduction: tree.Aggregate, values: list[Any]) -> Any:
    as_text = reduction.operand.cast is tree.Cast.STRING
    if reduction.function is tree.Function.MINIMUM and as_text:
        return min((text(value) for value in values), default=None)
    if reduction.function is tree.Function.MAXIMUM and as_text:
        return max((text(value) for value in values), default=None)
    numeric = [value for value in values if number(value) is not None]
    numbers = [float(value) for value in numeric]
    if not numbers:
        return None
    if reduction.function is tree.Function.MINIMUM:
        return min(numbers)
    if reduction.function is tree.Function.MAXIMUM:
        return max(numbers)
    written = sum(Fraction(text(value)) for value in numeric)
    return float(written if reduction.function is tree.Function.SUM else written / len(numeric))


def reached(value: Any, path: Sequence[str]) -> list[Any]:
    """The values at the end of a path; missing ones and JSON null are left out."""
    if not path:
        return [] if value is None else [value]
    if path[0] == "$":
        return [found for item in value for found in reached(item, path[1:])] if isinstance(value, list) else []
    return reached(value.get(path[0]), path[1:]) if isinstance(value, dict) else []


# ── results ─────────────────────────────────────────────────────────────────────────────────────────────────

WHOLE = re.compile(r"-?[0-9]+")


def typed(expression: tree.Expression, found: dict[str, Any]) -> dict[str, Any]:
    """Results as people get them: one type for all ids."""
    if isinstance(expression, tree.Aggregate) and expression.operand.cast is not tree.Cast.STRING:
        return {id: float(value) for id, value in found.items()}
    if isinstance(expression, tree.Trait | tree.First | tree.Last):
        return of_common_type(found)
    return found


def of_common_type(found: dict[str, Any]) -> dict[str, Any]:
    """Whole numbers, numbers, truths, or the text of each."""
    values = found.values()
    if all(isinstance(value, bool) for value in values):
        return found
    if all(map(is_number, values)):
        if all(WHOLE.fullmatch(text(value)) and -(2**63) <= int(text(value)) < 2**63 for value in values):
            return {id: int(text(value)) for id, value in found.items()}
        return {id: float(value) for id, value in found.items()}
    return {id: text(value) for id, value in found.items()}
