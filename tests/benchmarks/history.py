"""Events as Parquet files of about a million rows, in the order in which they were received, and the hour after them.

    python -m benchmarks.history FOLDER --events 20000000

Memory does not grow with the number of events. One event in a thousand comes twice: its copy is received later (and
a fifth of the copies differ, to show that it is the first that counts). No two rows have the same ``received_at``.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from benchmarks.behaviour import DAY, HOUR, SECOND, Chunk, chunk
from benchmarks.people import profiles_of, write_people
from benchmarks.raw_events import raw_events

HISTORY_END: Final = datetime(2025, 1, 1, tzinfo=UTC)
DAYS: Final = 365
ROWS_PER_FILE: Final = 1_000_000
ROWS_PER_GROUP: Final = 125_000
SEED: Final = 4
LATE: Final = 0.01

COPIED: Final = 1 / 1_000
EDITED: Final = 0.2
HOUR_EVENTS: Final = 15_000
LATE_IN_HOUR: Final = 0.03
COPIES_IN_HOUR: Final = 15
WINNING_COPIES_IN_HOUR: Final = 5


@dataclass(frozen=True, slots=True)
class History:
    """What is made: ``events`` different ones, by users of whom one owns a quarter if ``bursty``."""

    folder: Path
    events: int
    as_json: bool = False
    bursty: bool = False
    profiles: int | None = None

    @property
    def users(self) -> int:
        """How many users there are, with a row in the table of profiles or not; by default, one per 50 events."""
        return profiles_of(self.events) if self.profiles is None else self.profiles


def write_history(history: History) -> None:
    """Writes ``profiles.parquet``, ``accounts.parquet`` and the files of ``events/``."""
    (history.folder / "events").mkdir(parents=True, exist_ok=True)
    write_people(history.folder, history.users, as_json=history.as_json)
    files = max(history.events // ROWS_PER_FILE, 4)
    edges = np.linspace(_micros(HISTORY_END) - DAYS * DAY, _micros(HISTORY_END), files + 1).astype(np.int64)
    firsts = np.linspace(0, history.events, files + 1).astype(np.int64)
    carried = pl.DataFrame()
    for number in range(files):
        start, end = int(edges[number]), int(edges[number + 1])
        first, count = int(firsts[number]), int(firsts[number + 1] - firsts[number])
        frame = raw_events(_chunk(history, number, first, count, start, end, LATE), as_json=history.as_json)
        rows = pl.concat([frame, _copies(frame, number), carried], how="diagonal")
        rows = rows.unique("received_at", keep="first").sort("received_at")
        carried = rows.filter(pl.col("received_at") >= _instant(end))
        _write(rows.filter(pl.col("received_at") < _instant(end)), history.folder, start)


def write_hour(history: History, count: int = HOUR_EVENTS) -> None:
    """Adds the file of the second hour after the history: some events are late, some copies of known ones.

    A few copies were received before the event that was known: they count instead of it.
    """
    start = _micros(HISTORY_END) + HOUR
    made = _chunk(history, 1_000_000, history.events, count, start, start + HOUR, LATE_IN_HOUR)
    latest = max((history.folder / "events").glob("*.parquet"))
    known = pl.read_parquet(latest).tail(10_000).sample(COPIES_IN_HOUR, seed=SEED, shuffle=True)
    nth = pl.int_range(pl.len())
    copies = known.with_columns(
        received_at=pl.when(nth < WINNING_COPIES_IN_HOUR)
        .then(pl.col("received_at") - pl.duration(minutes=10, microseconds=1))
        .otherwise(_instant(start) + pl.duration(minutes=nth, microseconds=1))
    )
    copies = _edited(copies, pl.lit(value=True))
    rows = pl.concat([raw_events(made, as_json=history.as_json), copies], how="diagonal").sort("received_at")
    _write(rows, history.folder, start)


def _chunk(history: History, number: int, first: int, count: int, start: int, end: int, late: float) -> Chunk:
    return chunk(
        (SEED, number),
        first,
        count,
        start,
        end,
        users=history.users,
        bursty=history.bursty,
        late=late,
    )


def _micros(instant: datetime) -> int:
    return int(instant.timestamp()) * SECOND


def _instant(micros: int) -> pl.Expr:
    return pl.lit(micros).cast(pl.Datetime("us"))


def _write(frame: pl.DataFrame, folder: Path, start: int) -> None:
    name = datetime.fromtimestamp(start // SECOND, UTC).strftime("%Y-%m-%dT%H%M%SZ")
    frame.write_parquet(folder / "events" / f"{name}.parquet", compression="snappy", row_group_size=ROWS_PER_GROUP)


def _copies(frame: pl.DataFrame, number: int) -> pl.DataFrame:
    """Copies of one row in a thousand, received an hour or so after it."""
    chance = np.random.default_rng([SEED, number, 1])
    places = np.flatnonzero(chance.random(frame.height) < COPIED)
    delay = chance.exponential(HOUR, len(places)).astype(np.int64) * 2 + 1
    copies = frame[places].with_columns(pl.col("received_at") + pl.Series(delay).cast(pl.Duration("us")))
    return _edited(copies, pl.Series(chance.random(len(places)) < EDITED))


def _edited(rows: pl.DataFrame, which: pl.Series | pl.Expr) -> pl.DataFrame:
    """The rows, some with another event name: as events they would give other results."""
    return rows.with_columns(event=pl.when(which).then(pl.lit("Order Completed")).otherwise("event"))


def main() -> None:
    """Writes what the command line asks for."""
    parser = argparse.ArgumentParser(description="Events, profiles and accounts, made up, as Parquet.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--json", action="store_true", help="properties and traits as JSON text")
    parser.add_argument("--bursty", action="store_true", help="one user owns a quarter of the events")
    parser.add_argument("--profiles", type=int, help="how many users; by default one per 50 events")
    parser.add_argument("--hour", type=int, help="add the hour after, of so many events, to what is there")
    options = parser.parse_args()
    history = History(options.folder, options.events, options.json, options.bursty, options.profiles)
    if options.hour is None:
        write_history(history)
    else:
        write_hour(history, options.hour)


if __name__ == "__main__":
    main()
