from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from audiences.errors import InputError
from audiences.events import Limits, column_name
from event_tables import AS_OF, event, everything, needs, prepared, table, texts


def reasons(frame: pl.DataFrame) -> dict[str, int]:
    with prepared(frame) as inputs:
        statistics = inputs.statistics
        assert statistics.rows_read == statistics.rows_accepted + statistics.duplicates + inputs.rejects.total
        assert set(inputs.rejects.samples) == set(inputs.rejects.counts)
        return inputs.rejects.counts


REJECTED: list[tuple[str, dict[str, Any]]] = [
    ("no_user_anon_id", {"user_id": None}),
    ("no_user_anon_id", {"user_id": ""}),
    ("no_user_anon_id", {"user_id": None, "profile_id": "", "anonymous_id": ""}),
    ("message_id_too_long", {"message_id": "x" * 101}),
    ("bad_timestamp", {"timestamp": None}),
    ("bad_timestamp", {"timestamp": "yesterday"}),
    ("bad_timestamp", {"timestamp": ""}),
    ("bad_timestamp", {"timestamp": "2024-02-30T00:00:00Z"}),
    ("bad_timestamp", {"timestamp": 1717200000}),
    ("bad_timestamp", {"timestamp": "1969-12-31T23:59:59.999999Z"}),
    ("bad_timestamp", {"timestamp": datetime(1969, 12, 31, tzinfo=UTC)}),
    ("event_not_defined", {"event": None}),
    ("event_not_defined", {"event": ""}),
    ("event_not_defined", {"type": "purchase"}),
    ("event_not_defined", {"type": None}),
    ("event_not_string", {"event": 5}),
    ("event_not_string", {"event": True}),
    ("properties_not_object", {"properties": "[]"}),
    ("properties_not_object", {"properties": "{"}),
    ("properties_not_object", {"properties": '{"a":NaN}'}),
    ("properties_not_object", {"properties": 5}),
    ("properties_not_object", {"type": "page", "properties": "5"}),
    ("too_many_properties", {"properties": json.dumps({f"p{number}": 1 for number in range(301)})}),
    ("too_many_properties", {"properties": {f"p{number}": 1 for number in range(301)}}),
    ("traits_not_object", {"type": "identify", "traits": "[1]"}),
    ("traits_not_object", {"type": "group", "group_id": "g1", "traits": "text"}),
    ("bad_group_id", {"type": "group"}),
    ("bad_group_id", {"type": "group", "group_id": ""}),
    ("bad_group_id", {"type": "group", "group_id": "g" * 501}),
    ("id_not_string", {"user_id": 1.5}),
    ("id_not_string", {"user_id": True}),
    ("id_not_string", {"user_id": float("inf")}),
    ("id_not_string", {"user_id": Decimal("1.5")}),
    ("id_not_string", {"user_id": datetime(2024, 1, 1, tzinfo=UTC)}),
    ("id_not_string", {"user_id": ["u1"]}),
    ("id_not_string", {"user_id": {"id": "u1"}}),
    ("id_not_string", {"user_id": b"\xff"}),
    ("id_not_string", {"anonymous_id": 1.5}),
    ("id_not_string", {"profile_id": 1.5}),
    ("id_not_string", {"message_id": 1.5}),
    ("id_not_string", {"group_id": 1.5}),
]


@pytest.mark.parametrize(("reason", "columns"), REJECTED, ids=lambda value: str(value)[:60])
def test_rejected(reason: str, columns: dict[str, Any]) -> None:
    assert reasons(table([event(**columns)])) == {reason: 1}


ACCEPTED: list[dict[str, Any]] = [
    {},
    {"message_id": None},
    {"message_id": ""},
    {"message_id": "x" * 100},
    {"message_id": "é" * 100},
    {"message_id": 17},
    {"timestamp": "1970-01-01T00:00:00Z"},
    {"timestamp": "2024-06-01"},
    {"timestamp": date(2024, 6, 1)},
    {"timestamp": "9999-12-31T23:59:59Z"},
    {"type": "TRACK"},
    {"type": "Page", "event": None},
    {"type": "alias", "event": None},
    {"type": "identify", "event": None, "traits": None},
    {"type": "identify", "event": None, "properties": "[]"},
    {"traits": "[]"},
    {"context": "[]"},
    {"type": "group", "event": None, "group_id": "g" * 500},
    {"properties": None},
    {"properties": "null"},
    {"properties": json.dumps({f"p{number}": 1 for number in range(300)})},
    {"properties": {f"p{number}": 1 if number < 300 else None for number in range(400)}},
    {"user_id": None, "anonymous_id": "a1"},
    {"user_id": None, "profile_id": "p1"},
    {"received_at": "not a time"},
]


@pytest.mark.parametrize("columns", ACCEPTED, ids=lambda value: str(value)[:60])
def test_accepted(columns: dict[str, Any]) -> None:
    assert reasons(table([event(**columns)])) == {}


def test_a_row_has_one_reason() -> None:
    row = event(user_id=None, timestamp=None, event=None, properties="[]")
    assert reasons(table([row])) == {"no_user_anon_id": 1}


def test_samples_are_the_first_ten_and_say_which_row() -> None:
    rows = [event(f"m{number}", user_id=None if number % 2 else "u1") for number in range(60)]
    with prepared(table(rows)) as inputs:
        samples = inputs.rejects.samples["no_user_anon_id"]
    assert inputs.rejects.counts == {"no_user_anon_id": 30}
    assert [sample["message_id"] for sample in samples] == [f"m{number}" for number in range(1, 21, 2)]
    assert [sample["row"] for sample in samples] == list(range(1, 21, 2))
    assert samples[0]["path"] == "<events frame>"
    assert '"event":"Bought"' in str(samples[0]["excerpt"])
    assert all(len(str(sample["excerpt"])) <= 200 for sample in samples)


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (pl.Series([17, 18]), ["17", "18"]),
        (pl.Series([17, 18], dtype=pl.UInt64), ["17", "18"]),
        (pl.Series([17.0, 18.0]), ["17", "18"]),
        (pl.Series([1e15, 2.0**53]), ["1000000000000000", "9007199254740992"]),
        (pl.Series([Decimal("17.00"), Decimal("18.00")]), ["17", "18"]),
        (pl.Series(["17", " 18 "]), ["17", " 18 "]),
        (pl.Series(["a", "b"], dtype=pl.Categorical), ["a", "b"]),
        (pl.Series([b"a", b"b"]), ["a", "b"]),
    ],
    ids=str,
)
def test_ids_become_text(ids: pl.Series, expected: list[str]) -> None:
    frame = table([event("m1"), event("m2")]).with_columns(user_id=ids)
    with prepared(frame) as inputs:
        events = everything(inputs).events.sort("message_id")
    assert events["user_id"].to_list() == expected


def test_nan_is_no_id() -> None:
    frame = table([event("m1", user_id=float("nan"), anonymous_id="a"), event("m2", user_id=7.0)])
    with prepared(frame) as inputs:
        assert inputs.profiles["id"].to_list() == ["anonymous_id:a", "user_id:7"]


TIME = datetime(2024, 6, 1, 10, 20, 30, 123_456, tzinfo=UTC)
NAIVE = TIME.replace(tzinfo=None)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pl.Series([NAIVE], dtype=pl.Datetime("us")), TIME),
        (pl.Series([NAIVE], dtype=pl.Datetime("ns")), TIME),
        (pl.Series([NAIVE], dtype=pl.Datetime("ms")), TIME.replace(microsecond=123_000)),
        (pl.Series([NAIVE]).dt.replace_time_zone("UTC"), TIME),
        (pl.Series([NAIVE]).dt.replace_time_zone("America/New_York"), TIME + timedelta(hours=4)),
        (pl.Series([NAIVE.isoformat()]), TIME),
        (pl.Series([f"{NAIVE.isoformat()}999+02:00"]), TIME - timedelta(hours=2)),
        (pl.Series([date(2024, 6, 1)]), datetime(2024, 6, 1, tzinfo=UTC)),
        (pl.Series([b"2024-06-01T00:00:00Z"]), datetime(2024, 6, 1, tzinfo=UTC)),
    ],
    ids=lambda value: str(getattr(value, "dtype", "")),
)
def test_timestamps(column: pl.Series, expected: datetime) -> None:
    with prepared(table([event()]).with_columns(timestamp=column)) as inputs:
        events = everything(inputs).events
    assert events.schema["timestamp"] == pl.Datetime("us", "UTC")
    assert events["timestamp"].to_list() == [expected]


@pytest.mark.parametrize("unit", ["ms", "us", "ns", "int96"])
@pytest.mark.parametrize("zone", [None, "UTC", "+02:00"])
def test_parquet_timestamps(tmp_path: Path, unit: str, zone: str | None) -> None:
    instant = datetime(2024, 6, 1, 10, tzinfo=UTC)
    kind = pa.timestamp("us" if unit == "int96" else unit, tz=zone)
    rows = pa.table(
        {
            "type": ["track"],
            "event": ["Bought"],
            "user_id": ["u1"],
            "timestamp": pa.array([instant], type=kind),
        }
    )
    path = tmp_path / "x.parquet"
    pq.write_table(rows, path, use_deprecated_int96_timestamps=unit == "int96")
    with prepared(str(path)) as inputs:
        assert everything(inputs).events["timestamp"].to_list() == [instant]


def test_a_year_that_overflows_microseconds_is_a_bad_timestamp() -> None:
    column = pl.Series([2**62, 2**61], dtype=pl.Int64).cast(pl.Datetime("ms"))
    frame = table([event("m1"), event("m2")]).with_columns(timestamp=column)
    assert reasons(frame) == {"bad_timestamp": 2}


@pytest.mark.parametrize(
    "names",
    [
        ("message_id", "type", "event", "user_id", "timestamp", "properties"),
        ("messageId", "type", "event", "userId", "timestamp", "properties"),
        ("MESSAGE_ID", "TYPE", "EVENT", "USER_ID", "TIMESTAMP", "PROPERTIES"),
        ("MessageId", "Type", "Event", "UserID", "TimeStamp", "Properties"),
    ],
)
def test_column_names_in_any_casing(names: tuple[str, ...]) -> None:
    row = event("m1", properties='{"price":5}')
    frame = pl.DataFrame({name: [row[known]] for name, known in zip(names, NAMES, strict=True)})
    with prepared(frame.with_columns(extra=pl.lit(1)), needs("price")) as inputs:
        events = everything(inputs).events
    assert events["message_id"].to_list() == ["m1"]
    assert texts(events["property:price"]) == ["5"]


NAMES = ("message_id", "type", "event", "user_id", "timestamp", "properties")


@pytest.mark.parametrize(
    ("one", "other"), [("userId", "user_id"), ("segment_id", "profileId"), ("TIMESTAMP", "timestamp")]
)
def test_two_columns_of_one_name(one: str, other: str) -> None:
    frame = (
        table([event()]).drop("user_id", "timestamp").with_columns(user_id=pl.lit("u"), timestamp=pl.lit("2024-06-01"))
    )
    frame = frame.with_columns(pl.lit("x").alias(one), pl.lit("y").alias(other))
    with pytest.raises(InputError, match=f"'{other}'.*are both|are both") as caught:
        prepared(frame)
    assert one in caught.value.what
    assert caught.value.hint


def test_columns_that_are_not_ours_may_be_alike() -> None:
    assert reasons(table([event()]).with_columns(Foo=pl.lit(1), foo=pl.lit(2))) == {}


@pytest.mark.parametrize(
    ("columns", "missing"),
    [(["type"], "type"), (["timestamp"], "timestamp"), (["user_id", "anonymous_id"], "user_id")],
)
def test_a_column_that_is_required(columns: list[str], missing: str) -> None:
    with pytest.raises(InputError, match=f"no column .*{missing}"):
        prepared(table([event()]).drop(columns))


def test_only_ids_timestamp_and_type_are_required() -> None:
    frame = pl.DataFrame({"type": ["page"], "anonymous_id": ["a1"], "timestamp": ["2024-06-01"]})
    with prepared(frame, needs(events=["Page Viewed"])) as inputs:
        events = everything(inputs).events
    assert events["event"].to_list() == ["Page Viewed"]
    assert events["message_id"].to_list() == [None]


@pytest.mark.parametrize("frame", [pl.DataFrame(), table([event()]).clear()])
def test_no_rows(frame: pl.DataFrame) -> None:
    with prepared(frame, needs("price", ("tags", "$"), contexts=[("ip",)])) as inputs:
        bucket = everything(inputs)
    assert bucket.events.height == bucket.profiles.height == inputs.profiles.height == 0
    assert bucket.events.schema["timestamp"] == pl.Datetime("us", "UTC")
    assert isinstance(bucket.events.schema["property:tags.$"], pl.List)
    assert {"property:price", "context:ip"} <= set(bucket.events.columns)


PAGES = [
    event("m1", type="page", event=None, name="Home", properties='{"url":"/"}'),
    event("m2", type="page", event="ignored", name=None, properties='{"name":"Shop"}'),
    event("m3", type="screen", event=None, name="Cart", properties='{"name":"Cart"}'),
    event("m4", type="page", event=None, name=None, properties=None),
    event("m5", type="track", event="Page Viewed", name="Home", properties='{"name":"own"}'),
]


def test_pages_and_screens_are_events_with_their_name() -> None:
    wanted = needs("name", "page_name", "screen_name", "url", events=["Page Viewed", "Screen Viewed"])
    with prepared(table(PAGES), wanted) as inputs:
        events = everything(inputs).events.sort("message_id")
    assert events["event"].to_list() == [
        "Page Viewed",
        "Page Viewed",
        "Screen Viewed",
        "Page Viewed",
        "Page Viewed",
    ]
    assert texts(events["property:name"]) == ["Home", "Shop", "Cart", None, "own"]
    assert texts(events["property:page_name"]) == ["Home", "Shop", None, None, None]
    assert texts(events["property:screen_name"]) == [None, None, "Cart", None, None]
    assert texts(events["property:url"]) == ["/", None, None, None, None]


def test_context_and_the_raw_columns() -> None:
    row = event("m1", context='{"page":{"url":"/"},"groupId":"g1"}', group_id="g2", source_id=5, anonymous_id="a1")
    wanted = needs(contexts=[("page", "url"), ("groupId",), ("page", "$")])
    with prepared(table([row]), wanted) as inputs:
        events = everything(inputs).events
    assert texts(events[column_name("context", ("page", "url"))]) == ["/"]
    assert texts(events["context:groupId"]) == ["g1"]
    assert events["context:page.$"].to_list() == [[]]
    raw = events.select("user_id", "anonymous_id", "group_id", "source_id").row(0)
    assert raw == ("u1", "a1", "g2", "5")


def test_column_names_of_paths_are_unambiguous() -> None:
    paths = [("a.b",), ("a", "b"), ("a\\", "b"), ("a\\.b",), ("a", "$", "b")]
    assert len({column_name("property", path) for path in paths}) == len(paths)
    assert column_name("property", ("products", "$", "sku")) == "property:products.$.sku"
    assert column_name("context", ("a.b", "c")) == "context:a\\.b.c"


def test_only_needed_events_before_as_of() -> None:
    rows = [
        event("m1", timestamp=AS_OF),
        event("m2", timestamp=AS_OF - timedelta(microseconds=1)),
        event("m3", event="Other", properties='{"price":1}'),
        event("m4", event="bought"),
    ]
    with prepared(table(rows), needs("price")) as inputs:
        assert everything(inputs).events["message_id"].to_list() == ["m2"]
        assert inputs.statistics.rows_accepted == 4
    with prepared(table(rows), needs(events=[])) as inputs:
        assert everything(inputs).events.height == 0
        assert inputs.profiles["id"].to_list() == ["user_id:u1"]


def test_as_of_without_a_zone_is_utc() -> None:
    with prepared(table([event(timestamp=AS_OF)]), as_of=AS_OF.replace(tzinfo=None)) as inputs:
        assert everything(inputs).events.height == 0


@pytest.mark.parametrize("limits", [None, Limits(rows_in_memory=50_000, rows_in_bucket=20_000)])
def test_progress_counts_rows(limits: Limits | None) -> None:
    from audiences.events import InputFrames, open_inputs

    seen: list[tuple[int, int]] = []
    frame = table([event(f"m{number}") for number in range(70)])
    inputs = open_inputs(InputFrames(events=pl.concat([frame] * 2_000)))

    def report(done: int, total: int) -> None:
        seen.append((done, total))

    with inputs.prepare(needs(), as_of=AS_OF, progress=report, limits=limits):
        pass
    assert seen == sorted(seen)
    assert seen[-1] == (140_000, 140_000)
    assert len(seen) > (1 if limits is None else 7), "also while buckets are written"
