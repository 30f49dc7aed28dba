"""Strings, numbers, instants and paths: from how they are written to what they mean, and back."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Final

from audiences.language.tree import Path

_BACKSLASH: Final = "\\"
_OTHER_BACKSLASH: Final = re.compile(r"\\(?!\.)")
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_KNOWN_ESCAPES: Final = {"'": "'", '"': '"', "\\": "\\", "n": "\n", "r": "\r", "t": "\t"}
_WRITTEN_ESCAPES: Final = {"'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SEPARATOR: Final = re.compile(r"(?<!\\)\.")
_LITERAL_DOT: Final = re.compile(r"\\+\.")
_NUMBER_TEXT: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_INSTANT: Final = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
    r"(?P<time>[Tt ](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})"
    r"(:(?P<second>[0-9]{2})([.,](?P<fraction>[0-9]+))?)?"
    r"(?P<zone>[Zz]|(?P<sign>[+-])(?P<zone_hour>[0-9]{2})(:?(?P<zone_minute>[0-9]{2}))?)?)?"
)


# ── strings ─────────────────────────────────────────────────────────────────────────────────────────────────


def unescape(text: str) -> str:
    r"""The value of a string's inside.

    ``\'``, ``\"``, ``\\``, ``\n``, ``\r``, ``\t`` and ``\uXXXX`` are escapes; before anything else the
    backslash stays, since ``\.`` in a path is a dot that belongs to the name.
    """

    def resolve(match: re.Match[str]) -> str:
        escape = match[1]
        if len(escape) == 5:
            return chr(int(escape[1:], 16))
        return _KNOWN_ESCAPES.get(escape, match[0])

    value = _ESCAPE.sub(resolve, text)
    if any("\ud800" <= character <= "\udbff" for character in value):
        value = value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return value


def quote(value: str) -> str:
    """A string as a literal in single quotes, on one line."""
    return f"'{_escape(value.replace(_BACKSLASH, _BACKSLASH * 2))}'"


def quote_path(path: Path) -> str:
    r"""A path as a literal in single quotes; the backslash of ``\.`` is not doubled."""
    return f"'{_escape(_OTHER_BACKSLASH.sub(lambda found: found[0] * 2, path_text(path)))}'"


def _escape(value: str) -> str:
    """Quotes, line breaks and what has no visible form. Backslashes are the caller's matter."""
    return "".join(
        _WRITTEN_ESCAPES.get(character)
        or (character if character.isprintable() or ord(character) > 0xFFFF else f"\\u{ord(character):04x}")
        for character in value
    )


# ── paths ───────────────────────────────────────────────────────────────────────────────────────────────────


def path_of(raw: str) -> Path:
    """The segments of a path. A dot after backslashes is part of a name, the backslashes aren't."""
    return tuple(_LITERAL_DOT.sub(".", segment) for segment in _SEPARATOR.split(raw))


def path_text(path: Path) -> str:
    r"""The one-line form of a path, a dot inside a segment as ``\.``; ``path_of`` reads it back."""
    return ".".join(segment.replace(".", r"\.") for segment in path)


# ── numbers ─────────────────────────────────────────────────────────────────────────────────────────────────


def is_number_text(text: str) -> bool:
    """Whether text counts as a number in comparisons: digits, sign, point, exponent; no blanks, finite."""
    return _NUMBER_TEXT.fullmatch(text) is not None and math.isfinite(float(text))


def number_of(text: str) -> int | float | None:
    """The value of a number literal: a whole number is an int with all its digits. None if it's too large."""
    try:
        exact, value = Decimal(text), float(text)
    except (InvalidOperation, ValueError, OverflowError):
        return None
    if not math.isfinite(value):
        return None
    if exact == int(exact):
        return int(exact)
    return int(value) if value.is_integer() else value


def number_text(value: int | float) -> str:
    """A number as a literal that reads back as the same value."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return repr(value)


# ── instants ────────────────────────────────────────────────────────────────────────────────────────────────


def instant_of(text: str) -> tuple[datetime, bool] | None:
    """An ISO 8601 date or timestamp as UTC, and whether it is a date alone; None if it isn't one.

    A date is its midnight; no zone means UTC; ``T`` or a blank before the time; digits beyond microseconds
    are cut.
    """
    match = _INSTANT.fullmatch(text)
    if match is None:
        return None
    try:
        value = datetime(
            int(match["year"]),
            int(match["month"]),
            int(match["day"]),
            int(match["hour"] or 0),
            int(match["minute"] or 0),
            int(match["second"] or 0),
            int((match["fraction"] or "0")[:6].ljust(6, "0")),
            tzinfo=_zone_of(match),
        )
        return value.astimezone(UTC), match["time"] is None
    except (ValueError, OverflowError):
        return None


def _zone_of(match: re.Match[str]) -> timezone:
    if match["sign"] is None:
        return UTC
    hours, minutes = int(match["zone_hour"]), int(match["zone_minute"] or 0)
    if hours > 23 or minutes > 59:
        raise ValueError("no such zone")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if match["sign"] == "-" else offset)


def instant_text(value: datetime, *, date_only: bool = False) -> str:
    """An instant as a literal: UTC with ``Z``, fraction without trailing zeros; a date alone as a date."""
    moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if date_only and moment == moment.replace(hour=0, minute=0, second=0, microsecond=0):
        return moment.date().isoformat()
    text = moment.replace(tzinfo=None, microsecond=0).isoformat()
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return f"{text}{fraction}Z"
