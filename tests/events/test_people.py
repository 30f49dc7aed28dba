"""What is known of all profiles, in memory and in files, and what tells it from what was known before."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from audiences.events import people
from audiences.events.identifiers import HELD
from audiences.events.people import UNIVERSE, put_together
from audiences.events.profiles import ProfilesTable
from audiences.events.universe import Seen, Universe, make_universe

FIRST = datetime(2024, 5, 1, tzinfo=UTC)
LATER = datetime(2024, 5, 2, tzinfo=UTC)
NOBODY = pl.DataFrame(schema={"type": pl.String, "value": pl.String})


def profiles(count: int) -> pl.DataFrame:
    rows = [
        {
            "id": f"p{number:02}",
            "traits": f'{{"n":{number}}}',
            "account_ids": ["a"] * (number % 3),
            "implicit": number % 2 == 0,
        }
        for number in range(count)
    ]
    return pl.DataFrame(rows, schema={name: dtype for name, dtype in UNIVERSE.items() if name != "external_ids"})


def identifiers(*rows: tuple[int, str, str, datetime | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"row": pl.UInt32, **HELD}, orient="row")


HELD_BY = identifiers(
    (6, "user_id", "u6", None),
    (0, "user_id", "u0", LATER),
    (0, "email", "e", FIRST),
    (3, "email", "b", None),
    (3, "email", "a", None),
    (3, "anonymous_id", "z", None),
    (3, "email", "b", LATER),
)
EXPECTED = {
    0: [("email", "e", FIRST), ("user_id", "u0", LATER)],
    3: [("email", "b", LATER), ("anonymous_id", "z", None), ("email", "a", None)],
    6: [("user_id", "u6", None)],
}
"""By time, missing last, then type and value; each once, with its earliest time."""


@pytest.mark.parametrize("at_once", [1, 2, 3, 7, 100])
def test_lists_of_identifiers_are_the_same_however_many_are_made_at_once(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "ROWS_AT_ONCE", at_once)
    known = put_together(profiles(7), HELD_BY, most=0)
    found = known.scan().collect()
    assert found.schema == UNIVERSE
    told = [[tuple(one.values()) for one in row] for row in found["external_ids"].to_list()]
    assert told == [EXPECTED.get(row, []) for row in range(7)]
    assert found.drop("external_ids").equals(profiles(7))
    assert put_together(profiles(7), HELD_BY, most=7).frame.equals(found)


def test_files_are_there_as_long_as_what_reads_them() -> None:
    known = put_together(profiles(7), HELD_BY, most=0)
    files = [part.profiles for part in known._parts]
    assert known.traits.to_list() == [f'{{"n":{number}}}' for number in range(7)]
    assert known.scan().select(pl.len()).collect().item() == 7
    assert all(file.exists() for file in files)
    folder: Path = files[0].parent
    del known
    assert not folder.exists()


# ── what tells them apart ───────────────────────────────────────────────────────────────────────────────────


def universe(
    version: str = "v",
    seen: tuple[str, ...] = ("user_id:u1", "user_id:u9"),
    first_seen: datetime = FIRST,
    group: str | None = None,
    suppressed: pl.DataFrame = NOBODY,
) -> Universe:
    """Profile p1 of the table holds u1; others are implicit."""
    row = pl.DataFrame({"id": ["p1"], "traits": ["{}"], "account_ids": [None]})
    table = ProfilesTable(
        row.cast({"account_ids": pl.List(pl.String)}),
        identifiers((0, "user_id", "u1", None)).drop("row"),
        pl.Series([0], dtype=pl.UInt32),
    )
    instant = pl.Datetime("us", "UTC")
    identities = pl.DataFrame(
        {"identity": seen, "events": [1] * len(seen), "first_seen": [first_seen] * len(seen)},
        schema=pl.Schema({"identity": pl.String(), "events": pl.UInt32(), "first_seen": instant}),
    )
    companions = pl.Schema({name: pl.String() for name in ("profile_id", "user_id", "anonymous_id")})
    companions["first_seen"] = instant
    calls = pl.DataFrame(
        [("user_id:u1", "group", FIRST, "m", None, group, None)] if group else [],
        schema={
            "identity": pl.String,
            "type": pl.String,
            "timestamp": instant,
            "message_id": pl.String,
            "content": pl.String,
            "group_id": pl.String,
            "traits": pl.String,
        },
        orient="row",
    )
    return make_universe(table, Seen(identities, pl.DataFrame(schema=companions), calls), suppressed, version, most=0)


def test_the_same_profiles_have_the_same_fingerprint() -> None:
    known = universe().people.fingerprint
    assert known is not None
    assert universe().people.fingerprint == known
    assert universe(seen=("user_id:u9", "user_id:u1")).people.fingerprint == known, "in whatever order"
    assert universe(seen=("user_id:u9",)).people.fingerprint == known, "p1 is in the table, with or without events"


@pytest.mark.parametrize(
    "other",
    [
        universe("w"),
        universe(seen=("user_id:u1", "user_id:u8")),
        universe(seen=("user_id:u1",)),
        universe(first_seen=LATER),
        universe(group="g"),
        universe(suppressed=pl.DataFrame({"type": ["user_id"], "value": ["u9"]})),
    ],
    ids=["table", "another profile", "one less", "its identifier", "accounts", "suppressed"],
)
def test_other_profiles_have_another_fingerprint(other: Universe) -> None:
    assert other.people.fingerprint != universe().people.fingerprint
