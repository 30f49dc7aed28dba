"""Copies that come later than the event they are copies of: which one counts, whatever the order in which they come."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive_inputs
from audiences.events import Limits
from audiences.events.store import deciding, homes, reading
from audiences.events.store.manifest import newest
from event_stores import TINY, from_store, outcome, read_afresh
from event_tables import AS_OF, needs, table

HOUR = timedelta(hours=1)
WANTED = needs("price", events=["Bought", "Sold"])
TYPES = dict.fromkeys(
    ("message_id", "event", "profile_id", "user_id", "anonymous_id", "group_id", "properties", "traits"), pl.String
)
COLUMNS = (*TYPES, "type", "timestamp", "received_at")
Row = dict[str, Any]


def row(message_id: str | None = "m1", user: str | None = "u1", hours: int = 2, **columns: object) -> Row:
    """A track call, so many hours before as-of, that was received at as-of."""
    given = {
        "message_id": message_id,
        "type": "track",
        "event": "Bought",
        "user_id": user,
        "timestamp": AS_OF - hours * HOUR,
        "received_at": AS_OF,
        "properties": '{"price":5}',
    }
    return dict.fromkeys(COLUMNS) | given | columns


def write(folder: Path, name: str, *rows: Row) -> None:
    path = folder / "events" / f"{name}.parquet"
    path.parent.mkdir(exist_ok=True)
    table(rows, **TYPES, received_at=pl.Datetime("us", "UTC")).write_parquet(path)


def arrive(folder: Path, *files: Sequence[Row], limits: Limits | None = None) -> dict[str, Any]:
    """What comes out of a store that has read the files one after the other, which is never built anew; it has to be
    what is in all of them, read at once, and what plain Python says.
    """
    rows: list[Row] = []
    for number, file in enumerate(files):
        write(folder, f"f{number}", *file)
        rows += file
        stored = from_store(folder, WANTED, limits=limits, run=number + 1)
        assert stored.note == ""
        found = outcome(stored)
        assert found == outcome(read_afresh(folder, WANTED))
        assert seen(found) == plain(rows)
    return found


def seen(found: dict[str, Any]) -> list[tuple[Any, ...]]:
    events: list[tuple[Any, ...]] = [
        (one["profile"], one["event"], one["message_id"], one["timestamp"]) for one in found["events"]
    ]
    return sorted(events, key=str) + sorted((one["id"],) for one in found["universe"])


def plain(rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    people, _ = naive_inputs.population(rows, None, None, AS_OF)
    events: list[tuple[Any, ...]] = [
        (person.id, one["event"], one["message_id"], one["timestamp"])
        for person in people
        for one in person.events
        if one["event"] in WANTED.events
    ]
    return sorted(events, key=str) + sorted((person.id,) for person in people)


def replaced(folder: Path) -> list[int]:
    """How many rows each generation replaces."""
    manifest, _ = newest(folder / "store")
    assert manifest is not None
    return [generation.replaced for generation in manifest.generations]


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int | None]]:
    """The files that are read, and how many rows of each at most; None: all."""
    found: list[tuple[str, int | None]] = []
    original = reading._batches

    def watched(opened: Any, *others: Any) -> Iterator[Any]:
        found.append((Path(opened.path).stem, others[3] if len(others) > 3 else None))
        return original(opened, *others)

    monkeypatch.setattr(reading, "_batches", watched)
    return found


@pytest.mark.parametrize("limits", [None, TINY])
def test_the_one_that_was_received_first_counts(tmp_path: Path, limits: Limits | None) -> None:
    first = [row(f"m{number}", f"u{number % 4}") for number in range(20)]
    found = arrive(
        tmp_path,
        first,
        [row("m3", "other", received_at=AS_OF - HOUR), row("m4", "other", received_at=AS_OF + HOUR), row("new")],
        limits=limits,
    )
    assert [one["profile"] for one in found["events"] if one["message_id"] in ("m3", "m4")] == [
        "user_id:other",
        "user_id:u0",
    ]
    assert (found["statistics"]["rows_accepted"], found["statistics"]["duplicates"]) == (21, 2)


def test_only_the_parts_of_files_with_such_rows_are_read_again(
    tmp_path: Path, spans: list[tuple[str, int | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_SPAN", 4)
    write(tmp_path, "a", *[row(f"a{number}", f"u{number % 3}") for number in range(30)])
    write(tmp_path, "b", *[row(f"b{number}") for number in range(30)])
    from_store(tmp_path, WANTED).close()
    spans.clear()
    write(tmp_path, "c", row("a9", "u0", received_at=AS_OF - HOUR), row("b1"), row("c"))
    from_store(tmp_path, WANTED).close()
    assert spans == [("c", None), ("a", 4), ("c", 4)], "the row of b is the same as before: nothing is to be decided"
    assert outcome(from_store(tmp_path, WANTED)) == outcome(read_afresh(tmp_path, WANTED))


@pytest.mark.parametrize(
    ("known", "new", "wins"),
    [
        ({"received_at": None}, {}, True),
        ({}, {"received_at": None}, False),
        ({"received_at": None}, {"received_at": None, "timestamp": AS_OF - 5 * HOUR}, True),
        ({}, {"timestamp": AS_OF - 5 * HOUR}, True),
        ({}, {"timestamp": AS_OF - HOUR}, False),
        ({"event": "Sold"}, {"event": "Bought"}, True),
        ({"event": "Bought"}, {"event": "Sold"}, False),
        ({"event": "Other"}, {}, True),
        ({}, {"event": "Other", "received_at": AS_OF - HOUR}, True),
        ({"event": "Other"}, {"event": "Another"}, True),
        ({}, {}, False),
        ({"user_id": None, "anonymous_id": "a"}, {}, False),
        ({}, {"user_id": None, "anonymous_id": "a"}, True),
    ],
)
@pytest.mark.parametrize("limits", [None, TINY])
def test_which_one_counts(tmp_path: Path, known: Row, new: Row, wins: bool, limits: Limits | None) -> None:
    others = [row(f"o{number}", f"u{number}") for number in range(9)]
    arrive(tmp_path, [row("m", **known), *others], [row("m", **new)], limits=limits)
    if limits is None:  # else the store is put in order at once
        assert replaced(tmp_path) == [0, int(wins)]


def test_who_has_no_row_left_is_gone(tmp_path: Path) -> None:
    found = arrive(tmp_path, [row("m1", "u1"), row("m2", "u2")], [row("m1", "u2", received_at=AS_OF - HOUR)])
    assert [one["id"] for one in found["universe"]] == ["user_id:u2"]


def test_when_somebody_was_first_seen(tmp_path: Path) -> None:
    known = [row("m1", "u1", 9), row("m2", "u1", 7, event="Other"), row("m3", "u1", 5), row("m4", "u1", 8)]
    copy = row("m4", "u1", 8, received_at=AS_OF + HOUR)  # doesn't count, so it is not the first
    found = arrive(
        tmp_path,
        known,
        [copy, row("m5", "u2")],
        [row("m1", "u2", 9, received_at=AS_OF - HOUR)],
        [row("m4", "u1", 6, received_at=AS_OF - HOUR), row("m3", "u1", 5, received_at=AS_OF - HOUR)],
    )
    (person,) = (one for one in found["universe"] if one["id"] == "user_id:u1")
    assert [one["created_at"] for one in person["external_ids"]] == [AS_OF - 7 * HOUR]
    assert replaced(tmp_path) == [0, 0, 1, 2]


def test_the_ids_next_to_a_profile_id(tmp_path: Path) -> None:
    known = [row("m1", "u1", 9, profile_id="p1"), row("m2", "u2", 8, profile_id="p1"), row("m3", "u1", 3)]
    found = arrive(
        tmp_path,
        known,
        [row("m1", "u3", 9, profile_id="p1", received_at=AS_OF - HOUR)],
        [row("m2", None, 8, profile_id="p2", anonymous_id="a", received_at=AS_OF - HOUR)],
    )
    held = {one["id"]: [(id["type"], id["value"]) for id in one["external_ids"]] for one in found["universe"]}
    assert held == {
        "p1": [("user_id", "u3")],
        "p2": [("anonymous_id", "a")],
        "user_id:u1": [("user_id", "u1")],
    }


def test_calls_that_say_who_somebody_is(tmp_path: Path) -> None:
    def identify(message_id: str, hours: int = 2, **columns: object) -> Row:
        return row(message_id, "u1", hours, type="identify", event=None, properties=None, **columns)

    found = arrive(
        tmp_path,
        [identify("m1", traits='{"plan":"a"}'), identify("m2", 3, traits='{"plan":"b","size":1}')],
        [identify("m1", traits='{"plan":"c"}', received_at=AS_OF - HOUR)],
        [row("m1", received_at=AS_OF - 2 * HOUR)],
    )
    assert [one["traits"] for one in found["universe"]] == ['{"plan":"b","size":1}']


def test_replaced_again_and_again_and_put_in_order(tmp_path: Path) -> None:
    limits = Limits(rows_in_memory=5, rows_in_bucket=900)  # more than 90 rows out of place are too many
    known = [row(f"m{number}", "u0", received_at=AS_OF + HOUR) for number in range(25)]
    later = [
        [row(f"m{number}", f"u{(number + age) % 5}", received_at=AS_OF - age * HOUR) for number in range(age, 30, 2)]
        for age in range(6)
    ]
    arrive(tmp_path, known, *later, limits=limits)
    write(tmp_path, "last", row("m29", "u9", received_at=AS_OF - 9 * HOUR))
    from_store(tmp_path, WANTED, limits=limits).close()
    assert sum(replaced(tmp_path)) > 0
    assert any((tmp_path / "store").glob("base-*[2-9]")), "it was put in order on the way"


@pytest.mark.parametrize("limits", [None, TINY])
def test_people_whose_hashes_are_the_same(
    tmp_path: Path, limits: Limits | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = homes.hashes_of

    def colliding(identity: pl.Series) -> pl.DataFrame:
        found = original(identity)
        other = original(pl.Series(["user_id:u2"]))["hash"][0]
        same = pl.lit(identity.is_in(["user_id:u1", "user_id:u3", "user_id:held"]))
        return found.with_columns(pl.when(same).then(pl.lit(other, pl.UInt64)).otherwise("hash").alias("hash"))

    monkeypatch.setattr(homes, "hashes_of", colliding)
    rows = [row(f"m{number}", f"u{number % 5}", number % 7 + 1) for number in range(30)]
    found = arrive(tmp_path, rows, [row("m3", "u1", received_at=AS_OF - HOUR), row("new", "u3")], limits=limits)
    assert len(found["events"]) == 31
    people = pl.DataFrame(
        {"profile_id": ["p"], "external_ids": [[{"type": "user_id", "value": one} for one in ("held", "u1")]]}
    )
    write(tmp_path, "held", row("held", "held"))
    for store in ("store", "another"):
        (tmp_path / "store").rename(tmp_path / store)
        stored = outcome(from_store(tmp_path, WANTED, profiles=people, limits=limits))
        monkeypatch.undo()
        assert stored == outcome(read_afresh(tmp_path, WANTED, profiles=people))
        monkeypatch.setattr(homes, "hashes_of", colliding)


# ── in any order ────────────────────────────────────────────────────────────────────────────────────────────


def random_row(chance: random.Random) -> Row:
    kind = chance.choice(("track", "track", "track", "page", "identify"))
    event = chance.choice(("Bought", "Sold", "Other"))
    traits = chance.choice(('{"plan":"a"}', '{"plan":"b"}'))
    return row(
        chance.choice((None, *(f"m{number}" for number in range(8)))),
        chance.choice(("u1", "u2", "u3", None)),
        chance.choice((1, 2, 2, 3, -1)),
        type=kind,
        event=event if kind == "track" else None,
        anonymous_id=chance.choice((None, "a", "b")),
        profile_id=chance.choice((None, None, None, "p1", "p2")),
        received_at=chance.choice((None, AS_OF, AS_OF, AS_OF - HOUR)),
        properties=chance.choice((None, '{"price":5}', '{"price":7}')) if kind != "identify" else None,
        traits=traits if kind == "identify" else None,
    )


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**40))
def test_any_order(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 (more than Hypothesis draws)
    files = [[random_row(chance) for _ in range(chance.randrange(1, 9))] for _ in range(chance.randrange(2, 6))]
    at_once = patch.object(deciding, "_ROWS_AT_ONCE", chance.choice((2, 100)))
    with tempfile.TemporaryDirectory() as name, at_once:
        arrive(Path(name), *files, limits=chance.choice((None, TINY, Limits(rows_in_memory=4, rows_in_bucket=100))))
