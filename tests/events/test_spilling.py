"""Spilled to disk or not, in one file or many, typed or as text: the same answer."""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from audiences.events import Bucket, Limits
from event_tables import AS_OF, everything, needs, prepared, table

TINY = Limits(rows_in_memory=5, rows_in_bucket=7)
WANTED = needs("price", "name", ("tags", "$"), events=["Bought", "Sold", "Page Viewed"], traits=[("plan",)])
START = datetime(2024, 6, 1, tzinfo=UTC)


def made_up(count: int, seed: int) -> list[dict[str, Any]]:
    """Calls with copies, ties, rejects, missing ids, and every type of call."""
    chance = random.Random(seed)  # noqa: S311 (the same rows each time)
    rows: list[dict[str, Any]] = []
    for _ in range(count):
        properties = chance.choice(
            [None, {}, {"price": chance.randrange(3)}, {"price": 1.5, "tags": ["x", "y"]}, {"name": "n"}]
        )
        kind = chance.choice(["track"] * 5 + ["page", "identify", "group", "alias"])
        rows.append(
            {
                "message_id": chance.choice([None, *(f"m{number}" for number in range(count))]),
                "type": kind,
                "event": chance.choice(["Bought", "Sold", "Other", None]),
                "name": chance.choice([None, "Home"]),
                "user_id": chance.choice([None, "u1", "u2", "u3"]),
                "anonymous_id": chance.choice([None, "a1", "a2"]),
                "group_id": chance.choice([None, "g1", "g2"]),
                "timestamp": START + timedelta(days=chance.randrange(20)),
                "received_at": chance.choice([None, START, START + timedelta(days=1)]),
                "properties": None if properties is None else json.dumps(properties),
                "traits": json.dumps({"plan": chance.choice(["a", "b", None])}),
            }
        )
    return rows


PROFILES = pl.DataFrame(
    {
        "profile_id": ["p1", "p2"],
        "traits": ['{"plan":"table"}', "{}"],
        "external_ids": [[{"type": "user_id", "value": "u1"}], [{"type": "anonymous_id", "value": "a2"}]],
    }
)


def frame(rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    return table(
        rows,
        **dict.fromkeys(("message_id", "event", "name", "user_id", "anonymous_id", "group_id"), pl.String),
    )


def outcome(events: Any, limits: Limits | None = None) -> tuple[Bucket, pl.DataFrame, dict[str, int], dict[str, int]]:
    with prepared(events, WANTED, profiles=PROFILES, limits=limits) as inputs:
        bucket = everything(inputs)
        statistics = inputs.statistics.as_mapping()
        return (
            bucket,
            inputs.profiles,
            dict(inputs.rejects.counts),
            {name: statistics[name] for name in ("rows_read", "rows_accepted", "duplicates", "identifier_conflicts")},
        )


def assert_same(one: Any, other: Any) -> None:
    assert_frame_equal(one[0].events, other[0].events)
    assert_frame_equal(one[0].profiles, other[0].profiles)
    assert_frame_equal(one[1], other[1])
    assert one[2:] == other[2:]


@pytest.mark.parametrize("seed", range(6))
def test_spilled_equals_in_memory(seed: int) -> None:
    events = frame(made_up(120, seed))
    in_memory = outcome(events)
    assert in_memory[0].events.height > 10
    assert_same(outcome(events, TINY), in_memory)
    assert_same(outcome(events, Limits(rows_in_memory=1_000, rows_in_bucket=10)), in_memory)


def test_buckets_are_small_disjoint_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    events = frame(made_up(120, 1))
    with prepared(events, WANTED, profiles=PROFILES, limits=TINY) as inputs:
        assert list(tmp_path.iterdir())
        buckets = list(inputs.buckets())
        again = list(inputs.buckets())
    assert not list(tmp_path.iterdir())
    assert len(buckets) > 2
    ids = [name for bucket in buckets for name in bucket.profiles["id"]]
    assert sorted(ids) == inputs.profiles["id"].to_list()
    for bucket, same in zip(buckets, again, strict=True):
        assert bucket.profiles["id"].is_sorted()
        assert set(bucket.events["owner"]) <= set(range(bucket.profiles.height))
        assert bucket.events["place"].is_unique().all()
        assert_frame_equal(bucket.events, same.events)


def test_the_temporary_folder_goes_when_reading_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    frame(made_up(60, 1)).write_parquet(tmp_path / "a.parquet")
    good = (tmp_path / "a.parquet").read_bytes()
    broken = tmp_path / "b.parquet"
    broken.write_bytes(good[:50] + b"\0" * 300 + good[350:])
    before = set(tmp_path.iterdir())
    with pytest.raises(Exception, match=r"b\.parquet"):
        prepared(str(tmp_path / "*.parquet"), WANTED, limits=TINY)
    assert set(tmp_path.iterdir()) == before


def typed(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """The same calls with properties as structs, ids in camelCase, and times as text."""
    parsed = [row | {"properties": json.loads(row["properties"] or "null")} for row in rows]
    struct = pl.Struct({"price": pl.Float64, "tags": pl.List(pl.String), "name": pl.String})
    one = table(
        parsed,
        **dict.fromkeys(("message_id", "event", "name", "user_id", "anonymous_id", "group_id"), pl.String),
        properties=struct,
    )
    return one.with_columns(
        pl.col("timestamp").dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ"),
        pl.col("received_at").dt.cast_time_unit("ms"),
    ).rename({"message_id": "messageId", "user_id": "USER_ID", "anonymous_id": "AnonymousId"})


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("limits", [None, TINY])
def test_the_same_events_in_other_files_give_the_same(tmp_path: Path, seed: int, limits: Limits | None) -> None:
    chance = random.Random(seed)  # noqa: S311 (the same files each time)
    rows = made_up(120, seed)
    shuffled = chance.sample(rows, len(rows))
    for number in range(4):
        frame(shuffled[number * 30 : number * 30 + 30]).write_parquet(tmp_path / f"{9 - number}.parquet")
    expected, found = outcome(frame(rows)), outcome(str(tmp_path), limits)
    assert_same(found, expected)


@pytest.mark.parametrize("seed", range(4))
def test_types_may_differ_from_file_to_file(tmp_path: Path, seed: int) -> None:
    rows = [row for row in made_up(120, seed) if row["message_id"]]
    different = {row["message_id"]: row for row in rows}  # the winner of unlike copies may be told by their bytes
    clean = list(different.values())
    frame(clean[::2]).write_parquet(tmp_path / "a.parquet")
    typed(clean[1::2]).write_parquet(tmp_path / "b.parquet")
    frame(clean[:10]).write_parquet(tmp_path / "overlap.parquet")
    found, expected = outcome(str(tmp_path)), outcome(frame([*clean, *clean[:10]]))
    assert_same(found, expected)


def test_a_column_that_is_a_number_in_one_file_and_text_in_another(tmp_path: Path) -> None:
    for number, price in enumerate([7, 7.0, "7", True, {"amount": 7}, [7], None]):
        one = {"type": ["track"], "event": ["Bought"], "timestamp": [START], "message_id": [f"m{number}"]}
        struct = pl.DataFrame({"properties": [{"price": price}], "user_id": [number if number % 2 else str(number)]})
        struct.hstack(pl.DataFrame(one)).write_parquet(tmp_path / f"{number}.parquet")
    with prepared(str(tmp_path), needs("price")) as inputs:
        values = everything(inputs).events.sort("message_id")["property:price"].to_list()
    assert [None if value is None else (value["kind"], value["text"]) for value in values] == [
        ("number", "7"),
        ("number", "7"),
        ("string", "7"),
        ("boolean", "true"),
        ("json", '{"amount":7}'),
        ("json", "[7]"),
        None,
    ]
    assert inputs.statistics.files == 7
    assert inputs.statistics.bytes_read == sum(path.stat().st_size for path in tmp_path.iterdir())


# A plain reading of the rules, row by row, to compare with.

ROWS = st.fixed_dictionaries(
    {
        "message_id": st.sampled_from([None, "m1", "m2", "m3"]),
        "type": st.sampled_from(["track", "track", "page", "identify", "unknown"]),
        "event": st.sampled_from(["Bought", "Sold", None]),
        "user_id": st.sampled_from([None, "u1", "u2"]),
        "anonymous_id": st.sampled_from([None, "a1", "a2"]),
        "profile_id": st.sampled_from([None, None, None, "p1"]),
        "timestamp": st.sampled_from([None, START, START + timedelta(seconds=1), AS_OF]),
        "received_at": st.sampled_from([None, START, AS_OF]),
        "properties": st.sampled_from([None, "{}", "[]", '{"price":1}', '{"price":2}']),
    }
)


def plainly(rows: list[dict[str, Any]]) -> tuple[Counter[str], Counter[tuple[Any, ...]], int]:
    rejects: Counter[str] = Counter()
    accepted: list[dict[str, Any]] = []
    for row in rows:
        is_event = row["type"] in ("track", "page")
        if not (row["user_id"] or row["anonymous_id"] or row["profile_id"]):
            rejects["no_user_anon_id"] += 1
        elif row["timestamp"] is None:
            rejects["bad_timestamp"] += 1
        elif row["type"] == "unknown" or (row["type"] == "track" and row["event"] is None):
            rejects["event_not_defined"] += 1
        elif is_event and row["properties"] == "[]":
            rejects["properties_not_object"] += 1
        else:
            accepted.append(row)

    def rank(row: dict[str, Any]) -> tuple[Any, ...]:
        ids = [row[name] or "" for name in ("user_id", "anonymous_id")]
        name = row["event"] if row["type"] == "track" else "Page Viewed" if row["type"] == "page" else ""
        content = [row["type"], name or "", *ids, row["properties"] or "", row["profile_id"] or ""]
        return row["received_at"] is None, row["received_at"] or START, row["timestamp"], content

    kept: dict[Any, dict[str, Any]] = {}
    for number, row in enumerate(sorted(accepted, key=rank)):
        kept.setdefault(row["message_id"] or number, row)
    held = {"user_id": "u1", "anonymous_id": "a2"}
    found: Counter[tuple[Any, ...]] = Counter()
    for row in kept.values():
        name = row["event"] if row["type"] == "track" else "Page Viewed" if row["type"] == "page" else None
        if row["timestamp"] >= AS_OF or name is None:
            continue
        if row["profile_id"]:
            owner = row["profile_id"]
        elif row["user_id"]:
            owner = "p1" if row["user_id"] == held["user_id"] else f"user_id:{row['user_id']}"
        else:
            owner = "p2" if row["anonymous_id"] == held["anonymous_id"] else f"anonymous_id:{row['anonymous_id']}"
        price = json.loads(row["properties"] or "{}").get("price")
        found[owner, name, row["timestamp"], row["message_id"], None if price is None else str(price)] += 1
    return rejects, found, len(accepted) - len(kept)


@settings(deadline=None, max_examples=60)
@given(st.lists(ROWS, max_size=12), st.booleans())
def test_equals_reading_the_rules_row_by_row(rows: list[dict[str, Any]], spill: bool) -> None:
    names = ("message_id", "type", "event", "user_id", "anonymous_id", "profile_id", "properties")
    times = dict.fromkeys(("timestamp", "received_at"), pl.Datetime("us", "UTC"))
    events = pl.DataFrame(rows, schema={**dict.fromkeys(names, pl.String), **times})
    wanted = needs("price", events=["Bought", "Sold", "Page Viewed"])
    with prepared(events, wanted, profiles=PROFILES, limits=Limits(0, 2) if spill else None) as inputs:
        found = everything(inputs).events
    price = pl.col("property:price").struct.field("text")
    keys = found.select("profile", "event", "timestamp", "message_id", price)
    rejects, expected, duplicates = plainly(rows)
    assert Counter(keys.iter_rows()) == expected
    assert inputs.rejects.counts == dict(rejects)
    assert inputs.statistics.duplicates == duplicates
