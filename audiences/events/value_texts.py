"""The text of one JSON value, in plain Python: numbers as JavaScript prints them, timestamps as ISO 8601
with Z.

The same rules over whole columns are in ``values``; both give the same text for the same value.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Final

NUMBER_TEXT: Final = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
"""What text must look like to count as a number: no blanks, no hexadecimal, no ``Infinity``."""

_NUMBER: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_LONGEST_PLAIN: Final = 21  # JavaScript prints up to 21 digits before the point, then switches to an exponent
_ZEROS_AFTER_POINT: Final = -6  # and up to six zeros after it

Value = tuple[str, str, float | None]
"""Kind, text and number of a value that is there."""


def number_text(value: int | float | Decimal) -> str:
    """The text of a number as JavaScript's ``String(number)`` gives it: ``7`` for 7.0, ``1e-7``, ``1e+21``.

    Integers keep all their digits; decimals keep all but trailing zeros. Raises ``ValueError`` for NaN and
    infinities, which JSON doesn't have.
    """
    if isinstance(value, int):
        return str(int(value))
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a JSON number")
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    sign, digits, exponent = exact.as_tuple()
    if not isinstance(exponent, int):  # as_tuple's type allows 'n', 'N', 'F'; the check above excludes them
        raise ValueError(f"{value} is not a JSON number")
    significant = "".join(map(str, digits)).lstrip("0")
    point = len(significant) + exponent
    significant = significant.rstrip("0")
    if not significant:
        return "0"
    longest = _LONGEST_PLAIN if isinstance(value, float) else max(_LONGEST_PLAIN, point)
    return ("-" if sign else "") + _javascript(significant, point, longest)


def _javascript(digits: str, point: int, longest: int) -> str:
    """Digits without zeros at either end, and where the point is, by the steps of ECMAScript's
    Number::toString.
    """
    if _ZEROS_AFTER_POINT < point <= longest:
        if point <= 0:
            return "0." + "0" * -point + digits
        if point >= len(digits):
            return digits + "0" * (point - len(digits))
        return digits[:point] + "." + digits[point:]
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{mantissa}e{'+' if point > 0 else '-'}{abs(point - 1)}"


def instant_text(value: datetime) -> str:
    """A timestamp as ISO 8601 in UTC with Z; without a zone it is UTC. The fraction has no trailing zeros."""
    instant = value.astimezone(UTC) if value.tzinfo else value
    fraction = f".{instant.microsecond:06d}".rstrip("0").rstrip(".")
    return instant.strftime("%Y").zfill(4) + instant.strftime("-%m-%dT%H:%M:%S") + fraction + "Z"


def json_text(value: object) -> str:
    """A JSON value as compact JSON: keys in the given order, numbers by ``number_text``, non-ASCII unescaped.

    Timestamps, dates and times become strings. What JSON has no form for (NaN, infinities, bytes that aren't
    UTF-8, other objects) becomes ``null``.
    """
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_key(key)}:{json_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(json_text, value)) + "]"
    known = value_of(value)
    if known is None:
        return "null"
    kind, text, _ = known
    return json.dumps(text, ensure_ascii=False) if kind == "string" else text


def _key(key: object) -> str:
    known = value_of(key)
    return json.dumps("null" if known is None else known[1], ensure_ascii=False)


def value_of(value: object) -> Value | None:
    """Kind, text and number of a Python value; ``None`` where it is missing.

    JSON null, NaN, infinities and bytes that aren't UTF-8 are missing. The number is there for numbers, and
    for text that is a number (``"5"``), as long as it is finite.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return "string", value, _number(value)
    if isinstance(value, bool):
        return "boolean", "true" if value else "false", None
    if isinstance(value, int | float | Decimal):
        return _number_value(value)
    if isinstance(value, Mapping | list | tuple):
        return "json", json_text(value), None
    if isinstance(value, datetime):
        return "string", instant_text(value), None
    if isinstance(value, date | time):
        text = value.isoformat()
        return "string", text.rstrip("0") if "." in text else text, None
    if isinstance(value, bytes):
        try:
            return value_of(value.decode())
        except UnicodeDecodeError:
            return None
    return None


def _number_value(value: int | float | Decimal) -> Value | None:
    if not isinstance(value, int) and not math.isfinite(value):
        return None
    text = number_text(value)
    return "number", text, _number(text)


def _number(text: str) -> float | None:
    if _NUMBER.fullmatch(text) is None:
        return None
    number = float(text) + 0.0  # + 0.0 makes -0.0 the same as 0.0
    return number if math.isfinite(number) else None
