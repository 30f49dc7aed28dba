"""Results: what an engine adds, where it is kept, and what happens when it is lost."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from audiences.definitions.computation import Computation, Level
from audiences.state import Computed, ProfileChanges, Results, RunResult, State, chains, checkpoints
from audiences.state.sheet_reader import SheetReader
from stateful import COMPUTED_AT, audience, committed, day, profile, profiles, result, trait

BIG = audience("big")
COUNT = trait("count")
ACCOUNTS = trait("accounts", level=Level.ACCOUNT)


def ids(*items: str) -> pl.Series:
    return pl.Series(list(items), dtype=pl.String)


def run_of(results: Results, number: int, *computations: Computation) -> RunResult:
    results.finish()
    return RunResult(
        as_of=day(number),
        inputs=f"inputs {number}",
        computed={item.key: Computed(item, "definition") for item in computations},
        results=results,
        profiles=profiles(profile("p1")),
        computed_at=COMPUTED_AT,
    )


def partial(state: State, number: int, scope: list[str], counts: dict[str, int | None]) -> None:
    """A run that computes COUNT anew for some profiles, of which ``counts`` has those that are still there."""
    results = state.results([COUNT], kept=True)
    results.limit(["count"], ids(*scope))
    results.add(Level.USER, ids(*counts), {"count": pl.Series(list(counts.values()), dtype=pl.Int64)})
    committed(state, run_of(results, number, COUNT))


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State.open(str(tmp_path / "state"), create=True)


def below(state: State) -> Path:
    return Path(state.location) / "results"


def test_parts_come_in_any_order_and_levels_are_apart() -> None:
    results = Results([BIG, COUNT, ACCOUNTS])
    results.add(Level.USER, ids("p3", "p1"), {"big": pl.Series([True, False]), "count": pl.Series([3, None])})
    results.add(Level.ACCOUNT, ids("acme"), {"accounts": pl.Series([1])})
    results.add(Level.USER, ids("p2"), {"big": pl.Series([True]), "count": pl.Series(["none"])})
    results.finish()
    found = {key: SheetReader(sheet).snapshot(key).rows() for key, sheet in results.sheets.items()}
    assert found == {
        "big": [("p2", "true"), ("p3", "true")],
        "count": [("p2", '"none"'), ("p3", "3")],
        "accounts": [("acme", "1")],
    }


def test_without_profiles_there_is_an_empty_sheet() -> None:
    results = Results([BIG])
    results.finish()
    assert SheetReader(results.sheets["big"]).snapshot("big").is_empty()


def test_temporary_results_go_with_their_owner() -> None:
    results = Results([BIG])
    results.add(Level.USER, ids("p1"), {"big": pl.Series([True])})
    results.finish()
    folder = results.folder
    assert list(folder.iterdir())
    del results
    assert not folder.exists()


def test_results_of_a_run_that_failed_are_removed(state: State) -> None:
    results = state.results([BIG], kept=True)
    results.add(Level.USER, ids("p1"), {"big": pl.Series([True])})
    results.finish()
    assert list(below(state).iterdir())
    results.discard()
    assert not list(below(state).iterdir())


def test_only_what_the_newest_run_has_is_kept(state: State) -> None:
    committed(state, result(day(1), [(BIG, ["p1"]), (COUNT, {"p1": "1"})]))
    (below(state) / ("0" * 32)).mkdir()  # what a killed run left
    (below(state) / "notes.txt").write_text("not ours")
    committed(state, result(day(2), [(BIG, ["p2"])]))
    assert state.manifest is not None
    index = json.loads((below(state) / f"{state.manifest.run_id}.json").read_text())
    assert set(index["chains"]) == {"big", "count"}
    names = {path.name for path in below(state).iterdir()}
    assert names == {*index["sheets"], f"{state.manifest.run_id}.json", "notes.txt"}


def test_a_partial_run_writes_only_its_rows(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "SMALL", 0)
    committed(state, result(day(1), [(COUNT, {f"p{number}": "1" for number in range(9)})]))
    files = set(Path(state.location).rglob("snapshots/**/*.parquet"))
    partial(state, 2, ["p1", "p2", "p3", "new"], {"p1": 1, "p2": 5, "new": 7})
    assert state.changes("count").rows() == [
        ("new", "set", "7", None),
        ("p2", "changed", "5", "1"),
        ("p3", "cleared", None, "1"),
    ]
    expected = {"new": "7", **{f"p{number}": "1" for number in range(9)}, "p2": "5"}
    del expected["p3"]
    assert dict(state.snapshot("count").iter_rows()) == expected
    record = state.record("count")
    assert (record.size, record.checkpoint_run, record.changes_since_checkpoint) == (9, 2, 0)  # 3 of 9 is over a fifth
    assert set(Path(state.location).rglob("snapshots/**/*.parquet")) > files


def test_a_large_computation_keeps_its_checkpoint_while_few_change(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "SMALL", 0)
    committed(state, result(day(1), [(COUNT, {f"p{number}": "1" for number in range(20)})]))
    files = set(Path(state.location).rglob("snapshots/**/*.parquet"))
    partial(state, 2, ["p1"], {"p1": 2})
    partial(state, 3, ["p1", "p2"], {"p1": 3, "p2": 3})
    record = state.record("count")
    assert (record.checkpoint_run, record.changes_since_checkpoint) == (1, 3)
    assert set(Path(state.location).rglob("snapshots/**/*.parquet")) == files
    assert state.scan_snapshot("count").filter(pl.col("id").is_in(["p0", "p1", "p2"])).sort("id").collect().rows() == [
        ("p0", "1", day(1)),
        ("p1", "3", day(3)),
        ("p2", "3", day(3)),
    ]
    assert state.snapshot_at("count", run=2).filter(pl.col("value") != "1").rows() == [("p1", "2")]
    partial(state, 4, ["p1", "p2", "p3"], {"p1": 4, "p2": 4, "p3": 1})
    assert state.record("count").checkpoint_run == 4  # 5 changes of 20


def test_history_that_a_checkpoint_needs_is_dropped_only_when_the_checkpoint_is_new(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "SMALL", 0)
    committed(state, result(day(1), [(COUNT, {f"p{number}": "1" for number in range(20)}), (BIG, ["p1"])]))
    partial(state, 2, ["p1"], {"p1": 2})
    assert state.record("count").checkpoint_run == 1
    # Only BIG is computed, but it is COUNT's change of day 2 that is too old.
    committed(state, result(day(9), [(BIG, ["p2"])]), keep_history=timedelta(days=3))
    assert (state.record("count").run, state.record("count").checkpoint_run) == (2, 3)
    assert state.history("count").is_empty()
    assert dict(state.snapshot("count").iter_rows()) == {f"p{number}": "1" for number in range(20)} | {"p1": "2"}


def test_many_partial_runs_leave_a_short_chain(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chains, "LONGEST", 3)
    expected: dict[str, int | None] = {f"p{number}": 0 for number in range(9)}
    committed(state, result(day(1), [(COUNT, dict.fromkeys(expected, "0"))]))
    lengths = []
    for number in range(2, 14):
        id_ = f"p{number % 4}"
        partial(state, number, [id_], {id_: number})
        assert state.changes("count").rows() == [(id_, "changed", str(number), str(expected[id_]))]
        expected[id_] = number
        lengths.append(len(state.chains()["count"].sheets))
    assert max(lengths) <= 3
    assert dict(state.snapshot("count").iter_rows()) == {id_: str(value) for id_, value in expected.items()}


def _remove(folder: Path) -> None:
    for path in folder.iterdir():
        if path.suffix == ".json":
            path.unlink()


def _damage(folder: Path) -> None:
    for path in folder.glob("*.json"):
        path.write_text(path.read_text()[:40])


def _shorten(folder: Path) -> None:
    for path in folder.glob("*/*.arrows"):
        path.write_bytes(path.read_bytes()[:-8])


@pytest.mark.parametrize("lose", [_remove, _damage, _shorten])
def test_lost_results_are_made_again_from_the_tables(lose: Any, state: State) -> None:
    committed(state, result(day(1), [(COUNT, {"p1": "1", "p2": "2"}), (BIG, ["p1"])]))
    lose(below(state))
    assert state.chains() == {}
    partial(state, 2, ["p2", "p3"], {"p2": 2, "p3": 3})
    assert state.changes("count").rows() == [("p3", "set", "3", None)]
    assert set(state.chains()) == {"count"}
    committed(state, result(day(3), [(COUNT, {"p1": "1"}), (BIG, ["p2"])]))
    assert [row[1] for row in state.changes("count").rows()] == ["cleared", "cleared"]
    assert [row[1] for row in state.changes("big").rows()] == ["exited", "entered"]
    assert set(state.chains()) == {"big", "count"}


def test_a_dry_run_and_a_look_into_the_past_leave_nothing(state: State) -> None:
    committed(state, result(day(5), [(BIG, ["p1"])]))
    before = sorted(below(state).rglob("*"))
    for number in (3, 6):
        results = state.results([BIG], kept=False)
        results.add(Level.USER, ids("p2"), {"big": pl.Series([True])})
        assert state.draft(run_of(results, number, BIG)).snapshot("big").rows() == [("p2", "true")]
    assert sorted(below(state).rglob("*")) == before


def test_profiles_are_written_only_when_they_changed(state: State) -> None:
    people = profiles(profile("p2"), profile("p1"))
    committed(state, result(day(1), [(BIG, ["p1"])], people))
    first = dict(state.manifest.tables) if state.manifest else {}
    committed(state, result(day(2), [(BIG, ["p2"])], people.reverse()))
    assert state.manifest is not None
    assert state.manifest.tables["profiles"] == first["profiles"]
    assert state.manifest.tables["snapshots"] > first["snapshots"]
    committed(state, result(day(3), [(BIG, ["p2"])], profiles(profile("p2"), profile("p1", traits='{"a":1}'))))
    assert state.manifest.tables["profiles"] > first["profiles"]
    assert state.profiles().collect()["traits"].to_list() == ['{"a":1}', "{}"]


def people(*rows: tuple[str, str]) -> pl.DataFrame:
    return profiles(*(profile(id_, traits=traits) for id_, traits in rows))


def test_of_profiles_only_what_changed_is_written(state: State) -> None:
    many = {f"p{number:02}": "{}" for number in range(40)}
    first = result(day(1), [(BIG, ["p01"])], people(*many.items()))
    committed(state, replace(first, universe="first"))
    assert state.manifest is not None
    version = state.manifest.tables["profiles"]
    for number, (new, gone) in enumerate(
        [({"p05": '{"a":1}', "x": "{}"}, ["p07"]), ({"p05": '{"a":2}', "p07": "{}"}, ["x"]), ({}, ["p05"]), ({}, [])],
        start=2,
    ):
        made = result(day(number), [(BIG, [f"p{number}"])])
        changes = ProfileChanges(people(*new.items()), ids(*gone))
        assert len(changes) == len(new) + len(gone)
        draft = state.draft(replace(made, profiles=changes))
        many = {id_: traits for id_, traits in (many | new).items() if id_ not in gone}
        assert dict(draft.profiles().select("id", "traits").collect().iter_rows()) == many
        state.commit(draft)
        assert state.profiles().select("id", "traits").collect().rows() == sorted(many.items())
        assert (state.manifest.tables["profiles"], state.manifest.profiles_run) == (version, 1)
    # With these, more than a fifth has changed: the table is written anew.
    changes = ProfileChanges(people(("p01", "[]"), ("p02", "[]")), ids())
    committed(state, replace(result(day(8), [(BIG, ["p8"])]), profiles=changes))
    assert (state.manifest.profiles_run, state.manifest.profile_changes_since) == (6, 0)
    expected = sorted((many | {"p01": "[]", "p02": "[]"}).items())
    assert state.profiles().select("id", "traits").collect().rows() == expected
    assert State.open(state.location).profiles().select("id", "traits").collect().rows() == expected
