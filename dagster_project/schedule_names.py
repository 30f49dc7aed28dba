"""Names for cron expressions that people can read: ``0 */8 * * *`` is ``every_8_hours``."""

import re

_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_WORDS = {"*": "any", "/": "_every_", ",": "_and_", "-": "_to_", " ": "_"}


def normalise(cron: str) -> str:
    """The same cron in one spelling: lower case, single blanks, no leading zeros."""
    return re.sub(r"\b0+(?=\d)", "", " ".join(cron.lower().split()))


def schedule_name(cron: str) -> str:
    """A name for a cron expression of five fields.

    Different expressions have different names, except where they mean the same: Sunday is both 0 and 7.
    """
    text = normalise(cron)
    return _plain_name(*text.split(" ")) or "cron_" + "".join(_WORDS.get(one, one) for one in text)


def _plain_name(minute: str, hour: str, day: str, month: str, weekday: str) -> str | None:
    if month != "*" or (day != "*" and weekday != "*"):
        return None
    if day == weekday == "*" and (often := _several_times_a_day(minute, hour)):
        return often
    if not (minute.isdigit() and hour.isdigit()):
        return None
    time = f"at_{int(hour):02}_{int(minute):02}"
    if day == weekday == "*":
        return f"daily_{time}"
    if day == "*":
        name = _weekday(weekday)
        return f"weekly_on_{name}_{time}" if name else None
    return f"monthly_on_day_{day}_{time}" if day.isdigit() else None


def _several_times_a_day(minute: str, hour: str) -> str | None:
    if hour == "*" and (step := _step(minute)):
        return f"every_{step}_minutes"
    if not minute.isdigit():
        return None
    past = f"_at_minute_{int(minute):02}" if int(minute) else ""
    if hour == "*":
        return f"hourly{past}"
    return f"every_{step}_hours{past}" if (step := _step(hour)) else None


def _step(field: str) -> str | None:
    found = re.fullmatch(r"\*/(\d+)", field)
    return found[1] if found else None


def _weekday(field: str) -> str | None:
    if field.isdigit():
        return _DAYS[int(field) % 7]
    return next((day for day in _DAYS if day[:3] == field), None)
