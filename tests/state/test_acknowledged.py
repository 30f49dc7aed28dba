"""What destinations have acknowledged: rows are added, and of each identifier the latest is valid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from audiences.errors import StateError
from audiences.state.acknowledged import ACKNOWLEDGED, LAYOUT_1, Acknowledged, Settled, number_of
from audiences.state.selections import Between, OneOf
from audiences.state.storage import Storage
from audiences.state.tables import Table
from stateful import day

SETTLED = Settled(run=7, run_id=number_of("a"), configuration=number_of("b"), no_identifier=3, conflicts=2, again=True)


def row(identifier: str, value: str | None, profile: str = "p1", attempts: int = 1) -> dict[str, Any]:
    return {
        "computation": "big",
        "call": "identify",
        "identifier_type": "user_id",
        "identifier_value": identifier,
        "profile_id": profile,
        "value": value,
        "attempts": attempts,
        "as_of": day(1),
        "run": 1,
        "message_id": "m",
        "strategy": "user_id:all",
    }


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=LAYOUT_1)


def acknowledged(folder: Path) -> Acknowledged:
    return Acknowledged(Storage(str(folder)), "crm")


def found(rows: pl.DataFrame) -> list[tuple[Any, ...]]:
    return sorted(rows.select("identifier_value", "profile_id", "value", "attempts").rows())


def test_the_latest_row_of_an_identifier_is_valid(tmp_path: Path) -> None:
    one = acknowledged(tmp_path)
    one.record("big", frame(row("u1", "1"), row("u2", "2", "p2")), sync=1)
    one.record("big", frame(row("u1", "9", "p2", 2)), sync=2)
    assert found(one.rows("big")) == [("u1", "p2", "9", 2), ("u2", "p2", "2", 1)]
    assert found(one.about("big", OneOf(pl.Series(["p1"])))) == []
    assert found(one.about("big", Between("p2", None))) == [("u1", "p2", "9", 2), ("u2", "p2", "2", 1)]
    assert found(acknowledged(tmp_path).rows("big")) == found(one.rows("big"))
    assert one.rows("small").is_empty()


def test_rows_about_profiles_or_identifiers_are_found_valid_or_not(tmp_path: Path) -> None:
    one = acknowledged(tmp_path)
    one.record("big", frame(row("u1", "1"), row("u2", "2", "p2"), row("u3", "3", "p3")), sync=1)
    one.record("big", frame(row("u1", "9", "p2", 2)), sync=2)
    nobody, nothing = pl.Series([], dtype=pl.String), pl.DataFrame(schema={"type": pl.String, "value": pl.String})
    u1 = pl.DataFrame({"type": ["user_id", "email"], "value": ["u1", "u3"]})
    assert found(one.touching("big", nobody, u1)) == [("u1", "p1", "1", 1), ("u1", "p2", "9", 2)]
    assert found(one.touching("big", pl.Series(["p1"]), nothing)) == [("u1", "p1", "1", 1)]
    assert len(found(one.touching("big", pl.Series(["p2"]), u1))) == 3
    assert one.of_last_sync("big").to_list() == ["p2"]


def test_rows_are_written_anew_when_many_were_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in {"FEW_ADDED": 4, "ROWS_PER_FILE": 2, "ONE_IN": 1}.items():
        monkeypatch.setattr(f"audiences.state.acknowledged.{name}", size)
    one = acknowledged(tmp_path)
    one.record("big", frame(*(row(f"u{number}", "1", f"p{number}") for number in range(6))), sync=1)
    one.record("other", frame(row("u1", "1")), sync=1, settled=SETTLED)
    for sync in range(2, 7):
        one.record("big", frame(row("u1", str(sync), "p9", sync)), sync=sync)
    table = Table(Storage(str(tmp_path)), "acknowledged/crm", ACKNOWLEDGED, partitioned=True)
    rows = table.scan(table.latest(), "big").collect()
    assert rows.height == len(found(one.rows("big"))) == 6  # of eleven
    assert ("u1", "p9", "6", 6) in found(one.rows("big"))
    assert (one.syncs("big"), one.syncs("other"), one.settled("other")) == (6, 1, SETTLED)
    assert found(one.rows("other")) == [("u1", "p1", "1", 1)]


def test_what_is_settled_comes_back_until_a_sync_that_delivered_less(tmp_path: Path) -> None:
    one = acknowledged(tmp_path)
    assert one.settled("big") is None
    one.record("big", frame(row("u1", "1")), sync=1, settled=SETTLED)
    one.note({"other": SETTLED})
    again = acknowledged(tmp_path)
    assert again.settled("big") == again.settled("other") == SETTLED
    assert (again.syncs("big"), again.syncs("other")) == (1, 0)
    again.record("big", frame(row("u1", "2", attempts=2)), sync=2)
    assert acknowledged(tmp_path).settled("big") is None


def test_nothing_of_a_recording_counts_before_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiences.state.acknowledged.ROWS_PER_FILE", 1)
    one = acknowledged(tmp_path)
    one.record("big", frame(row("u1", "1")), sync=1)
    recording = one.recording("big", sync=2)
    recording.add(frame(row("u1", "2", attempts=2)))
    assert found(acknowledged(tmp_path).rows("big")) == [("u1", "p1", "1", 1)]
    other = acknowledged(tmp_path)
    recording.commit(None)
    assert found(acknowledged(tmp_path).rows("big")) == [("u1", "p1", "2", 2)]
    with pytest.raises(StateError, match="another run"):
        other.record("big", frame(row("u1", "3")), sync=2)


def test_a_table_of_the_first_layout_is_read_and_the_next_record_makes_it_the_second(tmp_path: Path) -> None:
    table = Table(Storage(str(tmp_path)), "acknowledged/crm", LAYOUT_1, partitioned=True)
    parts = [("big", frame(row("u1", "1"), row("u2", "2", "p2"))), ("other", frame(row("u1", "5")))]
    table.add_files(
        [file for key, rows in parts if (file := table.write(rows, key))], base=None, numbers={"big": 3, "other": 1}
    )
    one = acknowledged(tmp_path)
    assert found(one.rows("big")) == [("u1", "p1", "1", 1), ("u2", "p2", "2", 1)]
    assert (one.syncs("big"), one.settled("big")) == (3, None)
    one.record("big", frame(row("u1", "7", attempts=2)), sync=4, settled=SETTLED)
    again = acknowledged(tmp_path)
    assert found(again.rows("big")) == [("u1", "p1", "7", 2), ("u2", "p2", "2", 1)]
    assert found(again.rows("other")) == [("u1", "p1", "5", 1)]
    assert (again.syncs("big"), again.syncs("other"), again.settled("big")) == (4, 1, SETTLED)
