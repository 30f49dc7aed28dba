"""What a scalar without quotes means: only what YAML 1.1 and YAML 1.2 read alike.

Values: text, whole numbers, finite decimals, ``true``/``false``, null, dates (``2024-01-31``) and timestamps
(``2024-01-31T00:00:00Z``; without a zone UTC; digits beyond microseconds are cut off).
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Final

from audiences.language.literals import instant_of, number_of

ScalarValue = str | int | float | bool | datetime | date | None

_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_QUOTES: Final = "put it in quotes if it is text"
_YES_NO: Final = re.compile(r"yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF")
_NUMBER: Final = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_OLD_NUMBER: Final = re.compile(  # numbers for YAML 1.1 or for YAML 1.2, but not the same for both
    r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0o[0-7]+|0[0-9_]+(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?"
    r"|[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"
    r"|[0-9][0-9_]*_[0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*\.[0-9_]*_[0-9_]*(?:[eE][-+]?[0-9]+)?"
    r"|\.[0-9][0-9_]*_[0-9_]*(?:[eE][-+]?[0-9]+)?)"
)
_DATE_LIKE: Final = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9:.,]*.*)?")


class AmbiguousScalarError(ValueError):
    """A scalar without quotes that has no one meaning. ``hint`` says what to write."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


def plain_value(text: str) -> ScalarValue:
    """The value of a scalar written without quotes. Raises ``AmbiguousScalarError``."""
    if text in _WORDS:
        return _WORDS[text]
    first = text[0]
    if first.isascii() and (first.isdigit() or first in "-+."):
        return _number_or_date(text)
    if _YES_NO.fullmatch(text):
        hint = f"write '{text}' in quotes for the text, or true or false"
        raise AmbiguousScalarError(f"{text} without quotes is true or false to some readers of YAML", hint)
    return text


def is_text_when_plain(text: str) -> bool:
    """Whether the text, written without quotes, is read as itself (as far as its type goes)."""
    try:
        return isinstance(plain_value(text), str)
    except AmbiguousScalarError:
        return False


def _number_or_date(text: str) -> ScalarValue:
    if _NUMBER.fullmatch(text):
        number = number_of(text)
        if number is None:
            shown = text if len(text) <= 40 else f"{text[:40]}…"
            raise AmbiguousScalarError(f"the number {shown} is too large", _QUOTES)
        return number
    if _NOT_FINITE.fullmatch(text):
        raise AmbiguousScalarError(f"{text} is not a number to compare with", _QUOTES)
    if _OLD_NUMBER.fullmatch(text):
        hint = f"write '{text}' in quotes for the text, or the number in plain digits"
        raise AmbiguousScalarError(f"{text} without quotes is not the same to all readers of YAML", hint)
    if (instant := instant_of(text)) is not None:
        value, date_only = instant
        return value.date() if date_only else value
    if _DATE_LIKE.fullmatch(text):
        hint = "write 2024-01-31 or 2024-01-31T00:00:00Z; quotes make it text"
        raise AmbiguousScalarError(f"{text} is not a date of the calendar", hint)
    return text
