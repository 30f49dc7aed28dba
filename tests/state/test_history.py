from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable

from audiences.errors import StateError
from audiences.state import State, housekeeping, writing
from stateful import audience, committed, day, result

BIG = audience("big")
KEPT = timedelta(days=10)


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State.open(str(tmp_path / "state"), create=True)


def members(number: int) -> list[str]:
    return ["always", f"only on day {number}"]


def run_every_day(state: State, days: int, keep: timedelta | None = KEPT) -> None:
    for number in range(1, days + 1):
        committed(state, result(day(number), [(BIG, members(number))]), keep_history=keep)


def test_old_history_is_dropped_and_the_present_stays_right(state: State) -> None:
    run_every_day(state, 20)
    assert state.manifest is not None
    since = state.manifest.history_since
    assert since is not None
    assert day(9) <= since <= day(10)
    assert state.snapshot("big").get_column("id").to_list() == sorted(members(20))
    assert state.history("big").get_column("as_of").min() == since


def test_what_is_within_the_kept_time_is_rebuilt_exactly(state: State) -> None:
    run_every_day(state, 20)
    for number in range(10, 21):
        assert state.snapshot_at("big", as_of=day(number)).get_column("id").to_list() == sorted(members(number))


def test_what_was_dropped_is_refused_with_what_is_kept(state: State) -> None:
    run_every_day(state, 20)
    with pytest.raises(StateError, match=r"there is no .*2024-01-05.*history is kept since 2024-01-"):
        state.snapshot_at("big", as_of=day(5))
    with pytest.raises(StateError, match=r"there is no run 5"):
        state.snapshot_at("big", run=5)


def test_manifests_of_dropped_runs_go_the_others_stay(state: State, tmp_path: Path) -> None:
    run_every_day(state, 20)
    left = sorted(int(path.stem) for path in (tmp_path / "state" / "manifests").iterdir())
    assert left[-1] == 20
    assert left == list(range(left[0], 21))
    assert left[0] in (9, 10)


def test_without_keep_history_nothing_is_dropped(state: State) -> None:
    run_every_day(state, 15, keep=None)
    assert state.manifest is not None
    assert state.manifest.history_since is None
    assert state.snapshot_at("big", run=1).get_column("id").to_list() == sorted(members(1))


def test_many_small_files_become_few(state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "SMALL_FILES", 5)
    run_every_day(state, 15, keep=timedelta(days=365))
    assert len(DeltaTable(str(tmp_path / "state" / "history")).file_uris()) <= 6
    for number in range(1, 16):
        assert state.snapshot_at("big", run=number).get_column("id").to_list() == sorted(members(number))


def test_files_that_no_version_needs_are_removed_and_nothing_else(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "TIDY_EVERY", 4)
    monkeypatch.setattr("audiences.state.tables.HOURS_KEPT", 0)
    run_every_day(state, 13, keep=None)
    files = list((tmp_path / "state" / "snapshots").rglob("*.parquet"))
    assert len(files) < 13
    again = State.open(str(tmp_path / "state"))
    assert again.snapshot("big").get_column("id").to_list() == sorted(members(13))
    assert again.snapshot_at("big", as_of=datetime.fromisoformat("2024-01-04T00:00:00Z")).get_column(
        "id"
    ).to_list() == sorted(members(4))
