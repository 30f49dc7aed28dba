"""A store that is kept: what is read when, and that nothing of it shows in what comes out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from audiences.errors import StateError
from audiences.events.store import reading
from event_stores import TINY, files_of, from_store, outcome, read_afresh
from event_tables import AS_OF, event, needs, table
from lakes import put

HOUR = timedelta(hours=1)
WANTED = needs("price", events=["Bought", "Sold"])
PROFILES = pl.DataFrame(
    {"profile_id": ["p1"], "external_ids": [[{"type": "user_id", "value": "u1"}, {"type": "user_id", "value": "u2"}]]}
)


def write(folder: Path, name: str, *rows: dict[str, Any]) -> Path:
    path = folder / "events" / f"{name}.parquet"
    path.parent.mkdir(exist_ok=True)
    texts = dict.fromkeys(("message_id", "event", "user_id", "anonymous_id", "properties", "group_id"), pl.String)
    table(rows, **texts, received_at=pl.Datetime("us", "UTC")).write_parquet(path)
    return path


def bought(message_id: str | None, user: str = "u1", hours: int = 2, **columns: object) -> dict[str, Any]:
    row = {"user_id": user, "timestamp": AS_OF - hours * HOUR, "received_at": AS_OF, "group_id": None}
    return event(message_id, **{**row, "properties": '{"price": 5}', **columns})


def assert_same(folder: Path, wanted: Any = WANTED, **options: Any) -> str:
    """Through the store and without it the same comes out; returns the note."""
    inputs = from_store(folder, wanted, **options)
    options = {name: value for name, value in options.items() if name in ("profiles", "as_of")}
    assert outcome(inputs) == outcome(read_afresh(folder, wanted, **options))
    return inputs.note


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files whose rows are read through a store or without it, in order."""
    found: list[str] = []
    original = reading._batches

    def watched(opened: Any, *others: Any) -> Iterator[Any]:
        found.append(Path(opened.path).stem)
        return original(opened, *others)

    monkeypatch.setattr(reading, "_batches", watched)
    return found


def test_only_what_is_new_is_read(tmp_path: Path, read: list[str]) -> None:
    write(tmp_path, "a", bought("m1"), bought("m2", "u2"))
    write(tmp_path, "b", bought(None, "u3"))
    assert from_store(tmp_path, WANTED).note == ""
    assert read == ["a", "b"]
    assert from_store(tmp_path, WANTED).note == ""
    assert read == ["a", "b"]
    write(tmp_path, "aa", bought("m3", hours=3), bought("m4", "u4"), event("m5", user_id=None))
    with from_store(tmp_path, WANTED) as inputs:
        assert inputs.statistics.as_mapping() == {
            "rows_read": 6,
            "rows_accepted": 5,
            "duplicates": 0,
            "identifier_conflicts": 0,
            "bytes_read": sum(path.stat().st_size for path in (tmp_path / "events").iterdir()),
            "files": 3,
        }
        assert inputs.rejects.counts == {"no_user_anon_id": 1}
    assert read == ["a", "b", "aa"]
    assert assert_same(tmp_path) == ""
    assert read == ["a", "b", "aa", "a", "aa", "b"], "the second time without a store"


def test_late_events_land_where_they_belong(tmp_path: Path) -> None:
    write(tmp_path, "a", bought("m1", hours=1), bought("m3", hours=3), bought(None, hours=3))
    from_store(tmp_path, WANTED).close()
    write(tmp_path, "b", bought("m2", hours=2), bought("m4", hours=3), bought("m0", hours=400), bought(None, hours=3))
    assert assert_same(tmp_path) == ""
    with from_store(tmp_path, WANTED) as inputs:
        (bucket,) = inputs.only(["user_id:u1"], []).buckets()
        assert bucket.events["message_id"].to_list() == ["m0", "m3", "m4", None, None, "m2", "m1"]


def test_what_happens_after_as_of_is_kept_for_later(tmp_path: Path, read: list[str]) -> None:
    write(tmp_path, "a", bought("m1"), bought("m2", "later", hours=-2), bought("m3", hours=-2))
    assert_same(tmp_path)
    read.clear()
    inputs = from_store(tmp_path, WANTED, as_of=AS_OF + 3 * HOUR)
    assert inputs.profiles["id"].to_list() == ["user_id:later", "user_id:u1"]
    assert sum(bucket.events.height for bucket in inputs.buckets()) == 3
    assert read == []
    assert_same(tmp_path, as_of=AS_OF + 3 * HOUR)
    assert_same(tmp_path, as_of=AS_OF - 3 * HOUR)


@pytest.mark.parametrize("limits", [None, TINY])
def test_a_copy_that_came_later_is_dropped(tmp_path: Path, limits: Any, read: list[str]) -> None:
    first = [bought(f"m{number}", f"u{number}", received_at=AS_OF) for number in range(20)]
    write(tmp_path, "a", *first)
    from_store(tmp_path, WANTED, limits=limits).close()
    read.clear()
    later = [row | {"received_at": AS_OF + HOUR, "user_id": "someone"} for row in first[3:9]]
    write(tmp_path, "b", *later, *first[10:12], bought("new"))
    with from_store(tmp_path, WANTED, limits=limits) as inputs:
        assert inputs.statistics.duplicates == 8
        assert "user_id:someone" not in inputs.profiles["id"]
    assert read == ["b"]
    assert assert_same(tmp_path, limits=limits) == ""


def test_a_copy_of_an_event_that_nothing_needs(tmp_path: Path) -> None:
    other = bought("m1", "u1", event="Other")
    write(tmp_path, "a", other, bought("m2", "u2"))
    from_store(tmp_path, WANTED).close()
    write(tmp_path, "b", bought("m1", "someone", received_at=AS_OF + HOUR))
    assert assert_same(tmp_path) == ""


def test_a_file_that_has_changed_or_is_gone(tmp_path: Path) -> None:
    write(tmp_path, "a", bought("m1"), bought("m2", "u2"))
    write(tmp_path, "b", bought("m3", "u3"))
    from_store(tmp_path, WANTED).close()
    path = write(tmp_path, "b", bought("m4", "u4"))
    assert assert_same(tmp_path) == "All events were read again: the file 'b.parquet' has changed."
    path.unlink()
    assert assert_same(tmp_path) == "All events were read again: the file 'b.parquet' is gone."
    assert assert_same(tmp_path) == ""


def test_what_definitions_use_is_kept_when_they_use_more(tmp_path: Path) -> None:
    write(tmp_path, "a", bought("m1", properties='{"price": 5, "size": "L"}'), bought("m2", event="Sold"))
    assert assert_same(tmp_path, needs("price")) == ""
    note = assert_same(tmp_path, needs("size", events=["Sold", "Bought"]))
    assert note == (
        "All events were read again: definitions use the event 'Sold' and 1 more, which was not needed before."
    )
    assert assert_same(tmp_path, needs("price")) == ""
    assert assert_same(tmp_path, needs("size", "price", events=["Sold"])) == ""


@pytest.mark.parametrize("limits", [None, TINY])
def test_events_follow_their_profile(tmp_path: Path, limits: Any) -> None:
    rows = [bought(f"m{number}", f"u{number % 5}", hours=number % 3) for number in range(30)]
    write(tmp_path, "a", *rows)
    assert assert_same(tmp_path, limits=limits) == ""
    assert assert_same(tmp_path, profiles=PROFILES, limits=limits) == ""
    write(tmp_path, "b", *[row | {"message_id": f"b{number}"} for number, row in enumerate(rows)])
    assert assert_same(tmp_path, profiles=PROFILES, limits=limits) == ""
    assert assert_same(tmp_path, limits=limits) == ""


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    rows = [bought(f"m{number % 40}" if number % 7 else None, f"u{number % 9}", hours=number) for number in range(60)]
    stores = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, "a", *rows[:40])
        from_store(tmp_path / name, WANTED, limits=TINY).close()
        write(tmp_path / name, "b", *rows[40:])
        from_store(tmp_path / name, WANTED, limits=TINY).close()
        found = files_of(tmp_path / name / "store")
        stores.append({path: content for path, content in found.items() if not path.startswith("manifests")})
    assert stores[0] == stores[1]
    assert any(path.startswith("base") for path in stores[0])


def test_a_store_that_must_not_be_written(tmp_path: Path, read: list[str]) -> None:
    write(tmp_path, "a", bought("m1"))
    assert_same(tmp_path, writable=False)
    assert not (tmp_path / "store").exists()
    from_store(tmp_path, WANTED).close()
    before = files_of(tmp_path / "store")
    read.clear()
    from_store(tmp_path, WANTED, writable=False).close()
    assert read == []
    write(tmp_path, "b", bought("m2", "u2"))
    assert_same(tmp_path, writable=False)
    assert files_of(tmp_path / "store") == before


def test_a_damaged_store_is_built_anew(tmp_path: Path) -> None:
    write(tmp_path, "a", bought("m1"))
    from_store(tmp_path, WANTED).close()
    (manifest,) = (tmp_path / "store" / "manifests").iterdir()
    manifest.write_text("{")
    note = assert_same(tmp_path)
    assert note == "All events were read again: the store of events was not usable, its manifest can't be read."
    (base,) = (tmp_path / "store").glob("base-*")
    shutil.rmtree(base)
    assert assert_same(tmp_path).endswith("files of it are missing.")


def test_a_place_that_can_not_be_written(tmp_path: Path) -> None:
    write(tmp_path, "a", bought("m1"))
    (tmp_path / "store").write_text("a file")
    with pytest.raises(StateError, match="can't be written"):
        from_store(tmp_path, WANTED)


def test_a_data_lake(tmp_path: Path, read: list[str]) -> None:
    lake, wanted = tmp_path / "events", needs("price", events=["Bought"])

    def day(number: int, table: str = "bought") -> None:
        put(
            lake,
            table,
            {
                "id": [f"{table}{number}"],
                "timestamp": [AS_OF - number * 24 * HOUR],
                "user_id": ["u"],
                "price": [number],
            },
            day=f"2024-06-{15 - number:02}",
        )

    day(3)
    day(2)
    assert assert_same(tmp_path, wanted) == ""
    read.clear()
    day(1)
    assert from_store(tmp_path, wanted).note == ""
    assert len(read) == 1
    assert assert_same(tmp_path, wanted) == ""
    day(1, "sold")
    assert "is of a table that was not there before" in assert_same(tmp_path, wanted)


def test_what_is_scattered_is_put_in_order_without_reading_files(tmp_path: Path, read: list[str]) -> None:
    rows = [bought(f"m{number}", f"u{number % 9}", hours=number % 4) for number in range(40)]
    write(tmp_path, "a", *rows)
    from_store(tmp_path, WANTED, limits=TINY, run=1).close()
    write(tmp_path, "b", *[row | {"message_id": f"b{number}"} for number, row in enumerate(rows)])
    read.clear()
    from_store(tmp_path, WANTED, limits=TINY, profiles=PROFILES, run=2).close()
    assert read == ["b"]
    (base,) = (tmp_path / "store").glob("base-*3")
    assert len(list(base.glob("bucket-*-values.arrow"))) > 5
    assert not list((base.parent).glob("later-*3"))
    write(tmp_path, "c", *[row | {"received_at": AS_OF + HOUR} for row in rows[::3]], bought("c"))
    read.clear()
    with from_store(tmp_path, WANTED, limits=TINY, profiles=PROFILES, run=3) as inputs:
        assert (inputs.note, inputs.statistics.duplicates) == ("", 14)
    assert read == ["c"], "the index knows the ids of both files"
    assert assert_same(tmp_path, limits=TINY, profiles=PROFILES) == ""
    assert assert_same(tmp_path, limits=TINY) == ""


def test_a_project_that_moves_keeps_its_store(tmp_path: Path, read: list[str]) -> None:
    (tmp_path / "old").mkdir()
    write(tmp_path / "old", "a", bought("m1"), event("m2", user_id=None))
    from_store(tmp_path / "old", WANTED).close()
    (tmp_path / "old").rename(tmp_path / "new")
    read.clear()
    with from_store(tmp_path / "new", WANTED) as inputs:
        (sample,) = inputs.rejects.samples["no_user_anon_id"]
        assert sample["path"] == str(tmp_path / "new" / "events" / "a.parquet")
    assert read == []
