"""What is known of all profiles, in memory and in files, and what tells it from what was known before."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from audiences.events import people
from audiences.events.identifiers import HELD
from audiences.events.people import UNIVERSE, put_together

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
    assert put_together(profiles(7), HELD_BY, most=7).scan().collect().equals(found)


def test_files_are_there_as_long_as_what_reads_them() -> None:
    known = put_together(profiles(7), HELD_BY, most=0)
    files = [part.profiles for part in known._parts]
    assert known.scan().select("traits").collect()["traits"].to_list() == [f'{{"n":{number}}}' for number in range(7)]
    assert known.scan().select(pl.len()).collect().item() == 7
    assert all(file.exists() for file in files)
    folder: Path = files[0].parent
    del known
    assert not folder.exists()
