from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from audiences.errors import InputError
from audiences.events import InputFrames, Reason, Source, open_inputs
from audiences.events.files import find_files
from event_tables import AS_OF, event, everything, needs, table


def write(path: Path, *message_ids: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table([event(message_id) for message_id in message_ids]).write_parquet(path)
    return path


def source_of(name: str, source: Source) -> InputFrames:
    sources: dict[str, Any] = {name: source}
    return InputFrames(**sources)


def names(location: Path | str) -> list[str]:
    return [file.name for file in find_files(str(location))]


def message_ids(location: Path | str) -> list[str]:
    with open_inputs(InputFrames(events=str(location))).prepare(needs(), as_of=AS_OF) as inputs:
        return everything(inputs).events["message_id"].to_list()


def test_a_folder_a_file_and_a_glob(tmp_path: Path) -> None:
    write(tmp_path / "2024" / "b.parquet", "m2")
    write(tmp_path / "a.parquet", "m1")
    write(tmp_path / "2024" / "c.PQ", "m3")
    for ignored in ("_log/x.parquet", ".hidden/x.parquet", "_x.parquet", ".x.parquet"):
        write(tmp_path / ignored, "hidden")
    (tmp_path / "notes.csv").write_text("not Parquet")
    assert names(tmp_path) == ["2024/b.parquet", "2024/c.PQ", "a.parquet"]
    assert names(tmp_path / "a.parquet") == ["a.parquet"]
    assert names(tmp_path / "2024" / "*.parquet") == ["b.parquet"]
    assert names(tmp_path / "2*") == ["2024/b.parquet", "2024/c.PQ"]
    assert names(tmp_path / "*" / "b.parquet") == ["2024/b.parquet"]
    assert message_ids(tmp_path) == ["m1", "m2", "m3"]


def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    odd = write(tmp_path / "events [1]*.data", "m1")
    assert message_ids(odd) == ["m1"]


@pytest.mark.parametrize(
    ("location", "what"),
    [
        ("missing.parquet", "there is no such file or folder"),
        ("missing/*.parquet", "no file matches the glob"),
        ("", "has no Parquet files"),
    ],
)
def test_nothing_there(tmp_path: Path, location: str, what: str) -> None:
    with pytest.raises(InputError, match=what) as caught:
        open_inputs(InputFrames(events=str(tmp_path / location)))
    assert caught.value.where == str(tmp_path / location)
    assert "space.yml" in caught.value.hint


@pytest.mark.parametrize("source", ["profiles", "accounts", "suppressed"])
def test_the_message_names_the_source(tmp_path: Path, source: str) -> None:
    with pytest.raises(InputError, match=source):
        open_inputs(source_of(source, str(tmp_path / "missing.parquet")))


@pytest.mark.parametrize("source", ["profiles", "accounts", "suppressed"])
def test_only_events_have_the_data_lake_layout(tmp_path: Path, source: str) -> None:
    path = write(tmp_path / "lake" / "segment_type=bought" / "day=2024-06-01" / "hr=00" / "x.parquet", "m1")
    assert names(tmp_path / "lake") == ["segment_type=bought/day=2024-06-01/hr=00/x.parquet"]
    with pytest.raises(InputError, match=f"the {source} are in folders of a data lake") as caught:
        open_inputs(source_of(source, str(tmp_path / "lake")))
    assert caught.value.where == str(path)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1PAR1", b"event,user\nBought,u1\n", b"\0" * 100])
def test_what_is_not_parquet(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(content)
    inputs = open_inputs(InputFrames(events=str(path)))
    for read in (inputs.fingerprint, lambda: inputs.prepare(needs(), as_of=AS_OF)):
        with pytest.raises(InputError, match="can't be read") as caught:
            read()
        assert caught.value.where == str(path)
        assert caught.value.hint


@pytest.mark.parametrize("length", [-1, -8, -20, 400, 12])
def test_a_truncated_file(tmp_path: Path, length: int) -> None:
    path = write(tmp_path / "x.parquet", "m1", "m2")
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match="can't be read") as caught:
        open_inputs(InputFrames(events=str(path))).prepare(needs(), as_of=AS_OF)
    assert str(path) in str(caught.value)


def test_damaged_bytes_never_raise_anything_else(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", *(f"m{number}" for number in range(50)))
    good, chance = path.read_bytes(), random.Random(5)  # noqa: S311 (the same damage each time)
    for _ in range(60):
        start = chance.randrange(len(good))
        damaged = good[:start] + chance.randbytes(chance.randrange(1, 40)) + good[start + 40 :]
        path.write_bytes(damaged)
        try:
            open_inputs(InputFrames(events=str(path))).prepare(needs("price"), as_of=AS_OF).close()
        except InputError as error:
            assert str(path) in str(error)


def test_an_unreadable_file_may_be_skipped_and_is_counted(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", "m1")
    (tmp_path / "b.parquet").write_bytes(b"PAR1")
    inputs = open_inputs(InputFrames(events=str(tmp_path)), skip_unreadable=True)
    assert inputs.fingerprint()
    with inputs.prepare(needs(), as_of=AS_OF) as prepared:
        assert prepared.rejects.counts == {"unreadable_file": 1}
        assert prepared.rejects.samples[Reason.UNREADABLE_FILE][0]["path"] == str(tmp_path / "b.parquet")
        assert prepared.statistics.rows_accepted == 1


@pytest.mark.parametrize("what", ["file", "folder"])
def test_no_permission(tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x.parquet", "m1")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path))

    if what == "folder":
        monkeypatch.setattr(Path, "iterdir", refuse)
    else:
        monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match="no permission") as caught:
        open_inputs(InputFrames(events=str(tmp_path))).fingerprint()
    assert caught.value.where in (str(path), str(tmp_path))
    assert "permission" in caught.value.hint


def test_the_fingerprint_follows_the_content_not_the_place(tmp_path: Path) -> None:
    first, second = tmp_path / "one", tmp_path / "two"
    for folder in (first, second):
        os.utime(write(folder / "a.parquet", "m1"), ns=(1, 1))
        os.utime(write(folder / "b.parquet", "m2"), ns=(2, 2))

    def fingerprint(folder: Path) -> str:
        return open_inputs(InputFrames(events=str(folder))).fingerprint()

    before = fingerprint(first)
    assert before == fingerprint(second)
    os.utime(first / "a.parquet", ns=(3, 3))
    changed = fingerprint(first)
    (second / "b.parquet").unlink()
    assert len({before, changed, fingerprint(second)}) == 3


def test_the_fingerprint_of_frames(tmp_path: Path) -> None:
    frame = table([event("m1")])

    def fingerprint(one: pl.DataFrame | pl.LazyFrame, name: str = "events") -> str:
        return open_inputs(source_of(name, one)).fingerprint()

    assert fingerprint(frame) == fingerprint(frame.clone()) == fingerprint(frame.lazy())
    assert fingerprint(frame) != fingerprint(table([event("m2")]))
    assert fingerprint(frame) != fingerprint(frame, "profiles")


def test_an_object_stores_url(tmp_path: Path) -> None:
    write(tmp_path / "events" / "2024" / "a.parquet", "m1")
    write(tmp_path / "events" / "b.parquet", "m2")
    write(tmp_path / "events" / "_x.parquet", "hidden")
    root = f"file://{tmp_path}/events"
    assert [file.name for file in find_files(root)] == ["2024/a.parquet", "b.parquet"]
    assert [file.name for file in find_files(f"{root}/b.parquet")] == ["b.parquet"]
    assert [file.name for file in find_files(f"{root}/*/a.parquet")] == ["2024/a.parquet"]
    assert [file.name for file in find_files(f"{root}/**/*.parquet")] == [
        "2024/a.parquet",
        "_x.parquet",
        "b.parquet",
    ]
    assert [file.name for file in find_files(f"{root}/b*")] == ["b.parquet"]
    assert message_ids(root) == ["m1", "m2"]
    assert open_inputs(InputFrames(events=root)).fingerprint()
    for nothing in ("nothing", "nothing.parquet", "events/x*"):
        with pytest.raises(InputError, match="no Parquet files"):
            find_files(f"file://{tmp_path}/{nothing}")
    with pytest.raises(InputError, match="can't be listed"):
        find_files("gopher://x/y")


def test_a_lazy_frame_that_fails(tmp_path: Path) -> None:
    lazy = table([event("m1")]).lazy().with_columns(pl.col("absent"))
    with pytest.raises(InputError, match="events"):
        open_inputs(InputFrames(events=lazy)).prepare(needs(), as_of=AS_OF)
