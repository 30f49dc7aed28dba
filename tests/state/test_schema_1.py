"""A state that was written before checkpoints: read as it is, and changed by the next run."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from deltalake import write_deltalake

from audiences.state import State
from audiences.state.tables import HISTORY, PROFILES, SNAPSHOTS
from stateful import audience, committed, day, result

BIG = audience("big")
RECORD = {
    "key": "big",
    "kind": "audience",
    "level": "user",
    "as_of": "2024-01-02T00:00:00Z",
    "run": 2,
    "computed_at": "2024-01-02T00:00:00Z",
    "size": 1,
    "entered": 1,
    "exited": 1,
    "seconds": 0.5,
    "fingerprint": "definition",
    "inputs": "inputs",
    "first_run": 1,
    "first_as_of": "2024-01-01T00:00:00Z",
}
MANIFEST = {
    "schema_version": 1,
    "run_id": "x",
    "revision": 1,
    "computed_at": "2024-01-02T00:00:00Z",
    "inputs": "inputs",
    "tables": {"snapshots": 0, "history": 0, "profiles": 0},
}
CHANGES = [
    ("big", "p1", "entered", "true", "false", day(1), 1),
    ("big", "p1", "exited", "false", "true", day(2), 2),
    ("big", "p2", "entered", "true", "false", day(2), 2),
]


@pytest.fixture
def state(tmp_path: Path) -> State:
    """Two runs: p1 enters; p1 leaves and p2 enters."""
    tables = {
        "snapshots": pl.DataFrame([("big", "p2", "true", day(2))], schema=SNAPSHOTS, orient="row"),
        "history": pl.DataFrame(CHANGES, schema=HISTORY, orient="row"),
        "profiles": pl.DataFrame(schema=PROFILES),
    }
    for name, rows in tables.items():
        partition = ["computation"] if name == "snapshots" else None
        write_deltalake(str(tmp_path / "state" / name), rows.to_arrow(), partition_by=partition)
    folder = tmp_path / "state" / "manifests"
    folder.mkdir()
    for run in (1, 2):
        as_of = f"2024-01-0{run}T00:00:00Z"
        record = {**RECORD, "as_of": as_of, "run": run}
        manifest = {**MANIFEST, "run": run, "as_of": as_of, "computations": {"big": record}}
        (folder / f"{run:010d}.json").write_text(json.dumps(manifest))
    return State.open(str(tmp_path / "state"), create=True)


def test_it_is_read_as_it_is(state: State) -> None:
    assert state.snapshot("big").rows() == [("p2", "true")]
    assert state.snapshot_at("big", run=1).rows() == [("p1", "true")]
    assert state.history("big").rows() == [row[1:] for row in CHANGES]
    assert state.changes("big", run=1).rows() == [("p1", "entered", "true", "false")]


def test_the_next_run_goes_on_from_it(state: State, tmp_path: Path) -> None:
    committed(state, result(day(3), [(BIG, ["p2", "p3"]), (audience("new"), ["p9"])]))
    again = State.open(str(tmp_path / "state"))
    assert again.changes("big").rows() == [("p3", "entered", "true", "false")]
    assert again.snapshot("big").rows() == [("p2", "true"), ("p3", "true")]
    assert again.scan_snapshot("big").sort("id").collect()["as_of"].to_list() == [day(2), day(3)]
    assert again.history("big").height == len(CHANGES) + 1
    assert again.history("new").rows() == [("p9", "entered", "true", "false", day(3), 3)]
    assert again.snapshot_at("big", run=1).rows() == [("p1", "true")]
    raw = json.loads((tmp_path / "state" / "manifests" / "0000000003.json").read_text())
    assert raw["schema_version"] == 2
