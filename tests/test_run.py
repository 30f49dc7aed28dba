"""Runs of a small project, one after another; every expectation is worked out by hand from tests/projects.py."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

import audiences
from audiences import Project, Run
from audiences.state import State
from projects import DEFINITIONS, EVENTS, SPACE, Event, write_events, write_project

AS_OF = datetime(2024, 6, 15, 12, tzinfo=UTC)
DAY_LATER = datetime(2024, 6, 16, 12, tzinfo=UTC)
NEW_ORDER: Event = ("m5", "cleo", "Order Completed", "2024-06-16T09:00:00Z", {"total": 500})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_project(tmp_path)


def as_dict(frame: pl.DataFrame) -> dict[str, object]:
    return dict(frame.select("id", "value").iter_rows())


def changes_of(run: Run, key: str) -> list[tuple[object, ...]]:
    return run.changes(key).rows()


def messages(root: Path) -> list[dict[str, object]]:
    files = sorted((root / "deliveries/crm").rglob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def everything_below(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_first_run(root: Path) -> None:
    run = Project.load(root).run()
    assert (run.as_of, run.number, run.committed) == (AS_OF, 1, True)
    assert as_dict(run.snapshot("orders")) == {"p_ann": 2, "p_bob": 1}
    assert as_dict(run.snapshot("revenue")) == {"p_ann": 120.5, "p_bob": 7.0}
    assert as_dict(run.snapshot("buyers")) == {"p_ann": True, "p_bob": True}
    assert as_dict(run.snapshot("big_buyers")) == {"p_ann": True}
    assert changes_of(run, "buyers") == [("p_ann", "entered", True, False), ("p_bob", "entered", True, False)]
    assert changes_of(run, "orders") == [("p_ann", "set", 2, None), ("p_bob", "set", 1, None)]


def test_same_again_changes_nothing(root: Path) -> None:
    Project.load(root).run()
    before = everything_below(root)
    run = Project.load(root).run()
    assert not run.committed and run.number == 1
    assert as_dict(run.snapshot("revenue")) == {"p_ann": 120.5, "p_bob": 7.0}
    assert run.changes("revenue").is_empty()
    assert everything_below(root) == before


def test_next_run_tells_only_what_is_new(root: Path) -> None:
    Project.load(root).run()
    write_events(root / "data/events.parquet", [*EVENTS[1:], NEW_ORDER])
    run = Project.load(root).run(as_of=DAY_LATER)
    assert run.number == 2
    assert changes_of(run, "orders") == [("p_ann", "changed", 1, 2), ("p_cleo", "set", 1, None)]
    assert changes_of(run, "buyers") == [("p_cleo", "entered", True, False)]
    assert changes_of(run, "big_buyers") == [
        ("p_ann", "exited", False, True),
        ("p_cleo", "entered", True, False),
    ]
    sent = [message for message in messages(root) if message["timestamp"] == "2024-06-16T12:00:00Z"]
    told = {
        (
            str(message["userId"]),
            str(message["type"]),
            json.dumps(message.get("traits") or message["properties"]),
        )
        for message in sent
        if "email" not in json.dumps(message)
    }
    assert told == {
        ("ann", "identify", '{"orders": 1}'),
        ("cleo", "identify", '{"orders": 1}'),
        ("cleo", "identify", '{"buyers": true}'),
        ("cleo", "track", '{"audience_key": "buyers", "buyers": true}'),
    }


def test_new_inputs_at_the_same_instant_are_a_revision(root: Path) -> None:
    Project.load(root).run()
    write_events(root / "data/events.parquet", EVENTS[:2])
    run = Project.load(root).run()
    assert (run.committed, run.revision) == (True, 2)
    assert changes_of(run, "buyers") == [("p_bob", "exited", False, True)]


def test_look_into_the_past_keeps_nothing(root: Path) -> None:
    Project.load(root).run()
    before = everything_below(root)
    run = Project.load(root).run(as_of=datetime(2024, 6, 5, tzinfo=UTC))
    assert not run.committed and run.number is None
    assert as_dict(run.snapshot("orders")) == {"p_ann": 1}
    assert run.deliveries == ()
    assert everything_below(root) == before


def test_dry_run_writes_nothing(root: Path) -> None:
    before = everything_below(root)
    run = Project.load(root).run(dry_run=True)
    assert as_dict(run.snapshot("big_buyers")) == {"p_ann": True}
    # orders: 2 profiles x 2 identifiers; buyers: the same, identify and track
    assert sum(delivery.created for delivery in run.deliveries) == 4 + 8
    assert everything_below(root) == before
    assert not (root / ".audiences").exists()


def test_without_delivery_the_next_run_catches_up(root: Path) -> None:
    assert Project.load(root).run(deliver=False).deliveries == ()
    assert messages(root) == []
    Project.load(root).run()
    assert len(messages(root)) == 12


def test_a_key_brings_what_it_depends_on_and_delivers_only_itself(root: Path) -> None:
    run = Project.load(root).run(keys=["buyers"])
    assert [result.key for result in run.results] == ["orders", "buyers"]
    assert {delivery.computation for delivery in run.deliveries} == {"buyers"}


def test_a_broken_definition_stops_nobody_else(root: Path) -> None:
    Project.load(root).run()
    (root / "definitions/broken.yml").write_text(
        "audiences:\n  - {key: wrong, definition: \"event('X').count()\"}\n"
        "  - {key: uses_wrong, definition: \"trait('wrong') = true\"}\n"
    )
    run = Project.load(root).run(as_of=DAY_LATER)
    assert {problem.key for problem in run.problems} == {"wrong", "uses_wrong"}
    assert [result.key for result in run.results] == ["orders", "revenue", "buyers", "big_buyers"]
    assert run.exit_code == 2


def test_a_disabled_computation_keeps_its_snapshot_for_others(root: Path) -> None:
    Project.load(root).run()
    disabled = DEFINITIONS.replace("    name: Buyers\n", "    name: Buyers\n    enabled: false\n")
    (root / "definitions/shop.yml").write_text(disabled)
    write_events(root / "data/events.parquet", [NEW_ORDER])
    run = Project.load(root).run(as_of=DAY_LATER)
    # cleo spent 500, but the audience of buyers stands still with ann and bob, who spent nothing any more
    assert as_dict(run.snapshot("big_buyers")) == {}
    assert "buyers" not in [result.key for result in run.results]


def test_a_cancelled_run_leaves_no_results(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Project.load(root).run()
    results = root / ".audiences/results"
    before = everything_below(results)
    write_events(root / "data/events.parquet", [NEW_ORDER])

    def cancelled(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for step in ("draft", "commit"):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(State, step, cancelled)
            Project.load(root).run(as_of=DAY_LATER)
        assert everything_below(results) == before
    assert before
    Project.load(root).run(as_of=DAY_LATER)
    assert everything_below(results).keys().isdisjoint(before)


def test_what_a_run_found_can_be_read_after_later_runs(root: Path) -> None:
    first = Project.load(root).run()
    write_events(root / "data/events.parquet", [NEW_ORDER])
    later = Project.load(root).run(as_of=DAY_LATER)
    assert as_dict(later.snapshot("orders")) == {"p_cleo": 1}
    assert as_dict(first.snapshot("orders")) == {"p_ann": 2, "p_bob": 1}
    assert changes_of(first, "orders") == [("p_ann", "set", 2, None), ("p_bob", "set", 1, None)]


def test_preview_of_a_file(root: Path) -> None:
    file = root / "idea.yml"
    file.write_text("audiences:\n  - {key: idea, all: [{audience: buyers}, {trait: orders, equals: 2}]}\n")
    (preview,) = Project.load(root).preview(str(file))
    assert (preview.key, preview.size, preview.rows) == ("idea", 1, (("p_ann", "true"),))
    assert not (root / ".audiences").exists()


def test_without_a_fixed_clock_the_hour_counts(tmp_path: Path) -> None:
    root = write_project(tmp_path, space="\n".join(line for line in SPACE.splitlines() if "as_of" not in line))
    run = Project.load(root).run()
    assert run.as_of.tzinfo is UTC and (run.as_of.minute, run.as_of.second, run.as_of.microsecond) == (
        0,
        0,
        0,
    )
    assert abs((datetime.now(UTC) - run.as_of).total_seconds()) < 2 * 3600


def test_unknown_key_in_python(root: Path) -> None:
    with pytest.raises(audiences.DefinitionError, match="did you mean 'buyers'"):
        Project.load(root).run(keys=["buyer"])
