"""Durations as YAML has them: a whole number and a unit, ``7 days``, ``1 week``, ``30 minutes``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from audiences.language import tree
from audiences.language.suggest import did_you_mean
from audiences.language.vocabulary import OTHER_UNITS_IN_DAYS, UNITS

WINDOW_UNITS: Final = (tree.Unit.HOUR, tree.Unit.DAY)
SESSION_UNITS: Final = tuple(tree.Unit)
LONG_UNITS: Final = {"week": 7}
"""Units that YAML has and the language doesn't, in days."""

PATTERN: Final = r"^\s*[0-9]{1,9}\s*[a-zA-Z]+\s*$"
_DURATION: Final = re.compile(r"\s*([+-]?[0-9]+(?:\.[0-9]+)?)\s*([^\W\d]+)\s*")
_LONGEST: Final = 9  # digits


class DurationError(ValueError):
    """A text that is no duration. ``hint`` says what was probably meant, ``part`` which characters are wrong."""

    def __init__(self, what: str, hint: str = "", part: tuple[int, int] | None = None) -> None:
        super().__init__(what)
        self.hint, self.part = hint, part


def duration_of(
    text: str, what: str, units: Iterable[tree.Unit] = WINDOW_UNITS, *, span: tree.Span | None = None
) -> tree.Duration:
    """The duration that is written; weeks become days. ``what`` is the key, for messages.

    Raises ``DurationError`` where it is none, or in a unit other than weeks and ``units``.
    """
    units = tuple(units)
    match = _DURATION.fullmatch(text)
    if match is None:
        example = "30 minutes" if tree.Unit.MINUTE in units else "7 days"
        raise DurationError(f"'{text}' is not a duration", f"write {what}: {example}")
    amount, word = match[1], match[2].casefold()
    if not amount.isdecimal():
        raise DurationError(f"a duration is a whole number of units, '{text}' is not", part=match.span(1))
    if len(amount) > _LONGEST:
        raise DurationError(f"the duration '{text}' is too long", part=match.span())
    days = LONG_UNITS.get(word.removesuffix("s"))
    if days is not None:
        return tree.Duration(int(amount) * days, tree.Unit.DAY, span=span)
    unit = UNITS.get(word)
    if unit is not None and unit in units:
        return tree.Duration(int(amount), unit, span=span)
    if unit is not None:
        raise DurationError(f"'{what}' takes no {unit}s", f"possible: {_in_words(units)}", match.span(2))
    other = OTHER_UNITS_IN_DAYS.get(word.removesuffix("s"))
    if other is not None:
        hint = f"a {word.removesuffix('s')} has no fixed length: write {int(amount) * other} days"
    else:
        known = [f"{name}s" for name in (*units, *LONG_UNITS)]
        hint = did_you_mean(word, known) or f"possible: {_in_words(units)}"
    raise DurationError(f"unknown unit '{match[2]}'", hint, match.span(2))


def _in_words(units: Iterable[tree.Unit]) -> str:
    return ", ".join(f"{name}s" for name in (*units, *LONG_UNITS))
