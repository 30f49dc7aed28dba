from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from audiences.definitions.computation import Kind
from audiences.errors import DefinitionError, StateError
from audiences.state import Occasion, State
from stateful import COMPUTED_AT, audience, committed, day, profile, profiles, result, trait

BIG = audience("big")
SPENT = trait("spent")
PEOPLE = profiles(
    profile("p2"),
    profile("p1", ("email", "a@example.com", datetime.fromisoformat("2020-01-01T00:00:00Z")), account_ids=["acme"]),
)


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State.open(str(tmp_path / "state"), create=True)


@pytest.fixture
def three_runs(state: State) -> State:
    committed(state, result(day(1), [(BIG, ["p1", "p2"]), (SPENT, {"p1": "5", "p2": "6"})], PEOPLE))
    committed(state, result(day(2), [(BIG, ["p2"]), (SPENT, {"p1": "5", "p2": "7"})], PEOPLE))
    committed(state, result(day(3), [(BIG, ["p1", "p2"]), (SPENT, {"p2": "7", "p3": '"x"'})], PEOPLE))
    return state


def test_the_first_run_is_read_back(state: State, tmp_path: Path) -> None:
    committed(state, result(day(1), [(BIG, ["p2", "p1"]), (SPENT, {"p1": "5"})], PEOPLE))
    again = State.open(str(tmp_path / "state"))
    assert again.keys() == ("big", "spent")
    assert again.snapshot("big").rows() == [("p1", "true"), ("p2", "true")]
    assert again.snapshot("spent").rows() == [("p1", "5")]
    assert again.changes("spent").rows() == [("p1", "set", "5", None)]
    assert again.profiles().collect().get_column("id").to_list() == ["p1", "p2"]
    assert again.profiles().collect().rows()[0] == (
        "p1",
        [
            {
                "type": "email",
                "value": "a@example.com",
                "created_at": datetime.fromisoformat("2020-01-01T00:00Z"),
            }
        ],
        "{}",
        ["acme"],
    )


def test_the_manifest_says_what_was_done(state: State) -> None:
    committed(state, result(day(1), [(BIG, ["p1"])], PEOPLE, inputs="files", fingerprint="tree"))
    manifest = state.manifest
    assert manifest is not None
    assert (manifest.run, manifest.as_of, manifest.revision, manifest.inputs) == (1, day(1), 1, "files")
    assert (manifest.computed_at, manifest.computed) == (COMPUTED_AT, ("big",))
    assert (manifest.rejects, manifest.statistics) == ({"bad_timestamp": 2}, {"rows_read": 10})
    record = manifest.computations["big"]
    assert (record.kind, record.size, record.entered, record.exited) == (Kind.AUDIENCE, 1, 1, 0)
    assert (record.fingerprint, record.seconds, record.first_run, record.first_as_of) == (
        "tree",
        0.5,
        1,
        day(1),
    )


def test_history_has_every_change_of_every_run(three_runs: State) -> None:
    assert three_runs.history("big").rows() == [
        ("p1", "entered", "true", "false", day(1), 1),
        ("p2", "entered", "true", "false", day(1), 1),
        ("p1", "exited", "false", "true", day(2), 2),
        ("p1", "entered", "true", "false", day(3), 3),
    ]
    assert three_runs.changes("spent", run=2).rows() == [("p2", "changed", "7", "6")]
    assert three_runs.changes("spent").rows() == [("p1", "cleared", None, "5"), ("p3", "set", '"x"', None)]
    assert three_runs.departures("big").rows() == [("p1", day(2))]


def test_the_snapshot_of_every_earlier_run_is_rebuilt(three_runs: State) -> None:
    assert three_runs.snapshot_at("spent", run=1).rows() == [("p1", "5"), ("p2", "6")]
    assert three_runs.snapshot_at("spent", run=2).rows() == [("p1", "5"), ("p2", "7")]
    assert three_runs.snapshot_at("spent", run=3).rows() == [("p2", "7"), ("p3", '"x"')]
    assert three_runs.snapshot_at("big", run=1).rows() == [("p1", "true"), ("p2", "true")]
    assert three_runs.snapshot_at("big", run=2).rows() == [("p2", "true")]


def test_the_snapshot_known_at_an_instant_is_that_of_the_last_run_before_it(three_runs: State) -> None:
    assert three_runs.snapshot_at("big", as_of=day(2)).rows() == [("p2", "true")]
    assert three_runs.snapshot_at("big", as_of=day(3) - timedelta(seconds=1)).rows() == [("p2", "true")]
    assert three_runs.snapshot_at("big", as_of=day(30)).height == 2
    assert three_runs.manifest_at(as_of=day(2) + timedelta(hours=1)).run == 2


def test_what_is_before_the_first_run_is_refused(three_runs: State) -> None:
    with pytest.raises(StateError, match="there is no run at or before 2023-01-01T00:00:00Z"):
        three_runs.snapshot_at("big", as_of=datetime.fromisoformat("2023-01-01T00:00:00Z"))
    with pytest.raises(StateError, match="there is no run 9"):
        three_runs.snapshot_at("big", run=9)
    committed(three_runs, result(day(4), [(trait("late"), {"p1": "1"})]))
    with pytest.raises(StateError, match="'late' was first computed in run 4, as of 2024-01-04"):
        three_runs.snapshot_at("late", run=2)


def test_a_value_remembers_the_run_that_decided_it(three_runs: State) -> None:
    decided = three_runs.scan_snapshot("spent").sort("id").collect()
    assert decided.rows() == [("p2", "7", day(2)), ("p3", '"x"', day(3))]
    assert three_runs.scan_snapshot("big").sort("id").collect().rows() == [
        ("p1", "true", day(3)),
        ("p2", "true", day(1)),
    ]


def test_a_computation_that_was_not_run_keeps_its_snapshot(three_runs: State) -> None:
    committed(three_runs, result(day(4), [(BIG, ["p9"])], PEOPLE))
    assert three_runs.snapshot("spent").rows() == [("p2", "7"), ("p3", '"x"')]
    assert three_runs.record("spent").as_of == day(3)
    assert three_runs.record("big").as_of == day(4)
    assert three_runs.changes("spent").is_empty()


def test_an_audience_without_members_stays_known(state: State) -> None:
    committed(state, result(day(1), [(BIG, [])]))
    assert state.snapshot("big").is_empty()
    committed(state, result(day(2), [(BIG, ["p1"])]))
    committed(state, result(day(3), [(BIG, [])]))
    assert state.snapshot("big").is_empty()
    assert state.snapshot_at("big", run=2).rows() == [("p1", "true")]


def test_a_run_without_changes_writes_no_table(state: State) -> None:
    committed(state, result(day(1), [(BIG, ["p1"])], PEOPLE))
    first = state.manifest
    committed(state, result(day(2), [(BIG, ["p1"])], PEOPLE))
    assert first is not None
    assert state.manifest is not None
    assert state.manifest.tables == first.tables
    assert (state.run, state.as_of) == (2, day(2))


def test_the_same_as_of_again_is_a_revision(state: State) -> None:
    committed(state, result(day(1), [(BIG, ["p1"])]))
    committed(state, result(day(1), [(BIG, ["p2"])], inputs="new files"))
    assert state.manifest is not None
    assert (state.manifest.run, state.manifest.revision, state.manifest.as_of) == (2, 2, day(1))
    assert state.snapshot_at("big", as_of=day(1)).rows() == [("p2", "true")]
    assert state.snapshot_at("big", run=1).rows() == [("p1", "true")]
    same = state.decide(as_of=day(1), definitions={"big": "definition"}, inputs="new files")
    assert same.occasion is Occasion.NOTHING_NEW


def test_a_past_draft_shows_changes_since_what_was_known_then_and_cannot_be_kept(three_runs: State) -> None:
    draft = three_runs.draft(result(day(2), [(BIG, ["p1"])]))
    assert draft.past
    assert draft.snapshot("big").rows() == [("p1", "true")]
    assert draft.changes("big").rows() == [
        ("p1", "entered", "true", "false"),
        ("p2", "exited", "false", "true"),
    ]
    with pytest.raises(StateError, match="before the latest committed one"):
        three_runs.commit(draft)
    assert three_runs.run == 3


def test_a_draft_reads_like_the_state_it_would_be(three_runs: State) -> None:
    draft = three_runs.draft(result(day(4), [(BIG, ["p3"])], PEOPLE))
    assert (draft.run, draft.as_of, draft.keys()) == (4, day(4), ("big", "spent"))
    assert draft.snapshot("big").rows() == [("p3", "true")]
    assert draft.snapshot("spent").rows() == [("p2", "7"), ("p3", '"x"')]
    assert draft.departures("big").rows() == [("p1", day(4)), ("p2", day(4))]
    assert draft.changes("spent").is_empty()
    assert three_runs.run == 3


def test_a_key_that_was_something_else_is_refused(three_runs: State) -> None:
    with pytest.raises(DefinitionError, match="was the key of a user-level audience"):
        three_runs.draft(result(day(4), [(trait("big"), {"p1": "1"})]))


def test_a_key_that_is_no_key_never_reaches_a_predicate(three_runs: State) -> None:
    with pytest.raises(StateError, match="is not the key of a computation"):
        three_runs.history("x' OR '1'='1")
    with pytest.raises(StateError, match="is not the key of a computation"):
        three_runs.draft(result(day(4), [(audience("Big'"), ["p1"])]))


def test_other_tools_can_read_the_tables(three_runs: State, tmp_path: Path) -> None:
    table = DeltaTable(str(tmp_path / "state" / "snapshots"))
    rows = pl.from_arrow(table.to_pyarrow_table(), rechunk=True)
    assert isinstance(rows, pl.DataFrame)
    assert rows.select("computation", "id", "value").sort("computation", "id").rows() == [
        ("big", "p1", "true"),
        ("big", "p2", "true"),
        ("spent", "p2", "7"),
        ("spent", "p3", '"x"'),
    ]


def test_reading_writes_nothing_and_creates_nothing(tmp_path: Path) -> None:
    empty = State.open(str(tmp_path / "nothing"))
    assert empty.manifest is None
    assert empty.keys() == ()
    assert empty.scan_snapshot("big").collect().is_empty()
    assert empty.draft(result(day(1), [(BIG, ["p1"])])).changes("big").height == 1
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StateError, match="for reading only"), empty.exclusive():
        pass
    with pytest.raises(StateError, match="'big' was never computed here"):
        empty.snapshot("big")


def test_a_url_of_a_local_folder_is_a_local_folder(tmp_path: Path) -> None:
    state = State.open(f"file://{tmp_path}/st%20ate", create=True)
    committed(state, result(day(1), [(BIG, ["p1"])]))
    assert State.open(str(tmp_path / "st ate")).snapshot("big").height == 1
