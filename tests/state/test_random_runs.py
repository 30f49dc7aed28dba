"""Random runs, one after another, against a state of plain dicts: what is kept, what changed, and every earlier run."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from audiences.definitions.computation import Kind, Level
from audiences.errors import StateError
from audiences.events.values import value_of_json
from audiences.state import (
    Computed,
    ProfileChanges,
    Results,
    RunResult,
    State,
    chains,
    change_frames,
    checkpoints,
    comparison,
    sheets,
    writing,
)
from audiences.state.storage import Storage
from audiences.state.tables import Table
from stateful import COMPUTED_AT, audience, profile, profiles, trait

pytestmark = pytest.mark.slow

START = datetime(2024, 1, 1, tzinfo=UTC)
COMPUTATIONS = (
    audience("members"),
    trait("orders"),
    trait("spent", definition="event('A').sum(property('p'))"),
    trait("best", definition="event('A').mode(property('p'), 1)"),
    trait("mixed", definition="event('A').last(property('p'))"),
    audience("accounts", level=Level.ACCOUNT),
)
BY_KEY = {item.key: item for item in COMPUTATIONS}
VALUES: dict[str, st.SearchStrategy[str]] = {
    "members": st.just("true"),
    "accounts": st.just("true"),
    "orders": st.sampled_from(["0", "1", "12"]),
    "spent": st.sampled_from(["0", "1", "0.5", "1e+21", "-3.25", "0.30000000000000004"]),
    "best": st.sampled_from(['"a"', '"\\"b\\"\\n"', '""']),
    "mixed": st.sampled_from(["1", '"1"', "true", '{"a":1}', "2.5"]),
}
EXAMPLES = 1_000 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 20
IDS = ("a", "b", "c", "d", "é", "Z")

Values = dict[str, dict[str, str]]
Change = tuple[str, str, str | None, str | None]


class KilledError(BaseException):
    """Stands for the end of the process."""


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[str], Values]:
    """Who is there, in some order, and the value of each computation for some of them."""
    ids = draw(st.lists(st.sampled_from(IDS), unique=True))
    values = {}
    for key, of_key in VALUES.items():
        found = draw(st.fixed_dictionaries({}, optional=dict.fromkeys(IDS, of_key)))
        values[key] = {id_: value for id_, value in found.items() if id_ in ids}
    return ids, values


def typed(key: str, values: list[str | None], *, as_json: bool) -> pl.Series:
    """The values as an engine could give them."""
    texts = pl.Series(values, dtype=pl.String)
    if as_json or key == "mixed":
        return texts.to_frame("it").select(value_of_json(pl.col("it"))).to_series()
    if BY_KEY[key].kind is Kind.AUDIENCE:
        return pl.Series([value == "true" for value in values], dtype=pl.Boolean)
    if key == "orders":
        return texts.cast(pl.Int64)
    if key == "spent":
        return texts.cast(pl.Float64)
    return pl.Series([None if value is None else json.loads(value) for value in values], dtype=pl.String)


def changes_between(key: str, before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    """The rules of changes, in plain Python."""
    found: list[Change] = []
    for id_ in sorted({*before, *after}):
        value, previous = after.get(id_), before.get(id_)
        if value == previous:
            continue
        if BY_KEY[key].kind is Kind.AUDIENCE:
            found.append((id_, "entered", "true", "false") if value else (id_, "exited", "false", "true"))
        else:
            name = "set" if previous is None else "cleared" if value is None else "changed"
            found.append((id_, name, value, previous))
    return found


class RandomRuns(RuleBasedStateMachine):
    """``after`` has each run's instant and the values and changes after it; ``decided`` since when a value is valid."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.hours = 0
        self.after: list[tuple[datetime, Values, dict[str, list[Change]]]] = []
        self.values: Values = {}
        self.decided: dict[tuple[str, str], datetime] = {}
        self.people: list[str] = []

    def teardown(self) -> None:
        try:
            if self.after:
                self._check_the_past()
        finally:
            shutil.rmtree(self.folder)

    # ── what happens ────────────────────────────────────────────────────────────────────────────────────────────

    @rule(
        world=worlds(),
        keys=st.sets(st.sampled_from([*BY_KEY]), min_size=1),
        hours=st.integers(0, 30),
        parts=st.integers(1, 3),
        as_json=st.booleans(),
        keep=st.sampled_from([None, timedelta(hours=20), timedelta(hours=60)]),
        killed=st.sampled_from([None, None, None, "snapshots", "history", "profiles", "manifest"]),
    )
    def full(
        self,
        world: tuple[list[str], Values],
        keys: set[str],
        hours: int,
        parts: int,
        as_json: bool,
        keep: timedelta | None,
        killed: str | None,
    ) -> None:
        """A run of some computations over everyone; with no hours since the last it is a revision."""
        ids, values = world
        self._run(ids, {key: values[key] for key in keys}, None, hours, parts, as_json, keep, killed)

    @precondition(lambda self: self.values)
    @rule(
        world=worlds(),
        scope=st.sets(st.sampled_from(IDS)),
        hours=st.integers(0, 30),
        whole=st.booleans(),
        as_json=st.booleans(),
        keep=st.sampled_from([None, timedelta(hours=20)]),
        killed=st.sampled_from([None, None, None, "snapshots", "history", "manifest"]),
    )
    def partial(
        self,
        world: tuple[list[str], Values],
        scope: set[str],
        hours: int,
        whole: bool,
        as_json: bool,
        keep: timedelta | None,
        killed: str | None,
    ) -> None:
        """A run that computes anew only what is in scope; with ``whole``, one of the computations for everyone."""
        ids, values = world
        known = sorted(self.values)
        everyone = {known[0]} if whole else set()
        mixed = {
            key: values[key]
            if key in everyone
            else {
                **{id_: value for id_, value in self.values[key].items() if id_ not in scope},
                **{id_: value for id_, value in values[key].items() if id_ in scope},
            }
            for key in known
        }
        self._run(ids, mixed, (scope, everyone), hours, 1, as_json, keep, killed)

    @precondition(lambda self: self.values)
    @rule(how=st.sampled_from(["all", "index", "column"]))
    def results_are_lost(self, how: str) -> None:
        """Derived data may be removed, or damaged, at any time between runs."""
        folder = self.folder / "state" / "results"
        if how == "all":
            shutil.rmtree(folder, ignore_errors=True)
        elif folder.exists():
            for path in folder.glob("*.json" if how == "index" else "*/*.arrows"):
                path.write_bytes(b"")

    @precondition(lambda self: len(self.after) > 1)
    @rule(world=worlds(), data=st.data())
    def look_into_the_past(self, world: tuple[list[str], Values], data: st.DataObject) -> None:
        """A run at an earlier instant: its changes are those since what was known then, and nothing is kept."""
        earlier = [entry for entry in self.after if self.after[-1][0] > entry[0]]
        if not earlier:
            return
        state = self._state()
        as_of, then, _ = data.draw(st.sampled_from(earlier))
        then = [known for instant, known, _ in self.after if instant <= as_of][-1]
        ids, values = world
        draft = state.draft(self._result(state, as_of, ids, values, None, 1, as_json=False, kept=False))
        assert draft.past
        since = state.manifest.history_since if state.manifest is not None else None
        for key in values:
            assert dict(draft.snapshot(key).iter_rows()) == values[key]
            if since is None or as_of >= since:
                assert draft.changes(key).rows() == changes_between(key, then.get(key, {}), values[key])

    def _run(
        self,
        ids: list[str],
        values: Values,
        limited: tuple[set[str], set[str]] | None,
        hours: int,
        parts: int,
        as_json: bool,
        keep: timedelta | None,
        killed: str | None,
    ) -> None:
        if not self.after:
            hours = max(hours, 1)
        as_of = START + timedelta(hours=self.hours + hours)
        state = State.open(str(self.folder / "state"), create=True)
        with state.exclusive():
            draft = state.draft(self._result(state, as_of, ids, values, limited, parts, as_json=as_json, kept=True))
            changes = {key: changes_between(key, self.values.get(key, {}), values[key]) for key in values}
            for key, found in changes.items():
                assert draft.changes(key).rows() == found
                assert dict(draft.snapshot(key).iter_rows()) == values[key]
            if killed is not None and self._killed(state, draft, killed):
                return
            state.commit(draft, keep_history=keep)
        self.hours += hours
        self.values = {**self.values, **values}
        self.people = ids
        for key, found in changes.items():
            self.decided |= {(key, row[0]): as_of for row in found}
        self.after.append((as_of, self.values, changes))

    def _result(
        self,
        state: State,
        as_of: datetime,
        ids: list[str],
        values: Values,
        limited: tuple[set[str], set[str]] | None,
        parts: int,
        *,
        as_json: bool,
        kept: bool,
    ) -> RunResult:
        results = state.results([BY_KEY[key] for key in values], kept=kept)
        scope, everyone = limited or (set(), set(values))
        limit = [key for key in values if key not in everyone]
        if limited is not None:
            results.limit(limit, pl.Series(sorted(scope), dtype=pl.String))
        for level in Level:
            of_level = {key: found for key, found in values.items() if BY_KEY[key].level is level}
            self._add(results, level, ids, {key: of_level[key] for key in of_level if key not in limit}, parts, as_json)
            inside = [id_ for id_ in ids if id_ in scope]
            self._add(results, level, inside, {key: of_level[key] for key in of_level if key in limit}, 1, as_json)
        results.finish()
        return RunResult(
            as_of=as_of,
            inputs=f"{as_of} {values}",
            computed={key: Computed(BY_KEY[key], "definition") for key in values},
            results=results,
            profiles=self._profile_changes(ids) if limited else profiles(*(profile(id_) for id_ in ids)),
            computed_at=COMPUTED_AT,
        )

    def _profile_changes(self, ids: list[str]) -> ProfileChanges:
        new = [profile(id_) for id_ in ids if id_ not in self.people]
        return ProfileChanges(profiles(*new), pl.Series(sorted({*self.people} - {*ids}), dtype=pl.String))

    def _add(self, results: Results, level: Level, ids: list[str], values: Values, parts: int, as_json: bool) -> None:
        if not values:
            return
        for part in range(parts):
            some = ids[part::parts]
            columns = {
                # Only some parts are JSON: a column may change its form on the way.
                key: typed(key, [found.get(id_) for id_ in some], as_json=as_json and part == 0)
                for key, found in values.items()
            }
            results.add(level, pl.Series(some, dtype=pl.String), columns)

    def _killed(self, state: State, draft: Any, step: str) -> bool:
        """Whether the process died just before a step's write (some runs don't have the step)."""
        write = Table._write

        def dying(table: Table, *args: Any, **more: Any) -> int:
            if table.name == step:
                raise KilledError
            return write(table, *args, **more)

        def dies(*_: Any, **__: Any) -> Any:
            raise KilledError

        patch = (
            mock.patch.object(Storage, "create_file", dies)
            if step == "manifest"
            else mock.patch.object(Table, "_write", dying)
        )
        try:
            with patch, mock.patch.object(state, "manifest", state.manifest):
                state.commit(draft)
        except KilledError:
            return True
        # It was committed with nothing to write in that step: taken back, as if its manifest had not been written.
        newest = sorted((self.folder / "state" / "manifests").iterdir())[-1]
        newest.unlink()
        return True

    # ── what must hold ──────────────────────────────────────────────────────────────────────────────────────────

    def _state(self) -> State:
        return State.open(str(self.folder / "state"))

    @invariant()
    def the_present_is_right(self) -> None:
        if not self.after:
            return
        state = self._state()
        assert (state.run, state.as_of) == (len(self.after), self.after[-1][0])
        assert state.keys() == tuple(sorted(self.values))
        for key, values in self.values.items():
            assert state.snapshot(key).rows() == sorted(values.items())
            rows = state.scan_snapshot(key).collect().sort("id").rows()
            assert rows == [(id_, value, self.decided[key, id_]) for id_, value in sorted(values.items())]
            assert state.record(key).size == len(values)
            assert state.changes(key).rows() == self.after[-1][2].get(key, [])
        assert state.profiles().collect()["id"].to_list() == sorted(self.people)

    def _check_the_past(self) -> None:
        state = self._state()
        assert state.manifest is not None
        since = state.manifest.history_since
        for number, (as_of, values, changes) in enumerate(self.after, start=1):
            if since is not None and as_of < since:
                with pytest.raises(StateError, match="there is no run"):
                    state.snapshot_at("members", run=number)
                for key in values:
                    assert not any(row[4] < since for row in state.history(key).rows())
                    assert state.changes(key, run=number).is_empty()
                continue
            for key in values:
                assert state.snapshot_at(key, run=number).rows() == sorted(values[key].items())
                assert state.changes(key, run=number).rows() == changes.get(key, [])
                kept = [row for row in state.history(key).rows() if row[-1] == number]
                assert [row[:4] for row in kept] == changes.get(key, [])
                assert all(row[4] == as_of for row in kept)

    @invariant()
    def other_tools_find_the_present(self) -> None:
        """By the rule in the docstring of ``SNAPSHOTS``, on nothing but Delta tables and the manifest."""
        if not self.after:
            return
        state = self._state()
        assert state.manifest is not None
        tables = {name: self._rows(name, state.manifest.tables[name]) for name in ("snapshots", "history")}
        for key, record in state.manifest.computations.items():
            current = {row["id"]: row["value"] for row in tables["snapshots"] if row["computation"] == key}
            later = [row for row in tables["history"] if row["computation"] == key]
            for row in sorted(later, key=lambda row: row["run"]):
                if row["run"] > record.checkpoint_run and row["change"] in ("exited", "cleared"):
                    current.pop(row["id"], None)
                elif row["run"] > record.checkpoint_run:
                    current[row["id"]] = row["value"]
            assert current == self.values[key]

    def _rows(self, table: str, version: int) -> list[dict[str, Any]]:
        rows = pl.from_arrow(DeltaTable(str(self.folder / "state" / table), version=version).to_pyarrow_table())
        assert isinstance(rows, pl.DataFrame)
        return rows.to_dicts()


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """With limits as small as the data: checkpoints lag behind, chains are shortened, changes go to files."""
    monkeypatch.setattr(checkpoints, "SMALL", 1)
    monkeypatch.setattr(checkpoints, "LARGEST_SHARE", 1)
    monkeypatch.setattr(chains, "LONGEST", 3)
    monkeypatch.setattr(writing, "LARGEST_SHARE", 1)
    monkeypatch.setattr(change_frames, "ROWS_IN_MEMORY", 4)
    monkeypatch.setattr(sheets, "WAITING_BYTES", 40)
    monkeypatch.setattr(comparison, "SHARE_READ_BY_ROW", 1)


TestRandomRuns = RandomRuns.TestCase
TestRandomRuns.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=10, deadline=None, suppress_health_check=list(HealthCheck)
)
