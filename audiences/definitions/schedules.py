"""What ``schedule:`` may say."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from typing import Final

from croniter import CroniterBadDateError, CroniterError, croniter  # type: ignore[import-untyped]

MANUAL: Final = "manual"
_NOT_YET: Final = ("on_new_data", "every")
_FIELD: Final = re.compile(r"(?:[0-9*/,-]|(?<![a-z])[a-z]{3}(?![a-z]))+", re.IGNORECASE)
"""Classic cron only: what other programs add (L, #, ?, H, R) isn't the same for all of them."""
_FIELDS: Final = "minute hour day-of-month month day-of-week"
_RANGES: Final = "minute 0-59, hour 0-23, day-of-month 1-31, month 1-12, day-of-week 0-7 or mon-sun"


class ScheduleError(ValueError):
    """A schedule that is wrong, or known and not built yet."""

    def __init__(self, what: str, hint: str = "", *, not_yet: bool = False) -> None:
        super().__init__(what)
        self.hint, self.not_yet = hint, not_yet


def cron_of(value: object) -> str | None:
    """The cron expression (five fields, UTC, single blanks between them); None for ``manual``.

    Raises ``ScheduleError``.
    """
    if isinstance(value, dict) and "every" in value:
        raise ScheduleError("schedule every …: not yet", "write a cron expression", not_yet=True)
    if not isinstance(value, str):
        raise ScheduleError("a schedule is text", 'such as "0 */8 * * *", or manual')
    if value.strip() == MANUAL:
        return None
    words = value.split()
    if words and words[0] in _NOT_YET:
        raise ScheduleError(f"schedule {words[0]}: not yet", "write a cron expression", not_yet=True)
    if len(words) != len(_FIELDS.split()):
        hint = f'{_FIELDS}, such as "0 */8 * * *"; or manual'
        raise ScheduleError(f"'{value}' is not a cron expression of five fields", hint)
    for word in words:
        if not _FIELD.fullmatch(word):
            hint = "digits, *, /, -, commas, and names of months and days, such as mon-fri"
            raise ScheduleError(f"'{word}' can't be part of a cron expression", hint)
    expression = " ".join(words)
    _check_cron(expression, value)
    return expression


@cache
def _check_cron(expression: str, written: str) -> None:
    try:
        croniter(expression, datetime(2000, 1, 1, tzinfo=UTC)).get_next(datetime)
    except CroniterBadDateError as error:
        raise ScheduleError(f"'{written}' never comes") from error
    except (CroniterError, ValueError) as error:
        raise ScheduleError(_wrong_field(expression) or f"'{written}' is not a cron expression", _RANGES) from error


def _wrong_field(expression: str) -> str:
    """Which of the fields is wrong by itself."""
    for number, (word, name) in enumerate(zip(expression.split(), _FIELDS.split(), strict=True)):
        alone = ["*"] * len(_FIELDS.split())
        alone[number] = word
        try:
            croniter(" ".join(alone))
        except (CroniterError, ValueError):
            return f"'{word}' can't be the {name} of a cron expression"
    return ""
