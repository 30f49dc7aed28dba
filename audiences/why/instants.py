"""Instants as people read them, to the microsecond where there are any."""

from __future__ import annotations

from datetime import datetime, timedelta

from audiences import clock


def readable(instant: datetime) -> str:
    """``2010-12-10 00:00 UTC``; seconds, and their fraction, only where there are any."""
    moment = clock.as_utc(instant)
    if not moment.microsecond:
        return clock.readable(moment)
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f").rstrip("0") + " UTC"


def through(change: datetime) -> str:
    """Until when something holds that is different from ``change`` on, said with the shorter of two instants.

    Windows and most comparisons of dates have their last instant in them: what is different a microsecond after
    14:00 held ``until 2010-12-10 14:00 UTC``. Otherwise it held ``until just before 2010-12-10 14:00 UTC``.
    """
    if change.microsecond == 0:
        return f"until just before {readable(change)}"
    return f"until {readable(change - timedelta(microseconds=1))}"
