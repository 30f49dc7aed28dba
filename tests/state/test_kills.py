"""A run that dies at any step leaves the state as it was, and the next run puts everything right."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from audiences.errors import StateError
from audiences.state import State
from audiences.state.storage import Storage
from audiences.state.tables import Table
from stateful import audience, committed, day, profile, profiles, result, trait

BIG = audience("big")
SPENT = trait("spent")


class KilledError(BaseException):
    """Stands for the end of the process: nothing in the program catches it."""


FIRST = result(day(1), [(BIG, ["p1"]), (SPENT, {"p1": "1"})], profiles(profile("p1")))
SECOND = result(day(2), [(BIG, ["p2"]), (SPENT, {"p1": "2"})], profiles(profile("p1"), profile("p2")))
THIRD = result(day(3), [(BIG, ["p1", "p3"]), (SPENT, {"p3": "3"})], profiles(profile("p3")))

STEPS = ("snapshots", "history", "profiles", "manifest")


def kill_before(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the process die just before a step's write, after all steps before it."""
    if step == "manifest":
        monkeypatch.setattr(Storage, "create_file", _dies)
        return
    write = Table._write

    def killed(self: Table, *args: Any, **more: Any) -> int:
        return write(self, *args, **more) if self.name != step else _dies()

    monkeypatch.setattr(Table, "_write", killed)


def _dies(*_: Any, **__: Any) -> Any:
    raise KilledError


def contents(location: Path) -> dict[str, list[tuple[Any, ...]]]:
    state = State.open(str(location))
    return {
        "big": state.snapshot("big").rows(),
        "spent": state.snapshot("spent").rows(),
        "history": state.history("big").rows() + state.history("spent").rows(),
        "profiles": state.profiles().collect().rows(),
        "run": [(state.run, state.as_of)],
    }


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_run_is_not_visible_and_the_next_one_is_whole(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    committed(State.open(str(killed), create=True), FIRST)
    before = contents(killed)
    with monkeypatch.context() as patch:
        kill_before(step, patch)
        with pytest.raises(KilledError):
            committed(State.open(str(killed), create=True), SECOND)
    assert contents(killed) == before

    committed(State.open(str(killed), create=True), THIRD)
    committed(State.open(str(undisturbed), create=True), FIRST)
    committed(State.open(str(undisturbed), create=True), THIRD)
    assert contents(killed) == contents(undisturbed)


@pytest.mark.parametrize("step", STEPS)
def test_the_very_first_run_may_be_killed(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location = tmp_path / "state"
    with monkeypatch.context() as patch:
        kill_before(step, patch)
        with pytest.raises(KilledError):
            committed(State.open(str(location), create=True), SECOND)
    assert State.open(str(location)).manifest is None
    committed(State.open(str(location), create=True), THIRD)
    assert contents(location)["big"] == [("p1", "true"), ("p3", "true")]
    assert contents(location)["history"] == [
        ("p1", "entered", "true", "false", day(3), 1),
        ("p3", "entered", "true", "false", day(3), 1),
        ("p3", "set", "3", None, day(3), 1),
    ]


def test_killed_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location = tmp_path / "state"
    committed(State.open(str(location), create=True), FIRST)
    before = contents(location)
    for step in STEPS * 2:
        with monkeypatch.context() as patch:
            kill_before(step, patch)
            with pytest.raises(KilledError):
                committed(State.open(str(location), create=True), SECOND)
        assert contents(location) == before
    committed(State.open(str(location), create=True), SECOND)
    assert contents(location)["spent"] == [("p1", "2")]


def _lose(path: Path) -> None:
    shutil.rmtree(path)


def _lose_newest_version(path: Path) -> None:
    sorted((path / "_delta_log").glob("*.json"))[-1].unlink()


@pytest.mark.parametrize("lose", [_lose, _lose_newest_version])
def test_a_table_that_lost_a_version_is_never_built_upon(lose: Callable[[Path], None], tmp_path: Path) -> None:
    location = tmp_path / "state"
    state = committed(State.open(str(location), create=True), FIRST)
    committed(state, SECOND)
    draft = state.draft(THIRD)
    lose(location / "history")
    with pytest.raises(StateError, match=r"the table 'history' has lost"):
        state.commit(draft)


def test_a_disk_that_is_full_leaves_the_last_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location = tmp_path / "state"
    committed(State.open(str(location), create=True), FIRST)
    before = contents(location)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("audiences.state.tables.write_file", full)
        with pytest.raises(StateError, match=r"disk is full.*No space left.*last committed run is unchanged"):
            committed(State.open(str(location), create=True), SECOND)
    assert contents(location) == before


def test_a_scan_made_before_a_later_commit_still_reads_its_own_run(tmp_path: Path) -> None:
    location = tmp_path / "state"
    state = committed(State.open(str(location), create=True), FIRST)
    reader = State.open(str(location))
    scan: pl.LazyFrame = reader.scan_snapshot("big")
    committed(state, THIRD)
    assert scan.collect().get_column("id").to_list() == ["p1"]
    assert reader.snapshot("big").rows() == [("p1", "true")]
