"""Account level from the tables to the state, the CSV and the messages; every expectation is worked out by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from audiences import Project
from audiences.cli import app
from audiences.plan import make_plan
from audiences.run import computation_fingerprints
from audiences.state import State
from projects import SPACE

NEXT_DAY = datetime(2024, 6, 16, 12, tzinfo=UTC)

DEFINITIONS = """\
traits:
  - key: logins
    level: account
    event_counter: {event: Logged In}
    within: 7 days
    destinations: [crm]
  - key: own_logins
    level: account
    attribute_events_by: group_id
    event_counter: {event: Logged In}
    default: 0
audiences:
  - key: quiet_paid
    level: account
    all:
      - {trait: plan, one_of: [pro, business]}
      - none_of_the_users: [{event: Logged In, within: 7 days}]
    destinations: [{destination: crm, send: [group, identify]}]
  - key: users_of_quiet
    definition: trait('quiet_paid') = true
"""

EVENTS = [
    ("m1", "group", None, "ann", "2024-06-01T00:00:00Z", "acme", '{"plan":"pro"}'),
    ("m2", "group", None, "bob", "2024-06-01T00:00:00Z", "acme", "{}"),
    ("m3", "group", None, "bob", "2024-06-02T00:00:00Z", "beta", '{"plan":"business"}'),
    ("m4", "group", None, "cleo", "2024-06-02T00:00:00Z", "free", '{"plan":"free"}'),
    ("m5", "track", "Logged In", "ann", "2024-06-10T00:00:00Z", "acme", None),
    ("m6", "track", "Logged In", "bob", "2024-06-02T00:00:00Z", "beta", None),
    ("m7", "track", "Logged In", "ann", "2024-06-15T23:00:00Z", "acme", None),
]


def write(root: Path, definitions: str = DEFINITIONS) -> Path:
    (root / "definitions").mkdir(exist_ok=True)
    (root / "data").mkdir(exist_ok=True)
    space = SPACE.replace("  profiles: data/profiles.parquet\n", "")
    (root / "definitions/space.yml").write_text(space)
    (root / "definitions/accounts.yml").write_text(definitions)
    names = ["message_id", "type", "event", "user_id", "timestamp", "group_id", "traits"]
    pl.DataFrame(EVENTS, schema=names, orient="row").write_parquet(root / "data/events.parquet")
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path)


def values(run: Any, key: str) -> dict[str, Any]:
    return dict(run.snapshot(key).iter_rows())


def messages(root: Path) -> list[tuple[Any, ...]]:
    lines = [line for file in sorted(root.glob("deliveries/crm/*")) for line in file.read_text().splitlines()]
    found = map(json.loads, lines)
    rows = ((one["type"], one.get("groupId") or one["userId"], one["traits"], one["timestamp"][8:10]) for one in found)
    return sorted(rows, key=repr)


def test_a_run(root: Path) -> None:
    run = Project.load(root).run()
    assert values(run, "logins") == {"acme": 1}
    assert values(run, "own_logins") == {"acme": 1, "beta": 1, "free": 0}
    assert values(run, "quiet_paid") == {"beta": True}
    assert values(run, "users_of_quiet") == {"user_id:bob": True}
    assert run.changes("quiet_paid").rows() == [("beta", "entered", True, False)]
    assert messages(root) == [
        ("group", "acme", {"logins": 1}, "15"),
        ("group", "beta", {"quiet_paid": True}, "15"),
        ("identify", "bob", {"quiet_paid": True}, "15"),
    ]
    assert not Project.load(root).run().committed


def test_the_next_day(root: Path) -> None:
    Project.load(root).run()
    # The login of the 10th is 6.5 days old, that of the 15th is seen now.
    run = Project.load(root).run(as_of=NEXT_DAY)
    assert run.changes("logins").rows() == [("acme", "changed", 2, 1)]
    assert run.changes("quiet_paid").is_empty()
    later = Project.load(root).run(as_of=datetime(2024, 6, 23, 12, tzinfo=UTC))
    assert later.changes("logins").rows() == [("acme", "cleared", None, 2)]
    assert later.changes("quiet_paid").rows() == [("acme", "entered", True, False)]
    assert later.changes("users_of_quiet").rows() == [("user_id:ann", "entered", True, False)]
    assert ("group", "acme", {"logins": None}, "23") in messages(root)


def test_the_state_keeps_the_accounts(root: Path) -> None:
    project = Project.load(root)
    project.run()
    state = project.state()
    assert state is not None and state.manifest is not None
    assert state.accounts().collect().rows() == [
        ("acme", '{"plan":"pro"}'),
        ("beta", '{"plan":"business"}'),
        ("free", '{"plan":"free"}'),
    ]
    assert state.manifest.tables["accounts"] == 0
    project.run(as_of=NEXT_DAY)
    again = project.state()
    assert again is not None and again.manifest is not None
    assert again.manifest.tables["accounts"] == 0  # nothing new, nothing written


def test_a_state_without_account_level_has_no_accounts(root: Path) -> None:
    write(root, "traits: [{key: own, event_counter: {event: Logged In}}]\n")
    project = Project.load(root)
    project.run()
    state = project.state()
    assert state is not None and state.manifest is not None
    assert "accounts" not in state.manifest.tables
    assert state.accounts().collect().is_empty()
    assert not (root / ".audiences/accounts").exists()
    write(root)
    Project.load(root).run()
    assert State.open(str(root / ".audiences")).accounts().collect().height == 3


def test_a_run_of_users_alone_keeps_the_accounts_of_the_run_before(root: Path) -> None:
    write(root, DEFINITIONS.replace("traits:\n", "traits:\n  - {key: own, event_counter: {event: Logged In}}\n", 1))
    project = Project.load(root)
    project.run()
    project.run(as_of=NEXT_DAY, keys=["own"])
    state = project.state()
    assert state is not None and state.accounts().collect().height == 3


def test_exports(root: Path) -> None:
    Project.load(root).run()
    folder = ["--project", str(root), "--output", "-", "--format", "unformatted"]
    accounts = CliRunner().invoke(app, ["export", "quiet_paid", *folder])
    assert accounts.output.splitlines() == ["key,external_ids", "beta,{}"]
    users = CliRunner().invoke(app, ["export", "quiet_paid", "--users", *folder])
    assert users.output.splitlines() == ["key,external_ids", 'user_id:bob,"{""user_id"":[""bob""]}"']


def test_how_events_are_attributed_is_part_of_the_fingerprint(root: Path) -> None:
    computations = Project.load(root).usable
    before = computation_fingerprints(make_plan(computations))
    write(root, DEFINITIONS.replace("    attribute_events_by: group_id\n", ""))
    after = computation_fingerprints(make_plan(Project.load(root).usable))
    assert {key for key in before if before[key] != after[key]} == {"own_logins"}


def test_a_preview_lists_accounts(root: Path) -> None:
    (preview,) = Project.load(root).preview("quiet_paid")
    assert (preview.size, preview.rows) == (1, (("beta", "true"),))
