"""Two runs at once: one waits or is refused, and the state is whole whatever happens."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from audiences.errors import StateError
from audiences.state import State
from audiences.state.tables import Table
from stateful import audience, committed, day, result

BIG = audience("big")


@pytest.fixture
def location(tmp_path: Path) -> str:
    location = str(tmp_path / "state")
    committed(State.open(location, create=True), result(day(1), [(BIG, ["p1"])]))
    return location


def test_a_second_run_in_the_same_process_is_refused(location: str) -> None:
    one, other = State.open(location, create=True), State.open(location, create=True)
    with (
        one.exclusive(),
        pytest.raises(StateError, match="another run is using the state"),
        other.exclusive(wait=0.1),
    ):
        pass
    with other.exclusive(wait=0.1):
        pass


def test_a_second_process_is_refused_and_a_killed_one_leaves_no_lock(location: str) -> None:
    program = textwrap.dedent(
        """
        import sys, time
        from audiences.state import State
        with State.open(sys.argv[1], create=True).exclusive():
            print("locked", flush=True)
            time.sleep(60)
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, location],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        state = State.open(location, create=True)
        with pytest.raises(StateError, match="another run is using the state"), state.exclusive(wait=0.2):
            pass
        holder.kill()
    with state.exclusive(wait=5):
        assert state.run == 1


def test_exclusive_may_be_nested_and_sees_what_others_committed(location: str) -> None:
    one, other = State.open(location, create=True), State.open(location, create=True)
    committed(other, result(day(2), [(BIG, ["p2"])]))
    assert one.run == 1
    with one.exclusive(), one.exclusive():
        assert one.run == 2


def test_a_draft_that_another_run_overtook_is_refused(location: str) -> None:
    one, other = State.open(location, create=True), State.open(location, create=True)
    draft = one.draft(result(day(2), [(BIG, ["mine"])]))
    committed(other, result(day(3), [(BIG, ["theirs"])]))
    with pytest.raises(StateError, match="another run changed the state meanwhile"):
        one.commit(draft)
    assert State.open(location).snapshot("big").rows() == [("theirs", "true")]


@pytest.mark.parametrize("moment", ["snapshots", "history", "profiles"])
def test_without_a_lock_one_of_two_interleaved_runs_wins_and_the_state_is_whole(
    moment: str, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on an object store, where there is no lock: a whole run happens in the middle of another one's writes."""
    monkeypatch.setattr("audiences.state.store.filelock.FileLock", _NoLock)
    write = Table._write
    interrupted: list[str] = []

    def interleaved(self: Table, *args: Any, **more: Any) -> int:
        if self.name == moment and not interrupted:
            interrupted.append(moment)
            committed(State.open(location, create=True), result(day(2), [(BIG, ["theirs"])]))
        return write(self, *args, **more)

    mine = State.open(location, create=True)
    draft = mine.draft(result(day(2), [(BIG, ["mine"])], _changed_profiles()))
    monkeypatch.setattr(Table, "_write", interleaved)
    with pytest.raises(StateError, match="another run changed the state meanwhile"):
        mine.commit(draft)
    assert interrupted

    after = State.open(location)
    assert after.run == 2
    assert after.snapshot("big").rows() == [("theirs", "true")]
    assert after.history("big").rows() == [
        ("p1", "entered", "true", "false", day(1), 1),
        ("p1", "exited", "false", "true", day(2), 2),
        ("theirs", "entered", "true", "false", day(2), 2),
    ]
    committed(State.open(location, create=True), result(day(3), [(BIG, ["next"])]))
    assert State.open(location).snapshot_at("big", run=2).rows() == [("theirs", "true")]


def _changed_profiles() -> Any:
    from stateful import profile, profiles

    return profiles(profile("p1"))


class _NoLock:
    def __init__(self, path: Path) -> None:
        self.path = path

    def acquire(self, timeout: float) -> None:
        """Lets everybody in."""

    def release(self) -> None:
        """Nothing to let go."""
