"""What makes a profile or account affected: each cause on its own, who is computed for it, and what comes out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from audiences import incremental, run
from audiences.errors import StateError
from audiences.project import Project
from audiences.run import Run

START = datetime(2024, 6, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
OTHERS = 20
"""Profiles to which nothing ever happens: so few are affected that they alone are computed."""

SPACE = """\
space: {id: spa_test, slug: test}
sources: {events: data/events, profiles: data/profiles.parquet, accounts: data/accounts.parquet}
state: .audiences
"""


class Space:
    """A project with one event of everybody, a year old, and what each run computes."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.files = folder, 0
        self.people: dict[str, dict[str, Any]] = {}
        self.accounts: dict[str, dict[str, Any]] = {}
        self.computed: list[tuple[tuple[str, ...], list[str] | None, list[str] | None]] = []
        (folder / "data" / "events").mkdir(parents=True)
        (folder / "definitions").mkdir()
        (folder / "definitions" / "space.yml").write_text(SPACE)

        def watched(*arguments: Any) -> tuple[incremental.Pass, ...]:
            found = incremental.passes(*arguments)
            self.computed = [(one.keys, _ids(one.users), _ids(one.accounts)) for one in found]
            return found

        monkeypatch.setattr(run, "passes", watched)
        for number in range(OTHERS):
            self.people[f"other{number:02}"] = {"account_ids": [f"quiet{number % 7}"]}
        self.people |= {"ann": {"account_ids": ["acme"]}, "bob": {"account_ids": ["acme"]}, "cleo": {"account_ids": []}}
        self.accounts |= {f"quiet{number}": {"plan": "free"} for number in range(7)} | {"acme": {"plan": "free"}}
        self.events(*(("Started", user, -365 * 24, {}) for user in self.people))

    def define(self, *lines: str) -> None:
        """Writes definitions: ``kind key: definition`` or, at account level, ``kind key @: definition``."""
        found: dict[str, list[dict[str, Any]]] = {"traits": [], "audiences": []}
        for line in lines:
            head, _, text = line.partition(": ")
            kind, key, *level = head.split()
            entry = {"key": key, "definition": text, "level": "account" if level else "user"}
            found[f"{kind}s"].append(entry)
        (self.folder / "definitions" / "all.yml").write_text(json.dumps(found))

    def events(self, *rows: tuple[str, str, float, Mapping[str, Any]], **columns: Any) -> None:
        """A new file: event, user, hours after the start, properties."""
        self.files += 1
        frame = pl.DataFrame(
            {
                "message_id": [columns.get("message_id") or f"{self.files}-{number}" for number in range(len(rows))],
                "type": [columns.get("type", "track")] * len(rows),
                "event": [row[0] for row in rows],
                "user_id": [row[1] for row in rows],
                "group_id": [columns.get("group_id")] * len(rows),
                "timestamp": [START + row[2] * HOUR for row in rows],
                "received_at": [columns.get("received_at", START)] * len(rows),
                "properties": [json.dumps(row[3]) for row in rows],
                "traits": [json.dumps(columns.get("traits"))] * len(rows),
            },
            schema_overrides={"group_id": pl.String, "event": pl.String, "traits": pl.String},
        )
        frame.write_parquet(self.folder / "data" / "events" / f"{self.files:03}.parquet")

    def run(self, hours: float, **options: Any) -> Run:
        """A run so many hours after the start."""
        people = [
            {
                "profile_id": id,
                "traits": json.dumps(row.get("traits", {})),
                "external_ids": json.dumps([{"type": "user_id", "value": one} for one in row.get("ids", [id])]),
                "account_ids": row.get("account_ids"),
            }
            for id, row in self.people.items()
        ]
        accounts = [{"account_id": id, "traits": json.dumps(row)} for id, row in self.accounts.items()]
        self._write("profiles", pl.DataFrame(people, schema_overrides={"account_ids": pl.List(pl.String)}))
        self._write("accounts", pl.DataFrame(accounts))
        return Project.load(self.folder).run(as_of=START + hours * HOUR, **options)

    def _write(self, name: str, frame: pl.DataFrame) -> None:
        path = self.folder / "data" / f"{name}.parquet"
        if not path.exists() or not pl.read_parquet(path).equals(frame):
            frame.write_parquet(path)

    def values(self, done: Run, key: str) -> dict[str, Any]:
        """The snapshot, without those to whom nothing happens."""
        return {id: value for id, value in done.snapshot(key).iter_rows() if not id.startswith(("other", "quiet"))}


def _ids(series: pl.Series | None) -> list[str] | None:
    return None if series is None else series.to_list()


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Space:
    return Space(tmp_path, monkeypatch)


def only(space: Space, users: Sequence[str], *keys: str) -> None:
    """One pass, over these users, for these computations."""
    assert space.computed == [(keys, list(users), [])]


def test_nothing_happened(space: Space) -> None:
    space.define("trait orders: event('Ordered').count()")
    space.events(("Ordered", "ann", -5, {}))
    space.run(0)
    assert space.computed == [(("orders",), None, None)]
    assert space.values(space.run(1), "orders") == {"ann": 1}
    only(space, [], "orders")


def test_new_events(space: Space) -> None:
    space.define("trait orders: event('Ordered').count()")
    space.events(("Ordered", "ann", -5, {}))
    space.run(0)
    space.events(("Ordered", "ann", 0.5, {}), ("Ordered", "new", 0.5, {}), ("Clicked", "bob", 0.5, {}))
    done = space.run(1)
    assert space.values(done, "orders") == {"ann": 2, "user_id:new": 1}
    only(space, ["ann", "user_id:new"], "orders")
    changes = set(done.changes("orders").select("id", "change").iter_rows())
    assert changes == {("ann", "changed"), ("user_id:new", "set")}


def test_a_late_event(space: Space) -> None:
    space.define("trait first: event('Ordered').first(property('n'))")
    space.events(("Ordered", "ann", -5, {"n": 1}))
    space.run(0)
    space.events(("Ordered", "ann", -100, {"n": 2}))
    assert space.values(space.run(1), "first") == {"ann": 2}
    only(space, ["ann"], "first")


def test_an_event_that_was_in_the_future(space: Space) -> None:
    space.define("trait orders: event('Ordered').count()")
    space.events(("Ordered", "ann", 0.5, {}), ("Ordered", "later", 1.5, {}))
    assert space.values(space.run(0), "orders") == {}
    assert space.values(space.run(1), "orders") == {"ann": 1}
    only(space, ["ann"], "orders")
    assert space.values(space.run(2), "orders") == {"ann": 1, "user_id:later": 1}
    only(space, ["user_id:later"], "orders")


def test_events_leave_and_enter_windows(space: Space) -> None:
    space.define(
        "trait lately: event('Ordered').within(24 hours).count()",
        "trait before: event('Ordered').between(24 hours, 48 hours).count()",
    )
    space.events(("Ordered", "ann", -23.5, {}), ("Ordered", "bob", -47.5, {}), ("Ordered", "cleo", -30, {}))
    done = space.run(0)
    assert (space.values(done, "lately"), space.values(done, "before")) == ({"ann": 1}, {"bob": 1, "cleo": 1})
    done = space.run(1)
    assert (space.values(done, "lately"), space.values(done, "before")) == ({}, {"ann": 1, "cleo": 1})
    only(space, ["ann", "bob"], "lately", "before")


def test_the_deadline_of_did_not(space: Space) -> None:
    space.define(
        "audience left: event('Added').where(event('Ordered').within(parent: 24 hours).count() = 0)"
        ".between(24 hours, 72 hours).count() >= 1"
    )
    space.events(("Added", "ann", -23.5, {}), ("Added", "bob", -23.5, {}), ("Ordered", "bob", -20, {}))
    assert space.values(space.run(0), "left") == {}
    assert space.values(space.run(1), "left") == {"ann": True}
    only(space, ["ann", "bob"], "left")


def test_a_nested_event_leaves_its_own_window(space: Space) -> None:
    space.define(
        "audience busy: event('Added').where(event('Ordered').within(24 hours).count() >= 1).count() >= 1",
    )
    space.events(("Added", "ann", -200, {}), ("Ordered", "ann", -23.5, {}), ("Added", "bob", -200, {}))
    assert space.values(space.run(0), "busy") == {"ann": True}
    assert space.values(space.run(1), "busy") == {}
    only(space, ["ann"], "busy")


def test_dates_that_are_compared_with_now(space: Space) -> None:
    space.people["ann"]["traits"] = {"renews": "2024-06-16T12:30:00Z"}
    space.define(
        "trait last: event('Ordered').last(property('at'))",
        "audience soon: trait('renews').within_next(1 day)",
        "audience recent: trait('last').within_last(1 day)",
        "trait orders: event('Ordered').count()",
    )
    space.events(("Ordered", "bob", -30, {"at": "2024-06-14T12:30:00Z"}))
    done = space.run(0)
    assert (space.values(done, "soon"), space.values(done, "recent")) == ({}, {"bob": True})
    done = space.run(1)
    assert (space.values(done, "soon"), space.values(done, "recent")) == ({"ann": True}, {})
    only(space, ["ann", "bob"], "last", "orders", "soon", "recent")


def test_other_dates_that_are_compared_with_now(space: Space) -> None:
    space.define(
        "audience due: event('Billed').where(property('due').within_next(1 day)).count() >= 1",
        "trait orders: event('Ordered').count()",
    )
    space.events(("Billed", "ann", -30, {"due": "2024-06-16T12:30:00Z"}))
    assert space.values(space.run(0), "due") == {}
    assert space.values(space.run(1), "due") == {"ann": True}
    assert space.computed == [(("due",), None, None), (("orders",), [], [])]


def test_traits_and_identifiers_of_profiles(space: Space) -> None:
    space.define("trait orders: event('Ordered').count()", "audience rich: trait('score') > 5")
    space.events(("Ordered", "ann", -5, {}), ("Ordered", "ann2", -5, {}))
    space.people["bob"]["traits"] = {"score": 1}
    done = space.run(0)
    assert space.values(done, "orders") == {"ann": 1, "user_id:ann2": 1}
    space.people["ann"]["ids"] = ["ann", "ann2"]
    space.people["bob"]["traits"] = {"score": 9}
    del space.people["cleo"]
    done = space.run(1)
    assert (space.values(done, "orders"), space.values(done, "rich")) == ({"ann": 2}, {"bob": True})
    only(space, ["ann", "bob", "cleo", "user_id:ann2", "user_id:cleo"], "orders", "rich")


def test_identify_calls(space: Space) -> None:
    space.define("audience german: trait('country') = 'DE'")
    space.events(("x", "new", -5, {}), type="identify", traits={"country": "FR"})
    assert space.values(space.run(0), "german") == {}
    space.events(("x", "new", 0.5, {}), type="identify", traits={"country": "DE"})
    assert space.values(space.run(1), "german") == {"user_id:new": True}
    only(space, ["user_id:new"], "german")


def test_a_copy_that_counts_instead(space: Space) -> None:
    space.define("trait orders: event('Ordered').count()")
    space.events(("Ordered", "ann", -5, {}), message_id="same")
    assert space.values(space.run(0), "orders") == {"ann": 1}
    space.events(("Ordered", "bob", -5, {}), message_id="same", received_at=START - HOUR)
    assert space.values(space.run(1), "orders") == {"bob": 1}
    only(space, ["ann", "bob"], "orders")


def test_what_depends_on_a_changed_computation(space: Space) -> None:
    space.define(
        "trait orders: event('Ordered').within(24 hours).count()",
        "audience buyers: trait('orders') >= 1",
        "audience lapsed: NOT trait('buyers') = true AND event('Started').count() >= 1",
    )
    space.events(("Ordered", "ann", -23.5, {}))
    assert "ann" not in space.values(space.run(0), "lapsed")
    done = space.run(1)
    assert space.values(done, "buyers") == {}
    assert space.values(done, "lapsed") == dict.fromkeys(["ann", "bob", "cleo"], True)
    only(space, ["ann"], "orders", "buyers", "lapsed")


def test_definitions_that_are_new_or_edited(space: Space) -> None:
    space.define("trait orders: event('Ordered').count()", "trait clicks: event('Clicked').count()")
    space.events(("Ordered", "ann", -5, {}), ("Clicked", "bob", -5, {}), ("Seen", "cleo", -5, {}))
    space.run(0)
    space.define(
        "trait orders: event('Ordered').count()",
        "trait clicks: event('Clicked').within(1 hour).count()",
        "trait seen: event('Seen').count()",
    )
    done = space.run(1)
    assert [space.values(done, key) for key in ("orders", "clicks", "seen")] == [{"ann": 1}, {}, {"cleo": 1}]
    assert space.computed == [(("clicks", "seen"), None, None), (("orders",), [], [])]


def test_accounts(space: Space) -> None:
    space.define(
        "audience active @: event('Ordered').within(24 hours).count() >= 1",
        "audience paying @: trait('plan') = 'paid'",
        "audience lazy @: NOT ANY (event('Clicked').count() >= 1)",
        "audience insiders: trait('active') = true",
        "trait orders: event('Ordered').count()",
    )
    space.events(("Ordered", "ann", -23.5, {}))
    done = space.run(0)
    assert [space.values(done, key) for key in ("active", "insiders")] == [{"acme": True}, {"ann": True, "bob": True}]
    done = space.run(1)
    assert [space.values(done, key) for key in ("active", "insiders")] == [{}, {}]
    assert space.computed == [
        (("orders",), [], []),
        (("active", "paying", "lazy", "insiders"), ["ann", "bob"], ["acme"]),
    ]
    space.accounts["acme"] = {"plan": "paid"}
    assert space.values(space.run(2), "paying") == {"acme": True}
    space.people["cleo"]["account_ids"] = ["acme"]
    space.events(("Clicked", "cleo", -100, {}))
    assert space.values(space.run(3), "lazy") == {}
    space.people["cleo"]["account_ids"] = ["quiet1"]
    assert space.values(space.run(4), "lazy") == {"acme": True}
    done = space.run(5)
    assert space.computed == [
        (("orders",), [], []),
        (("active", "paying", "lazy", "insiders"), [], []),
    ]
    assert "quiet1" not in dict(done.snapshot("lazy").iter_rows())


def test_group_calls(space: Space) -> None:
    space.people["cleo"]["account_ids"] = None
    space.define("audience active @: event('Ordered').count() >= 1", "audience big @: trait('size') > 5")
    space.events(("Ordered", "cleo", -5, {}))
    assert space.values(space.run(0), "active") == {}
    space.events(("x", "cleo", 0.5, {}), type="group", group_id="new", traits={"size": 9})
    done = space.run(1)
    assert [space.values(done, key) for key in ("active", "big")] == [{"new": True}, {"new": True}]
    ((_, users, accounts),) = space.computed
    assert (users, accounts) == (["cleo"], ["new"])


def test_runs_of_some_computations(space: Space) -> None:
    space.define("trait orders: event('Ordered').within(24 hours).count()", "trait clicks: event('Clicked').count()")
    space.events(("Ordered", "ann", -23.5, {}), ("Ordered", "bob", -21.5, {}))
    space.run(0)
    space.events(("Clicked", "cleo", 0.5, {}), ("Ordered", "cleo", 0.5, {}))
    space.run(1, keys=["clicks"])
    only(space, ["cleo"], "clicks")
    space.events(("Clicked", "ann", 1.5, {}))
    space.run(2, keys=["clicks"])
    only(space, ["ann"], "clicks")
    done = space.run(3)
    assert [space.values(done, key) for key in ("orders", "clicks")] == [{"cleo": 1}, {"ann": 1, "cleo": 1}]
    only(space, ["ann", "bob", "cleo"], "orders", "clicks")


def test_a_disabled_computation_that_is_run_after_all(space: Space) -> None:
    space.define(
        "trait frozen: event('Ordered').count()", "trait twice: trait('frozen')", "audience any: trait('twice') >= 1"
    )
    path = space.folder / "definitions" / "all.yml"
    found = json.loads(path.read_text())
    found["traits"][0]["enabled"] = False
    path.write_text(json.dumps(found))
    space.events(("Ordered", "ann", -5, {}))
    assert space.values(space.run(0), "any") == {}
    space.run(1, keys=["frozen"])
    assert space.values(space.run(2, keys=["twice"]), "twice") == {"ann": 1}
    assert space.values(space.run(3), "any") == {"ann": True}


def test_full(space: Space) -> None:
    space.define("trait orders: event('Ordered').count()")
    space.events(("Ordered", "ann", -5, {}))
    space.run(0)
    space.computed = []
    done = space.run(0, full=True)
    assert (space.computed, done.revision, done.committed) == ([], 2, True), "everything, even where nothing is new"
    space.run(1)
    only(space, [], "orders")


def test_verify_finds_what_is_wrong(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    space.define("trait orders: event('Ordered').within(24 hours).count()")
    space.events(("Ordered", "ann", -23.5, {}))
    space.run(0, verify=1.0)
    monkeypatch.setattr(incremental, "crossing", lambda *_: ())
    with pytest.raises(StateError, match=r"orders \(1; ann has 1, not none\)"):
        space.run(1, verify=1.0)
    monkeypatch.undo()
    assert Project.load(space.folder).state().as_of == START, "nothing was kept"  # type: ignore[union-attr]


def test_a_basis_that_is_lost_or_damaged(space: Space) -> None:
    space.define("trait orders: event('Ordered').within(24 hours).count()")
    space.events(("Ordered", "ann", -23.5, {}))
    space.run(0)
    (basis,) = (space.folder / ".audiences" / "events" / "universe").glob("*.json")
    basis.write_bytes(basis.read_bytes()[:-20])
    assert space.values(space.run(1), "orders") == {}
    assert space.computed == [(("orders",), None, None)]
    space.run(2)
    only(space, [], "orders")


def test_many_affected_are_everyone(space: Space) -> None:
    space.define("trait orders: event('Ordered').count()")
    space.run(0)
    space.events(*(("Ordered", f"other{number:02}", 0.5, {}) for number in range(OTHERS)))
    assert space.run(1).snapshot("orders").height == OTHERS
    assert space.computed == [(("orders",), None, None)]
