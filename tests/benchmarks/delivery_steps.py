"""The steps of the benchmark of deliveries (``benchmarks.deliveries``), each run in a process of its own.

Every profile has a user id, an anonymous id and an e-mail address; one in a hundred has the address of another one,
too. A trait of everybody is delivered to user ids.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from audiences.definitions.computation import (
    Computation,
    Destination,
    DestinationEntry,
    IdentifierStrategy,
    Kind,
    Space,
)
from audiences.delivery import deliver
from audiences.delivery.identifiers import identifiers_of
from audiences.delivery.messages import Envelope, render, with_message_ids
from audiences.delivery.planner import Situation, plan
from audiences.language.parse import parse
from audiences.state import Computed, ProfileChanges, Results, RunResult, State

FIRST: Final = datetime(2025, 1, 1, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
STRATEGY: Final = (IdentifierStrategy("user_id"),)
ORDERS: Final = Computation(
    "orders",
    Kind.TRAIT,
    parse("event('Order Completed').count()"),
    destinations=(DestinationEntry("crm", identifiers=STRATEGY),),
)
MEMBERS_OF_A_HOUSEHOLD: Final = 100


def people(first: int, end: int, every: int = 1) -> pl.DataFrame:
    """Profiles from one number to another, sorted by id."""
    number = pl.int_range(first, end, every)
    text = number.cast(pl.String).str.zfill(9)
    shared = pl.when(number % MEMBERS_OF_A_HOUSEHOLD == 1).then(number - 1).otherwise(number).cast(pl.String)

    def identifier(type_: str, value: pl.Expr) -> pl.Expr:
        created = pl.lit(FIRST).cast(pl.Datetime("us", "UTC"))
        return pl.struct(type=pl.lit(type_), value=value, created_at=created)

    return pl.select(
        id="profile-" + text,
        external_ids=pl.concat_list(
            identifier("anonymous_id", "cookie-" + text),
            identifier("email", shared + "@example.com"),
            identifier("user_id", "user-" + text),
        ),
        traits=pl.lit("{}"),
        account_ids=pl.lit([], dtype=pl.List(pl.String)),
    )


def committed(state: State, as_of: datetime, results: Results, profiles: pl.DataFrame | ProfileChanges) -> None:
    """A run is kept."""
    results.finish()
    made = RunResult(
        as_of=as_of,
        inputs=as_of.isoformat(),
        computed={ORDERS.key: Computed(ORDERS, "definition")},
        results=results,
        profiles=profiles,
        computed_at=as_of,
    )
    with state.exclusive():
        state.commit(state.draft(made))


def make(folder: Path, messages: int) -> None:
    """The first run, in which everybody has a value."""
    state = State.open(str(folder / "state"), create=True)
    everybody = people(0, messages)
    results = state.results([ORDERS], kept=True)
    results.add(ORDERS.level, everybody["id"], {ORDERS.key: pl.int_range(messages, eager=True) % 7 + 1})
    committed(state, FIRST, results, everybody)


def another_hour(folder: Path, messages: int, hour: int, changed: int) -> None:
    """A run in which some profiles, all over, have another value, and a few are new."""
    state = State.open(str(folder / "state"), create=True)
    every = messages // changed if changed else 1
    new = changed // 100
    both = pl.concat([people(0, every * (changed - new), every), people(messages, messages + new)])
    results = state.results([ORDERS], kept=True)
    results.limit([ORDERS.key], both["id"])
    if both.height:
        results.add(ORDERS.level, both["id"], {ORDERS.key: pl.int_range(both.height, eager=True) % 7 + 8})
    committed(state, FIRST + hour * HOUR, results, ProfileChanges(both, pl.Series([], dtype=pl.String)))


def space(folder: Path) -> Space:
    """A destination that writes files."""
    settings = {"path": "out", "confirmed": True}
    return Space(root=folder, id="spa_1", slug="bench", destinations={"crm": Destination("crm", "jsonl", settings)})


def delivered(folder: Path) -> dict[str, object]:
    """Delivers the newest run; how many messages there were, and the hash of them."""
    state = State.open(str(folder / "state"), create=True)
    (result,) = deliver(state, state, [ORDERS], space(folder))
    if result.problem is not None:
        raise SystemExit(result.problem.what)
    if not result.where:
        return {"messages": result.delivered}
    with Path(result.where).open("rb") as file:
        return {"messages": result.delivered, "digest": hashlib.file_digest(file, "sha256").hexdigest()}


def plain(folder: Path) -> dict[str, object]:
    """Everybody planned at once, and the messages made, as the newest run is before its delivery; nothing is kept."""
    state = State.open(str(folder / "state"))
    found = plan(
        Situation(
            kind=ORDERS.kind,
            snapshot=state.scan_snapshot(ORDERS.key).collect(),
            departures=state.departures(ORDERS.key),
            identifiers=identifiers_of(state.profiles()),
            acknowledged=state.acknowledged("crm").rows(ORDERS.key),
            calls=("identify",),
            strategy=STRATEGY,
            as_of=state.as_of,
        )
    )
    envelope = Envelope.of(ORDERS, ORDERS.destinations[0], space(folder))
    digest = hashlib.sha256()
    for part in found.messages.iter_slices(50_000):
        rows = with_message_ids(part, envelope)
        texts = render(rows, envelope, rows.select(id="profile_id").unique())
        digest.update(("\n".join(texts.to_list()) + "\n").encode())
    return {"messages": found.messages.height, "digest": digest.hexdigest()}


def main() -> int:
    """Does a step; prints what it found, with seconds and CPU seconds, which are without the program's start."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.delivery_steps")
    parser.add_argument("step", choices=["make", "run", "deliver", "plain"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--messages", type=int, default=2_000_000)
    parser.add_argument("--changed", type=int, default=0)
    parser.add_argument("--hour", type=int, default=1)
    given = parser.parse_args()
    steps: dict[str, Callable[[], dict[str, object] | None]] = {
        "make": lambda: make(given.folder, given.messages),
        "run": lambda: another_hour(given.folder, given.messages, given.hour, given.changed),
        "deliver": lambda: delivered(given.folder),
        "plain": lambda: plain(given.folder),
    }
    start, cpu = time.perf_counter(), time.process_time()
    found = steps[given.step]() or {}
    used = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu}
    print(json.dumps({**found, **used}))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
