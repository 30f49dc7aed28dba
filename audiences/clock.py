"""The one place that knows what time it is. Everything else is given an ``as_of``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from audiences.errors import DefinitionError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?)?$")


def now() -> datetime:
    """The current instant, UTC."""
    return datetime.now(UTC)


def default_as_of() -> datetime:
    """The as-of of a run that was given none: the current time truncated to the hour, UTC."""
    return now().replace(minute=0, second=0, microsecond=0)


def parse_as_of(text: str) -> datetime:
    """Reads an ISO 8601 date (its midnight) or timestamp; without a zone it is UTC.

    Raises:
        DefinitionError: if the text is neither.
    """
    if _ISO.match(text.strip()):
        try:
            return as_utc(datetime.fromisoformat(text.strip()))
        except ValueError:
            pass
    raise DefinitionError(
        f"'{text}' is not a date or timestamp", where="as-of", hint="write it as 2010-12-10 or 2010-12-10T08:00:00Z"
    )


def as_utc(instant: datetime) -> datetime:
    """The same instant in UTC; one without a zone is taken to be in UTC already."""
    if instant.tzinfo is None:
        return instant.replace(tzinfo=UTC)
    return instant.astimezone(UTC)


def iso(instant: datetime) -> str:
    """ISO 8601 with ``Z``: ``2010-12-10T00:00:00Z``, a fraction only where there is one."""
    text = as_utc(instant).isoformat().removesuffix("+00:00")
    if "." in text:
        text = text.rstrip("0")
    return text + "Z"


def readable(instant: datetime) -> str:
    """For people: ``2010-12-10 00:00 UTC``, seconds only where there are any."""
    moment = as_utc(instant)
    layout = "%Y-%m-%d %H:%M" if not (moment.second or moment.microsecond) else "%Y-%m-%d %H:%M:%S"
    return moment.strftime(layout) + " UTC"


def microseconds_since_epoch(moment: datetime) -> int:
    """A UTC instant in microseconds since 1970, exactly."""
    return (moment - _EPOCH) // timedelta(microseconds=1)
