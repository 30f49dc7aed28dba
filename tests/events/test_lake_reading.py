"""What is read of a data lake: tables, days and files."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from audiences.definitions.computation import InputPaths
from audiences.definitions.loader import load_mappings
from audiences.engines.polars import PolarsEngine
from audiences.errors import InputError
from audiences.events import EventNeeds, InputFrames, lake, open_inputs
from audiences.language.event_uses import EventUse
from audiences.plan import make_plan
from event_tables import AS_OF, event, everything, needs, prepared, table, texts
from lakes import NOON, put, said, values, write_lake

DAY = timedelta(days=1)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """The columns that are read, by table."""
    found: dict[str, set[str]] = {}
    batches = lake.LakeTable.batches

    def recording(self: lake.LakeTable, columns: Sequence[str], **which: Any) -> Iterator[pl.DataFrame]:
        found.setdefault(self.reading.table, set()).update(columns)
        return batches(self, columns, **which)

    monkeypatch.setattr(lake.LakeTable, "batches", recording)
    return found


def test_only_the_tables_of_used_events_are_read_for_their_properties(
    tmp_path: Path, read: dict[str, set[str]]
) -> None:
    for name in ("bought", "sold", "page", "identify", "group"):
        put(
            tmp_path,
            name,
            {"user_id": [name], "group_id": ["g"], "price": [1], "context_a": [1], "context_b": [2], "sent_at": [NOON]},
        )
    with prepared(tmp_path, needs("price", contexts=[("a",)])) as inputs:
        assert inputs.profiles["id"].to_list() == [
            "user_id:" + name for name in ("bought", "group", "identify", "page", "sold")
        ]
        assert inputs.statistics.rows_accepted == 5
        assert everything(inputs).events["profile"].to_list() == ["user_id:bought"]
    ids = {"message_id", "user_id", "group_id", "timestamp", "received_at"}
    assert read == {
        "bought": ids | {"price", "context_a"},
        "sold": ids,
        "page": ids,
        "identify": ids | {"price"},
        "group": ids | {"price"},
    }


def test_copies_and_rejects_are_counted_in_unused_tables_too(tmp_path: Path) -> None:
    too_many = {f"p{number}": [number, number, None] for number in range(301)}
    put(tmp_path, "sold", {"message_id": ["m1", "m2", "m3"], "user_id": ["u1", None, "u3"], **too_many})
    put(tmp_path, "sold", {"message_id": ["m3"], "user_id": ["u4"], "received_at": [NOON + DAY]}, day="2024-06-02")
    in_arrays = {f"products_{number}_sku": ["x"] for number in range(400)}
    put(tmp_path, "bought", {"message_id": ["m5"], "user_id": ["u5"], **in_arrays})
    with prepared(tmp_path) as inputs:
        assert inputs.rejects.counts == {"no_user_anon_id": 1, "too_many_properties": 1}
        assert inputs.statistics.duplicates == 1
        assert inputs.profiles["id"].to_list() == ["user_id:u3", "user_id:u5"]


def test_samples_name_the_file_and_its_row(tmp_path: Path) -> None:
    put(tmp_path, "sold", {"user_id": ["u1", "u2"]}, file="a")
    second = put(tmp_path, "sold", {"user_id": ["u3", None]}, file="b")
    with prepared(tmp_path) as inputs:
        (sample,) = inputs.rejects.samples["no_user_anon_id"]
    assert (sample["path"], sample["row"]) == (str(second), 1)
    assert sample["message_id"] == "sold-2024-06-01-b-1"
    assert '"timestamp":"2024-06-01T12:00:00Z"' in str(sample["excerpt"])


def test_a_table_without_any_id(tmp_path: Path) -> None:
    path = put(tmp_path, "bought", {"price": [1]})
    pl.read_parquet(path).drop("user_id").write_parquet(path)
    with prepared(tmp_path) as inputs:
        assert inputs.rejects.counts == {"no_user_anon_id": 1}


def test_a_table_without_a_timestamp(tmp_path: Path) -> None:
    path = put(tmp_path, "bought", {"price": [1]})
    pl.read_parquet(path).drop("timestamp").write_parquet(path)
    with pytest.raises(InputError, match="no column timestamp") as caught:
        prepared(tmp_path)
    assert caught.value.where == str(path)


def windows(**ages: timedelta | None) -> EventNeeds:
    """Needs of events whose property ``price`` is used, looking back that far."""
    uses = [
        EventUse(name, frozenset({("price",)}), oldest=None if age is None else age // timedelta(microseconds=1))
        for name, age in ages.items()
    ]
    return EventNeeds(frozenset(ages), frozenset({("price",)}), uses=frozenset(uses))


def days_read(folder: Path, wanted: EventNeeds, skew: timedelta | None) -> dict[str, list[str | None]]:
    """The prices that are read by day, and who exists: a price is ``None`` where only ids and times are read."""
    paths = InputPaths(events=str(folder), max_clock_skew=skew)
    with open_inputs(paths).prepare(wanted, as_of=AS_OF) as inputs:
        rows = everything(inputs).events.sort("message_id")
        return {"profiles": inputs.profiles["id"].to_list(), "prices": texts(rows["property:price"])}


@pytest.fixture
def ten_days(tmp_path: Path) -> Path:
    """An event a day, at noon of 6 to 15 June; as-of is 15 June, 12:00."""
    for number in range(6, 16):
        when = datetime(2024, 6, number, 11, 59, tzinfo=UTC)
        columns = {"timestamp": [when], "received_at": [when], "user_id": [f"u{number:02}"], "price": [number]}
        put(tmp_path, "bought", columns, day=f"2024-06-{number:02}")
    return tmp_path


EVERYONE = [f"user_id:u{number:02}" for number in range(6, 16)]


@pytest.mark.parametrize(
    ("age", "skew", "first"),
    [
        (timedelta(days=2), None, 6),
        (None, timedelta(days=1), 6),
        (timedelta(days=2), timedelta(0), 13),  # from 13 June 12:00
        (timedelta(days=2), timedelta(hours=12), 13),  # what came on 12 June happened before 13 June 12:00
        (timedelta(days=2), timedelta(hours=13), 12),
        (timedelta(days=2), timedelta(days=3), 10),
        (timedelta(days=40_000_000), timedelta(days=1), 6),
    ],
)
def test_days_that_no_window_reaches_are_read_for_their_ids(
    ten_days: Path, age: timedelta | None, skew: timedelta | None, first: int
) -> None:
    found = days_read(ten_days, windows(Bought=age), skew)
    assert found == {"profiles": EVERYONE, "prices": [str(number) for number in range(first, 16)]}


def test_the_longest_window_counts(ten_days: Path) -> None:
    both = windows(Bought=timedelta(days=1))
    both = EventNeeds(both.events, both.properties, uses=both.uses | windows(Bought=timedelta(days=4)).uses)
    assert days_read(ten_days, both, timedelta(0))["prices"] == ["11", "12", "13", "14", "15"]
    every = EventNeeds(both.events, both.properties, uses=both.uses | windows(Bought=None).uses)
    assert len(days_read(ten_days, every, timedelta(0))["prices"]) == 10
    unknown = EventNeeds(both.events, both.properties)
    assert len(days_read(ten_days, unknown, timedelta(0))["prices"]) == 10


def test_an_instant_before_which_events_do_not_count_is_a_window(ten_days: Path) -> None:
    since = datetime(2024, 6, 12, tzinfo=UTC)
    use = EventUse("Bought", frozenset({("price",)}), since=since)
    wanted = EventNeeds(frozenset({"Bought"}), frozenset({("price",)}), uses=frozenset({use}))
    assert days_read(ten_days, wanted, timedelta(0))["prices"] == ["12", "13", "14", "15"]


def test_days_after_as_of_are_not_read_at_all(ten_days: Path, read: dict[str, set[str]]) -> None:
    wanted = windows(Bought=None)
    for days in range(1, 4):
        later = AS_OF + days * DAY
        put(ten_days, f"later{days}", {"timestamp": [later], "user_id": ["x"]}, day=later.date().isoformat())
    days_read(ten_days, wanted, timedelta(days=1))
    assert set(read) == {"bought", "later1"}  # 16 June begins 12 hours after as-of
    days_read(ten_days, wanted, None)
    assert set(read) == {"bought", "later1", "later2", "later3"}


def test_identify_and_group_calls_are_read_however_old_they_are(ten_days: Path) -> None:
    put(ten_days, "identify", {"user_id": ["u06"], "plan": ["pro"]}, day="2020-01-01")
    put(ten_days, "group", {"user_id": ["u06"], "group_id": ["g1"], "plan": ["big"]}, day="2020-01-01")
    paths = InputPaths(events=str(ten_days), max_clock_skew=timedelta(0))
    with open_inputs(paths).prepare(windows(Bought=timedelta(days=1)), as_of=AS_OF) as inputs:
        assert said(inputs.profiles)[0] == {"plan": "pro"}
        assert said(inputs.accounts()) == [{"plan": "big"}]


DEFINITIONS = """
event('A').within(2 days).count() >= 1
event('A').within(3 days).where(property('price') > 1).count() = 0
NOT event('B').within(30 hours).count() > 0
event('C').between(1 day, 4 days).sum(property('price')) >= 2
event('A').within(1 day).count() >= 1 AND event('B').within(5 days).count() = 0
event('Page Viewed').within(1 day).count() = 0
"""


@pytest.mark.parametrize("seed", range(12))
def test_days_that_are_left_out_change_nothing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 (the same events each time)
    skew = timedelta(hours=chance.choice([0, 5, 30]))
    rows = []
    for number in range(150):
        happened = AS_OF + timedelta(hours=chance.randrange(-300, 60), microseconds=chance.randrange(-1, 2))
        row = event(f"m{number}", event=chance.choice("ABCD"), user_id=f"u{chance.randrange(40)}", timestamp=happened)
        row |= {"received_at": happened + chance.choice([-1, 0, 1]) * skew, "traits": None}
        row |= chance.choice([{}, {}, {}, {"type": "page", "event": None}, {"type": "identify", "event": None}])
        rows.append(row | {"properties": json.dumps({"price": chance.randrange(4)})})
    computations = load_mappings(
        [
            {"key": f"a{number}", "kind": "audience", "definition": text, "include_anonymous_users": True}
            for number, text in enumerate(DEFINITIONS.strip().splitlines())
        ]
    )
    plan = make_plan(computations.computations)
    folder = str(write_lake(tmp_path, table(rows)))

    def outcome(max_clock_skew: timedelta | None) -> tuple[list[str], dict[str, list[str]], int]:
        paths = InputPaths(events=folder, max_clock_skew=max_clock_skew)
        with open_inputs(paths).prepare(plan.needs, as_of=AS_OF) as inputs:
            snapshots = PolarsEngine().compute(plan, inputs, AS_OF)
            everybody, read = inputs.profiles["id"].to_list(), everything(inputs).events.height
        return everybody, {key: snapshot["id"].to_list() for key, snapshot in snapshots.items()}, read

    *expected, all_read = outcome(None)
    *actual, less_read = outcome(skew)
    assert actual == expected
    assert less_read < all_read


@pytest.mark.parametrize("day", [None, "2024-02-30"])
def test_a_folder_without_a_day_is_always_read(tmp_path: Path, day: str | None) -> None:
    put(tmp_path, "bought", {"timestamp": [AS_OF - DAY], "price": [5]}, day=day)
    assert days_read(tmp_path, windows(Bought=2 * DAY), timedelta(0))["prices"] == ["5"]


def test_columns_types_and_spellings_may_differ_from_file_to_file(tmp_path: Path) -> None:
    files: list[dict[str, Any]] = [
        {"cart_id": ["c"], "price": [1]},
        {"cartId": ["c"], "price": ["2"]},
        {"CART_ID": ["c"], "price": [3.0]},
        {"cart_id": ["c"], "price": pl.Series([Decimal("4.500000")], dtype=pl.Decimal(38, 6))},
        {"cart_id": ["c"], "more": [True]},
        {"cart_id": ["c"], "price": [6], "userId": ["u1"], "messageId": ["bought-x"]},
        {"cart_id": ["c"], "price": [7], "id": ["bought-y"]},
    ]
    for number, columns in enumerate(files):
        put(tmp_path, "bought", columns, file=f"{number}")
    with prepared(tmp_path, needs("cartId", "price")) as inputs:
        assert values(inputs, "property:cartId") == ["c"] * 7
        assert values(inputs, "property:price") == ["1", "2", "3", "4.5", None, "6", "7"]
        assert set(everything(inputs).events["profile"]) == {"user_id:u1"}
        assert inputs.statistics.files == 7


def test_files_with_the_same_columns_are_read_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        put(tmp_path, "bought", {"price": [number], f"extra_{number % 3}": ["x"]}, file=f"{number:02}")
    tables = lake.lake_tables(open_inputs(InputFrames(events=str(tmp_path)))._tables["events"], needs("price"), AS_OF)
    assert [one.files for one in tables] == [20]
    whole = [float(text) for text in prices(tmp_path)]
    monkeypatch.setattr(lake, "_CELLS_AT_ONCE", 12)
    assert [float(text) for text in prices(tmp_path)] == whole == [float(number) for number in range(20)]


def prices(folder: Path) -> list[Any]:
    with prepared(folder, needs("price")) as inputs:
        return values(inputs, "property:price")


def test_files_without_rows(tmp_path: Path) -> None:
    put(tmp_path, "bought", {"price": [5]})
    empty = put(tmp_path, "bought", {"price": [5]}, file="b")
    pl.read_parquet(empty).clear().write_parquet(empty)
    nothing = put(tmp_path, "sold", {"price": [5]})
    pl.DataFrame().write_parquet(nothing)
    assert prices(tmp_path) == ["5"]
    with prepared(tmp_path, needs("price", events=["Bought", "Sold"])) as inputs:
        assert inputs.statistics.files == 3
        assert inputs.statistics.rows_read == 1


def test_a_data_lake_beside_a_table(tmp_path: Path) -> None:
    put(tmp_path, "bought", {"message_id": ["m2"], "price": [2]})
    table([event("m1", properties='{"price":1}')]).write_parquet(tmp_path / "data" / "events.parquet")
    assert prices(tmp_path) == ["1", "2"]


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    for number in range(3):
        put(tmp_path, "bought", {"price": list(range(5000))}, file=f"{number}")
    broken = tmp_path / "data" / "src1" / "segment_type=bought" / "day=2024-06-01" / "hr=12" / "1.parquet"
    good = broken.read_bytes()
    broken.write_bytes(good[:40] + bytes(2_000) + good[2_040:])
    with pytest.raises(InputError, match="can't be read") as caught:
        prices(tmp_path)
    assert caught.value.where == str(broken)
    broken.write_bytes(b"PAR1")
    with pytest.raises(InputError, match="can't be read") as caught:
        prices(tmp_path)
    assert caught.value.where == str(broken)
    inputs = open_inputs(InputFrames(events=str(tmp_path)), skip_unreadable=True)
    with inputs.prepare(needs("price"), as_of=AS_OF) as prepared_inputs:
        assert prepared_inputs.rejects.counts == {"unreadable_file": 1}
        assert prepared_inputs.statistics.rows_accepted == 10_000


def test_an_object_stores_url(tmp_path: Path) -> None:
    put(tmp_path, "bought", {"price": [5]})
    put(tmp_path, "bought", {"price": [6]}, file="b")
    with prepared(f"file://{tmp_path}/data", needs("price")) as inputs:
        assert values(inputs, "property:price") == ["5", "6"]
        assert inputs.statistics.files == 2
