from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from obstore.store import MemoryStore

from audiences.delivery.destinations import NOT_YET, TYPES
from audiences.delivery.destinations.base import Batch, Sync
from audiences.delivery.destinations.jsonl import JsonLines, LocalFolder, ObjectFolder
from audiences.errors import DeliveryError
from stateful import day


def sync(number: int = 1, computation: str = "big") -> Sync:
    return Sync("crm", computation, day(5), run=3, number=number)


def batches(*lines: str) -> Iterator[Batch]:
    for line in lines:
        yield Batch(pl.DataFrame({"line": [line]}), pl.Series([line], dtype=pl.String))


NAME = "big.2024-01-05T000000Z.run-3.sync-1.jsonl"
STAGED = f".{NAME}.staged"


def object_folder() -> ObjectFolder:
    folder = ObjectFolder.__new__(ObjectFolder)
    folder.store = MemoryStore()
    return folder


@pytest.fixture(params=["disk", "object store"])
def destination(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[JsonLines, Any]:
    made = JsonLines("crm", {"path": "out"}, tmp_path)
    folder = LocalFolder(tmp_path / "out") if request.param == "disk" else object_folder()
    monkeypatch.setattr(made, "_folder", lambda: folder)
    return made, folder


def content(folder: Any, name: str) -> bytes:
    if isinstance(folder, LocalFolder):
        return (folder.folder / name).read_bytes()
    return bytes(folder.store.get(name).bytes())


def test_a_sync_is_staged_then_finished(destination: tuple[JsonLines, Any]) -> None:
    made, folder = destination
    made.settle("big", 0)
    arrived = list(made.send(sync(), batches('{"n":1}', '{"n":"é"}')))
    assert [row for frame in arrived for row in frame.rows()] == [('{"n":1}',), ('{"n":"é"}',)]
    assert folder.names() == [STAGED]
    made.finish(sync())
    assert folder.names() == [NAME]
    assert content(folder, NAME) == '{"n":1}\n{"n":"é"}\n'.encode()


def test_what_was_recorded_is_completed(destination: tuple[JsonLines, Any]) -> None:
    made, folder = destination
    list(made.send(sync(), batches("{}")))
    made.settle("big", 1)
    assert folder.names() == [NAME]
    made.settle("big", 1)
    assert folder.names() == [NAME]


def test_what_was_not_recorded_is_dropped(destination: tuple[JsonLines, Any]) -> None:
    made, folder = destination
    list(made.send(sync(), batches("{}")))
    made.settle("big", 0)
    assert folder.names() == []


def test_other_files_are_left_alone(destination: tuple[JsonLines, Any]) -> None:
    made, folder = destination
    others = ["notes.txt", ".hidden", ".bigger.2024-01-05T000000Z.run-3.sync-1.jsonl.staged", "big.jsonl"]
    for name in others:
        with folder.writing(name) as file:
            file.write(b"x")
    made.settle("big", 0)
    assert folder.names() == sorted(others)


def test_a_retry_of_the_same_sync_overwrites_with_the_same_name(destination: tuple[JsonLines, Any]) -> None:
    made, folder = destination
    for _ in range(2):
        list(made.send(sync(), batches("{}")))
    made.finish(sync())
    assert folder.names() == [NAME]


def test_nothing_counts_before_the_file_is_whole(tmp_path: Path) -> None:
    made = JsonLines("crm", {"path": "out"}, tmp_path)

    def broken() -> Iterable[Batch]:
        yield from batches("{}")
        raise OSError(28, "No space left on device")

    with pytest.raises(DeliveryError, match=r"can't write to destination 'crm'.*No space left.*next run"):
        list(made.send(sync(), broken()))
    assert JsonLines.whole
    made.settle("big", 0)
    assert list((tmp_path / "out").iterdir()) == []


def test_paths_are_relative_to_the_project(tmp_path: Path) -> None:
    assert JsonLines("crm", {"path": "out/../files/"}, tmp_path).place() == str(tmp_path / "files")
    assert JsonLines("crm", {"path": "/elsewhere"}, tmp_path).place() == "/elsewhere"
    assert JsonLines("crm", {"path": "s3://bucket/prefix/"}, tmp_path).place() == "s3://bucket/prefix"


def test_jsonl_is_what_can_be_sent_to_now() -> None:
    assert dict(TYPES) == {"jsonl": JsonLines}
    assert not set(TYPES) & set(NOT_YET)
