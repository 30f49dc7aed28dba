"""Ranges of ids, and work on several of them at a time that comes back in order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from audiences import csv_ranges
from audiences.csv_ranges import Snapshot, in_order
from audiences.definitions.computation import Kind, Level
from audiences.state import ComputationRecord, Manifest
from audiences.state.tables import PROFILES

NOW = datetime(2024, 1, 1, tzinfo=UTC)


class Tables:
    """A source made of two frames, which counts how often it is asked."""

    def __init__(self, profiles: list[str], members: list[str]) -> None:
        self.manifest: Manifest | None = None
        self.location, self.as_of, self.run = "here", NOW, 1
        self.asked = 0
        self._profiles = pl.DataFrame({"id": profiles}, schema={"id": pl.String}).with_columns(
            pl.lit(None, dtype).alias(name) for name, dtype in PROFILES.items() if name != "id"
        )
        self._members = pl.DataFrame({"id": members}, schema={"id": pl.String}).with_columns(
            value=pl.lit("true"), as_of=pl.lit(NOW)
        )

    def scan_snapshot(self, key: str) -> pl.LazyFrame:
        self.asked += 1
        return self._members.lazy()

    def departures(self, key: str) -> pl.DataFrame:
        raise NotImplementedError

    def profiles(self) -> pl.LazyFrame:
        self.asked += 1
        return self._profiles.lazy()

    def accounts(self) -> pl.LazyFrame:
        raise NotImplementedError


def record(level: Level) -> ComputationRecord:
    return ComputationRecord(
        key="big",
        kind=Kind.AUDIENCE,
        level=level,
        as_of=NOW,
        run=1,
        computed_at=NOW,
        size=0,
        fingerprint="definition",
        inputs="inputs",
        first_run=1,
        first_as_of=NOW,
    )


def ranges(tables: Tables, level: Level = Level.USER) -> list[list[str]]:
    found = Snapshot(tables, "big", record(level))
    return [found.rows(part).get_column("id").to_list() for part in found.ranges()]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_ranges, "PROFILES_PER_RANGE", 3)
    monkeypatch.setattr(csv_ranges, "RANGES_PER_READ", 2)


EVERYONE = [f"p{number}" for number in range(10)]


def test_ranges_are_cut_by_profiles_and_those_without_values_left_out() -> None:
    members = ["p9", "p0", "p2", "p3", "p1"]
    assert ranges(Tables(EVERYONE, members)) == [["p0", "p1", "p2"], ["p3"], ["p9"]]


def test_ids_outside_of_all_profiles_are_in_the_first_and_the_last_range() -> None:
    assert ranges(Tables(EVERYONE, ["z", "a", "p31", "p4"])) == [["a"], ["p31", "p4"], ["z"]]


def test_profiles_in_no_order_give_the_same_rows() -> None:
    shuffled = ["p7", "p2", "p9", "p0", "p5", "p1", "p8", "p3", "p6", "p4"]
    found = Snapshot(Tables(shuffled, EVERYONE), "big", record(Level.USER))
    parts = [found.rows(part) for part in found.ranges()]
    assert len(parts) > 1
    assert pl.concat(parts).get_column("id").to_list() == EVERYONE


def test_accounts_are_cut_by_themselves() -> None:
    accounts = ["e", "d", "c", "b", "a"]
    assert ranges(Tables([], accounts), Level.ACCOUNT) == [["a"], ["b", "c", "d", "e"]]


def test_without_profiles_or_members() -> None:
    assert ranges(Tables([], ["b", "a"])) == [["a", "b"]]
    assert ranges(Tables(EVERYONE, [])) == []


def test_tables_are_looked_up_once() -> None:
    tables = Tables(EVERYONE, EVERYONE)
    assert len(ranges(tables)) == 4
    assert tables.asked == 2


def test_each_row_has_what_is_known_of_its_profile(tmp_path: Path) -> None:
    tables = Tables(EVERYONE, ["ghost", *EVERYONE])
    identifiers = [[{"type": "user_id", "value": name, "created_at": None}] for name in EVERYONE]
    tables._profiles = tables._profiles.with_columns(pl.Series("external_ids", identifiers, PROFILES["external_ids"]))
    found = Snapshot(tables, "big", record(Level.USER))
    rows = pl.concat([found.rows(part) for part in found.ranges()])
    known = {row["id"]: row["external_ids"] and row["external_ids"][0]["value"] for row in rows.iter_rows(named=True)}
    assert known == {"ghost": None} | {name: name for name in EVERYONE}


# ── in order ────────────────────────────────────────────────────────────────────────────────────────────────


def test_results_come_in_the_order_of_the_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pl, "thread_pool_size", lambda: 2)
    second_is_done = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert second_is_done.wait(10)
        elif item == 1:
            second_is_done.set()
        return item * item

    assert list(in_order(work, range(20))) == [number * number for number in range(20)]


def test_only_a_few_items_are_begun_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pl, "thread_pool_size", lambda: 2)
    taken = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = in_order(lambda number: number, items())
    assert next(results) == 0
    assert len(taken) == 3
    results.close()


def test_an_error_ends_it() -> None:
    done = []

    def work(item: int) -> int:
        if item == 3:
            raise ValueError("three")
        done.append(item)
        return item

    results = in_order(work, range(1000))
    with pytest.raises(ValueError, match="three"):
        list(results)
    assert len(done) < 20
