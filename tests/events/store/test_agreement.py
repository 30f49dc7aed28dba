"""Random histories of a store: files that come, change and go, definitions that use more, people who are joined."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiences.events import EventNeeds, Limits
from choices import Choices
from event_stores import TINY, from_store, outcome, read_afresh
from event_tables import AS_OF, needs
from file_strategies import File, files, frame, profiles, profiles_frame

PATHS: Final = (("v",), ("w",), ("o",), ("o", "x"), ("l", "$"), ("name",))
EVENTS: Final = ("A", "B", "C", "Page Viewed")
COMMON: Final = needs(("v",), ("o", "x"), ("l", "$"), events=["A", "B", "Page Viewed"], traits=[("t",)])
LIMITS: Final = (None, TINY, Limits(rows_in_memory=30, rows_in_bucket=15))
STEP_SIZE: Final = 3_000


@dataclass(frozen=True)
class Step:
    """What happens between two runs, and what the second one asks for."""

    added: Sequence[File]
    again: int | None  # a file that comes a second time under another name
    gone: int | None
    profiles: pl.DataFrame | None
    wanted: EventNeeds
    as_of: datetime


def step(draw: Choices, number: int) -> Step:
    keeps_ids = draw.chance(1, 3)
    added = [
        replace(file, calls=[_named(call, number, keeps_ids=keeps_ids) for call in file.calls])
        for file in files(draw, most=20)
    ]
    people = profiles(draw) if draw.chance(1, 2) else None
    wanted = COMMON
    if draw.chance(1, 5):
        wanted = needs(
            *(path for path in PATHS if draw.chance(1, 2)),
            events=[name for name in EVENTS if draw.chance(1, 2)],
            contexts=[("v",)] if draw.chance(1, 3) else [],
        )
    return Step(
        added=added,
        again=draw.place(4) if draw.chance(1, 6) else None,
        gone=draw.place(4) if draw.chance(1, 8) else None,
        profiles=None if people is None else profiles_frame(people),
        wanted=wanted,
        as_of=AS_OF - timedelta(hours=draw.one_of((0, 0, 1, 2, 30))),
    )


def _named(call: Mapping[str, Any], number: int, *, keeps_ids: bool) -> Mapping[str, Any]:
    """A call whose message id no other step has."""
    id = call["message_id"]
    return call if keeps_ids or not isinstance(id, str) or len(id) > 20 else {**call, "message_id": f"{number}-{id}"}


@dataclass(frozen=True)
class History:
    """Steps, and how much is held in memory."""

    steps: Sequence[Step]
    limits: Limits | None


def history(draw: Choices) -> History:
    limits = draw.one_of(LIMITS)
    return History([step(draw.part(STEP_SIZE), number) for number in range(2 + draw.place(3))], limits)


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**40))
def test_a_store_never_shows(seed: int) -> None:
    case = history(Choices(random.Random(seed).randbytes(6 * STEP_SIZE)))  # noqa: S311 (more than Hypothesis draws)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        events = folder / "events"
        events.mkdir()
        for number, one in enumerate(case.steps):
            for place, file in enumerate(one.added):
                frame(file).write_parquet(events / f"{(number * 7 + place * 3) % 10}-{number}-{place}.parquet")
            there = sorted(events.iterdir())
            if one.again is not None:
                copied = there[one.again % len(there)]
                (events / f"again-{number}.parquet").write_bytes(copied.read_bytes())
            if one.gone is not None and len(there) > 1:
                there[one.gone % len(there)].unlink()
            stored = from_store(folder, one.wanted, profiles=one.profiles, as_of=one.as_of, limits=case.limits)
            afresh = read_afresh(folder, one.wanted, profiles=one.profiles, as_of=one.as_of)
            assert outcome(stored) == outcome(afresh), (number, stored.note)
