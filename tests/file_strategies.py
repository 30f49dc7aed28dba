"""Hypothesis strategies: calls in several files of different layouts, with copies, ties, edges and rows to reject; and
tables of profiles and accounts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl

from choices import Choices
from fakes import AS_OF
from strategies import LARGE, MICROSECOND

TYPES: Final = (*("track",) * 16, "page", "screen", "identify", "identify", "group", "group", "alias")
EVENTS: Final = (*("A",) * 6, *("B",) * 5, "C", "Page Viewed")
USERS: Final = (*("1",) * 7, "2", "2", "3", None)
ANONYMOUS: Final = (None, None, "a", "b")
PROFILES: Final = (None, None, "p0", "p0", "p1", "p9")
GROUPS: Final = (*("g1",) * 4, "g2", "g2", "3", None)
GROUP_IDS: Final = (None, None, "g1", "g1", "g2", "g2", "", 3, 3.0, 2.5, ["g1"], True)
SOURCES: Final = (None, "web", "ios")

# Few values, spelt in many ways: most comparisons of two of them could go either way.
COMMON: Final = (*(5, 5, "5", 7, "a", "a", "b", None, True, 0.1, 0.2), *("2024-06-15T12:00:00Z", "2024-06-15T11:00"))
SPELT: Final = (None, 5, 5.0, "5", "5.0", "05", 7, "7", "a", "b", "ab", "", True, "true", "é", "\U0001f600", '"\\\n')
NUMBERS: Final = (5, 0, -2, 0.1, 0.2, 0.30000000000000004, "0.1", "-7", "1e2", 1e300, 1e16, -1e16, 1e-7, 44.63, *LARGE)
DATES: Final = (
    "2024-06-15",
    "2024-06-15T12:00:00Z",
    "2024-06-15T14:00:00+02:00",
    "2024-06-14 12:00",
    "2024-06-15T11:59:59.9999999",
    "2024-06-15T10:00:00",
    "2024-06-15T13:00:00Z",
    "2024-06-16T12:00:00Z",
    "2024-02-30",
)
LISTS: Final[tuple[Any, ...]] = (
    None,
    "a",
    [],
    ["a"],
    ["a", "a"],
    ["a", 5, None],
    ["5", 5, 0.1],
    [{"x": "a"}, {"x": 5}, {}],
    [["a"]],
)
OBJECTS: Final[tuple[Any, ...]] = (
    None,
    "a",
    {},
    {"x": "a"},
    {"x": 5},
    {"x": None},
    {"x": {"y": 1}},
    {"x": "5", "y": ["a"]},
)
VALUES: Final = (*SPELT, *SPELT, *NUMBERS, *DATES, *DATES, ["a"], {"x": 1})

HOURS: Final = tuple(timedelta(hours=hour) for hour in (1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 24, 168))
AGES: Final = (
    *(hour + tick * MICROSECOND for hour in HOURS for tick in (0, 0, 0, 0, 1, -1)),
    *(timedelta(minutes=minutes) for minutes in (30, 90, 150)),
    *(timedelta(), MICROSECOND, -MICROSECOND, timedelta(hours=-1)),
)
BEFORE_ALL: Final = datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)
NOT_TIMES: Final = (None, "", "yesterday", "2024-02-30T00:00:00Z", "1969-12-31T23:59:59Z")
NOT_OBJECTS: Final[tuple[Any, ...]] = (
    "[1]",
    '"a"',
    "{",
    "5",
    json.dumps({"v": 5} | {f"p{number}": 1 for number in range(300)}),
)

COLUMNS: Final = (
    *("message_id", "type", "event", "profile_id", "user_id", "anonymous_id", "group_id", "timestamp", "received_at"),
    *("name", "source_id", "properties", "traits", "context"),
)
CAMEL: Final = {"message_id": "messageId", "user_id": "USERID", "received_at": "receivedAt", "source_id": "SourceId"}
TIMES: Final = ("us", "us", "ns", "naive", "ms", "text", "text")
OBJECTS_AS: Final = ("json", "json", "json", "struct", "entries")
IDS_AS: Final = ("text", "text", "text", "integer", "float")

STRUCTS: Final[Mapping[str, pl.DataType]] = {
    "properties": pl.Struct(
        {"v": pl.Int64(), "w": pl.String(), "o": pl.Struct({"x": pl.Float64()}), "l": pl.List(pl.String())}
    ),
    "traits": pl.Struct({"t": pl.Int64(), "u": pl.String()}),
    "context": pl.Struct({"v": pl.Boolean(), "groupId": pl.String()}),
}
ENTRIES: Final = pl.List(pl.Struct({"key": pl.String(), "value": pl.String()}))
IN_STRUCTS: Final[Mapping[str, Mapping[str, Sequence[Any]]]] = {
    "properties": {
        "v": (None, 5, 7, -2, 2**53 + 1),
        "w": (None, "5", "a", "", "2024-06-15"),
        "o": (None, {}, {"x": 5.0}, {"x": 0.1}),
        "l": (None, [], ["a"], ["a", "5", None]),
    },
    "traits": {"t": (None, 5, 7), "u": (None, "a", "5")},
    "context": {"v": (None, True, False), "groupId": (None, "g1", "g2", "")},
}


CALL_SIZE: Final = 50
"""Bytes that a call is made of, at most."""


@dataclass(frozen=True)
class Layout:
    """How a file has its columns."""

    times: str = "us"
    objects: str = "json"
    ids: str = "text"
    few_message_ids: bool = False
    camel: bool = False
    has_profiles: bool = False


@dataclass(frozen=True)
class File:
    """Calls of one layout, with values as they are in the file."""

    layout: Layout
    calls: Sequence[Mapping[str, Any]]


# ── drawing ─────────────────────────────────────────────────────────────────────────────────────────────────


def files(draw: Choices, *, most: int = 50) -> list[File]:
    """One to three files."""
    has_profiles = draw.chance(1, 3)
    number_of_files = draw.one_of((1, 2, 2, 3))
    total = 10 + draw.place(most)
    found = []
    for number in range(number_of_files):
        layout = Layout(
            times=draw.one_of(TIMES),
            objects=draw.one_of(OBJECTS_AS),
            ids=draw.one_of(IDS_AS),
            few_message_ids=draw.chance(1, 4),
            camel=draw.chance(1, 4),
            has_profiles=has_profiles,
        )
        calls: list[dict[str, Any]] = []
        for row in range(number, total, number_of_files):
            if calls and draw.chance(1, 12):
                calls.append(draw.one_of(calls) | {"received_at": time(draw, layout)})
            else:
                calls.append(call(draw.part(CALL_SIZE), layout, row))
        found.append(File(layout, calls))
    return found


def call(draw: Choices, layout: Layout, number: int) -> dict[str, Any]:
    kind = draw.one_of(TYPES)
    identity = kind in ("identify", "group")
    return {
        "message_id": None if layout.few_message_ids and draw.chance(3, 4) else message_id(draw, number),
        "type": kind if not draw.chance(1, 60) else "trak",
        "event": draw.one_of(EVENTS) if kind == "track" and not draw.chance(1, 60) else None,
        "profile_id": draw.one_of(PROFILES) if layout.has_profiles else None,
        "user_id": an_id(draw, layout, draw.one_of(USERS)),
        "anonymous_id": draw.one_of(ANONYMOUS),
        "group_id": an_id(draw, layout, draw.one_of(GROUPS)) if kind == "group" or draw.chance(1, 2) else None,
        "timestamp": time(draw, layout),
        "received_at": time(draw, layout) if draw.chance(1, 3) else None,
        "name": draw.one_of((None, "5", "a")) if kind in ("page", "screen") else None,
        "source_id": draw.one_of(SOURCES),
        "properties": None if identity else an_object(draw, layout, "properties"),
        "traits": an_object(draw, layout, "traits") if identity else None,
        "context": an_object(draw, layout, "context") if draw.chance(2, 3) else None,
    }


def message_id(draw: Choices, number: int) -> str | None:
    form = draw.place(16)
    if form < 4:
        return None
    if form == 15:
        return draw.one_of(("x" * 101, "x" * 100, ""))
    return f"m{draw.place(number + 1)}" if form < 7 else f"m{number * 7 % 61}"  # not in the order of rows


def an_id(draw: Choices, layout: Layout, value: str | None) -> Any:
    if layout.ids == "text" or value is None:
        return "" if value is not None and draw.chance(1, 40) else value
    whole = int(value.removeprefix("g"))
    if layout.ids == "float" and draw.chance(1, 20):
        return whole + 0.5
    return float(whole) if layout.ids == "float" else whole


def time(draw: Choices, layout: Layout) -> Any:
    moment = AS_OF - draw.one_of(AGES)
    if draw.chance(1, 60):
        return draw.one_of(NOT_TIMES) if layout.times == "text" else draw.one_of((None, BEFORE_ALL))
    if layout.times == "ms":
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    if layout.times != "text":
        return moment
    return draw.one_of((written, written_without_zone, written_elsewhere))(moment)


def written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def written_without_zone(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f") + "999"


def written_elsewhere(moment: datetime) -> str:
    return (moment - timedelta(minutes=90)).strftime("%Y-%m-%dT%H:%M:%S.%f-01:30")


def an_object(draw: Choices, layout: Layout, name: str) -> Any:
    if layout.objects == "struct":
        found = {key: draw.one_of(pool) for key, pool in IN_STRUCTS[name].items()}
        return {key: value for key, value in found.items() if value is not None}
    if layout.objects == "entries":
        return {key: str(draw.one_of(VALUES)) for key in IN_STRUCTS[name] if draw.chance(2, 3)}
    if draw.chance(1, 50):
        return draw.one_of(NOT_OBJECTS)
    return json.dumps(json_object(draw, name), ensure_ascii=draw.chance(1, 2))


def value(draw: Choices, pool: Sequence[Any]) -> Any:
    """Mostly one of few values."""
    return draw.one_of(COMMON if draw.chance(2, 3) else pool)


def json_object(draw: Choices, name: str) -> dict[str, Any]:
    if name == "context":
        return {"v": value(draw, VALUES), "groupId": draw.one_of(GROUP_IDS)}
    first, second = ("v", "w") if name == "properties" else ("t", "u")
    found: dict[str, Any] = {first: value(draw, VALUES)}
    if draw.chance(2, 3):
        found[second] = value(draw, SPELT)
    if draw.chance(1, 2):
        found |= {"o": draw.one_of(OBJECTS), "l": draw.one_of(LISTS), "d.e": value(draw, SPELT)}
    return found


EXTERNAL_IDS: Final = (
    ("user_id", "1"),
    ("user_id", "2"),
    ("anonymous_id", "a"),
    ("anonymous_id", "b"),
    ("email", "a@example.com"),
)


def profiles(draw: Choices) -> list[dict[str, Any]] | None:
    """The rows of a profiles table; None: there is no table."""
    if draw.chance(1, 3):
        return None
    return [
        {
            "profile_id": f"p{number}",
            "traits": json_object(draw, "traits"),
            "external_ids": sorted({draw.one_of(EXTERNAL_IDS) for _ in range(draw.place(4))}),
            "account_ids": draw.one_of((None, [], ["g1"], ["g1", "g2"], ["g1", "g2"], ["3"])),
        }
        for number in range(1 + draw.place(3))
    ]


def accounts(draw: Choices) -> list[dict[str, Any]] | None:
    """The rows of an accounts table; None: there is no table."""
    if draw.chance(1, 2):
        return None
    ids = [id for id in ("g1", "g2", "g4") if draw.chance(1, 2)]
    return [{"account_id": id, "traits": json_object(draw, "traits")} for id in ids]


# ── tables ──────────────────────────────────────────────────────────────────────────────────────────────────


def frame(file: File) -> pl.DataFrame:
    """The file's table. Columns in which there is nothing are left out, but for those that must be there."""
    layout = file.layout
    columns = []
    for name in COLUMNS:
        values = [call[name] for call in file.calls]
        if name not in ("type", "timestamp", "user_id") and all(value is None for value in values):
            continue
        columns.append(column(CAMEL.get(name, name) if layout.camel else name, name, values, layout))
    return pl.DataFrame(columns)


def column(title: str, name: str, values: list[Any], layout: Layout) -> pl.Series:
    if name in ("timestamp", "received_at"):
        return times(title, values, layout.times)
    if name in ("properties", "traits", "context"):
        return objects(title, name, values, layout.objects)
    if name in ("user_id", "group_id") and layout.ids != "text":
        return pl.Series(title, values, dtype=pl.Int64 if layout.ids == "integer" else pl.Float64)
    return pl.Series(title, values, dtype=pl.String)


def times(title: str, values: list[Any], form: str) -> pl.Series:
    if form == "text":
        return pl.Series(title, values, dtype=pl.String)
    series = pl.Series(title, values, dtype=pl.Datetime("us", "UTC"))
    if form == "naive":
        return series.dt.replace_time_zone(None)
    return series if form == "us" else series.dt.cast_time_unit("ns" if form == "ns" else "ms")


def objects(title: str, name: str, values: list[Any], form: str) -> pl.Series:
    if form == "struct":
        return pl.Series(title, values, dtype=STRUCTS[name])
    if form == "entries":
        entries = [None if value is None else [{"key": key, "value": value[key]} for key in value] for value in values]
        return pl.Series(title, entries, dtype=ENTRIES)
    return pl.Series(title, values, dtype=pl.String)


def profiles_frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    ids = [[{"type": name, "value": value} for name, value in row["external_ids"]] for row in rows]
    return pl.DataFrame(
        {
            "profile_id": [row["profile_id"] for row in rows],
            "traits": [json.dumps(row["traits"]) for row in rows],
            "external_ids": [json.dumps(one) for one in ids],
            "account_ids": pl.Series([row["account_ids"] for row in rows], dtype=pl.List(pl.String)),
        }
    )


def accounts_frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    found = {
        "account_id": [row["account_id"] for row in rows],
        "traits": [json.dumps(row["traits"]) for row in rows],
    }
    return pl.DataFrame(found, schema={"account_id": pl.String, "traits": pl.String})


def write(found: Sequence[File], folder: Path) -> None:
    """Each file as Parquet."""
    for number, file in enumerate(found):
        frame(file).write_parquet(folder / f"part-{number}.parquet")
